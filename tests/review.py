"""The review desk in a real browser: decide by key and by button, see it on the disk,
undo, kill, reload, go on; every action by keyboard alone, for every kind of card, in
light and dark; and a desk whose every name is HTML.

Run by `make test-browser`. Works on a copy of the notebook, so that nothing of the
project is written. One page of JupyterLab opens one notebook after the other.
"""
import json
import statistics
import sys
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent))
from browser import (CHROMIUM, HAS_KERNEL, OPEN, QUIET, RUN_TO_THE_END, axe_problems,
                     end_kernel, jupyterlab, lab_page, leave_lab, tried_twice)

NOTEBOOK, SAVED, STEPS = "49_review", "digits-review.json", 30
# From the key to the new card, by the page's own clock
STEP = """(key) => new Promise((done, failed) => {
  const desk = document.querySelector('.review-desk'), start = performance.now();
  const before = desk.querySelector('.review-card').dataset.position;
  const watch = new MutationObserver(() => {
    const card = desk.querySelector('.review-card');
    if (card && card.dataset.position !== before) { watch.disconnect();
      done(performance.now() - start); }
  });
  watch.observe(desk, { childList: true, subtree: true, attributes: true });
  setTimeout(() => { watch.disconnect(); failed('no new suspect within 5 s'); }, 5000);
  desk.dispatchEvent(new KeyboardEvent('keydown',
    { key, bubbles: true, cancelable: true }));
})"""


def open_desk(browser, base, token, notebook=NOTEBOOK):
    "A notebook run from top to bottom, scrolled to its first desk"
    page = lab_page(browser, base, token)
    page.evaluate(OPEN, f"{notebook}.ipynb")
    page.wait_for_function(HAS_KERNEL)
    errors = page.evaluate(RUN_TO_THE_END)
    assert not errors, errors
    card = page.locator(".review-desk .review-card").first
    card.wait_for(state="attached")
    card.scroll_into_view_if_needed()
    # every key listener is connected
    page.wait_for_function("() => [...document.querySelectorAll('.review-desk')].every("
                           "desk => desk.role === 'group')")
    return page, card


def wait_for(condition, what, seconds=10):
    for _ in range(int(seconds * 20)):
        if condition(): return
        time.sleep(0.05)
    raise AssertionError(what)


def log(folder, name=SAVED):
    path = folder / name
    return json.loads(path.read_text())["log"] if path.exists() else []


def place(card): return int(card.get_attribute("data-position"))


def click(page, words):
    page.locator(".review-desk button", has_text=words).first.click()


def decide(page, card, folder):
    """By key, by button, from the grid; each decision is on the disk, and undo takes it
    off"""
    assert place(card) == 0 and not log(folder)
    page.locator(".review-desk .review-card").click()
    cells = page.locator(".jp-Notebook .jp-Cell").count()
    page.keyboard.press("r")
    wait_for(lambda: place(card) == 1, "R did not go on to the next suspect")
    assert log(folder)[0][1] == "relabel", log(folder)
    click(page, "Keep (K)")
    wait_for(lambda: place(card) == 2, "the button did not go on to the next suspect")
    page.keyboard.press("u")  # the focus is on a button now
    wait_for(lambda: place(card) == 3, "U did not work while a button has the focus")
    assert [entry[1] for entry in log(folder)] == ["relabel", "keep",
                                                   "unsure"], log(folder)
    page.keyboard.press("z")
    wait_for(lambda: place(card) == 2, "Z did not go back")
    assert [entry[1] for entry in log(folder)] == ["relabel", "keep"], log(folder)
    assert ("2 decisions saved" in page.locator(".review-desk [role=status]")
            .inner_text())
    assert page.locator(".jp-Notebook .jp-Cell").count() == cells, (
        "a key reached the notebook")
    page.keyboard.press("g")
    wait_for(lambda: page.locator(".review-desk [data-go]").count() == 24,
             "G showed no grid")
    page.locator(".review-desk [data-go]").nth(5).click()
    wait_for(lambda: place(card) == 5, "the grid does not answer a click")
    page.keyboard.press("g")
    page.keyboard.press("ArrowLeft")
    wait_for(lambda: place(card) == 4, "the arrow did not go back")
    names = page.evaluate("() => [...document.querySelectorAll('.review-desk "
                          "button')].map(b => (b.textContent || b.title).trim())")
    assert all(names) and len(names) >= 8, f"buttons without a name: {names}"
    assert page.evaluate("() => [...document.querySelectorAll('.review-desk "
                         "img')].every(i => i.alt)"), "a picture without description"


