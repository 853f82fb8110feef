/* The explorer's picture: the plane, the lines and the points, drawn on a canvas. */
import { MEANS, contour } from "./engine.js";
import { RAMPS, STEPS } from "./colors.js";

/** What an explorer draws. It reads `state`, `width`, `height` and `root`. */
export class Picture {
  /** How much of the plane is seen: it follows the points, except under the hand that
      drags one. */
  frame() {
    const aspect = this.width / this.height;
    if (!this.drag?.moving || !this.view) {
      let reach = 1.4;
      for (const p of this.state.points) reach = Math.max(reach,
        Math.abs(p.x0 - 0.5) / aspect + 0.1, Math.abs(p.x1 - 0.5) + 0.1);
      this.half = Math.ceil(reach * 5) / 5;
    }
    this.view = { half: this.half, aspect, unit: this.height / 2 / this.half };
  }

  screen(x0, x1) {
    const { unit } = this.view;
    return [this.width / 2 + (x0 - 0.5) * unit, this.height / 2 - (x1 - 0.5) * unit];
  }

  draw(analysis) {
    const { context: c, width, height, pixels, state } = this;
    const style = name => getComputedStyle(this.root).getPropertyValue(`--${name}`);
    const variable = name => [name, style(name)];
    const names = ["soft", "rule", "mark", "accent"];
    this.colors ??= Object.fromEntries(names.map(variable));
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
      c.moveTo(x, 0); c.lineTo(x, this.height);
      c.moveTo(0, y); c.lineTo(this.width, y);
    }
    c.stroke();
    c.fillStyle = this.colors.soft;
    c.font = "16px system-ui, sans-serif";
    for (const m of [0, 1]) {
      const [x, y] = this.screen(m, m);
      c.textAlign = "left"; c.textBaseline = "alphabetic";
      c.fillText(m ? "1" : "x₀ = 0", x + 4, this.height - 6);
      c.fillText(m ? "1" : "x₁ = 0", 6, y - 4);
    }
  }

  drawLines(c, analysis) {
    if (analysis.problem) return;
    const { left } = this.state, { soft, mark } = this.colors;
    this.drawLine(c, [1, 1, -1], soft, 1.5, [2, 4]);
    if (left.theta) this.drawModel(c, left.theta, mark, 2, [7, 5]);
    this.drawModel(c, analysis.theta, mark, 2.5, []);
  }

  /** Where the model says p = .5, and thinner where it says .1 and .9: the nearer these
      lines, the steeper it is. */
  drawModel(c, theta, color, thickness, dash) {
    for (const p of [0.1, 0.9]) this.drawLine(c, contour(theta, p), color, 1, dash);
    this.drawLine(c, theta, color, thickness, dash);
  }

  /** The line θᵀx̃ = 0, through the point of it that is nearest to the middle of the
      picture. */
  drawLine(c, [u, v, b], color, thickness, dash) {
    const size = u * u + v * v;
    if (!(size > 1e-12)) return;
    const gap = (u * 0.5 + v * 0.5 + b) / size;
    const [x, y] = this.screen(0.5 - gap * u, 0.5 - gap * v);
    const long = (this.width + this.height) / Math.sqrt(size);
    if (Math.hypot(x, y) > 1e5) return;
    c.strokeStyle = color; c.lineWidth = thickness; c.setLineDash(dash);
    c.beginPath();
    c.moveTo(x - long * v, y - long * u); c.lineTo(x + long * v, y + long * u);
    c.stroke();
    c.setLineDash([]);
  }

  radius() {
    const n = this.state.n, small = this.width < 430 ? 0.85 : 1;
    return small * (n <= 100 ? 7 : n <= 300 ? 5.5 : n <= 800 ? 4 : 3);
  }

  trace(c, label, x, y, r) {
    if (label) { const s = r * 0.89; c.rect(x - s, y - s, 2 * s, 2 * s); }
    else { c.moveTo(x + r, y); c.arc(x, y, r, 0, 7); }
  }

  drawPoints(c, analysis) {
    const r = this.radius(), { points } = this.state, values = analysis.influences;
    const middle = (STEPS - 1) / 2, colors = RAMPS[this.root.dataset.theme];
    const greatest = () => values.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
    this.largest = values ? greatest() || 1 : 1;
    const step = i => values ? Math.round(middle + middle * values[i] / this.largest)
      : middle;
    const bins = Array.from({ length: STEPS }, () => []);
    points.forEach((_, i) => bins[step(i)].push(i));
    c.lineWidth = r > 4 ? 1 : 0.7;
    c.strokeStyle = this.colors.soft;
    const strength = k => Math.abs(k - middle);  // the strongest come on top
    const steps = [...bins.keys()].sort((a, b) => strength(a) - strength(b));
    for (const k of steps) {
      if (!bins[k].length) continue;
      c.fillStyle = colors[k];
      c.beginPath();
      for (const i of bins[k]) {
        const p = points[i], [x, y] = this.screen(p.x0, p.x1);
        this.trace(c, p.label, x, y, r);
      }
      c.fill();
      c.stroke();
    }
    this.drawRings(c, r);
  }

  /** A ring around each flipped point. */
  drawRings(c, r) {
    c.strokeStyle = this.colors.mark;
    const ring = r + (r > 4 ? 3.5 : 2);
    c.lineWidth = r > 4 ? 1.8 : 1.2;
    c.beginPath();
    for (const p of this.state.points) {
      if (p.label === p.truth) continue;
      const [x, y] = this.screen(p.x0, p.x1);
      c.moveTo(x + ring, y); c.arc(x, y, ring, 0, 7);
    }
    c.stroke();
  }

  /** Four ticks around the chosen point, and its number. */
  drawChosen(c, p) {
    const [x, y] = this.screen(p.x0, p.x1), near = this.radius() + 6, far = near + 9;
    c.strokeStyle = this.colors.accent; c.lineWidth = 3;
    c.beginPath();
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      c.moveTo(x + near * dx, y + near * dy); c.lineTo(x + far * dx, y + far * dy);
    }
    c.stroke();
    const { style } = this.parts.here;
    style.left = `${x}px`; style.top = `${y}px`;
  }
}
