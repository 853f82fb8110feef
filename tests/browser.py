"""What a reader sees: every page of the built site, and every widget in JupyterLab, in
a real browser.

Run by `make test-browser`. Each page is read wide and on a phone, in light and in dark,
from a server and from disk; axe looks for what keeps people out, and every control of
every player is moved by keyboard. A small site in Quarto's markup is read like the real
one. Two pages, or two notebooks, are looked at side by side, each in a browser of
its own. A step that fails is tried once more, and that is said. `--pages` or
`--widgets` does one half, names of chapters choose some, `--site` another folder of
pages.
"""
import argparse
import functools
import http.server
import json
import multiprocessing
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

from playwright.sync_api import TimeoutError as TooLate, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "_docs"
sys.path.append(str(ROOT / "tools"))
from pages import book_pages
CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None,
                                                     map(shutil.which,
                                                         ("chromium",
                                                          "chromium-browser",
                                                          "google-chrome"))), None)
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--no-first-run",
         "--disable-quic", "--disable-default-apps"]
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


# Each worker has one browser, and looks at one page after the other.
BROWSER = None


def start_browser():
    global BROWSER
    BROWSER = sync_playwright().start().chromium.launch(executable_path=CHROMIUM,
                                                        args=QUIET)


def side_by_side(look, jobs, workers=2):
    """The answers of `look`, a function of this level of a module, to each job, in
    their order, some at a time; `look` finds its browser in BROWSER"""
    with multiprocessing.get_context("spawn").Pool(min(workers, len(jobs) or 1),
                                                   start_browser) as pool:
        yield from pool.imap(look, jobs)


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
    def copyfile(self, source, target):
        try: super().copyfile(source, target)
        except ConnectionError: pass  # the page was left before it was there


# What is in the page, as the reader's browser has it: raw TeX in the text, formulas,
# figures, overflow.
LOOK = r"""() => {
  const hidden = 'script, style, pre, code, .katex, annotation, template';
  const walker = document.createTreeWalker(document.querySelector('main')
    || document.body, NodeFilter.SHOW_TEXT);
  let text = '';
  for (let node; node = walker.nextNode();)
    if (!node.parentElement.closest(hidden)) text += node.textContent + '\n';
  const figures = [...document.querySelectorAll(
    'main .cell-output img, main .cell-output-display img')];
  return {
    loose: [...document.querySelectorAll('.player, .review-tour, .explorer-figure')]
      .filter(e => !e.closest('figure')?.querySelector('figcaption .figure-number'))
      .length,
    ends: !!document.querySelector('.page-navigation'), text,
      formulas: document.querySelectorAll('.katex').length,
      errors: document.querySelectorAll('.katex-error').length,
    raw: document.querySelectorAll('.math:not(:has(.katex))').length,
    figures: figures.length, players: document.querySelectorAll('.player').length,
    bare: figures.filter(i => !(i.alt || '').trim()
      || !i.closest('figure')?.querySelector('figcaption')?.textContent.trim()).length,
  };
}"""

# What a phone's reader could not read or touch: sideways scrolling, text under 16 px,
# controls under 24 px.
PHONE_LOOK = r"""() => {
  const named = e => `<${e.tagName.toLowerCase()} ${e.className}>`;
  const seen = e => e.checkVisibility({checkOpacity: true, checkVisibilityCSS: true})
    && e.getClientRects().length > 0;
  const on_screen = e => { const r = e.getBoundingClientRect();
    return r.width > 1 && r.height > 1 && r.right > 0 && r.left < innerWidth };
  const small = new Set(), tiny = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; node = walker.nextNode();) {
    const e = node.parentElement;
    if (!node.textContent.trim()
      || e.closest('.katex, sub, sup, script, style, noscript, svg, [aria-hidden=true]')
      || !seen(e) || !on_screen(e)) continue;
    const size = parseFloat(getComputedStyle(e).fontSize);
    const words = node.textContent.trim().slice(0, 30);
    if (size < 15.99) small.add(`${size} px: ${words} ${named(e)}`);
  }
  const controls = 'button, input, select, summary, [role=button], nav a, .ways-in a';
  for (const e of document.querySelectorAll(controls)) {
    const r = e.getBoundingClientRect();
    const narrow = e.tagName !== 'A' && r.width < 23.9;
    if (seen(e) && on_screen(e) && (r.height < 23.9 || narrow))
      tiny.add(`${Math.round(r.width)}×${Math.round(r.height)} ${named(e)}`);
  }
  const whole = document.documentElement;
  return {wide: whole.scrollWidth - whole.clientWidth,
          small: [...small], tiny: [...tiny]};
}"""

