"""The review desk in a real browser: decide by key and by button, see it on the disk,
undo, kill, reload, go on; and a desk whose every name is HTML, also in the dark theme.

Run by `make test-browser`. Works on a copy of the notebook, so that nothing of the
project is written.
"""
import json
import statistics
import sys
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import TimeoutError as TooLate, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent))
from browser import ALL_RAN, ASKS, CHROMIUM, DESK, IS_IDLE, QUIET, answer, axe_problems, jupyterlab, run_all, tried_twice

NOTEBOOK, SAVED, STEPS, SEARCH = "49_review", "digits-review.json", 30, 600
SCROLL = ("() => { const n = document.querySelector('.jp-WindowedPanel-outer'); if (n) "
          "n.scrollTop = (n.scrollTop + 700) % (n.scrollHeight + 1) }")
# From the key to the new card, by the page's own clock
STEP = """(key) => new Promise((done, failed) => {
  const desk = document.querySelector('.review-desk'), start = performance.now();
  const before = desk.querySelector('.review-card').dataset.position;
  const watch = new MutationObserver(() => {
    const card = desk.querySelector('.review-card');
    if (card && card.dataset.position !== before) { watch.disconnect(); done(performance.now() - start); }
  });
  watch.observe(desk, { childList: true, subtree: true, attributes: true });
  setTimeout(() => { watch.disconnect(); failed('no new suspect within 5 s'); }, 5000);
  desk.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
})"""


def open_desk(browser, base, token, notebook=NOTEBOOK):
    "A notebook run from top to bottom, scrolled to the desk"
    page = browser.new_page(viewport=DESK)
    page.goto(f"{base}/lab/tree/{notebook}.ipynb?token={token}&reset",
              wait_until="load")
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=120_000)
    # after a crash JupyterLab asks which kernel to start
    page.wait_for_function(f"() => ({IS_IDLE})() || document.querySelector('{ASKS}')",
                           timeout=120_000)
    answer(page)
    page.wait_for_function(IS_IDLE, timeout=120_000)
    run_all(page)
    card = page.locator(".review-desk .review-card").first
    for attempt in range(SEARCH):
        page.evaluate(SCROLL)
        try: card.wait_for(state="attached", timeout=500); break
        except TooLate:
            if attempt % 40 == 39 and page.evaluate(ALL_RAN):
                run_all(page)  # a run that comes before the kernel is lost
    card.scroll_into_view_if_needed()
    # the key listener is connected
    page.wait_for_selector(".review-desk[role=group]", timeout=30_000)
    # wait until the cells below have run, so that a step is not measured behind them
    page.wait_for_function(ALL_RAN, timeout=300_000)
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
suspects = Suspects(np.arange(8), -np.arange(8.0), y, np.roll(y, 1), np.full(8, 0.9), "")
review_labels(texts, y, suspects, influence=np.arange(64.0).reshape(8, 8),
              path={EVIL_FILE!r}, names=names * 2, reasons=names * 2)
"""
INTRUDERS = ".review-desk :is(script, iframe, svg image, img[src=x], [onerror], [onload])"
TWICE = "button => { button.click(); button.click(); }"


def write_hostile(folder):
    cell = {"cell_type": "code", "execution_count": None, "id": "evil", "metadata": {},
            "outputs": [], "source": HOSTILE_CODE}
    kernel = {"display_name": "python3", "language": "python", "name": "python3"}
    (folder / "hostile.ipynb").write_text(json.dumps(
        {"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4,
         "nbformat_minor": 5}))


def unharmed(page, when):
    assert page.locator(INTRUDERS).count() == 0, f"an element came out of a name: {when}"
    assert page.evaluate("() => window.pwned ?? null") is None, f"a script ran: {when}"


def said(page): return page.locator(".review-desk [role=status]").inner_text()


def hostile_desk(page, card, folder):
    """No script runs, every word is shown, a decision counts only for the card that was
    on the screen, and what is not counted is said"""
    def decided(): return log(folder, EVIL_FILE)
    def wait_log(count): wait_for(lambda: len(decided()) == count, f"not {count} decided")
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
    wait_for(lambda: "Not counted" in said(page), "the second of two clicks is swallowed")
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


DARK = "settings/@jupyterlab/apputils-extension/themes.jupyterlab-settings"


def in_the_dark(browser, base, token, folder):
    "What axe finds in the card and in the grid in JupyterLab's dark theme"
    settings = folder.parent / DARK
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text('{"theme": "JupyterLab Dark"}')
    page, card = open_desk(browser, base, token, "hostile")
    page.wait_for_selector("body[data-jp-theme-light=false]", state="attached")
    problems = axe_problems(page, "the card, dark", ".review-desk")
    card.click()
    page.keyboard.press("g")
    wait_for(lambda: page.locator(".review-desk [data-go]").count(), "no grid")
    return problems + axe_problems(page, "the grid, dark", ".review-desk")


def hostile_day():
    "(problems, None) of a desk whose every name is HTML"
    with sync_playwright() as playwright, jupyterlab() as (base, token, folder):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        write_hostile(folder)
        page, card = open_desk(browser, base, token, "hostile")
        problems = hostile_desk(page, card, folder)
        if "--picture" in sys.argv: page.screenshot(path=sys.argv[-1])
        page.close()
        problems += in_the_dark(browser, base, token, folder)
        browser.close()
    return problems, None


def review_day():
    "(problems, None): decide, measure, crash, and go on where it stopped"
    with sync_playwright() as playwright, jupyterlab() as (base, token, folder):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        (folder / SAVED).unlink(missing_ok=True)
        page, card = open_desk(browser, base, token)
        decide(page, card, folder)
        measure(page)
        before = log(folder)
        page.close()
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
        browser.close()
    return [], None


def main():
    if CHROMIUM is None:
        sys.exit("Chromium is missing: install it (Debian: apt install chromium), or "
                 "name it in CHROMIUM")
    failed = False
    for what, day in (("a hostile desk", hostile_day), ("the review desk", review_day)):
        if "--hostile" in sys.argv and day is review_day: continue
        problems, _ = tried_twice(what, day)
        print(f"{what}: {'; '.join(problems) or 'ok'}", flush=True)
        failed = failed or bool(problems)
    sys.exit(failed)


if __name__ == "__main__": main()
