/* The influence explorer: state, drawing and the hand. The numbers come from engine.js.
   One face for two homes: `render` is what anywidget calls in a notebook, `mount` what a page without a kernel calls. */
import { MEANS, analyze, blobs, testSet, unlucky, withoutPoint } from "./engine.js";

// ---------------------------------------------------------------- words and colors

const SIZES = [10, 20, 40, 60, 80, 100, 150, 200, 300, 500, 1000, 2000];
const LAMBDAS = [0, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1];
const OPENING = { num_samples: 80, sigma: 0.4, flip_rate: 0.06, regularization: 1e-3, seed: 9, selected: -1 };
const PROBLEMS = {
  empty: "There is no point left. Add some, or draw a new sample.",
  "one class": "All points are of one class, so with λ = 0 there is no boundary to find: the weights run away. Raise λ, or flip a label.",
  separable: "A straight line parts these classes without a mistake. With λ = 0 there is then no optimum: "
    + "steeper is always better, and the weights run away. Raise λ, or flip a label.",
  flat: "With λ = 0 many boundaries are equally good here: the points lie on one line. Raise λ, or move a point.",
};
const ONE_CLASS = "All points are of one class. Only the penalty λ holds the model back, and its boundary may lie outside the picture.";
// ColorBrewer's RdBu (Brewer 2003), as matplotlib has it; in the dark the middle is dark, so that zero stays quiet.
const SCALES = {
  light: ["#67001f", "#b2182b", "#d6604d", "#f4a582", "#fddbc7", "#f7f7f7", "#d1e5f0", "#92c5de", "#4393c3", "#2166ac", "#053061"],
  dark: ["#ffb4a0", "#ff8468", "#e4593f", "#b03a2a", "#6b2f29", "#33393f", "#2a4a63", "#2f74a6", "#459bd6", "#7cc4f5", "#b5e0ff"],
};
const STEPS = 101;

function ramp(stops) {
  const channels = stops.map(hex => [1, 3, 5].map(k => parseInt(hex.slice(k, k + 2), 16)));
  return Array.from({ length: STEPS }, (_, step) => {
    const at = step / (STEPS - 1) * (stops.length - 1), k = Math.min(Math.floor(at), stops.length - 2), part = at - k;
    return `rgb(${channels[k].map((c, j) => Math.round(c + part * (channels[k + 1][j] - c))).join(" ")})`;
  });
}
const RAMPS = { light: ramp(SCALES.light), dark: ramp(SCALES.dark) };

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const minus = text => text.replace("-", "−");

/** Three significant digits without an exponent, and a real minus sign. */
function digits(value, signed = false) {
  if (value === 0) return "0";
  const places = clamp(2 - Math.floor(Math.log10(Math.abs(value))), 0, 8), text = value.toFixed(places);
  return minus(signed && value > 0 ? `+${text}` : text);
}

const nearest = (values, value) => values.reduce((best, v, k) => Math.abs(v - value) < Math.abs(values[best] - value) ? k : best, 0);
const nearestLambda = value => value === 0 ? 0 : 1 + nearest(LAMBDAS.slice(1).map(Math.log10), Math.log10(value));
const power = (_, k) => `10⁻${"⁰¹²³⁴⁵⁶⁷⁸⁹"[k]}`;
const lambdaText = value => value === 0 || value >= 1e-3 ? String(value) : value.toExponential().replace(/^1e-(\d)$/, power);

/** Is the page around the element dark? Its text color knows, whatever the site calls its themes. */
function isDark(element) {
  const [r, g, b] = (getComputedStyle(element).color.match(/[\d.]+/g) || [0, 0, 0]).map(Number);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 140;
}

// ---------------------------------------------------------------- state

/** The points and what the reader did to them. A point is {id, number, x0, x1, truth, label, moved}; a sampled point's
    id is its place in the sample, an added one has none (−1). The number is its name: it stays when others go. */
class State {
  constructor(options) { this.reset(options); }

  reset(options) {
    Object.assign(this, OPENING, options);
    this.points = [];
    this.removed = new Set();
    this.resample();
    if (options.data) this.take(options.data);
  }

  /** Draw the sample again, and do to it what the reader did to the old one. */
  resample() {
    const old = new Map(this.points.filter(p => p.id >= 0).map(p => [p.id, p]));
    const added = this.points.filter(p => p.id < 0 && !p.foreign);
    const flips = this.flips ?? new Set(), { x, y, luck } = blobs(this.num_samples, this.sigma, this.seed);
    const wrong = unlucky(luck, this.flip_rate), points = [];
    for (let id = 0; id < y.length; id++) {
      if (this.removed.has(id)) continue;
      const before = old.get(id), turned = before ? before.label !== (before.truth ^ flips.has(id)) : false;
      const point = { id, number: id, x0: x[2 * id], x1: x[2 * id + 1], truth: y[id], label: y[id] ^ wrong.has(id) ^ turned, moved: false };
      points.push(before?.moved ? { ...point, x0: before.x0, x1: before.x1, moved: true } : point);
    }
    this.flips = wrong;
    this.points = points.concat(added.map((point, k) => ({ ...point, number: this.num_samples + k })));
    this.test = testSet(this.sigma, this.seed);
    this.forget();
  }