# Milliseconds from the next key press to the moment when another picture of the player
# has been painted.
CLOCK = r"""input => {
  const picture = input.closest('.player').querySelector('img'),
    height = document.documentElement.scrollHeight;
  window.pictureTime = null;
  window.layoutShift = 0;
  window.pictureWatch?.disconnect();
  let start = null;
  window.addEventListener('keydown', () => { start = performance.now(); },
    {once: true, capture: true});
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
  const [r, g, b] = getComputedStyle(document.body).backgroundColor.match(/\\d+/g)
    .map(Number);
  return r + g + b < 200 && (document.documentElement.matches('.quarto-dark')
    || document.body.matches('.quarto-dark'));
}"""

# The page is in this scheme, and so are the explorers, which look once it has faded.
FOLLOWS = f"""scheme => ({IS_DARK})() === (scheme === 'dark')
  && [...document.querySelectorAll('.ifx[data-theme]')].every(ifx =>
    ifx.dataset.theme === scheme)"""

# Fonts and formulas are there, and what was changed has been painted.
SETTLE = """async () => {
  await document.fonts.ready;
  for (let tries = 0; tries < 100 && document.querySelector('.math:not(:has(.katex))');
    tries++) await new Promise(go => setTimeout(go, 50));
  for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame);
}"""
RAW_TEX = r"\$\$|\\\(|\\\[|\\[A-Za-z]{2,}|\$[^$\n]*[\\^_][^$\n]*\$"


# What axe need not see again and again: the insides of formulas, KaTeX's own, and the
# colored words of code, of which the first in view of each class and kind of box tells
# all.
THIN = r"""() => {
  for (const formula of document.querySelectorAll('.katex')) formula.replaceChildren();
  const known = new Set();
  for (const word of document.querySelectorAll('pre span[class]')) {
    if (word.childElementCount || !word.textContent.trim()) continue;
    const kind = [word.className, word.closest('pre').className].join();
    if (known.has(kind) || !word.checkVisibility()) word.replaceWith(word.textContent);
    else known.add(kind);
  }
}"""


def tried_twice(what, step):
    """(problems, what was seen) of a step; one that finds a problem or fails is tried
    once more, and that is said"""
    for attempt in (1, 2):
        try: problems, seen = step()
        except Exception as error:
            problems, seen = [f"{type(error).__name__}: "
                              f"{str(error).partition(chr(10))[0]}"], None
        if not problems or attempt == 2: return problems, seen
        print(f"{what}: once more, after {'; '.join(problems)}", flush=True)


def axe_problems(page, where, part=None):
    "Violations that axe finds in a page, or in a part of it, one line a rule"
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(resources.files("axe_playwright_python").joinpath("axe.min.js")
                      .read_text(encoding="utf-8") + ";null")
    # the insides of a formula are KaTeX's own, thousands of them
    looked_at = {"exclude": [".katex"]} | ({"include": [part]} if part else {})
    found = page.evaluate("part => axe.run(part, {resultTypes: ['violations']})",
                          looked_at)["violations"]
    return [f"axe, {where}: {rule['id']} ({len(rule['nodes'])}): "
            f"{rule['nodes'][0]['html'][:120]}" for rule in found]


def picture_time(page, control, key):
    """Milliseconds until the picture that a key asks for is painted; None where the key
    asks for no other picture"""
    picture = "c => c.closest('.player').querySelector('img').src"
    before = control.evaluate(picture)
    control.evaluate(CLOCK)
    page.keyboard.press(key)
    if control.evaluate(picture) == before:
        return None  # the end of a slider, or one picture for two values
    page.wait_for_function("() => window.pictureTime !== null", timeout=10_000)
    return page.evaluate("() => window.pictureTime")


