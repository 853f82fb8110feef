"""What a reader sees: every page of the built site, and every widget in JupyterLab, in a real browser.

Run by `make test-browser`. `--pages` or `--widgets` does one half, names of chapters choose some.
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
    figures: figures.length,
    bare: figures.filter(i => !(i.alt || '').trim() || !i.closest('figure')?.querySelector('figcaption')?.textContent.trim()).length,
    wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  };
}"""


def page_problems(browser, base, name):
    "Everything that is wrong with one page, at desk width and on a phone"
    problems, page = [], browser.new_page(viewport=DESK)
    page.on("console", lambda m: problems.append(f"console: {m.text}") if m.type == "error" else None)
    page.on("pageerror", lambda e: problems.append(f"script error: {e}"))
    page.on("request", lambda r: None if r.url.startswith((base, "data:", "blob:")) else problems.append(f"asks another host: {r.url}"))
    page.goto(f"{base}/{name}", wait_until="load")
    page.wait_for_timeout(300)
    seen = page.evaluate(LOOK)
    if seen["errors"] or seen["raw"]: problems.append(f"{seen['errors']} formulas in error, {seen['raw']} not typeset")
    if re.search(r"\$\$|\\\(|\\\[|\\begin\{|\\frac|\\nabla", seen["text"]): problems.append("raw TeX in the text")
    if re.search(r"interactive\(children|\b(VBox|HBox|Output)\(|@(eq|fig|sec)-", seen["text"]): problems.append("a dead widget or reference")
    if seen["bare"]: problems.append(f"{seen['bare']} of {seen['figures']} figures without caption or description")
    page.set_viewport_size(PHONE)
    page.wait_for_timeout(150)
    wide = page.evaluate(LOOK)["wide"]
    if wide > 0: problems.append(f"{wide} px too wide for a phone")
    page.close()
    return problems, seen


def check_pages(browser, chosen):
    results = {}
    with served(SITE) as base:
        for path in sorted(SITE.glob("*.html")):
            if chosen and path.stem not in chosen: continue
            problems, seen = page_problems(browser, base, path.name)
            results[f"page {path.stem}"] = problems
            print(f"page   {path.stem:<16} {seen['formulas']:>4} formulas {seen['figures']:>3} figures  {'; '.join(problems) or 'ok'}", flush=True)
    return results


@contextmanager
def jupyterlab():
    "JupyterLab on a free port of loopback, over a copy of the notebooks, so that nothing of the project is written"
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    token, folder = secrets.token_hex(16), Path(tempfile.mkdtemp())
    shutil.copytree(ROOT / "nbs", folder / "nbs")
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


def widget_problems(browser, base, token, name):
    "Open a chapter, run all of it, move the first slider by keyboard, and see the picture change"
    page = browser.new_page(viewport=DESK)
    try:
        page.goto(f"{base}/lab/tree/{name}.ipynb?token={token}&reset", wait_until="load")
        page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
        # wait for the kernel before running: a run that comes too early is lost
        page.wait_for_function("() => /idle/i.test(document.querySelector('.jp-Notebook-ExecutionIndicator')?.dataset.status || '')", timeout=60_000)
        page.click("text=Run >> nth=0")
        page.click("li[data-command='runmenu:run-all']")
        handle = page.locator(".widget-slider .noUi-handle, .jupyter-widgets .noUi-handle").first
        for _ in range(240):  # cells far below are rendered when they are scrolled to
            if handle.count(): break
            page.evaluate("() => { const n = document.querySelector('.jp-WindowedPanel-outer'); if (n) n.scrollTop = (n.scrollTop + 700) % (n.scrollHeight + 1) }")
            page.wait_for_timeout(250)
        else: return ["no slider appeared"]
        handle.scroll_into_view_if_needed()
        source = "h => { let b = h; while (b && !b.querySelector('img')) b = b.parentElement; return b ? b.querySelector('img').src : '' }"
        for _ in range(240):
            before = handle.evaluate(source)
            if before: break
            page.wait_for_timeout(250)
        handle.focus()
        page.keyboard.press("ArrowRight")
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
            results[f"widget {name}"] = problems = widget_problems(browser, base, token, name)
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
    both, results = options.pages == options.widgets, {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        if both or options.pages: results |= check_pages(browser, options.chapters)
        if both or options.widgets: results |= check_widgets(browser, options.chapters)
        browser.close()
    failed = sum(bool(problems) for problems in results.values())
    print(f"{len(results) - failed} passed, {failed} failed")
    sys.exit(bool(failed) or not results)


if __name__ == "__main__": main()