  /** Points from elsewhere (Python): they stay until the next sample. */
  take({ x, y, y_true }) {
    this.points = x.map(([x0, x1], i) => ({ id: -1, number: i, foreign: true, x0, x1, truth: y_true[i], label: y[i], moved: false }));
    this.forget();
  }

  forget() { this.analysis = null; }
  get n() { return this.points.length; }
  get flipped() { return this.points.filter(p => p.label !== p.truth).length; }

  flip(i) { this.points[i].label ^= 1; this.forget(); }

  move(i, x0, x1) {
    Object.assign(this.points[i], { x0: Math.round(x0 * 1000) / 1000, x1: Math.round(x1 * 1000) / 1000, moved: true });
    this.forget();
  }

  /** A new point has the label of the nearer blob, which is also what counts as its true one. */
  add(x0, x1, label, truth = Number(x0 + x1 > MEANS[1][0])) {
    const number = 1 + Math.max(this.num_samples - 1, ...this.points.map(p => p.number));
    this.points.push({ id: -1, number, truth, label: label ?? truth, x0: Math.round(x0 * 1000) / 1000, x1: Math.round(x1 * 1000) / 1000, moved: false });
    this.selected = this.n - 1;
    this.forget();
  }

  remove(i) {
    const [point] = this.points.splice(i, 1);
    if (point.id >= 0) this.removed.add(point.id);
    if (this.selected > i || this.selected === this.n) this.selected--;
    this.forget();
  }

  /** Refit and measure, if anything has changed. */
  solve() {
    if (!this.analysis) {
      this.x = new Float64Array(2 * this.n);
      this.y = new Uint8Array(this.n);
      this.points.forEach((p, i) => { this.x[2 * i] = p.x0; this.x[2 * i + 1] = p.x1; this.y[i] = p.label; });
      this.analysis = analyze(this.x, this.y, this.regularization, this.test, this.theta);
      this.theta = this.analysis.theta;  // the next fit starts where this one ended
      this.left = null;
    }
    const { analysis } = this;
    if (analysis.problem) { this.selected = Math.min(this.selected, this.n - 1); return analysis; }
    if (this.selected < 0 || this.selected >= this.n) this.selected = analysis.order[0];
    if (this.left?.index !== this.selected)
      this.left = { index: this.selected, ...withoutPoint(this.selected, this.x, this.y, this.regularization, this.test, analysis) };
    return analysis;
  }

  /** The state as text for the address: the sample, then what differs from it. */
  toText() {
    const wrong = this.flips, changed = this.points.filter(p => p.id >= 0), part = {
      n: this.num_samples, s: this.sigma, f: this.flip_rate, l: this.regularization, r: this.seed, p: this.selected,
      t: changed.filter(p => p.label !== (p.truth ^ wrong.has(p.id))).map(p => p.id).join(),
      m: changed.filter(p => p.moved).map(p => `${p.id}:${p.x0}:${p.x1}`).join(),
      d: [...this.removed].join(),
      a: this.points.filter(p => p.id < 0).map(p => `${p.x0}:${p.x1}:${p.label}:${p.truth}`).join(),
    };
    return Object.entries(part).filter(([, value]) => value !== "").map(([key, value]) => `${key}=${value}`).join("&");
  }

  /** The reverse; what cannot be read is left out. */
  fromText(text) {
    const part = Object.fromEntries(text.split("&").map(piece => piece.split("=")));
    const number = (key, low, high, otherwise) =>
      key in part && Number.isFinite(Number(part[key])) ? clamp(Number(part[key]), low, high) : otherwise;
    const list = key => (part[key] || "").split(",").filter(Boolean)
      .map(item => item.split(":").map(Number)).filter(item => item.every(Number.isFinite));
    this.reset({
      num_samples: Math.round(number("n", 1, 2000, OPENING.num_samples)), sigma: number("s", 0.05, 2, OPENING.sigma),
      flip_rate: number("f", 0, 0.5, OPENING.flip_rate), regularization: number("l", 0, 100, OPENING.regularization),
      seed: Math.round(number("r", 0, 1e6, OPENING.seed)),
    });
    for (const [id] of list("t")) if (this.points[id]) this.flip(id);
    for (const [id, x0, x1] of list("m")) if (this.points[id] && x1 !== undefined) this.move(id, clamp(x0, -9, 9), clamp(x1, -9, 9));
    const gone = new Set(list("d").map(([id]) => id).filter(id => this.points[id]));
    this.points = this.points.filter(p => !gone.has(p.id));
    this.removed = gone;
    for (const [x0, x1, label, truth] of list("a").slice(0, 500))
      if (truth !== undefined) this.add(clamp(x0, -9, 9), clamp(x1, -9, 9), Number(label === 1), Number(truth === 1));
    this.selected = Math.round(number("p", -1, this.n - 1, -1));
  }
}

// ---------------------------------------------------------------- the page

