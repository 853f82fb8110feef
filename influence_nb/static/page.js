/* What the explorer's part of a page is made of: icons, elements, sliders. */

const SIZES = [10, 20, 40, 60, 80, 100, 150, 200, 300, 500, 1000, 2000];
const LAMBDAS = [0, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1];

const ICONS = {
  0: `<circle cx="8" cy="8" r="5.6" fill="FILL" stroke="currentColor"
    stroke-width="1.4"/>`,
  1: `<rect x="3" y="3" width="10" height="10" fill="FILL" stroke="currentColor"
    stroke-width="1.4"/>`,
  ring: `<circle cx="8" cy="8" r="7.2" fill="none" stroke="currentColor"
    stroke-width="1.8"/>`,
  solid: `<path d="M-1 8H17" stroke="currentColor" stroke-width="2.5"/>`,
  dashed: `<path d="M-1 8H17" stroke="currentColor" stroke-width="2.5"
    stroke-dasharray="6 4"/>`,
  thin: `<path d="M-1 8H17" stroke="currentColor" stroke-width="1"/>`,
  dotted: `<path d="M-1 8H17" stroke="currentColor" stroke-width="2"
    stroke-dasharray="2 4"/>`,
};
const RING = `<circle cx="8" cy="8" r="9" fill="none" stroke="currentColor"
  stroke-width="1.4"/>`;
export const icon = (name, fill = "none", ringed = false) =>
  `<svg width="18" height="16" viewBox="0 0 16 16" aria-hidden="true">`
  + `${ICONS[name].replace("FILL", fill)}${ringed ? RING : ""}</svg>`;

const TAPS = [["flip", "flip", "flip a label"], ["choose", "choose", "choose a point"],
  ["add", "add", "add a point"], ["remove", "remove", "remove a point"]];
const radio = (id, [value, label, words], k) => `<label><input type="radio"
  name="${id}-tap" value="${value}"${k ? "" : " checked"}
  aria-label="${words}"><span>${label}</span></label>`;

const TAP = id => `
  <div class="ifx-tap" role="radiogroup" aria-labelledby="${id}-tap">
    <span id="${id}-tap">Click or tap to</span>
    ${TAPS.map((tap, k) => radio(id, tap, k)).join("")}
    <span>Drag to move.</span>
  </div>`;

const PLOT = id => `
  <div>
    <div class="ifx-plot">
      <canvas aria-hidden="true"></canvas>
      <div class="ifx-layer" role="listbox" tabindex="0" aria-label="Training points"
        aria-describedby="${id}-keys">
        <div class="ifx-here" role="option" aria-selected="true"></div>
      </div>
      <div class="ifx-note" role="status"></div>
    </div>
    <div class="ifx-scale"><i></i><span><small></small> <b>harms ←</b></span><span
      >influence I</span><span><b>→ helps</b> <small></small></span></div>
  </div>`;

const LEGEND = `
  <div class="ifx-legend" aria-label="legend" role="group">
    <span>${icon(0)} label 0</span><span>${icon(1)} label 1</span><span
      >${icon("ring")} flipped</span>
    <span>${icon("solid")} p = .5</span><span>${icon("thin")} p = .1, .9</span><span
      >${icon("dashed")} without this point</span><span
      >${icon("dotted")} best</span>
  </div>`;

const bar = name => `<div class="ifx-bar"><span>${name}</span><div
        class="ifx-track"><i></i></div><output></output></div>`;

const SIDE = id => `
  <div class="ifx-side">
    <div>
      <p class="ifx-title">Test loss without this point</p>
      <div class="ifx-bars">
        ${bar("predicted")}
        ${bar("actual")}
      </div>
    </div>
    <div>
      <p class="ifx-title" id="${id}-list">Suspects
        <small>most harmful first, I/n</small></p>
      <div class="ifx-list" role="listbox" tabindex="0"
        aria-labelledby="${id}-list"></div>
    </div>
  </div>`;

const LABELS = [["num_samples", "points n"], ["sigma", "spread σ"],
  ["flip_rate", "flipped labels"], ["regularization", "penalty λ"]];
const slider = ([key, label]) => `<label><span>${label.replace(" labels", "")}</span
  ><output></output><input
  type="range" data-key="${key}" aria-label="${label}"></label>`;

const CONTROLS = id => `<div class="ifx-controls">
  <div class="ifx-sliders">
    ${LABELS.map(slider).join("")}
  </div>
  <div class="ifx-row"><button type="button" data-do="sample">New sample</button><button
    type="button" data-do="reset">Start again</button></div>
</div>
<div class="ifx-foot">
  <p class="ifx-score"></p>
  <a class="ifx-link" href="#">Link to this picture</a>
  <details><summary>Keyboard</summary><p id="${id}-keys">In the picture, the arrow keys
    go from point to point, and <kbd>Page Down</kbd> and <kbd>Page Up</kbd> along the
    suspects.
    <kbd>Space</kbd> flips the label, <kbd>Shift</kbd> with an arrow moves the point,
    <kbd>A</kbd> adds one, <kbd>Delete</kbd> removes it.</p></details>
</div>`;

export const TEMPLATE = id => `
${TAP(id)}
<p class="ifx-reading"></p>
<div class="ifx-top">${PLOT(id)}${SIDE(id)}
</div>
${LEGEND}
${CONTROLS(id)}
<p class="ifx-hidden" aria-live="polite"></p>`;

const nearest = (values, value) => values.reduce((best, v, k) =>
  Math.abs(v - value) < Math.abs(values[best] - value) ? k : best, 0);
const nearestLambda = value => value === 0 ? 0
  : 1 + nearest(LAMBDAS.slice(1).map(Math.log10), Math.log10(value));
const power = (_, k) => `10⁻${"⁰¹²³⁴⁵⁶⁷⁸⁹"[k]}`;
const lambdaText = value => value === 0 || value >= 1e-3 ? String(value)
  : value.toExponential().replace(/^1e-(\d)$/, power);

// How a slider's position becomes a value, and how the value is written.
export const SLIDERS = {
  num_samples: { min: 0, max: SIZES.length - 1, step: 1, value: k => SIZES[k],
    place: v => nearest(SIZES, v), text: String },
  sigma: { min: 0.1, max: 1, step: 0.05, value: Number, place: v => v,
    text: v => String(Math.round(v * 1000) / 1000) },
  flip_rate: { min: 0, max: 30, step: 1, value: k => k / 100, place: v => 100 * v,
    text: v => `${Math.round(1000 * v) / 10}%` },
  regularization: { min: 0, max: LAMBDAS.length - 1, step: 1, value: k => LAMBDAS[k],
    place: nearestLambda, text: lambdaText },
};
