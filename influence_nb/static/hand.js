/* The reader's hand: what pointer, keys and sliders do to the state. */
import { Verdict } from "./verdict.js";
import { clamp } from "./words.js";

const DIRECTIONS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1],
  ArrowDown: [0, -1] };

/** A picture with its words, under a hand. Each deed ends in `update`, which shows
    it. */
export class Hand extends Verdict {
  /** A control was moved. A new seed is a new sample: what was done to the old one is
      left behind. */
  slide(key, value, fresh = false) {
    const { state } = this;
    state[key] = value;
    if (fresh) Object.assign(state,
      { points: [], flips: null, removed: new Set(), selected: -1 });
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
    const { half, aspect } = this.view, inside = (value, reach) =>
      clamp(value, 0.5 - reach, 0.5 + reach);
    this.state.move(index, inside(x0, half * aspect), inside(x1, half));
    this.update();
  }

  // ------------------------------------------------ pointer

  /** Where an event is: on the screen, and in the plane. */
  place(event) {
    const box = this.parts.canvas.getBoundingClientRect(), { unit } = this.view;
    const sx = event.clientX - box.left, sy = event.clientY - box.top;
    return { sx, sy, x0: (sx - this.width / 2) / unit + 0.5,
      x1: (this.height / 2 - sy) / unit + 0.5 };
  }

  /** The point under a finger (22 px around it) or a mouse (14 px), or −1. */
  under({ sx, sy }, touch) {
    let best = -1, least = (touch ? 22 : 14) ** 2;
    this.state.points.forEach((p, i) => {
      const [px, py] = this.screen(p.x0, p.x1);
      const distance = (px - sx) ** 2 + (py - sy) ** 2;
      if (distance < least) { least = distance; best = i; }
    });
    return best;
  }

  press(event) {
    if (event.button) return;
    const at = this.place(event), point = this.under(at, event.pointerType === "touch");
    const held = this.state.points[point], { layer } = this.parts;
    const offset = held ? [held.x0 - at.x0, held.x1 - at.x1] : null;
    this.drag = { at, point, moving: false, offset };
    layer.focus({ preventScroll: true, focusVisible: false });
    if (!held) return;
    try { layer.setPointerCapture(event.pointerId); }
    catch { /* a synthetic event has no pointer to capture */ }
  }

  glide(event) {
    const at = this.place(event), { drag } = this, { classList } = this.parts.layer;
    this.pointer = at;
    if (!drag) { classList.toggle("ifx-over", this.under(at, false) >= 0); return; }
    if (drag.point < 0) return;
    if (!drag.moving && Math.hypot(at.sx - drag.at.sx, at.sy - drag.at.sy) > 4) {
      drag.moving = true;
      this.state.selected = drag.point;
      classList.add("ifx-dragging");
    }
    if (drag.moving)
      this.shift(drag.point, at.x0 + drag.offset[0], at.x1 + drag.offset[1]);
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
    const { state } = this, { key } = event, step = DIRECTIONS[key];
    const at = state.points[state.selected];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (step && event.shiftKey && at) {
      this.shift(state.selected, at.x0 + 0.05 * step[0], at.x1 + 0.05 * step[1]);
      this.update("Moved the point.");
    } else if (step) this.choose(this.neighbor(step));
    else if (key === " ") this.flip();
    else if (key === "Delete" || key === "Backspace") this.remove();
    else if (key === "a" || key === "A") {
      const beside = { x0: (at?.x0 ?? 0.4) + 0.1, x1: (at?.x1 ?? 0.4) + 0.1 };
      const place = this.pointer || beside;
      this.add(place.x0, place.x1);
    }
    else if (key === "PageDown" || key === "PageUp")
      this.choose(this.along(key === "PageDown" ? 1 : -1));
    else if (key === "Home") this.choose(this.along(-Infinity));
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
      const by0 = p.x0 - from.x0, by1 = p.x1 - from.x1;
      const ahead = by0 * d0 + by1 * d1;
      const aside = Math.abs(by0 * d1) + Math.abs(by1 * d0);
      const distance = ahead + 2 * aside;
      if (i === selected || ahead <= 0 || aside > 2 * ahead) return;
      if (distance < least) { least = distance; best = i; }
    });
    return best;
  }
}