const ICONS = {
  0: `<circle cx="8" cy="8" r="5.6" fill="FILL" stroke="currentColor" stroke-width="1.4"/>`,
  1: `<rect x="3" y="3" width="10" height="10" fill="FILL" stroke="currentColor" stroke-width="1.4"/>`,
  ring: `<circle cx="8" cy="8" r="7.2" fill="none" stroke="currentColor" stroke-width="1.8"/>`,
  solid: `<path d="M-1 8H17" stroke="currentColor" stroke-width="2.5"/>`,
  dashed: `<path d="M-1 8H17" stroke="currentColor" stroke-width="2.5" stroke-dasharray="6 4"/>`,
  dotted: `<path d="M-1 8H17" stroke="currentColor" stroke-width="2" stroke-dasharray="2 4"/>`,
};
const icon = (name, fill = "none", ringed = false) =>
  `<svg width="18" height="16" viewBox="0 0 16 16" aria-hidden="true">${ICONS[name].replace("FILL", fill)}`
  + `${ringed ? `<circle cx="8" cy="8" r="9" fill="none" stroke="currentColor" stroke-width="1.4"/>` : ""}</svg>`;

const TAPS = [["flip", "flip", "flip a label"], ["choose", "choose", "choose a point"], ["add", "add", "add a point"], ["remove", "remove", "remove a point"]];

const TEMPLATE = id => `
<div class="ifx-top">
  <div>
    <div class="ifx-tap" role="radiogroup" aria-labelledby="${id}-tap">
      <span id="${id}-tap">Click or tap to</span>
      ${TAPS.map(([value, label, words], k) => `<label><input type="radio" name="${id}-tap" value="${value}"${k ? "" : " checked"} aria-label="${words}"><span>${label}</span></label>`).join("")}
      <span>Drag to move.</span>
    </div>
    <div class="ifx-plot">
      <canvas aria-hidden="true"></canvas>
      <div class="ifx-layer" role="listbox" tabindex="0" aria-label="Training points" aria-describedby="${id}-keys">
        <div class="ifx-here" role="option" aria-selected="true"></div>
      </div>
      <div class="ifx-note" role="status"></div>
    </div>
    <div class="ifx-scale"><i></i><span><small></small> <b>harms ←</b></span><b>0</b><span><b>→ helps</b> <small></small></span></div>
    <div class="ifx-legend" aria-label="legend" role="group">
      <span>color: influence I on 500 clean test points</span>
      <span>${icon(0)} label 0</span><span>${icon(1)} label 1</span><span>${icon("ring")} flipped label</span>
      <span>${icon("solid")} boundary</span><span>${icon("dashed")} without the chosen point</span><span>${icon("dotted")} best possible</span>
    </div>
  </div>
  <div class="ifx-side">
    <p class="ifx-reading"></p>
    <div>
      <p class="ifx-title">Test loss without this point</p>
      <div class="ifx-bars">
        <div class="ifx-bar"><span>predicted</span><div class="ifx-track"><i></i></div><output></output></div>
        <div class="ifx-bar"><span>actual</span><div class="ifx-track"><i></i></div><output></output></div>
      </div>
      <div class="ifx-ends"><span>falls</span><span>0</span><span>rises</span></div>
      <p class="ifx-score"></p>
    </div>
    <div>
      <p class="ifx-title" id="${id}-list">Suspects <small>most harmful first, with I/n</small></p>
      <div class="ifx-list" role="listbox" tabindex="0" aria-labelledby="${id}-list"></div>
    </div>
  </div>
</div>
<div class="ifx-controls">
  <div class="ifx-sliders">
    ${[["num_samples", "points n"], ["sigma", "spread σ"], ["flip_rate", "flipped labels"], ["regularization", "penalty λ"]].map(([key, label]) =>
      `<label><span>${label}</span><output></output><input type="range" data-key="${key}" aria-label="${label}"></label>`).join("")}
  </div>
  <div class="ifx-row"><button type="button" data-do="sample">New sample</button><button type="button" data-do="reset">Start again</button><a class="ifx-link" href="#">Link to this picture</a></div>
  <details><summary>Keyboard</summary><p id="${id}-keys">In the picture, the arrow keys go from point to point, and <kbd>Page Down</kbd> and <kbd>Page Up</kbd> along the suspects.
    <kbd>Space</kbd> flips the label, <kbd>Shift</kbd> with an arrow moves the point, <kbd>A</kbd> adds one, <kbd>Delete</kbd> removes it.</p></details>
</div>
<p class="ifx-hidden" aria-live="polite"></p>`;

// How a slider's position becomes a value, and how the value is written.
const SLIDERS = {
  num_samples: { min: 0, max: SIZES.length - 1, step: 1, value: k => SIZES[k], place: v => nearest(SIZES, v), text: String },
  sigma: { min: 0.1, max: 1, step: 0.05, value: Number, place: v => v, text: v => String(Math.round(v * 1000) / 1000) },
  flip_rate: { min: 0, max: 30, step: 1, value: k => k / 100, place: v => 100 * v, text: v => `${Math.round(1000 * v) / 10}%` },
  regularization: { min: 0, max: LAMBDAS.length - 1, step: 1, value: k => LAMBDAS[k], place: nearestLambda, text: lambdaText },
};
const DIRECTIONS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

