/* The numbers of the influence explorer: nothing here knows about the page.

   Logistic regression in the plane with parameters θ = (w₀, w₁, b) and objective
       R(θ) = (1/n) Σ L(zᵢ, θ) + (λ/2)‖θ‖²,
       L(z, θ) = log(1 + exp(−s·θᵀx̃)),   x̃ = (x₀, x₁, 1),   s = ±1.
   Points are flat arrays: x is [n·2] with (x₀, x₁) in turn, y is [n] of 0 and 1.
   The derivation is in nbs/75_explorer.ipynb. */

export const MEANS = [[0, 0], [1, 1]];
const TEST_POINTS = 500, TEST_STREAM = 0x9e3779b9;

/** A small generator of uniform numbers in [0, 1), the same in every browser and in
    Python (mulberry32). */
export function uniforms(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** n points of two blobs: {x, y, luck}. The first n points of a seed are always the
    same, and move smoothly with sigma. */
export function blobs(n, sigma, seed) {
  const next = uniforms(seed), x = new Float64Array(2 * n), y = new Uint8Array(n);
  const luck = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    y[i] = next() < 0.5 ? 0 : 1;
    const radius = sigma * Math.sqrt(-2 * Math.log(1 - next()));
    const angle = 2 * Math.PI * next();
    x[2 * i] = MEANS[y[i]][0] + radius * Math.cos(angle);
    x[2 * i + 1] = MEANS[y[i]][1] + radius * Math.sin(angle);
    luck[i] = next();
  }
  return { x, y, luck };
}

/** The clean points that the model never sees, on which the loss is measured. */
export function testSet(sigma, seed) {
  return blobs(TEST_POINTS, sigma, (seed ^ TEST_STREAM) >>> 0);
}

/** Which points chance gives a wrong label: the round(rate·n) with the least luck, as a
    set of indices. */
export function unlucky(luck, rate) {
  const order = Array.from(luck, (_, i) => i).sort((i, j) => luck[i] - luck[j]);
  return new Set(order.slice(0, Math.floor(rate * luck.length + 0.5)));
}

const sigmoid = z => z >= 0 ? 1 / (1 + Math.exp(-z)) : 1 - 1 / (1 + Math.exp(z));
const softplus = z => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));
const norm = v => Math.hypot(v[0], v[1], v[2]);

/** R(θ), its gradient [3], its Hessian as (h₀₀, h₀₁, h₀₂, h₁₁, h₁₂, h₂₂), and whether
    every point is on its side.
    Point `leftOut` gets weight zero; the rest keep 1/n. */
export function objective(theta, x, y, lambda, leftOut = -1) {
  const n = y.length, [u, v, b] = theta;
  let value = 0, g0 = 0, g1 = 0, g2 = 0, allRight = true;
  let h00 = 0, h01 = 0, h02 = 0, h11 = 0, h12 = 0, h22 = 0;
  for (let i = 0; i < n; i++) {
    if (i === leftOut) continue;
    const a = x[2 * i], c = x[2 * i + 1], z = u * a + v * c + b, margin = y[i] ? z : -z;
    const wrong = sigmoid(-margin), w = wrong * (1 - wrong);
    const r = y[i] ? -wrong : wrong;  // p − y
    if (!(margin > 0)) allRight = false;
    value += softplus(-margin);
    g0 += r * a; g1 += r * c; g2 += r;
    h00 += w * a * a; h01 += w * a * c; h02 += w * a;
    h11 += w * c * c; h12 += w * c; h22 += w;
  }
  return {
    value: value / n + lambda / 2 * (u * u + v * v + b * b), allRight,
    gradient: [g0 / n + lambda * u, g1 / n + lambda * v, g2 / n + lambda * b],
    hessian: [h00 / n + lambda, h01 / n, h02 / n, h11 / n + lambda, h12 / n,
              h22 / n + lambda],
  };
}

/** H⁻¹ g by Cholesky, or null where H is not safely positive definite. */
export function solve([h00, h01, h02, h11, h12, h22], [g0, g1, g2]) {
  const tiny = 1e-13 * (h00 + h11 + h22);
  const d0 = h00, l10 = h01 / d0, l20 = h02 / d0;
  const d1 = h11 - l10 * h01, l21 = (h12 - l20 * h01) / d1;
  const d2 = h22 - l20 * h02 - l21 * l21 * d1;
  if (!(d0 > tiny && d1 > tiny && d2 > tiny)) return null;
  const z1 = g1 - l10 * g0, z2 = g2 - l20 * g0 - l21 * z1;
  const s2 = z2 / d2, s1 = z1 / d1 - l21 * s2;
  return [g0 / d0 - l10 * s1 - l20 * s2, s1, s2];
}