def measure(page):
    """Milliseconds from key to new card: shown, not judged, since a clock on a shared
    machine is no test"""
    times = [page.evaluate(STEP, "u") for _ in range(STEPS)]
    print(f"a step: median {statistics.median(times):.0f} ms, slowest {max(times):.0f} "
          f"ms of {STEPS}", flush=True)


def kill_kernels(base, token):
    "What a crash does: the process is gone, nothing is tidied up"
    for kernel in json.load(
        urllib.request.urlopen(f"{base}/api/kernels?token={token}")):
        urllib.request.urlopen(
            urllib.request.Request(f"{base}/api/kernels/{kernel['id']}?token={token}",
                                   method="DELETE"))


# What a class, a sample, a reason, a text and a file may be called by somebody who
# means harm
EVIL = '<img src=x onerror="window.top.pwned=1">'
HOSTILE = [EVIL, "</b><script>window.top.pwned=2</script>", "plain", "a' b\" &lt;b&gt;"]
EVIL_FILE = "<img src=x onerror=window.top.pwned=3>.json"
HOSTILE_CODE = f"""
import numpy as np
from influence_nb.review import Evidence, ReviewDesk, review_labels
from influence_nb.suspects import Suspects
names = {HOSTILE!r}
y = np.array([names[(k + 1) % 4] for k in range(8)])
texts = [f"{{k}}: {{names[k % 4]}}" for k in range(8)]
suspects = Suspects(np.arange(8), -np.arange(8.0), y, np.roll(y, 1),
                    np.full(8, 0.9), "")
review_labels(texts, y, suspects, influence=np.arange(64.0).reshape(8, 8),
              path={EVIL_FILE!r}, names=names * 2, reasons=names * 2)
"""
INTRUDERS = (".review-desk "
             ":is(script, iframe, svg image, img[src=x], [onerror], [onload])")
TWICE = "button => { button.click(); button.click(); }"


def unharmed(page, when):
    came = page.locator(INTRUDERS).count()
    assert came == 0, f"an element came out of a name: {when}"
    assert page.evaluate("() => window.pwned ?? null") is None, f"a script ran: {when}"


def said(page): return page.locator(".review-desk [role=status]").inner_text()


def hostile_desk(page, card, folder):
    """No script runs, every word is shown, a decision counts only for the card that was
    on the screen, and what is not counted is said"""
    def decided(): return log(folder, EVIL_FILE)
    def wait_log(count):
        wait_for(lambda: len(decided()) == count, f"not {count} decided")
    unharmed(page, "at the start")
    for name in HOSTILE[:2]: assert name in page.locator(".review-desk").inner_text()
    ended = page.locator(".jp-OutputArea-output").last.inner_text()
    assert ended.startswith("0 of 8 suspects decided"), ended
    page.select_option(".review-choice select", label=EVIL)
    click(page, "Relabel as chosen")
    wait_log(1)
    wait_for(lambda: f"relabeled as {EVIL}" in said(page), "the new label is not said")
    assert decided() == [[0, "relabel", EVIL]] and EVIL_FILE in said(page)
    unharmed(page, "after 'Relabel as chosen'")
    page.locator(".review-desk button", has_text="Keep (K)").evaluate(TWICE)
    wait_for(lambda: "Not counted" in said(page),
             "the second of two clicks is swallowed")
    assert decided()[1:] == [[1, "keep", None]] and place(card) == 2
    page.locator(".review-desk .review-card").click()
    page.keyboard.press("r")
    wait_log(3)
    wait_for(lambda: place(card) == 3, "R did not go on")
    page.keyboard.press("g")
    wait_for(lambda: page.locator(".review-desk [data-go]").count() == 8, "no grid")
    unharmed(page, "in the grid")
    page.locator(".review-desk [data-go='6']").click()
    wait_for(lambda: place(card) == 6, "the grid does not answer a click")
    problems = axe_problems(page, "the grid", ".review-desk")
    page.keyboard.press("g")
    wait_for(lambda: page.locator(".review-desk [data-go]").count() == 0, "no card")
    views = page.locator(".review-desk select").nth(1)
    views.select_option(label=f"given {EVIL}")
    wait_for(lambda: f"given {EVIL}" in said(page), "the choice of a class is not said")
    page.keyboard.press("Escape")
    click(page, "Unsure (U)")
    wait_log(4)
    assert decided()[3] == [3, "unsure", None], decided()
    unharmed(page, "at the end")
    problems += axe_problems(page, "the card", ".review-desk")
    return problems