class Explorer {
  /** `changed(explorer)` is called after each change by the reader. */
  constructor(root, options, changed = () => {}) {
    const id = `ifx-${globalThis.influenceExplorers = (globalThis.influenceExplorers || 0) + 1}`;
    Object.assign(this, { root, id, options, changed, tap: "flip", pointer: null, drag: null, undo: [] });
    this.state = new State(options);
    root.classList.add("ifx");
    root.setAttribute("role", "group");
    root.setAttribute("aria-label", "Influence explorer");
    root.innerHTML = TEMPLATE(id);
    root.influenceExplorer = this;
    const find = selector => root.querySelector(selector);
    this.parts = {
      plot: find(".ifx-plot"), canvas: find("canvas"), layer: find(".ifx-layer"), here: find(".ifx-here"), note: find(".ifx-note"),
      scale: find(".ifx-scale"), reading: find(".ifx-reading"), bars: [...root.querySelectorAll(".ifx-bar")],
      list: find(".ifx-list"), score: find(".ifx-score"),
      sliders: [...root.querySelectorAll(".ifx-sliders input")], live: find("[aria-live]"), link: find(".ifx-link"),
    };
    this.context = this.parts.canvas.getContext("2d");
    root.dataset.theme = "light";
    this.listen();
    this.theme();
    this.resize();
  }

  on(target, type, handler, settings) {
    target.addEventListener(type, handler, settings);
    this.undo.push(() => target.removeEventListener(type, handler, settings));
  }

  destroy() { this.undo.forEach(undo => undo()); }

  // ------------------------------------------------ listening

  listen() {
    const { layer, list, sliders } = this.parts;
    this.on(layer, "pointerdown", event => this.press(event));
    this.on(layer, "pointermove", event => this.glide(event));
    this.on(layer, "pointerup", event => this.release(event));
    this.on(layer, "pointercancel", () => this.letGo());
    this.on(layer, "pointerleave", () => { this.pointer = null; });
    this.on(layer, "touchstart", event => { if (this.drag?.point >= 0) event.preventDefault(); }, { passive: false });
    this.on(layer, "keydown", event => this.key(event));
    this.on(list, "keydown", event => this.listKey(event));
    this.on(list, "click", event => { const row = event.target.closest("[role=option]"); if (row?.dataset.index) this.choose(Number(row.dataset.index)); });
    for (const input of sliders) {
      const slider = SLIDERS[input.dataset.key];
      Object.assign(input, { min: slider.min, max: slider.max, step: slider.step });
      this.on(input, "input", () => this.slide(input.dataset.key, slider.value(input.value)));
    }
    this.on(this.root, "change", event => { if (event.target.type === "radio") this.tap = event.target.value; });
    this.on(this.root, "click", event => {
      const action = event.target.dataset?.do;
      if (action === "sample") this.slide("seed", this.state.seed + 1, true);
      if (action === "reset") { this.state.reset(this.options); this.update("Back at the start."); }
    });
    const sizes = new ResizeObserver(() => this.resize());
    sizes.observe(this.parts.plot.parentElement);
    const themes = new MutationObserver(() => this.theme());
    const watched = { attributes: true, attributeFilter: ["class", "style", "data-bs-theme", "data-jp-theme-light"] };
    for (const element of [document.documentElement, document.body]) themes.observe(element, watched);
    this.on(matchMedia("(prefers-color-scheme: dark)"), "change", () => this.theme());
    this.undo.push(() => sizes.disconnect(), () => themes.disconnect());
  }

  theme() {
    const look = () => {
      if (!this.root.isConnected) return;
      const name = isDark(this.root.parentElement || this.root) ? "dark" : "light";
      if (name === this.root.dataset.theme) return;
      this.root.dataset.theme = name;
      this.colors = null;
      if (this.width) this.update();
    };
    look();
    clearTimeout(this.later);
    this.later = setTimeout(look, 400);  // a site may fade from one theme to the other
  }

  /** A control was moved. A new seed is a new sample: what was done to the old one is left behind. */
  slide(key, value, fresh = false) {
    const { state } = this;
    state[key] = value;
    if (fresh) Object.assign(state, { points: [], flips: null, removed: new Set(), selected: -1 });
    if (key === "regularization") state.forget(); else state.resample();
    this.update(fresh ? "A new sample." : "");
  }

  choose(index) {
    this.state.selected = index;
    this.update("");
  }

  flip(index = this.state.selected) {
    if (index < 0) return;
    this.state.selected = index;
    this.state.flip(index);
    this.update(`Flipped to label ${this.state.points[index].label}.`);
  }

  add(x0, x1) { this.state.add(x0, x1); this.update("Added a point."); }

  remove(index = this.state.selected) {
    if (index < 0) return;
    this.state.remove(index);
    this.update("Removed the point.");
  }

  shift(index, x0, x1) {
    const { half, aspect } = this.view;
    this.state.move(index, clamp(x0, 0.5 - half * aspect, 0.5 + half * aspect), clamp(x1, 0.5 - half, 0.5 + half));
    this.update();
  }

  // ------------------------------------------------ pointer

  /** Where an event is: on the screen, and in the plane. */
  place(event) {
    const box = this.parts.canvas.getBoundingClientRect(), sx = event.clientX - box.left, sy = event.clientY - box.top;
    return { sx, sy, x0: (sx - this.width / 2) / this.view.unit + 0.5, x1: (this.height / 2 - sy) / this.view.unit + 0.5 };
  }

