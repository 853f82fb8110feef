/* The explorer's sentences, and how it writes a number. */

export const PROBLEMS = {
  empty: "There is no point left. Add some, or draw a new sample.",
  "one class": "All points are of one class, so with λ = 0 there is no boundary to "
    + "find: the weights run away. Raise λ, or flip a label.",
  separable: "A straight line parts these classes without a mistake. With λ = 0 there "
    + "is then no optimum: steeper is always better, and the weights run away. "
    + "Raise λ, or flip a label.",
  flat: "With λ = 0 many boundaries are equally good here: the points lie on one line. "
    + "Raise λ, or move a point.",
};
export const ONE_CLASS = "All points are of one class. Only the penalty λ holds the "
  + "model back, and its boundary may lie outside the picture.";

export const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const minus = text => text.replace("-", "−");

/** Three significant digits without an exponent, and a real minus sign. */
export function digits(value, signed = false) {
  if (value === 0) return "0";
  const places = clamp(2 - Math.floor(Math.log10(Math.abs(value))), 0, 8);
  const text = value.toFixed(places);
  return minus(signed && value > 0 ? `+${text}` : text);
}
