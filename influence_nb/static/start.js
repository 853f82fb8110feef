/* One face for two homes: `mount` is what a page without a kernel calls, `render` what
   anywidget calls in a notebook. */
import { testSet } from "./engine.js";
import { Explorer } from "./explorer.js";

/** A page without a kernel: the state is in the address. */
export function mount(root, options) {
  const explorer = new Explorer(root, options, () => {
    clearTimeout(waiting);
    waiting = setTimeout(write, 200);
  });
  const key = explorer.id.replace("ifx-", "explorer-"), { link } = explorer.parts;
  let waiting;
  const address = () => `#${key}&${explorer.state.toText()}`;
  function write() {
    link.href = address();
    try { history.replaceState(null, "", address()); }
    catch { /* a page inside a frame may not touch its address */ }
  }
  function read() {
    if (!location.hash.startsWith(`#${key}&`)) return false;
    const text = location.hash.slice(key.length + 2);
    try { explorer.state.fromText(decodeURIComponent(text)); }
    catch { return false; }  // a broken % is no state
    explorer.update();
    link.href = address();
    return true;
  }
  link.href = address();
  explorer.on(globalThis, "hashchange", read);
  if (read()) requestAnimationFrame(() => root.scrollIntoView({ block: "start" }));
  return explorer;
}

const SHARED = ["num_samples", "sigma", "flip_rate", "seed", "regularization"];
const NAMES = ["x", "y", "y_true", "selected", ...SHARED];

/** JupyterLab has plans of its own for keys: it is kept from them here. */
function keepKeys(root) {
  for (const part of root.querySelectorAll("[tabindex], input, button, summary"))
    part.setAttribute("data-lm-suppress-shortcuts", "true");
}

/** Are these the points that the state has already? */
function same(given, points) {
  const equal = (p, i) => p.x0 === given.x[i][0] && p.x1 === given.x[i][1]
    && p.label === given.y[i] && p.truth === given.y_true[i];
  return given.x.length === points.length && points.every(equal);
}

/** A notebook: the state is shared with Python. */
export function render({ model, el }) {
  const data = () =>
    ({ x: model.get("x"), y: model.get("y"), y_true: model.get("y_true") });
  const whole = ({ x, y, y_true }) =>
    x.length === y.length && y.length === y_true.length;
  const controls = () =>
    Object.fromEntries(SHARED.map(name => [name, model.get(name)]));
  const root = el.appendChild(document.createElement("div"));
  let pushing = false, waiting;

  const changed = () => {
    waiting ??= setTimeout(push, explorer.drag?.moving ? 150 : 0);
  };
  const opening = { ...controls(), selected: model.get("selected") };
  const explorer = new Explorer(root, opening, changed);
  explorer.parts.link.remove();
  keepKeys(root);

  function push() {
    waiting = undefined;
    const { state } = explorer, { points } = state;
    pushing = true;
    for (const name of SHARED) model.set(name, state[name]);
    model.set("x", points.map(p => [p.x0, p.x1]));
    model.set("y", points.map(p => p.label));
    model.set("y_true", points.map(p => p.truth));
    model.set("selected", state.selected);
    model.save_changes();
    pushing = false;
  }
  function pull() {
    const { state } = explorer, given = data();
    if (pushing || waiting || !whole(given)) return;
    Object.assign(state, controls());
    if (!same(given, state.points)) state.take(given);
    state.test = testSet(state.sigma, state.seed);
    state.forget();
    state.selected = model.get("selected");
    explorer.update();
  }
  for (const name of NAMES) model.on(`change:${name}`, pull);
  pull();
  return () => {
    for (const name of NAMES) model.off(`change:${name}`, pull);
    explorer.destroy();
  };
}

export default { render };