def control_times(page, control):
    """Times of the pictures of one control; three of them, where the first are slow: a
    machine may hiccup, not three times"""
    keys = {"checkbox": ["Space"] * 4, "range": ["ArrowRight"] * 50
            + ["ArrowLeft"] * 50}
    took = []
    for key in keys.get(control.evaluate("c => c.type"),
                        ["ArrowDown"] * 20 + ["ArrowUp"] * 20):
        time_taken = picture_time(page, control, key)
        if time_taken is not None: took.append(time_taken)
        if took and (took[-1] <= FAST or len(took) == 3): break
    return took


def player_problems(page):
    """Every control of every player changes the picture by keyboard, in time, without
    moving the page"""
    problems, times = [], []
    for player in page.locator(".player").all():
        player.scroll_into_view_if_needed()
        player.locator("img").evaluate("picture => picture.decode()")
        for control in player.locator("input, select").all():
            name = control.evaluate("c => c.labels.length ? "
                                    "c.labels[0].firstElementChild.textContent.trim() "
                                    ": ''")
            if not name: problems.append("a control without a label")
            control.focus()
            page.evaluate(SETTLE)
            took = control_times(page, control)
            if not took:
                problems.append(f"'{name}' changes no picture")
                continue
            times.append(min(took))
            if min(took) > FAST: problems.append(f"'{name}' takes {min(took):.0f} ms")
            if page.evaluate("() => window.layoutShift"):
                problems.append(f"'{name}' moves the page")
            if not player.locator("[role=status]").text_content().strip():
                problems.append(f"'{name}' says nothing")
    return problems, times


def tour_problems(page):
    "The button of every tour of suspects goes on to the next"
    said = [tour.locator("[role=status]") for tour in page.locator(".review-tour")
            .all()]
    for tour, status in zip(page.locator(".review-tour").all(), said):
        others = [other.text_content() for other in said if other is not status]
        tour.get_by_role("button", name="Next suspect").click()
        if not status.text_content().startswith("2 of"):
            return ["a tour does not go on"]
        if others != [other.text_content() for other in said if other is not status]:
            return ["a tour moves another one"]
    return []


def search_problems(page, word="curvature"):
    "The search finds a word, and makes room again"
    field, found = (page.locator(".book-search input").first, ".search-result")
    if not field.is_visible(): return ["no search field"]
    field.fill(word)
    try: page.wait_for_selector(found, timeout=10_000)
    except TooLate: return [f"search does not find {word}"]
    field.fill("")
    field.press("Escape")
    try: page.wait_for_selector(found, state="hidden", timeout=10_000)
    except TooLate: return ["search stays open"]
    return []


def menu_looks(page):
    "What a phone's reader sees with the list of chapters open; it is closed again"
    page.click(".quarto-btn-toggle")
    page.wait_for_selector("#quarto-sidebar.show:not(.collapsing)")
    page.evaluate(SETTLE)
    opened = page.evaluate(PHONE_LOOK)
    page.evaluate("() => document.querySelector('#quarto-sidebar-glass').click()")
    page.wait_for_function("() => !document.querySelector('#quarto-sidebar')"
                           ".matches('.show, .collapsing')")
    return opened


@contextmanager
def opened(browser, problems, url, allowed, **options):
    "A page whose errors and requests are written down"
    page = browser.new_page(reduced_motion="reduce", **options)
    page.on("console", lambda m: problems.append(f"console: {m.text}") if m.type
            == "error" else None)
    page.on("pageerror", lambda e: problems.append(f"script error: {e}"))
    page.on("dialog", lambda d: (problems.append(f"alert: {d.message}"), d.dismiss()))
    page.on("request", lambda r: None if r.url.startswith((allowed, "data:", "blob:"))
            else problems.append(f"asks another host: {r.url}"))
    try:
        page.goto(url, wait_until="load")
        page.evaluate(SETTLE)
        yield page
    finally: page.close()


