/* The explorer's state: the points, what the reader did to them, and what follows. */
import { MEANS, analyze, blobs, testSet, unlucky, withoutPoint } from "./engine.js";
import { clamp } from "./words.js";

const OPENING = { num_samples: 80, sigma: 0.4, flip_rate: 0.06, regularization: 1e-3,
  seed: 9, selected: -1 };
const thousandths = value => Math.round(value * 1000) / 1000;

/** The points and what the reader did to them. A point is {id, number, x0, x1, truth,
    label, moved}; a sampled point's id is its place in the sample, an added one has
    none (−1). The number is its name: it stays when others go. */
export class State {
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
    const flips = this.flips ?? new Set();
    const { x, y, luck } = blobs(this.num_samples, this.sigma, this.seed);
    const wrong = unlucky(luck, this.flip_rate), points = [];
    for (let id = 0; id < y.length; id++) {
      if (this.removed.has(id)) continue;
      const before = old.get(id);
      const turned = before ? before.label !== (before.truth ^ flips.has(id)) : false;
      const point = { id, number: id, x0: x[2 * id], x1: x[2 * id + 1], truth: y[id],
        label: y[id] ^ wrong.has(id) ^ turned, moved: false };
      const kept = before?.moved ? { x0: before.x0, x1: before.x1, moved: true } : {};
      points.push({ ...point, ...kept });
    }
    this.flips = wrong;
    const renamed = (point, k) => ({ ...point, number: this.num_samples + k });
    this.points = points.concat(added.map(renamed));
    this.test = testSet(this.sigma, this.seed);
    this.forget();
  }

  /** Points from elsewhere (Python): they stay until the next sample. */
  take({ x, y, y_true }) {
    this.points = x.map(([x0, x1], i) => ({ id: -1, number: i, foreign: true, x0, x1,
      truth: y_true[i], label: y[i], moved: false }));
    this.forget();
  }

  forget() { this.analysis = null; }
  get n() { return this.points.length; }
  get flipped() { return this.points.filter(p => p.label !== p.truth).length; }

  flip(i) { this.points[i].label ^= 1; this.forget(); }

  move(i, x0, x1) {
    const place = { x0: thousandths(x0), x1: thousandths(x1) };
    Object.assign(this.points[i], { ...place, moved: true });
    this.forget();
  }

  /** A new point has the label of the nearer blob, which is also what counts as its
      true one. */
  add(x0, x1, label, truth = Number(x0 + x1 > MEANS[1][0])) {
    const numbers = this.points.map(p => p.number);
    const number = 1 + Math.max(this.num_samples - 1, ...numbers);
    this.points.push({ id: -1, number, truth, label: label ?? truth,
      x0: thousandths(x0), x1: thousandths(x1), moved: false });
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
      this.points.forEach((p, i) => {
        this.x[2 * i] = p.x0; this.x[2 * i + 1] = p.x1; this.y[i] = p.label;
      });
      this.analysis = analyze(this.x, this.y, this.regularization, this.test,
        this.theta);
      this.theta = this.analysis.theta;  // the next fit starts where this one ended
      this.left = null;
    }
    const { analysis, x, y, regularization, test } = this;
    if (analysis.problem) {
      this.selected = Math.min(this.selected, this.n - 1);
      return analysis;
    }
    if (this.selected < 0 || this.selected >= this.n) this.selected = analysis.order[0];
    const index = this.selected;
    if (this.left?.index !== index)
      this.left = { index,
        ...withoutPoint(index, x, y, regularization, test, analysis) };
    return analysis;
  }

  /** The state as text for the address: the sample, then what differs from it. */
  toText() {
    const wrong = this.flips, changed = this.points.filter(p => p.id >= 0);
    const turned = changed.filter(p => p.label !== (p.truth ^ wrong.has(p.id)));
    const own = this.points.filter(p => p.id < 0);
    const part = {
      n: this.num_samples, s: this.sigma, f: this.flip_rate, l: this.regularization,
      r: this.seed, p: this.selected,
      t: turned.map(p => p.id).join(),
      m: changed.filter(p => p.moved).map(p => `${p.id}:${p.x0}:${p.x1}`).join(),
      d: [...this.removed].join(),
      a: own.map(p => `${p.x0}:${p.x1}:${p.label}:${p.truth}`).join(),
    };
    const written = Object.entries(part).filter(([, value]) => value !== "");
    return written.map(([key, value]) => `${key}=${value}`).join("&");
  }

  /** The reverse; what cannot be read is left out. */
  fromText(text) {
    const part = Object.fromEntries(text.split("&").map(piece => piece.split("=")));
    const number = (key, low, high, otherwise) =>
      key in part && Number.isFinite(Number(part[key]))
        ? clamp(Number(part[key]), low, high) : otherwise;
    const list = key => (part[key] || "").split(",").filter(Boolean)
      .map(item => item.split(":").map(Number))
      .filter(item => item.every(Number.isFinite));
    const inside = value => clamp(value, -9, 9);
    this.reset({
      num_samples: Math.round(number("n", 1, 2000, OPENING.num_samples)),
      sigma: number("s", 0.05, 2, OPENING.sigma),
      flip_rate: number("f", 0, 0.5, OPENING.flip_rate),
      regularization: number("l", 0, 100, OPENING.regularization),
      seed: Math.round(number("r", 0, 1e6, OPENING.seed)),
    });
    for (const [id] of list("t")) if (this.points[id]) this.flip(id);
    for (const [id, x0, x1] of list("m"))
      if (this.points[id] && x1 !== undefined) this.move(id, inside(x0), inside(x1));
    const gone = new Set(list("d").map(([id]) => id).filter(id => this.points[id]));
    this.points = this.points.filter(p => !gone.has(p.id));
    this.removed = gone;
    for (const [x0, x1, label, truth] of list("a").slice(0, 500))
      if (truth !== undefined)
        this.add(inside(x0), inside(x1), Number(label === 1), Number(truth === 1));
    this.selected = Math.round(number("p", -1, this.n - 1, -1));
  }
}
