/* One explorer in an element of a page: it listens, keeps its size and theme, and shows
   what has changed. */
import { isDark } from "./colors.js";
import { Hand } from "./hand.js";
import { SLIDERS, TEMPLATE } from "./page.js";
import { State } from "./state.js";

// a site may change its theme by any of these
const THEMES = { attributes: true,
  attributeFilter: ["class", "style", "data-bs-theme", "data-jp-theme-light"] };

export class Explorer extends Hand {
  /** `changed(explorer)` is called after each change by the reader. */
  constructor(root, options, changed = () => {}) {
    super();
    const count = (globalThis.influenceExplorers || 0) + 1, id = `ifx-${count}`;
    globalThis.influenceExplorers = count;
    Object.assign(this, { root, id, options, changed, tap: "flip", pointer: null,
      drag: null, undo: [] });
    this.state = new State(options);
    root.classList.add("ifx");
    root.setAttribute("role", "group");
    root.setAttribute("aria-label", "Influence explorer");
    root.innerHTML = TEMPLATE(id);
    root.influenceExplorer = this;
    this.find();
    this.context = this.parts.canvas.getContext("2d");
    root.dataset.theme = "light";
    this.listen();
    this.theme();
    this.resize();
  }

  /** The elements that are read or written later. */
  find() {
    const find = selector => this.root.querySelector(selector);
    const all = selector => [...this.root.querySelectorAll(selector)];
    this.parts = {
      plot: find(".ifx-plot"), canvas: find("canvas"), layer: find(".ifx-layer"),
      here: find(".ifx-here"), note: find(".ifx-note"), scale: find(".ifx-scale"),
      reading: find(".ifx-reading"), bars: all(".ifx-bar"), list: find(".ifx-list"),
      score: find(".ifx-score"), sliders: all(".ifx-sliders input"),
      live: find("[aria-live]"), link: find(".ifx-link"),
    };
  }

  on(target, type, handler, settings) {
    target.addEventListener(type, handler, settings);
    this.undo.push(() => target.removeEventListener(type, handler, settings));
  }

  destroy() { this.undo.forEach(undo => undo()); }

  listen() {
    this.listenToPoints();
    this.listenToControls();
    const sizes = new ResizeObserver(() => this.resize());
    sizes.observe(this.parts.plot.parentElement);
    const themes = new MutationObserver(() => this.theme());
    for (const element of [document.documentElement, document.body])
      themes.observe(element, THEMES);
    this.on(matchMedia("(prefers-color-scheme: dark)"), "change", () => this.theme());
    this.undo.push(() => sizes.disconnect(), () => themes.disconnect());
  }

  listenToPoints() {
    const { layer, list } = this.parts;
    this.on(layer, "pointerdown", event => this.press(event));
    this.on(layer, "pointermove", event => this.glide(event));
    this.on(layer, "pointerup", event => this.release(event));
    this.on(layer, "pointercancel", () => this.letGo());
    this.on(layer, "pointerleave", () => { this.pointer = null; });
    const still = event => { if (this.drag?.point >= 0) event.preventDefault(); };
    this.on(layer, "touchstart", still, { passive: false });
    this.on(layer, "keydown", event => this.key(event));
    this.on(list, "keydown", event => this.listKey(event));
    this.on(list, "click", event => {
      const row = event.target.closest("[role=option]");
      if (row?.dataset.index) this.choose(Number(row.dataset.index));
    });
  }

  listenToControls() {
    for (const input of this.parts.sliders) {
      const { key } = input.dataset, { min, max, step, value } = SLIDERS[key];
      Object.assign(input, { min, max, step });
      this.on(input, "input", () => this.slide(key, value(input.value)));
    }
    this.on(this.root, "change", event => {
      if (event.target.type === "radio") this.tap = event.target.value;
    });
    this.on(this.root, "click", event => {
      const action = event.target.dataset?.do;
      if (action === "sample") this.slide("seed", this.state.seed + 1, true);
      if (action === "reset") {
        this.state.reset(this.options);
        this.update("Back at the start.");
      }
    });
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

  resize() {
    const { canvas, plot } = this.parts, width = plot.clientWidth;
    const flat = width * (this.root.clientWidth < 720 ? 0.62 : 0.55);
    const height = Math.round(width < 430 ? width * 0.95 : Math.min(flat, 560));
    const pixels = globalThis.devicePixelRatio || 1;
    this.theme();
    const same = width === this.width && height === this.height;
    if (!width || (same && pixels === this.pixels)) return;
    Object.assign(this, { width, height, pixels });
    plot.style.height = `${height + 2}px`;
    canvas.width = Math.round(width * pixels);
    canvas.height = Math.round(height * pixels);
    this.update();
  }

  /** Recompute, redraw, tell. `said` is what the reader just did, in words; undefined
      says nothing. */
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
}