def text_problems(seen):
    "What is wrong with what LOOK saw"
    problems = []
    if seen["errors"] or seen["raw"]:
        problems.append(
            f"{seen['errors']} formulas in error, {seen['raw']} not typeset")
    raw = re.search(RAW_TEX, seen["text"])
    if raw:
        problems.append("raw TeX in the text: "
                        f"{seen['text'][max(raw.start() - 20, 0):raw.end() + 20]!r}")
    if re.search(r"interactive\(children|\b(VBox|HBox|Output)\(|@(eq|fig|sec)-",
                 seen["text"]):
        problems.append("a dead widget or reference")
    if not seen["ends"]: problems.append("the end of the page is missing")
    if seen["bare"]:
        problems.append(f"{seen['bare']} of {seen['figures']} figures without caption "
                        "or description")
    if seen["loose"]:
        problems.append(f"{seen['loose']} players, tours or explorers without a "
                        "caption and a number")
    return problems


def turn_to(page, scheme, size):
    """Show a page in light or dark, on a desk or a phone; (its name, what does not
    follow)"""
    where = f"{scheme}, {'wide' if size == DESK else 'phone'}"
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size(size)
    try:
        page.wait_for_function(FOLLOWS, arg=scheme, timeout=10_000)
    except TooLate: return where, [f"{where}: the page does not follow"]
    page.evaluate(SETTLE)
    return where, []


def view_problems(page, scheme, size, with_menu=False):
    """One page in light or dark, on a desk or a phone: sideways scrolling, small text
    and controls on a phone"""
    where, problems = turn_to(page, scheme, size)
    if problems: return problems
    look, problems = page.evaluate(PHONE_LOOK), []
    if look["wide"] > 0: problems.append(f"{where}: {look['wide']} px too wide")
    if size == PHONE:
        opened_menu = menu_looks(page) if with_menu else {"small": [], "tiny": []}
        for kind, what in (("small", "texts"), ("tiny", "controls")):
            found = look[kind] + opened_menu[kind]
            if found:
                problems.append(f"{where}: {len(found)} {what} too small: {found[:3]}")
    return problems


def axe_views(page):
    "What axe finds in each theme and at each width; leaves the page thinned"
    page.evaluate(THIN)
    problems = []
    for scheme, size in (("light", DESK), ("dark", PHONE)):
        where, late = turn_to(page, scheme, size)
        problems += late or axe_problems(page, where)
    return problems


def page_problems(browser, base, name):
    """(everything that is wrong with one page, at desk width and on a phone, in light
    and dark; what is on it)"""
    problems, front = [], name == "index.html"
    with opened(browser, problems, f"{base}/{name}", base, viewport=DESK,
                color_scheme="light") as page:
        seen = page.evaluate(LOOK)
        problems += text_problems(seen)
        found, seen["times"] = player_problems(page)
        problems += found + tour_problems(page)
        if front: problems += search_problems(page)
        for scheme in ("light", "dark"):
            for size in (DESK, PHONE):
                problems += view_problems(page, scheme, size, with_menu=front)
        problems += axe_views(page)
    return problems, seen


def disk_problems(browser, path, seen):
    """(what is wrong when the page is opened from disk: other formulas, players that do
    not answer, a closed list of contents; None)"""
    problems = []
    with opened(browser, problems, path.as_uri(), "file:", viewport=DESK) as page:
        now = page.evaluate(LOOK)
        if (now["formulas"], now["errors"], now["raw"]) != (seen["formulas"], 0, 0):
            problems.append("formulas differ")
        if page.locator("#TOC a").count() and not page.locator(
            "#TOC a").first.is_visible():
            problems.append("the list of contents is closed")
        found, times = player_problems(page)
        problems += found + tour_problems(page)
        if len(times) != len(seen["times"]): problems.append("players differ")
        if path.name == "index.html": problems += search_problems(page)
    return [f"from disk: {problem}" for problem in problems], None