  /** The point under a finger (22 px around it) or a mouse (14 px), or −1. */
  under({ sx, sy }, touch) {
    let best = -1, least = (touch ? 22 : 14) ** 2;
    this.state.points.forEach((p, i) => {
      const [px, py] = this.screen(p.x0, p.x1), distance = (px - sx) ** 2 + (py - sy) ** 2;
      if (distance < least) { least = distance; best = i; }
    });
    return best;
  }

  press(event) {
    if (event.button) return;
    const at = this.place(event), point = this.under(at, event.pointerType === "touch"), held = this.state.points[point];
    this.drag = { at, point, moving: false, offset: held ? [held.x0 - at.x0, held.x1 - at.x1] : null };
    this.parts.layer.focus({ preventScroll: true, focusVisible: false });
    if (held) { try { this.parts.layer.setPointerCapture(event.pointerId); } catch { /* a synthetic event has no pointer to capture */ } }
  }

  glide(event) {
    const at = this.place(event), { drag } = this;
    this.pointer = at;
    if (!drag) { this.parts.layer.classList.toggle("ifx-over", this.under(at, false) >= 0); return; }
    if (drag.point < 0) return;
    if (!drag.moving && Math.hypot(at.sx - drag.at.sx, at.sy - drag.at.sy) > 4) {
      drag.moving = true;
      this.state.selected = drag.point;
      this.parts.layer.classList.add("ifx-dragging");
    }
    if (drag.moving) this.shift(drag.point, at.x0 + drag.offset[0], at.x1 + drag.offset[1]);
  }

  release(event) {
    const { drag } = this, at = this.place(event);
    this.letGo();
    if (!drag) return;
    if (drag.moving) return this.update("Moved the point.");
    if (Math.hypot(at.sx - drag.at.sx, at.sy - drag.at.sy) > 10) return;
    if (this.tap === "add") return this.add(at.x0, at.x1);
    if (drag.point < 0) return;
    if (this.tap === "flip") this.flip(drag.point);
    else if (this.tap === "remove") this.remove(drag.point);
    else this.choose(drag.point);
  }

  letGo() {
    this.drag = null;
    this.parts.layer.classList.remove("ifx-dragging");
  }

  // ------------------------------------------------ keyboard