def turn(page, theme):
    "JupyterLab in another theme"
    page.evaluate("theme => window.jupyterapp.commands"
                  ".execute('apputils:change-theme', "
                  "{theme})", f"JupyterLab {theme}")
    page.wait_for_selector(f"body[data-jp-theme-light={str(theme == 'Light').lower()}]",
                           state="attached")


# Every kind of card, with names that are HTML beside harmless ones
KINDS_CODE = HOSTILE_CODE.partition("names =")[0] + f"""
import pandas as pd
names, n = {HOSTILE!r}, 30
rng, y = np.random.RandomState(0), np.arange(n) % 5
suspects = Suspects(np.arange(n), -np.arange(float(n)), y, (y + 1) % 5, np.full(n, 0.9),
                    "", groups=np.arange(n).clip(max=26))
def fails(ax, i): raise RuntimeError(names[0])
def desk(name, x, **options):
    review_labels(x, y, suspects, path=f"{{name}}.json", **options)
"""
KINDS = {
    "images": "rng.rand(n, 16, 16, 3), influence=rng.randn(n, n)",
    "tables": "pd.DataFrame(rng.randn(n, 50)).rename(columns=dict(enumerate(names))), "
              "units={0: 'cm'}, names=[f'row {i}' for i in range(n)], "
              "reasons=['residual 90%'] * n",
    "texts": "['A long text. ' * 300] * n",
    "undrawable": "rng.randn(n, 9), draw=fails, influence=rng.randn(n, n)",
    "blind": "rng.randn(n, 9), blind=True, influence=rng.randn(n, n)",
    "blind tables": "rng.randn(n, 9), blind=True, feature_names=list('abcdefghi')",
}


def write_notebook(path, *sources):
    cells = [{"cell_type": "code", "execution_count": None, "id": f"desk{k}",
              "metadata": {}, "outputs": [], "source": source}
             for k, source in enumerate(sources)]
    kernel = {"display_name": "python3", "language": "python", "name": "python3"}
    path.write_text(json.dumps({"cells": cells, "metadata": {"kernelspec": kernel},
                                "nbformat": 4, "nbformat_minor": 5}))


# What has the focus, in the words of who hears the page: its name, and whether it is
# seen
FOCUS = """() => {
  const at = document.activeElement;
  const name = at.ariaLabel || at.labels?.[0]?.textContent || at.textContent;
  const looks = () => {
    const { outline, boxShadow, borderColor, backgroundColor } = getComputedStyle(at);
    return [outline, boxShadow, borderColor, backgroundColor].join();
  };
  const there = looks();
  at.blur();
  const shown = there !== looks();
  at.focus({ focusVisible: true, preventScroll: true });
  return [(at.closest('.review-desk') ? '' : 'outside: ') + name.trim(), shown];
}"""
BUTTONS = ["Keep (K)", "Relabel as guessed (R)", "Unsure (U)", "Undo (Z)",
           "Previous (←)", "Next (→)", "Grid or single (G)"]
CHOICES = ["new label", "Relabel as chosen", "show"]


def tab_order(page, desk, kind):
    "From the desk through its parts and out, and the way back; each shows the focus"
    parts = ["training point"] * desk.locator(".review-card [tabindex='0']").count()
    wanted = [*parts, *BUTTONS, *CHOICES]
    def walk(key, count):
        seen = []
        for _ in range(count):
            page.keyboard.press(key)
            name, shown = page.evaluate(FOCUS)
            assert shown, f"{kind}: the focus is not seen on {name}"
            seen.append(name)
        return seen
    def same(seen, wanted):
        return all(map(str.startswith, seen, wanted))
    desk.focus()
    there = walk("Tab", len(wanted))
    assert same(there, wanted), f"{kind}: {there}"
    back = walk("Shift+Tab", len(wanted))
    wanted = ["Review of suspect labels", *wanted[:-1]][::-1]
    assert same(back, wanted), f"{kind}, back: {back}"
    desk.locator("select").last.focus()
    page.keyboard.press("Tab")
    name, _ = page.evaluate(FOCUS)
    assert not name.startswith(tuple(BUTTONS + CHOICES)), f"{kind}: no way out: {name}"