class Anchors(HTMLParser):
    "The ids of a page, and its links into pages of this site"
    def __init__(self, text):
        super().__init__()
        self.ids, self.links = set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if attributes.get("id"): self.ids.add(attributes["id"])
        if tag == "a" and attributes.get("href") and not re.match(r"[a-z]+:",
                                                                  attributes["href"]):
            self.links.add(attributes["href"])


def dead_links(site):
    """{page: links that lead nowhere}, for all pages; the book itself does not use its
    old addresses"""
    pages, signs = {path.name: Anchors(path.read_text(encoding="utf-8"))
                    for path in book_pages(site)}, {path.name
                                                    for path in moved_pages(site)}
    def leads(name, href):
        target, _, anchor = href.partition("#")
        target = target.removeprefix("./")
        if target and target not in pages:
            return (site / target).exists() and target not in signs
        return not anchor or anchor in pages[target or name].ids
    return {name: [href for href in sorted(page.links) if not leads(name, href)]
            for name, page in pages.items()}


def moved_pages(site):
    return [path for path in sorted(site.glob("*.html"))
            if path not in book_pages(site)]


def moved_problems(browser, base, site):
    """Old addresses lead to pages that exist, and keep the place on the page, from a
    server and from disk"""
    problems = []
    for path in moved_pages(site):
        target = re.search(r'data-moved-to="([^"]+)"',
                           path.read_text(encoding="utf-8"))[1]
        if not (site / target).exists():
            problems.append(f"{path.name} leads to {target}, which does not exist")
        for start in (base, site.as_uri()):
            with opened(browser, problems, "about:blank", start) as page:
                page.goto(f"{start}/{path.name}#TOC", wait_until="commit")
                try:
                    page.wait_for_url(f"{start}/{target}#TOC", wait_until="commit",
                                      timeout=20_000)
                except TooLate:
                    problems.append(f"{path.name} does not lead to {target} from "
                                    f"{start[:5]}")
    return problems, None


def page_report(job):
    "(name, problems, the line that is printed) of one page of a served site"
    base, site, stem, kind = job
    start, what, path = time.time(), f"{kind} {stem}", site / f"{stem}.html"
    problems, seen = tried_twice(what, lambda: page_problems(BROWSER, base, path.name))
    if seen:
        problems += tried_twice(f"{what}, from disk",
                                lambda: disk_problems(BROWSER, path, seen))[0]
    counted = (f"{seen['formulas']:>4} formulas {seen['figures']:>3} figures "
               f"{seen['players']} players" if seen else "")
    slowest = (f"{len(seen['times'])} controls, slowest {max(seen['times']):.0f} ms"
               if seen and seen["times"] else "")
    return what, problems, (f"{kind:<6} {stem:<18} {time.time() - start:5.1f} s "
                            f"{counted}  {slowest:<28}")


def moved_report(job):
    "The same for the old addresses of a site"
    base, site = job
    problems = tried_twice("old addresses",
                           lambda: moved_problems(BROWSER, base, site))[0]
    return "old addresses", problems, f"{len(moved_pages(site))} old addresses:"


def check_pages(chosen, site=SITE, kind="page"):
    results, dead = {}, dead_links(site)
    stems = [path.stem for path in book_pages(site)
             if not chosen or path.stem in chosen]
    with served(site) as base:
        jobs = [(base, site, stem, kind) for stem in stems]
        for stem, (what, problems, line) in zip(stems, side_by_side(page_report, jobs)):
            problems += [f"dead link {href}" for href in dead[f"{stem}.html"]]
            results[what] = problems
            print(line, "; ".join(problems) or "ok", flush=True)
        if moved_pages(site) and not chosen:
            for what, problems, line in side_by_side(moved_report, [(base, site)]):
                results[what] = problems
                print(line, "; ".join(problems) or "ok", flush=True)
    return results


def check_quarto():
    "A small site in Quarto's markup, read like the real one"
    from quarto_pages import mended_site
    with mended_site(SITE / "site_libs/katex") as site:
        return check_pages([], site, "Quarto")