  key(event) {
    const { state } = this, step = DIRECTIONS[event.key], at = state.points[state.selected];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (step && event.shiftKey && at) {
      this.shift(state.selected, at.x0 + 0.05 * step[0], at.x1 + 0.05 * step[1]);
      this.update("Moved the point.");
    } else if (step) this.choose(this.neighbor(step));
    else if (event.key === " ") this.flip();
    else if (event.key === "Delete" || event.key === "Backspace") this.remove();
    else if (event.key === "a" || event.key === "A") {
      const place = this.pointer || { x0: (at?.x0 ?? 0.4) + 0.1, x1: (at?.x1 ?? 0.4) + 0.1 };
      this.add(place.x0, place.x1);
    }
    else if (event.key === "PageDown" || event.key === "PageUp") this.choose(this.along(event.key === "PageDown" ? 1 : -1));
    else if (event.key === "Home") this.choose(this.along(-Infinity));
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  listKey(event) {
    const by = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity }[event.key];
    if (by) this.choose(this.along(by));
    else if (event.key === " ") this.flip();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** The point that follows in the ranking of suspects. */
  along(by) {
    const order = this.state.analysis?.order;
    if (!order) return this.state.selected;
    return order[clamp(order.indexOf(this.state.selected) + by, 0, order.length - 1)];
  }

  /** The nearest point in a direction; straying sideways counts double. */
  neighbor([d0, d1]) {
    const { points, selected } = this.state, from = points[selected];
    if (!from) return points.length ? 0 : -1;
    let best = selected, least = Infinity;
    points.forEach((p, i) => {
      const ahead = (p.x0 - from.x0) * d0 + (p.x1 - from.x1) * d1, aside = Math.abs((p.x0 - from.x0) * d1) + Math.abs((p.x1 - from.x1) * d0);
      const distance = ahead + 2 * aside;
      if (i !== selected && ahead > 0 && aside <= 2 * ahead && distance < least) { least = distance; best = i; }
    });
    return best;
  }

  // ------------------------------------------------ drawing

  resize() {
    const width = this.parts.plot.clientWidth, height = Math.round(width < 430 ? width * 0.95 : Math.min(width * (this.root.clientWidth < 720 ? 0.62 : 0.74), 560));
    const scale = globalThis.devicePixelRatio || 1, { canvas, plot } = this.parts;
    this.theme();
    if (!width || (width === this.width && height === this.height && scale === this.pixels)) return;
    Object.assign(this, { width, height, pixels: scale });
    plot.style.height = `${height + 2}px`;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    this.update();
  }

  /** How much of the plane is seen: it follows the points, except under the hand that drags one. */
  frame() {
    const aspect = this.width / this.height;
    if (!this.drag?.moving || !this.view) {
      let reach = 1.4;
      for (const p of this.state.points) reach = Math.max(reach, Math.abs(p.x0 - 0.5) / aspect + 0.1, Math.abs(p.x1 - 0.5) + 0.1);
      this.half = Math.ceil(reach * 5) / 5;
    }
    this.view = { half: this.half, aspect, unit: this.height / 2 / this.half };
  }

  screen(x0, x1) { return [this.width / 2 + (x0 - 0.5) * this.view.unit, this.height / 2 - (x1 - 0.5) * this.view.unit]; }

  /** Recompute, redraw, tell. `said` is what the reader just did, in words; undefined says nothing. */
  update(said) {
    const start = performance.now(), analysis = this.state.solve();
    if (!this.width) return;  // not in a page yet
    this.frame();
    this.draw(analysis);
    this.write(analysis);
    this.milliseconds = performance.now() - start;
    if (said !== undefined) { this.say(said); this.changed(this); }
    else if (this.drag?.moving) this.changed(this);
  }

  draw(analysis) {
    const { context: c, width, height, pixels, state } = this;
    const variable = name => [name, getComputedStyle(this.root).getPropertyValue(`--${name}`)];
    this.colors ??= Object.fromEntries(["soft", "rule", "mark", "accent"].map(variable));
    c.setTransform(pixels, 0, 0, pixels, 0, 0);
    c.clearRect(0, 0, width, height);
    this.drawPlane(c);
    const crowd = state.n > 300;  // a crowd would hide the lines
    if (!crowd) this.drawLines(c, analysis);
    this.drawPoints(c, analysis);
    if (crowd) this.drawLines(c, analysis);
    if (state.points[state.selected]) this.drawChosen(c, state.points[state.selected]);
  }

  /** Axes at the two blob centers, marked by crosses. */
  drawPlane(c) {
    c.strokeStyle = this.colors.rule;
    c.lineWidth = 1;
    c.setLineDash([]);
    c.beginPath();
    for (const [m0, m1] of MEANS) {
      const [x, y] = this.screen(m0, m1).map(v => Math.round(v) + 0.5);
      c.moveTo(x, 0); c.lineTo(x, this.height); c.moveTo(0, y); c.lineTo(this.width, y);
    }
    c.stroke();
    c.fillStyle = this.colors.soft;
    c.font = "16px system-ui, sans-serif";
    for (const m of [0, 1]) {
      const [x, y] = this.screen(m, m);
      c.textAlign = "left"; c.textBaseline = "alphabetic"; c.fillText(m ? "1" : "x₀ = 0", x + 4, this.height - 6);
      c.fillText(m ? "1" : "x₁ = 0", 6, y - 4);
    }
  }

  drawLines(c, analysis) {
    if (analysis.problem) return;
    this.drawLine(c, [1, 1, -1], this.colors.soft, 1.5, [2, 4]);
    if (this.state.left.theta) this.drawLine(c, this.state.left.theta, this.colors.mark, 2, [7, 5]);
    this.drawLine(c, analysis.theta, this.colors.mark, 2.5, []);
  }

  /** The line θᵀx̃ = 0, through the point of it that is nearest to the middle of the picture. */
  drawLine(c, [u, v, b], color, thickness, dash) {
    const size = u * u + v * v;
    if (!(size > 1e-12)) return;
    const gap = (u * 0.5 + v * 0.5 + b) / size, [x, y] = this.screen(0.5 - gap * u, 0.5 - gap * v);
    const long = (this.width + this.height) / Math.sqrt(size);
    if (Math.hypot(x, y) > 1e5) return;
    c.strokeStyle = color; c.lineWidth = thickness; c.setLineDash(dash);
    c.beginPath(); c.moveTo(x - long * v, y - long * u); c.lineTo(x + long * v, y + long * u); c.stroke();
    c.setLineDash([]);
  }

  radius() { const n = this.state.n, small = this.width < 430 ? 0.85 : 1; return small * (n <= 100 ? 7 : n <= 300 ? 5.5 : n <= 800 ? 4 : 3); }

  trace(c, label, x, y, r) {
    if (label) { const s = r * 0.89; c.rect(x - s, y - s, 2 * s, 2 * s); } else { c.moveTo(x + r, y); c.arc(x, y, r, 0, 7); }
  }

  drawPoints(c, analysis) {
    const r = this.radius(), { points } = this.state, values = analysis.influences, middle = (STEPS - 1) / 2;
    const colors = RAMPS[this.root.dataset.theme];
    this.largest = values ? values.reduce((most, v) => Math.max(most, Math.abs(v)), 0) || 1 : 1;
    const step = i => values ? Math.round(middle + middle * values[i] / this.largest) : middle;
    const bins = Array.from({ length: STEPS }, () => []);
    points.forEach((_, i) => bins[step(i)].push(i));
    c.lineWidth = r > 4 ? 1 : 0.7;
    c.strokeStyle = this.colors.soft;
    const steps = [...bins.keys()].sort((a, b) => Math.abs(a - middle) - Math.abs(b - middle));  // the strongest come on top
    for (const k of steps) {
      if (!bins[k].length) continue;
      c.fillStyle = colors[k];
      c.beginPath();
      for (const i of bins[k]) { const p = points[i], [x, y] = this.screen(p.x0, p.x1); this.trace(c, p.label, x, y, r); }
      c.fill();
      c.stroke();
    }
    c.strokeStyle = this.colors.mark;
    const ring = r + (r > 4 ? 3.5 : 2);
    c.lineWidth = r > 4 ? 1.8 : 1.2;
    c.beginPath();
    for (const p of points) if (p.label !== p.truth) { const [x, y] = this.screen(p.x0, p.x1); c.moveTo(x + ring, y); c.arc(x, y, ring, 0, 7); }
    c.stroke();
  }

  /** Four ticks around the chosen point, and its number. */
  drawChosen(c, p) {
    const [x, y] = this.screen(p.x0, p.x1), near = this.radius() + 6, far = near + 9;
    c.strokeStyle = this.colors.accent; c.lineWidth = 3;
    c.beginPath();
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) { c.moveTo(x + near * dx, y + near * dy); c.lineTo(x + far * dx, y + far * dy); }
    c.stroke();
    const { style } = this.parts.here;
    style.left = `${x}px`; style.top = `${y}px`;
  }