class Keys:
    "One desk, worked by keyboard alone"
    def __init__(self, page, folder, kind):
        self.page, self.folder, self.kind = page, folder, kind
        self.desk = page.locator(".review-desk").nth(list(KINDS).index(kind))
        self.card = self.desk.locator(".review-card")

    def log(self): return log(self.folder, f"{self.kind}.json")

    def said(self): return self.desk.locator("[role=status]").inner_text()

    def to(self, name):
        "Tab until this part has the focus"
        for _ in range(20):
            if self.page.evaluate(FOCUS)[0].startswith(name): return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"{self.kind}: no way by Tab to {name}")

    def press(self, key, decides=None, at=None):
        "A key, the decision that it makes, and the place of the card that follows"
        before = self.log()
        self.page.keyboard.press(key)
        if decides is not None:
            wait_for(lambda: len(self.log()) > len(before),
                     f"{self.kind}: {key} is swallowed; {self.said()}")
            assert self.log() == [*before, decides], (self.kind, key, self.log())
        if at is not None: wait_for(lambda: place(self.card) == at,
            f"{self.kind}: {key} does not lead to {at}, but {place(self.card)}")


def by_keyboard(page, folder, kind):
    "Every action, from wherever the focus may be"
    keys, others = Keys(page, folder, kind), [k for k in KINDS if k != kind]
    cells = page.locator(".jp-Notebook .jp-Cell").count()
    unseen, blind = kind == "undrawable", kind.startswith("blind")
    keys.desk.focus()
    keys.press("u", [0, "unsure", None], 1)
    if unseen:  # what cannot be seen can only be left open
        for key in "kr3":
            keys.press(key)
            wait_for(lambda: "could not be drawn" in keys.said(), f"{key} is swallowed")
            keys.press("ArrowLeft", at=0)
            keys.press("ArrowRight", at=1)
            wait_for(lambda: "could not be drawn" not in keys.said(), "said for ever")
    elif blind:  # the guess comes after the answer
        assert "guess" not in keys.card.inner_text()
        keys.press("r")
        wait_for(lambda: "after your answer" in keys.said(), "R is swallowed")
        keys.press("k", [1, "keep", None], 2)
        wait_for(lambda: "guess was 2" in keys.said(), "the guess is not said")
        keys.press("ArrowLeft", at=1)
        wait_for(lambda: "model's guess: 2" in keys.card.inner_text(), "no guess")
    else:
        keys.press("k", [1, "keep", None], 2)
        keys.press("Shift+R", [2, "relabel", 3], 3)
    keys.press("ArrowRight")
    decided = len(keys.log())
    wait_for(lambda: place(keys.card) == (2 if unseen or blind else 4), "no step ahead")
    at = place(keys.card)
    if not unseen:
        keys.press("0", [at, "relabel", 0], at + 1)  # a digit is a class
        keys.press(str((at + 1) % 5), [at + 1, "keep", None], at + 2)  # its own class
        keys.press("z", at=at + 1)
        keys.press("z", at=at)
        wait_for(lambda: len(keys.log()) == decided, "Z did not take both back")
    for part in keys.desk.locator(".review-card [tabindex='0']").all()[:1]:
        part.focus()  # inside the card, which a decision takes away
        keys.press("u", [at, "unsure", None], at + 1)
        keys.press("u", [at + 1, "unsure", None], at + 2)
        keys.press("z", at=at + 1)
        keys.press("z", at=at)
    keys.desk.focus()
    keys.to("Unsure (U)")
    keys.press("Enter", [at, "unsure", None], at + 1)
    keys.press("Space", [at + 1, "unsure", None], at + 2)
    keys.to("new label")
    chosen = keys.desk.locator("select").first
    keys.press("ArrowDown")
    wait_for(lambda: chosen.evaluate("s => s.selectedIndex") == 1, "no choice by arrow")
    if not unseen and at + 2 != 6:
        keys.to("Relabel as chosen")
        keys.press("Enter", [at + 2, "relabel", 1], at + 3)
        keys.press("z", at=at + 2)
    keys.to("show")
    keys.press("ArrowDown")
    wait_for(lambda: "suspects: given 0" in keys.said(), "no view by arrow")
    keys.press("ArrowUp")
    wait_for(lambda: "suspects: all" in keys.said(), "no way back to all")
    keys.desk.focus()
    keys.press("g")
    wait_for(lambda: keys.desk.locator("[data-go]").count() == 24, "no grid by G")
    for _ in range(3): page.keyboard.press("Tab")
    keys.press("Enter", at=2)
    keys.press("ArrowRight", at=3)  # heard though the button is gone
    keys.press("g")
    wait_for(lambda: keys.desk.locator("[data-go]").count() == 0, "no card by G")
    before = keys.log()
    for key in ("a", "b", "d", "d", "j", "x", "y", "m", "Delete"):
        page.keyboard.press(key)
    keys.press("ArrowRight", at=4)
    assert keys.log() == before
    assert page.locator(".jp-Notebook .jp-Cell").count() == cells
    for other in others:
        assert len(log(folder, f"{other}.json")) in (0, DONE.get(other))
    DONE[kind] = len(before)