@contextmanager
def jupyterlab(windowing="none"):
    """JupyterLab on a free port of loopback, over a copy of the notebooks, so that
    nothing of the project is written; `windowing`: "none" puts all cells into the page,
    "full", as readers have it, those in view"""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    token, folder = secrets.token_hex(16), Path(tempfile.mkdtemp())
    shutil.copytree(ROOT / "nbs", folder / "nbs")
    notebook_settings = (
        folder / "settings/@jupyterlab/notebook-extension/tracker.jupyterlab-settings")
    notebook_settings.parent.mkdir(parents=True)
    notebook_settings.write_text(json.dumps({"windowingMode": windowing}))
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", f"--port={port}",
               "--ip=127.0.0.1", f"--IdentityProvider.token={token}", "--allow-root",
               f"--ServerApp.root_dir={folder / 'nbs'}",
               "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
               "--LabApp.expose_app_in_browser=True",
               "--LabApp.news_url=None",
               f"--LabApp.workspaces_dir={folder / 'workspaces'}",
               f"--LabApp.user_settings_dir={folder / 'settings'}"]
    # two kernels with two threads each fight for two cores
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    environment.pop("INFLUENCE_NB_WIDGETS", None)
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    base = f"http://127.0.0.1:{port}"
    try:
        for _ in range(120):
            try: urllib.request.urlopen(f"{base}/api?token={token}", timeout=2); break
            except OSError: time.sleep(0.5)
        else: raise RuntimeError("JupyterLab did not start")
        yield base, token, folder / "nbs"
    finally:
        process.terminate()
        try: process.wait(20)
        except subprocess.TimeoutExpired: process.kill()
        shutil.rmtree(folder, ignore_errors=True)


PLACE = """h => h.options ? ['list', h.selectedIndex, h.options.length - 1]
  : ['slider', +h.getAttribute('aria-valuenow'), +h.getAttribute('aria-valuemax')]"""


def picture_changes(page, handle):
    "A key on a slider, or another choice in a list, draws another picture"
    source = ("h => { let b = h; while (b && !b.querySelector('img')) b = "
              "b.parentElement; return b ? b.querySelector('img').src : '' }")
    other = f"([h, before]) => ![before, ''].includes(({source})(h))"
    handle.scroll_into_view_if_needed()
    element = handle.element_handle()
    page.wait_for_function(other, arg=[element, ""], timeout=60_000)
    before = handle.evaluate(source)
    # not beyond the end, where nothing would change
    kind, at, last = handle.evaluate(PLACE)
    # in a list, JupyterLab takes the arrows for itself and goes to the next cell
    if kind == "list": handle.select_option(index=at + 1 if at < last else at - 1)
    else:
        handle.focus()
        page.keyboard.press("ArrowUp" if at < last else "ArrowDown")
    try: page.wait_for_function(other, arg=[element, before], timeout=120_000)
    except TooLate: return ["the picture did not change"]
    return []


# Each worker has one page of JupyterLab, and opens one notebook after the other in it.
LAB = None
OPEN = """async path => {
  await window.jupyterapp.restored;
  await window.jupyterapp.serviceManager.kernelspecs.ready;  // or it asks which kernel
  window.panel = await window.jupyterapp.commands.execute('docmanager:open',
    {path, factory: 'Notebook'});
}"""
HAS_KERNEL = ("() => window.panel.sessionContext.isReady "
              "&& window.panel.sessionContext.session?.kernel")
# The first line of what a cell raised, if one did; comes when the last cell has run
RUN_TO_THE_END = """async () => {
  await window.jupyterapp.commands.execute('notebook:run-all-cells');
  const outputs = window.panel.content.widgets.flatMap(cell =>
    cell.model.outputs?.toJSON() || []);
  const error = outputs.find(output => output.output_type === 'error');
  return error ? [`${error.ename}: ${error.evalue.split('\\n')[0]}`] : [];
}"""
SHOW = r"""async () => {
  const cell = window.panel.content.widgets.find(cell =>
    /^explore\(/m.test(cell.model.sharedModel.getSource()));
  cell.node.classList.add('with-widget');
  await window.panel.content.scrollToCell(cell, 'start');
}"""
# away with it as it is, since nothing is to be saved
CLOSE = "() => [...window.jupyterapp.shell.widgets('main')].forEach(w => w.dispose())"
CONTROLS = ".with-widget .noUi-handle", ".with-widget .widget-dropdown select"