  // ------------------------------------------------ words

  name(i) { const p = this.state.points[i]; return `point ${p.number}, label ${p.label}${p.label !== p.truth ? ", flipped" : ""}`; }

  /** What the chosen point does, in a sentence or two. */
  sentence(analysis) {
    const { selected: i, left, points, n } = this.state, p = points[i], value = analysis.influences[i], predicted = value / n;
    const moves = change => `${change < 0 ? "falls" : "rises"} by ${digits(Math.abs(change))}`;
    const what = p.label !== p.truth ? `Point ${p.number} was given the label ${p.label}, but it is a ${p.truth}.` : `Point ${p.number} has the label ${p.label}, as it should.`;
    const effect = value < 0 ? "harms" : "helps";
    const actual = left.problem ? "A refit finds no optimum without it." : `A refit finds that it ${moves(left.actual)}.`;
    return { what, effect, rest: `Influence predicts that without it the test loss ${moves(predicted)}. ${actual}` };
  }

  write(analysis) {
    const { parts, state } = this, oneClass = state.points.every(p => p.label === state.points[0].label);
    const note = analysis.problem ? PROBLEMS[analysis.problem] : oneClass ? ONE_CLASS : "";
    if (parts.note.textContent !== note) parts.note.textContent = note;
    const scale = `linear-gradient(to right, ${SCALES[this.root.dataset.theme].join(", ")})`;
    const largest = analysis.problem ? "" : digits(this.largest), ends = parts.scale.querySelectorAll("small");
    parts.scale.querySelector("i").style.background = scale;
    ends[0].textContent = largest && `−${largest}`;
    ends[1].textContent = largest && `+${largest}`;
    this.writeReading(analysis);
    this.writeList(analysis);
    this.writeControls();
    parts.here.id = `${this.id}-point-${state.selected}`;  // a new name, so that it is read out again
    parts.layer.setAttribute("aria-activedescendant", parts.here.id);
    parts.here.setAttribute("aria-label", state.points[state.selected] ? this.name(state.selected) : "no point");
    if (state.selected < 0) { parts.here.removeAttribute("aria-setsize"); parts.here.removeAttribute("aria-posinset"); }
    else { parts.here.setAttribute("aria-setsize", state.n); parts.here.setAttribute("aria-posinset", state.selected + 1); }
  }

  writeReading(analysis) {
    const { reading, bars } = this.parts, { state } = this;
    if (analysis.problem) {
      reading.textContent = "No optimum, no influence: the question what one point did to the model has no answer here.";
      for (const bar of bars) { bar.querySelector("i").style.width = "0"; bar.querySelector("output").textContent = "–"; }
      return;
    }
    const { what, effect, rest } = this.sentence(analysis);
    reading.innerHTML = `${what} It <strong class="ifx-${effect}">${effect} the model.</strong> ${rest}`;
    const most = Math.max(this.largest / state.n, Math.abs(state.left.actual ?? 0)), colors = RAMPS[this.root.dataset.theme];
    [analysis.influences[state.selected] / state.n, state.left.actual].forEach((value, k) => {
      const fill = bars[k].querySelector("i"), share = value === undefined ? 0 : value / most;
      Object.assign(fill.style, { width: `${50 * Math.abs(share)}%`, left: `${50 + Math.min(0, 50 * share)}%`, background: colors[share < 0 ? 10 : STEPS - 11] });
      bars[k].querySelector("output").textContent = value === undefined ? "–" : digits(value, true);
    });
  }

