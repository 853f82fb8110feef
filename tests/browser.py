"""What a reader sees: every page of the built site, and every widget in JupyterLab, in a real browser.

Run by `make test-browser`. Each page is read wide and on a phone, in light and in dark, from a server and from disk; axe
looks for what keeps people out, and every control of every player is moved by keyboard. `--pages` or `--widgets` does one
half, names of chapters choose some.
"""
import argparse
import functools
import http.server
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from contextlib import contextmanager
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "_docs"
CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--no-first-run", "--disable-quic", "--disable-default-apps"]
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


@contextmanager
def served(folder):
    "A web server on loopback for one folder"
    handler = functools.partial(QuietHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try: yield f"http://127.0.0.1:{server.server_port}"
    finally: server.shutdown()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args): pass


# What is in the page, as the reader's browser has it: raw TeX in the text, formulas, figures, overflow.
LOOK = r"""() => {
  const hidden = 'script, style, pre, code, .katex, annotation, template';
  const walker = document.createTreeWalker(document.querySelector('main') || document.body, NodeFilter.SHOW_TEXT);
  let text = '';
  for (let node; node = walker.nextNode();) if (!node.parentElement.closest(hidden)) text += node.textContent + '\n';
  const figures = [...document.querySelectorAll('main .cell-output img, main .cell-output-display img')];
  return {
    text, formulas: document.querySelectorAll('.katex').length, errors: document.querySelectorAll('.katex-error').length,
    raw: document.querySelectorAll('.math:not(:has(.katex))').length,
    figures: figures.length, players: document.querySelectorAll('.player').length,
    bare: figures.filter(i => !(i.alt || '').trim() || !i.closest('figure')?.querySelector('figcaption')?.textContent.trim()).length,
  };
}"""

# What a phone's reader could not read or touch: sideways scrolling, text under 16 px, controls under 24 px.
PHONE_LOOK = r"""() => {
  const seen = e => e.checkVisibility({checkOpacity: true, checkVisibilityCSS: true}) && e.getClientRects().length > 0;
  const on_screen = e => { const r = e.getBoundingClientRect(); return r.width > 1 && r.height > 1 && r.right > 0 && r.left < innerWidth };
  const small = new Set(), tiny = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; node = walker.nextNode();) {
    const e = node.parentElement;
    if (!node.textContent.trim() || e.closest('.katex, sub, sup, script, style, noscript, svg, [aria-hidden=true]') || !seen(e) || !on_screen(e)) continue;
    const size = parseFloat(getComputedStyle(e).fontSize);
    if (size < 15.99) small.add(`${size} px: ${node.textContent.trim().slice(0, 30)} <${e.tagName.toLowerCase()} ${e.className}>`);
  }
  for (const e of document.querySelectorAll('button, input, select, summary, [role=button], nav a, .ways-in a')) {
    const r = e.getBoundingClientRect();
    if (seen(e) && on_screen(e) && (r.height < 23.9 || (e.tagName !== 'A' && r.width < 23.9))) tiny.add(`${Math.round(r.width)}×${Math.round(r.height)} <${e.tagName.toLowerCase()} ${e.className}>`);
  }
  return {wide: document.documentElement.scrollWidth - document.documentElement.clientWidth, small: [...small], tiny: [...tiny]};
}"""

# Milliseconds from the next key press to the moment when another picture of the player has been painted.
CLOCK = r"""input => {
  const picture = input.closest('.player').querySelector('img'), height = document.documentElement.scrollHeight;
  window.pictureTime = null;
  window.layoutShift = 0;
  window.pictureWatch?.disconnect();
  let start = null;
  window.addEventListener('keydown', () => { start = performance.now(); }, {once: true, capture: true});
  const watch = window.pictureWatch = new MutationObserver(async () => {
    watch.disconnect();
    await picture.decode();
    requestAnimationFrame(() => setTimeout(() => {
      window.pictureTime = performance.now() - start;
      window.layoutShift = document.documentElement.scrollHeight - height;
    }));
  });
  watch.observe(picture, {attributes: true, attributeFilter: ['src']});
}"""
FAST = 100  # ms

IS_DARK = """() => {
  const [r, g, b] = getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number);
  return r + g + b < 200 && document.documentElement.matches('.quarto-dark') || document.body.matches('.quarto-dark');
}"""