def lab_page(browser, base, token):
    "The worker's page of JupyterLab"
    global LAB
    if LAB is None:
        LAB = browser.new_page(viewport=DESK)
        LAB.set_default_timeout(120_000)  # a busy machine opens slowly
        LAB.goto(f"{base}/lab?token={token}&reset", wait_until="load")
        LAB.wait_for_function("() => window.jupyterapp")
    return LAB


def leave_lab(whole):
    "Close the notebooks of the worker's page, or the page as a whole"
    global LAB
    try: LAB.evaluate(CLOSE)
    except Exception: whole = True
    if whole: LAB, old = None, LAB
    if whole and old is not None: old.close()


def end_kernel(base, token, name):
    "The kernel of one notebook is not needed any more"
    sessions = urllib.request.Request(f"{base}/api/sessions?token={token}")
    for session in json.load(urllib.request.urlopen(sessions)):
        if Path(session["path"]).stem == name:
            urllib.request.urlopen(urllib.request.Request(
                f"{base}/api/kernels/{session['kernel']['id']}?token={token}",
                method="DELETE"))


def widget_problems(browser, base, token, name):
    """(what is wrong when a chapter is opened, all of it run, and the first control
    moved by keyboard; None)"""
    problems = ["it stopped on the way"]
    ending = threading.Thread(target=end_kernel, args=(base, token, name))
    try:
        page = lab_page(browser, base, token)
        page.evaluate(OPEN, f"{name}.ipynb")
        page.wait_for_function(HAS_KERNEL)
        problems = page.evaluate(RUN_TO_THE_END)
        if problems: return problems, None
        page.evaluate(SHOW)
        page.wait_for_selector(",".join(CONTROLS))
        slider, select = (page.locator(control).first for control in CONTROLS)
        problems = picture_changes(page, slider if slider.count() else select)
        return problems, None
    finally:
        leave_lab(whole=bool(problems))
        ending.start()
        if problems: ending.join()  # the next try starts a kernel of its own


def widget_report(job):
    "(name, problems, the line that is printed) of the first widget of one notebook"
    base, token, name = job
    start, what = time.time(), f"widget {name}"
    problems, _ = tried_twice(what, lambda: widget_problems(BROWSER, base, token, name))
    return what, problems, f"widget {name:<16} {time.time() - start:5.1f} s "


def check_widgets(chosen):
    names = [path.stem for path in sorted((ROOT / "nbs").glob("*.ipynb"))
             if "explore(" in path.read_text(encoding="utf-8")]
    names, results = [name for name in names if not chosen or name in chosen], {}
    if not names: return results
    with jupyterlab("full") as (base, token, _):
        jobs = [(base, token, name) for name in names]
        for what, problems, line in side_by_side(widget_report, jobs):
            results[what] = problems
            print(line, "; ".join(problems) or "ok", flush=True)
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("chapters", nargs="*")
    parser.add_argument("--pages", action="store_true")
    parser.add_argument("--widgets", action="store_true")
    parser.add_argument("--site", type=Path, default=SITE,
                        help="folder of the built pages")
    options = parser.parse_args()
    if CHROMIUM is None:
        sys.exit("Chromium is missing: install it (Debian: apt install chromium), or "
                 "name it in CHROMIUM")
    # pages first, then notebooks: kernels beside a page would spoil its times
    both, results = options.pages == options.widgets, {}
    if both or options.pages:
        results |= check_pages(options.chapters, options.site.resolve())
    if (both or options.pages) and not options.chapters: results |= check_quarto()
    if both or options.widgets: results |= check_widgets(options.chapters)
    failed = sum(bool(problems) for problems in results.values())
    print(f"{len(results) - failed} passed, {failed} failed", flush=True)
    sys.exit(bool(failed) or not results)


if __name__ == "__main__": main()
