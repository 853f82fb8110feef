"""The review desk in a real browser: decide by key and by button, see it on the disk,
undo, kill, reload, go on.

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
from browser import ALL_RAN, ASKS, CHROMIUM, DESK, IS_IDLE, QUIET, jupyterlab, run_all, tried_twice

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


def open_desk(browser, base, token):
    "The notebook run from top to bottom, scrolled to the desk"
    page = browser.new_page(viewport=DESK)
    page.goto(f"{base}/lab/tree/{NOTEBOOK}.ipynb?token={token}&reset",
              wait_until="load")
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=120_000)
    # after a crash JupyterLab asks which kernel to start
    page.wait_for_function(f"() => ({IS_IDLE})() || document.querySelector('{ASKS}')",
                           timeout=120_000)
    if page.locator(ASKS).count(): page.click(ASKS)
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


def log(folder):
    path = folder / SAVED
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
    page.locator(".review-desk [data-go='5']").click()
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
    problems, _ = tried_twice("the review desk", review_day)
    print(f"the review desk: {'; '.join(problems) or 'ok'}")
    sys.exit(bool(problems))


if __name__ == "__main__": main()