  writeList(analysis) {
    const { list, score } = this.parts, { state } = this;
    if (analysis.problem) {
      list.innerHTML = `<div role="option" aria-selected="false"><span></span><span>none</span></div>`;
      list.removeAttribute("aria-activedescendant");
      score.textContent = "";
      return;
    }
    const length = Math.min(state.n, this.root.clientWidth < 720 ? 5 : 7), rank = analysis.order.indexOf(state.selected);
    const first = clamp(rank - length + 1, 0, Math.max(0, state.n - length)), middle = (STEPS - 1) / 2;
    list.innerHTML = Array.from(analysis.order.slice(first, first + length), (i, k) => {
      const p = state.points[i], value = analysis.influences[i], color = RAMPS[this.root.dataset.theme][Math.round(middle + middle * value / this.largest)];
      return `<div role="option" id="${this.id}-row-${i}" data-index="${i}" aria-selected="${i === state.selected}"`
        + ` aria-posinset="${first + k + 1}" aria-setsize="${state.n}">${icon(p.label, color, p.label !== p.truth)}<span>point ${p.number}</span>`
        + `<em>${p.label !== p.truth ? "flipped" : ""}</em><span class="ifx-value">${digits(value / state.n, true)}</span></div>`;
    }).join("");
    list.setAttribute("aria-activedescendant", `${this.id}-row-${state.selected}`);
    const flips = state.flipped, isFlip = i => state.points[i].label !== state.points[i].truth;
    const found = analysis.order.slice(0, flips).filter(isFlip).length;
    score.textContent = (flips ? `Of the first ${flips} suspects, ${found} are flips. ` : "No label is flipped. ")
      + `Test loss ${digits(analysis.test.value)}, ${Math.round(100 * analysis.test.accuracy)}% right.`;
  }

  writeControls() {
    for (const input of this.parts.sliders) {
      const { key } = input.dataset, slider = SLIDERS[key], value = this.state[key], place = String(slider.place(value));
      if (input.value !== place) input.value = place;
      const text = slider.text(value);
      input.setAttribute("aria-valuetext", text);
      input.previousElementSibling.textContent = text;
    }
  }

  /** Tell those who cannot see it, when the hand rests. */
  say(done) {
    clearTimeout(this.saying);
    this.saying = setTimeout(() => {
      const { state } = this, analysis = state.solve();
      if (analysis.problem) { this.parts.live.textContent = `${done} ${PROBLEMS[analysis.problem]}`; return; }
      const { what, effect, rest } = this.sentence(analysis);
      this.parts.live.textContent = `${done} ${what} It ${effect} the model. ${rest}`;
    }, 300);
  }
}

// ---------------------------------------------------------------- a page without a kernel: the state is in the address

export function mount(root, options) {
  const explorer = new Explorer(root, options, () => { clearTimeout(waiting); waiting = setTimeout(write, 200); });
  const key = explorer.id.replace("ifx-", "explorer-"), { link } = explorer.parts;
  let waiting;
  const address = () => `#${key}&${explorer.state.toText()}`;
  function write() {
    link.href = address();
    try { history.replaceState(null, "", address()); } catch { /* a page inside a frame may not touch its address */ }
  }
  function read() {
    if (!location.hash.startsWith(`#${key}&`)) return false;
    try { explorer.state.fromText(decodeURIComponent(location.hash.slice(key.length + 2))); } catch { return false; }  // a broken % is no state
    explorer.update();
    link.href = address();
    return true;
  }
  link.href = address();
  explorer.on(globalThis, "hashchange", read);
  if (read()) requestAnimationFrame(() => root.scrollIntoView({ block: "start" }));
  return explorer;
}

// ---------------------------------------------------------------- a notebook: the state is shared with Python

const CONTROLS = ["num_samples", "sigma", "flip_rate", "seed", "regularization"];

export function render({ model, el }) {
  const data = () => ({ x: model.get("x"), y: model.get("y"), y_true: model.get("y_true") });
  const whole = ({ x, y, y_true }) => x.length === y.length && y.length === y_true.length;
  const controls = () => Object.fromEntries(CONTROLS.map(name => [name, model.get(name)]));
  const root = el.appendChild(document.createElement("div"));
  let pushing = false, waiting;

  const changed = () => { waiting ??= setTimeout(push, explorer.drag?.moving ? 150 : 0); };
  const explorer = new Explorer(root, { ...controls(), selected: model.get("selected") }, changed);
  explorer.parts.link.remove();
  // JupyterLab has plans of its own for keys
  for (const part of root.querySelectorAll("[tabindex], input, button, summary")) part.setAttribute("data-lm-suppress-shortcuts", "true");

  function push() {
    waiting = undefined;
    const { state } = explorer, { points } = state;
    pushing = true;
    for (const name of CONTROLS) model.set(name, state[name]);
    model.set("x", points.map(p => [p.x0, p.x1]));
    model.set("y", points.map(p => p.label));
    model.set("y_true", points.map(p => p.truth));
    model.set("selected", state.selected);
    model.save_changes();
    pushing = false;
  }
  function pull() {
    const { state } = explorer, given = data(), { points } = state;
    if (pushing || waiting || !whole(given)) return;
    Object.assign(state, controls());
    const equal = (p, i) => p.x0 === given.x[i][0] && p.x1 === given.x[i][1] && p.label === given.y[i] && p.truth === given.y_true[i];
    const same = given.x.length === points.length && points.every(equal);
    if (!same) state.take(given);
    state.test = testSet(state.sigma, state.seed);
    state.forget();
    state.selected = model.get("selected");
    explorer.update();
  }
  const names = ["x", "y", "y_true", "selected", ...CONTROLS];
  for (const name of names) model.on(`change:${name}`, pull);
  pull();
  return () => { for (const name of names) model.off(`change:${name}`, pull); explorer.destroy(); };
}

export default { render };