DONE = {}  # kind → decisions: one desk's keys reach no other


def two_keys_at_once(page, folder):
    "The second is not for the card that was on the screen, and that is said"
    keys = Keys(page, folder, "images")
    before = keys.log()
    keys.desk.evaluate("""desk => { for (const key of ['u', 'u']) desk.dispatchEvent(
        new KeyboardEvent('keydown', {key, bubbles: true, cancelable: true})); }""")
    wait_for(lambda: "Not counted" in keys.said(),
             "the second of two keys is swallowed")
    assert len(keys.log()) == len(before) + 1


def keyboard_day(browser, base, token, folder):
    "What axe finds in every kind of card and grid, after each was worked by keyboard"
    for kind in KINDS: (folder / f"{kind}.json").unlink(missing_ok=True)
    DONE.clear()
    write_notebook(folder / "kinds.ipynb", KINDS_CODE,
                   *(f"desk({kind!r}, {rest})" for kind, rest in KINDS.items()))
    page, _ = open_desk(browser, base, token, "kinds")
    desks = page.locator(".review-desk")
    assert desks.count() == len(KINDS)
    for kind, desk in zip(KINDS, desks.all()):
        tab_order(page, desk, kind)
        by_keyboard(page, folder, kind)
    two_keys_at_once(page, folder)
    unharmed(page, "in any kind of card")
    def in_both(what):
        found = []
        for theme in ("Light", "Dark"):
            turn(page, theme)
            found += axe_problems(page, f"{what}, {theme}", ".review-desk")
        return found
    problems = in_both("the cards")
    for desk in desks.all():
        desk.focus()
        page.keyboard.press("g")
        desk.locator("[data-go]").first.wait_for()
    problems += in_both("the grids")
    turn(page, "Light")
    return problems


def hostile_day(browser, base, token, folder):
    "What axe finds in a desk whose every name is HTML"
    (folder / EVIL_FILE).unlink(missing_ok=True)
    write_notebook(folder / "hostile.ipynb", HOSTILE_CODE)
    page, card = open_desk(browser, base, token, "hostile")
    problems = hostile_desk(page, card, folder)
    if "--picture" in sys.argv: page.screenshot(path=sys.argv[-1])
    return problems


def review_day(browser, base, token, folder):
    """No problems: decide, measure, crash, and go on where it stopped. Of the chapter,
    all up to its desk"""
    (folder / SAVED).unlink(missing_ok=True)
    path = folder / f"{NOTEBOOK}.ipynb"
    chapter = json.loads(path.read_text(encoding="utf-8"))
    desk = [SAVED in "".join(cell["source"]) and cell["cell_type"] == "code"
            for cell in chapter["cells"]].index(True)
    path.write_text(json.dumps(chapter | {"cells": chapter["cells"][:desk + 1]}))
    page, card = open_desk(browser, base, token)
    decide(page, card, folder)
    measure(page)
    before = log(folder)
    leave_lab(whole=True)
    kill_kernels(base, token)
    page, card = open_desk(browser, base, token)
    assert (log(folder) == before and str(len(before))
            + " decisions saved" in page.locator(".review-desk [role=status]")
            .inner_text())
    decided = {entry[0] for entry in before}
    assert (place(card) not in range(2)
            and f"{len(decided)} of 200 decided" in page.locator(".review-desk")
            .inner_text())
    if "--picture" in sys.argv:
        page.screenshot(path=sys.argv[sys.argv.index("--picture") + 1])
    return []


DAYS = {"hostile": hostile_day, "kinds": keyboard_day, NOTEBOOK: review_day}


def reported(browser, base, token, folder, name):
    "Problems of one notebook's day, which is tried twice"
    start = time.time()
    def one_day():
        whole = True
        try:
            problems = DAYS[name](browser, base, token, folder)
            whole = False
            return problems, None
        finally:
            leave_lab(whole)
            end_kernel(base, token, name)
    problems, _ = tried_twice(name, one_day)
    print(f"{name}: {'; '.join(problems) or 'ok'}, {time.time() - start:.0f} s",
          flush=True)
    return problems


def main():
    if CHROMIUM is None:
        sys.exit("Chromium is missing: install it (Debian: apt install chromium), or "
                 "name it in CHROMIUM")
    chosen = [name for name in DAYS if name in sys.argv] or DAYS
    with sync_playwright() as playwright, jupyterlab() as (base, token, folder):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        failed = [name for name in chosen
                  if reported(browser, base, token, folder, name)]
        browser.close()
    sys.exit(bool(failed))


if __name__ == "__main__": main()
