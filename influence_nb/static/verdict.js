/* What the explorer says: the verdict, the bars, the suspects, and the words for those
   who cannot see them. */
import { RAMPS, SCALES, STEPS } from "./colors.js";
import { SLIDERS, icon } from "./page.js";
import { Picture } from "./picture.js";
import { ONE_CLASS, PROBLEMS, clamp, digits } from "./words.js";

/** A picture, and what is written around it. */
export class Verdict extends Picture {
  name(i) {
    const p = this.state.points[i], flipped = p.label !== p.truth ? ", flipped" : "";
    return `point ${p.number}, label ${p.label}${flipped}`;
  }

  /** What the chosen point does, in a sentence or two. */
  sentence(analysis) {
    const { selected: i, left, points, n } = this.state, p = points[i];
    const value = analysis.influences[i], predicted = value / n;
    const moves = change =>
      `${change < 0 ? "falls" : "rises"} by ${digits(Math.abs(change))}`;
    const what = p.label !== p.truth
      ? `Point ${p.number} was given the label ${p.label}, but it is a ${p.truth}.`
      : `Point ${p.number} has the label ${p.label}, as it should.`;
    const effect = value < 0 ? "harms" : "helps";
    const actual = left.problem ? "A refit finds no optimum without it."
      : `A refit finds that it ${moves(left.actual)}.`;
    const rest = "Influence predicts that without it the test loss "
      + `${moves(predicted)}. ${actual}`;
    return { what, effect, rest };
  }

  write(analysis) {
    const { parts, state } = this, { points, selected } = state;
    const oneClass = points.every(p => p.label === points[0].label);
    const note = analysis.problem ? PROBLEMS[analysis.problem]
      : oneClass ? ONE_CLASS : "";
    if (parts.note.textContent !== note) parts.note.textContent = note;
    const colors = SCALES[this.root.dataset.theme].join(", ");
    const largest = analysis.problem ? "" : digits(this.largest);
    const ends = parts.scale.querySelectorAll("small");
    const ramp = `linear-gradient(to right, ${colors})`;
    parts.scale.querySelector("i").style.background = ramp;
    ends[0].textContent = largest && `−${largest}`;
    ends[1].textContent = largest && `+${largest}`;
    this.writeReading(analysis);
    this.writeList(analysis);
    this.writeControls();
    this.writeHere(points[selected] ? this.name(selected) : "no point");
  }

  /** The chosen point, for those who go by keyboard. */
  writeHere(words) {
    const { here, layer } = this.parts, { selected, n } = this.state;
    // a new name, so that it is read out again
    here.id = `${this.id}-point-${selected}`;
    layer.setAttribute("aria-activedescendant", here.id);
    here.setAttribute("aria-label", words);
    if (selected < 0) {
      here.removeAttribute("aria-setsize"); here.removeAttribute("aria-posinset");
    } else {
      here.setAttribute("aria-setsize", n);
      here.setAttribute("aria-posinset", selected + 1);
    }
  }

  writeReading(analysis) {
    const { reading, bars } = this.parts, { selected, left, n } = this.state;
    if (analysis.problem) {
      reading.textContent = "No optimum, no influence: the question what one point did "
        + "to the model has no answer here.";
      for (const bar of bars) {
        bar.querySelector("i").style.width = "0";
        bar.querySelector("output").textContent = "–";
      }
      return;
    }
    const { what, effect, rest } = this.sentence(analysis);
    reading.innerHTML =
      `${what} It <strong class="ifx-${effect}">${effect} the model.</strong> ${rest}`;
    const most = Math.max(this.largest / n, Math.abs(left.actual ?? 0));
    [analysis.influences[selected] / n, left.actual].forEach((value, k) =>
      this.writeBar(bars[k], value, most));
  }

  /** One change of the test loss as a bar that starts in the middle. */
  writeBar(bar, value, most) {
    const share = value === undefined ? 0 : value / most;
    const colors = RAMPS[this.root.dataset.theme];
    Object.assign(bar.querySelector("i").style, {
      width: `${50 * Math.abs(share)}%`, left: `${50 + Math.min(0, 50 * share)}%`,
      background: colors[share < 0 ? 10 : STEPS - 11],
    });
    bar.querySelector("output").textContent =
      value === undefined ? "–" : digits(value, true);
  }

  writeList(analysis) {
    const { list, score } = this.parts, { state } = this;
    if (analysis.problem) {
      list.innerHTML = `<div role="option" aria-selected="false"><span></span>`
        + `<span>none</span></div>`;
      list.removeAttribute("aria-activedescendant");
      score.textContent = "";
      return;
    }
    const length = Math.min(state.n, 5);
    const rank = analysis.order.indexOf(state.selected);
    const first = clamp(rank - length + 1, 0, Math.max(0, state.n - length));
    const shown = analysis.order.slice(first, first + length);
    list.innerHTML = Array.from(shown, (i, k) =>
      this.row(i, first + k + 1, analysis.influences[i])).join("");
    list.setAttribute("aria-activedescendant", `${this.id}-row-${state.selected}`);
    const flips = state.flipped, { value, accuracy } = analysis.test;
    const isFlip = i => state.points[i].label !== state.points[i].truth;
    const found = analysis.order.slice(0, flips).filter(isFlip).length;
    score.textContent =
      (flips ? `Of the first ${flips} suspects, ${found} are flips. `
        : "No label is flipped. ")
      + `Test loss ${digits(value)}, ${Math.round(100 * accuracy)}% right.`;
  }

  /** A suspect: its sign in the color of its influence, its name, and I/n. */
  row(i, place, value) {
    const { points, selected, n } = this.state, p = points[i], middle = (STEPS - 1) / 2;
    const step = Math.round(middle + middle * value / this.largest);
    const color = RAMPS[this.root.dataset.theme][step], flipped = p.label !== p.truth;
    return `<div role="option" id="${this.id}-row-${i}" data-index="${i}"`
      + ` aria-selected="${i === selected}"`
      + ` aria-posinset="${place}" aria-setsize="${n}">`
      + `${icon(p.label, color, flipped)}<span>point ${p.number}</span>`
      + `<em>${flipped ? "flipped" : ""}</em>`
      + `<span class="ifx-value">${digits(value / n, true)}</span></div>`;
  }

  writeControls() {
    for (const input of this.parts.sliders) {
      const { key } = input.dataset, slider = SLIDERS[key], value = this.state[key];
      const place = String(slider.place(value)), text = slider.text(value);
      if (input.value !== place) input.value = place;
      input.setAttribute("aria-valuetext", text);
      input.previousElementSibling.textContent = text;
    }
  }

  /** Tell those who cannot see it, when the hand rests. */
  say(done) {
    clearTimeout(this.saying);
    this.saying = setTimeout(() => {
      const { live } = this.parts, analysis = this.state.solve();
      if (analysis.problem) {
        live.textContent = `${done} ${PROBLEMS[analysis.problem]}`;
        return;
      }
      const { what, effect, rest } = this.sentence(analysis);
      live.textContent = `${done} ${what} It ${effect} the model. ${rest}`;
    }, 300);
  }
}