/** H⁻¹ g, or where H is singular the same with a little ridge, which still goes
    downhill. */
function newtonStep(hessian, gradient) {
  const exact = solve(hessian, gradient);
  if (exact) return { step: exact, singular: false };
  const [h00, h01, h02, h11, h12, h22] = hessian;
  const ridge = 1e-9 * (h00 + h11 + h22) + 1e-300;
  const lifted = [h00 + ridge, h01, h02, h11 + ridge, h12, h22 + ridge];
  return { step: solve(lifted, gradient), singular: true };
}

/** Newton's method: {theta, hessian} at the optimum, or {problem} where there is none:
    "empty", "one class" and "separable" (a line parts the classes, so the weights run
    away), "flat" (many lines are equally good). */
export function fit(x, y, lambda, leftOut = -1, start = [0, 0, 0]) {
  let ones = 0, count = 0;
  for (let i = 0; i < y.length; i++) if (i !== leftOut) { ones += y[i]; count++; }
  if (count === 0) return { problem: "empty" };
  if (lambda === 0 && (ones === 0 || ones === count)) return { problem: "one class" };
  let theta = start, now = objective(theta, x, y, lambda, leftOut);
  for (let iteration = 1; iteration <= 100; iteration++) {
    // θ itself is the proof
    if (lambda === 0 && now.allRight) return { problem: "separable" };
    const { step, singular } = newtonStep(now.hessian, now.gradient);
    if (step === null) break;
    const slope = now.gradient[0] * step[0] + now.gradient[1] * step[1]
      + now.gradient[2] * step[2];
    let length = 1, trial, next;
    for (; length > 1e-8; length /= 2) {
      trial = theta.map((t, k) => t - length * step[k]);
      next = objective(trial, x, y, lambda, leftOut);
      const limit = now.value - 1e-4 * length * slope + 1e-12 * Math.abs(now.value);
      if (next.value <= limit) break;
    }
    theta = trial;
    now = next;
    if (length === 1 && norm(step) <= 1e-9 * (1 + norm(theta))) {
      if (lambda === 0 && now.allRight) return { problem: "separable" };
      return singular ? { problem: "flat" }
        : { theta, hessian: now.hessian, iterations: iteration };
    }
  }
  return { problem: "flat" };
}

/** The line on which the model's probability is p, as parameters (w₀, w₁, b). */
export function contour([u, v, b], p) { return [u, v, b - Math.log(p / (1 - p))]; }

/** Mean loss on the test points, its gradient [3] and the share that is on the right
    side. */
export function testLoss(theta, test) {
  const { value, gradient } = objective(theta, test.x, test.y, 0), m = test.y.length;
  let right = 0;
  for (let i = 0; i < m; i++) {
    const z = theta[0] * test.x[2 * i] + theta[1] * test.x[2 * i + 1] + theta[2];
    right += (z > 0) === (test.y[i] === 1);
  }
  return { value, gradient, accuracy: right / m };
}

/** I(test, zᵢ) for every training point, the mean over the test points:
    gᵀ H⁻¹ ∇L(zᵢ). Positive helps. */
export function influences(fitted, x, y, testGradient) {
  const s = solve(fitted.hessian, testGradient), [u, v, b] = fitted.theta;
  return Float64Array.from(y, (label, i) => {
    const a = x[2 * i], c = x[2 * i + 1];
    return (sigmoid(u * a + v * c + b) - label) * (s[0] * a + s[1] * c + s[2]);
  });
}

/** Everything about one data set: {problem} or {theta, hessian, influences, order (most
    harmful first), test}. */
export function analyze(x, y, lambda, test, start) {
  const fitted = fit(x, y, lambda, -1, start);
  if (fitted.problem) return fitted;
  const onTest = testLoss(fitted.theta, test);
  const values = influences(fitted, x, y, onTest.gradient);
  const order = Array.from(values, (_, i) => i).sort((i, j) => values[i] - values[j]);
  return { ...fitted, influences: values, order, test: onTest };
}

/** What taking point i away really does to the test loss: refit without it.
    {theta, actual} or {problem}. */
export function withoutPoint(i, x, y, lambda, test, analysis) {
  const fitted = fit(x, y, lambda, i, analysis.theta);
  if (fitted.problem) return fitted;
  const actual = testLoss(fitted.theta, test).value - analysis.test.value;
  return { theta: fitted.theta, actual };
}
