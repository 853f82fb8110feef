/* The colors of influence, in the light and in the dark. */

// ColorBrewer's RdBu (Brewer 2003), as matplotlib has it; in the dark the middle is
// dark, so that zero stays quiet.
export const SCALES = {
  light: ["#67001f", "#b2182b", "#d6604d", "#f4a582", "#fddbc7", "#f7f7f7",
    "#d1e5f0", "#92c5de", "#4393c3", "#2166ac", "#053061"],
  dark: ["#ffb4a0", "#ff8468", "#e4593f", "#b03a2a", "#6b2f29", "#33393f",
    "#2a4a63", "#2f74a6", "#459bd6", "#7cc4f5", "#b5e0ff"],
};
export const STEPS = 101;

function ramp(stops) {
  const parse = hex => [1, 3, 5].map(k => parseInt(hex.slice(k, k + 2), 16));
  const channels = stops.map(parse);
  return Array.from({ length: STEPS }, (_, step) => {
    const at = step / (STEPS - 1) * (stops.length - 1);
    const k = Math.min(Math.floor(at), stops.length - 2), part = at - k;
    const mixed = (c, j) => Math.round(c + part * (channels[k + 1][j] - c));
    return `rgb(${channels[k].map(mixed).join(" ")})`;
  });
}
export const RAMPS = { light: ramp(SCALES.light), dark: ramp(SCALES.dark) };

/** Is the page around the element dark? Its text color knows, whatever the site calls
    its themes. */
export function isDark(element) {
  const numbers = getComputedStyle(element).color.match(/[\d.]+/g) || [0, 0, 0];
  const [r, g, b] = numbers.map(Number);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 140;
}