def axe_problems(page, where):
    "Violations that axe finds, one line a rule"
    if not page.evaluate("() => 'axe' in window"): page.evaluate(resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8") + ";null")
    # the insides of a formula are KaTeX's own, thousands of them
    found = page.evaluate("() => axe.run({exclude: ['.katex']}, {resultTypes: ['violations']})")["violations"]
    return [f"axe, {where}: {rule['id']} ({len(rule['nodes'])}): {rule['nodes'][0]['html'][:120]}" for rule in found]


def player_problems(page):
    "Every control of every player changes the picture by keyboard, in time, without moving the page"
    problems, times = [], []
    for player in page.locator(".player").all():
        player.scroll_into_view_if_needed()
        page.wait_for_timeout(150)
        for control in player.locator("input, select").all():
            name = control.evaluate("c => c.labels.length ? c.labels[0].textContent.trim() : ''")
            if not name: problems.append("a control without a label")
            control.focus()
            kind = control.evaluate("c => c.type")
            keys = {"checkbox": ["Space"] * 4, "range": ["ArrowRight"] * 50 + ["ArrowLeft"] * 50}.get(kind, ["ArrowDown"] * 20 + ["ArrowUp"] * 20)
            took = []
            for key in keys:
                control.evaluate(CLOCK)
                before = control.evaluate("c => [c.value, c.checked]")
                page.keyboard.press(key)
                if control.evaluate("c => [c.value, c.checked]") == before: continue  # the end of a slider
                for wait in (60, 300):  # the second for a picture that is late, or the same picture for two values
                    page.wait_for_timeout(wait)
                    if page.evaluate("() => window.pictureTime") is not None: break
                else: continue
                took.append(page.evaluate("() => window.pictureTime"))
                if took[-1] <= FAST or len(took) == 3: break  # a machine may hiccup, not three times
            if not took:
                problems.append(f"'{name}' changes no picture")
                continue
            times.append(min(took))
            if min(took) > FAST: problems.append(f"'{name}' takes {min(took):.0f} ms")
            if page.evaluate("() => window.layoutShift"): problems.append(f"'{name}' moves the page")
            if not player.locator("[role=status]").text_content().strip(): problems.append(f"'{name}' says nothing")
    return problems, times


def search_problems(page, word="curvature"):
    field = page.locator(".smalldocs-search input, #quarto-search input").first
    if not field.is_visible(): return ["no search field"]
    field.fill(word)
    try: page.wait_for_selector(".search-result, .aa-Item", timeout=5000)
    except Exception: return [f"search does not find {word}"]
    return []


def open_page(browser, problems, url, allowed, **options):
    "A page whose errors and requests are written down"
    page = browser.new_page(reduced_motion="reduce", **options)
    page.on("console", lambda m: problems.append(f"console: {m.text}") if m.type == "error" else None)
    page.on("pageerror", lambda e: problems.append(f"script error: {e}"))
    page.on("request", lambda r: None if r.url.startswith((allowed, "data:", "blob:")) else problems.append(f"asks another host: {r.url}"))
    page.goto(url, wait_until="load")
    page.wait_for_timeout(200)
    return page


def page_problems(browser, base, name):
    "Everything that is wrong with one page, at desk width and on a phone, in light and dark"
    problems = []
    page = open_page(browser, problems, f"{base}/{name}", base, viewport=DESK, color_scheme="light")
    seen = page.evaluate(LOOK)
    if seen["errors"] or seen["raw"]: problems.append(f"{seen['errors']} formulas in error, {seen['raw']} not typeset")
    if re.search(r"\$\$|\\\(|\\\[|\\begin\{|\\frac|\\nabla", seen["text"]): problems.append("raw TeX in the text")
    if re.search(r"interactive\(children|\b(VBox|HBox|Output)\(|@(eq|fig|sec)-", seen["text"]): problems.append("a dead widget or reference")
    if seen["bare"]: problems.append(f"{seen['bare']} of {seen['figures']} figures without caption or description")
    problems += axe_problems(page, "light, wide")
    found, seen["times"] = player_problems(page)
    problems += found
    if name == "index.html": problems += search_problems(page)
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size(PHONE)
    try: page.wait_for_function(IS_DARK, timeout=10_000)
    except Exception: problems.append("does not turn dark")
    page.wait_for_timeout(200)
    phone = page.evaluate(PHONE_LOOK)
    if name == "index.html":  # the list of chapters opens on a phone
        page.click(".quarto-btn-toggle")
        page.wait_for_timeout(400)
        opened = page.evaluate(PHONE_LOOK)
        phone["small"] += opened["small"]
        phone["tiny"] += opened["tiny"]
        page.evaluate("() => document.querySelector('#quarto-sidebar-glass').click()")
        page.wait_for_timeout(400)
    if phone["wide"] > 0: problems.append(f"{phone['wide']} px too wide for a phone")
    if phone["small"]: problems.append(f"{len(phone['small'])} texts too small on a phone: {phone['small'][:3]}")
    if phone["tiny"]: problems.append(f"{len(phone['tiny'])} controls too small on a phone: {phone['tiny'][:3]}")
    problems += axe_problems(page, "dark, phone")
    page.close()
    return problems, seen


def disk_problems(browser, path, seen):
    "The same formulas, and players that answer, when the page is opened from disk"
    problems = []
    page = open_page(browser, problems, path.as_uri(), "file:", viewport=DESK)
    now = page.evaluate(LOOK)
    if (now["formulas"], now["errors"], now["raw"]) != (seen["formulas"], 0, 0): problems.append("formulas differ")
    found, times = player_problems(page)
    problems += found
    if len(times) != len(seen["times"]): problems.append("players differ")
    if path.name == "index.html": problems += search_problems(page)
    page.close()
    return [f"from disk: {problem}" for problem in problems]


class Anchors(HTMLParser):
    "The ids of a page, and its links into pages of this site"
    def __init__(self, text):
        super().__init__()
        self.ids, self.links = set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if attributes.get("id"): self.ids.add(attributes["id"])
        if tag == "a" and attributes.get("href") and not re.match(r"[a-z]+:", attributes["href"]): self.links.add(attributes["href"])


def dead_links(site):
    "{page: links that lead nowhere}, for all pages"
    pages = {path.name: Anchors(path.read_text(encoding="utf-8")) for path in site.glob("*.html")}
    def leads(name, href):
        target, _, anchor = href.partition("#")
        if target and target not in pages: return (site / target).exists()
        return not anchor or anchor in pages[target or name].ids
    return {name: [href for href in sorted(page.links) if not leads(name, href)] for name, page in pages.items()}


def check_pages(browser, chosen):
    results, dead = {}, dead_links(SITE)
    with served(SITE) as base:
        for path in sorted(SITE.glob("*.html")):
            if chosen and path.stem not in chosen: continue
            start = time.time()
            problems, seen = page_problems(browser, base, path.name)
            problems += disk_problems(browser, path, seen) + [f"dead link {href}" for href in dead[path.name]]
            results[f"page {path.stem}"] = problems
            slowest = f"{len(seen['times'])} controls, slowest {max(seen['times']):.0f} ms" if seen["times"] else ""
            print(f"page   {path.stem:<18} {time.time() - start:5.1f} s {seen['formulas']:>4} formulas {seen['figures']:>3} figures {seen['players']} players  "
                  f"{slowest:<28} {'; '.join(problems) or 'ok'}", flush=True)
    return results


@contextmanager
def jupyterlab():
    "JupyterLab on a free port of loopback, over a copy of the notebooks, so that nothing of the project is written"
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    token, folder = secrets.token_hex(16), Path(tempfile.mkdtemp())
    shutil.copytree(ROOT / "nbs", folder / "nbs")
    notebook_settings = folder / "settings/@jupyterlab/notebook-extension/tracker.jupyterlab-settings"
    notebook_settings.parent.mkdir(parents=True)
    notebook_settings.write_text('{"windowingMode": "none"}')  # all cells are in the page, not only those in view
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", f"--port={port}", "--ip=127.0.0.1", f"--IdentityProvider.token={token}",
               "--allow-root", f"--ServerApp.root_dir={folder / 'nbs'}", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
               "--LabApp.news_url=None", f"--LabApp.workspaces_dir={folder / 'workspaces'}", f"--LabApp.user_settings_dir={folder / 'settings'}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("INFLUENCE_NB_WIDGETS", None)
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    base = f"http://127.0.0.1:{port}"
    try:
        for _ in range(120):
            try: urllib.request.urlopen(f"{base}/api?token={token}", timeout=2); break
            except OSError: time.sleep(0.5)
        else: raise RuntimeError("JupyterLab did not start")
        yield base, token, folder / "nbs"
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


ASKS = ".jp-Dialog button.jp-mod-accept"  # which kernel? On a busy machine JupyterLab asks before it knows the preferred one


IS_IDLE = "() => /idle/i.test(document.querySelector('.jp-Notebook-ExecutionIndicator')?.dataset.status || '')"


def run_all(page):
    "Run all cells; a run that comes before the kernel is lost, and is then started again"
    if page.locator(ASKS).count(): page.click(ASKS)
    page.click("text=Run >> nth=0")
    page.click("li[data-command='runmenu:run-all']")


def widget_problems(browser, base, token, name):
    "Open a chapter, run all of it, move the first slider by keyboard, and see the picture change"
    page = browser.new_page(viewport=DESK)
    try:
        page.goto(f"{base}/lab/tree/{name}.ipynb?token={token}&reset", wait_until="load")
        page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
        page.wait_for_function(IS_IDLE, timeout=60_000)
        run_all(page)
        slider, select = page.locator(".jupyter-widgets .noUi-handle").first, page.locator(".widget-dropdown select").first
        for attempt in range(720):  # a chapter may run for minutes
            if slider.count() or select.count(): break
            if attempt % 40 == 39 and page.evaluate(IS_IDLE): run_all(page)
            page.wait_for_timeout(250)
        else: return ["no control appeared"]
        page.wait_for_timeout(500)
        page.wait_for_function(IS_IDLE, timeout=120_000)  # the cells below run first, then the kernel answers the hand
        handle, key = (slider, "ArrowRight") if slider.count() else (select, "ArrowDown")
        handle.scroll_into_view_if_needed()
        source = "h => { let b = h; while (b && !b.querySelector('img')) b = b.parentElement; return b ? b.querySelector('img').src : '' }"
        for _ in range(240):
            before = handle.evaluate(source)
            if before: break
            page.wait_for_timeout(250)
        handle.focus()
        page.keyboard.press(key)
        for _ in range(80):
            if handle.evaluate(source) not in (before, ""): return []
            page.wait_for_timeout(250)
        return ["the picture did not change"]
    except Exception as error: return [f"{type(error).__name__}: {str(error).splitlines()[0]}"]
    finally: page.close()


def check_widgets(browser, chosen):
    results = {}
    names = [path.stem for path in sorted((ROOT / "nbs").glob("*.ipynb")) if "explore(" in path.read_text(encoding="utf-8")]
    names = [name for name in names if not chosen or name in chosen]
    if not names: return results
    with jupyterlab() as (base, token, _):
        for name in names:
            start = time.time()
            problems = widget_problems(browser, base, token, name)
            if any("TimeoutError" in problem for problem in problems):  # JupyterLab did not load in time: open it once more
                problems = widget_problems(browser, base, token, name)
            results[f"widget {name}"] = problems
            print(f"widget {name:<16} {time.time() - start:5.1f} s  {'; '.join(problems) or 'ok'}", flush=True)
            request = urllib.request.Request(f"{base}/api/kernels?token={token}")

            for kernel in json.load(urllib.request.urlopen(request)):
                urllib.request.urlopen(urllib.request.Request(f"{base}/api/kernels/{kernel['id']}?token={token}", method="DELETE"))
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("chapters", nargs="*")
    parser.add_argument("--pages", action="store_true")
    parser.add_argument("--widgets", action="store_true")
    options = parser.parse_args()
    if CHROMIUM is None: sys.exit("Chromium is missing: install it (Debian: apt install chromium), or name it in CHROMIUM")
    both, results = options.pages == options.widgets, {}  # one after the other: kernels beside a page would spoil its times
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        if both or options.pages: results |= check_pages(browser, options.chapters)
        if both or options.widgets: results |= check_widgets(browser, options.chapters)
        browser.close()
    failed = sum(bool(problems) for problems in results.values())
    print(f"{len(results) - failed} passed, {failed} failed", flush=True)
    sys.exit(bool(failed) or not results)


if __name__ == "__main__": main()
