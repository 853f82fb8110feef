"""What a newcomer sees after `make lab`: the case study, and nothing over it. Run by
`make test-browser`.

It starts what the Makefile would start, for somebody who has never had JupyterLab.
"""
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from browser import CHROMIUM, DESK, QUIET, ROOT

IN_THE_WAY = ".jp-Dialog, .Toastify__toast"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def commands():
    """What `make lab` runs once everything is installed: (the line that it prints
    first, the command)"""
    make = ["make", "--dry-run", "--assume-old=.venv/.ready", "lab", "BROWSER=none",
            f"PORT={free_port()}"]
    lines = subprocess.run(make, cwd=ROOT, capture_output=True, text=True,
                           check=True).stdout.splitlines()
    said, = [line for line in lines if line.startswith("echo ")]
    start, = [line for line in lines if "jupyter lab" in line]
    return said, shlex.split(start)


def address(log):
    "Where the study is, once the server has said it"
    for _ in range(240):
        found = re.search(r"http://localhost:\d+/lab\?token=\w+", log.read_text())
        if found: return found[0]
        time.sleep(0.5)
    raise RuntimeError("JupyterLab did not start: " + log.read_text()[-2000:])


def seen(url, study, picture=None):
    "What stands over the study some seconds after it has appeared"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = browser.new_page(viewport=DESK)
        page.goto(url.replace("/lab?", f"/lab/tree/{study}?"), wait_until="load")
        page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=90_000)
        # JupyterLab asks some seconds after it has started
        page.wait_for_timeout(8_000)
        if picture: page.screenshot(path=picture)
        texts = page.locator(IN_THE_WAY).all_text_contents()
        browser.close()
        return texts


def main():
    said, command = commands()
    assert "Run All Cells" in said, said
    with tempfile.TemporaryDirectory() as home:
        log = Path(home) / "log.txt"
        clean = {name: value for name, value in os.environ.items()
                 if not name.startswith(("JUPYTER", "XDG_"))}
        with open(log, "w") as output:
            server = subprocess.Popen(command, cwd=ROOT, env=clean | {"HOME": home},
                                      stdout=output, stderr=subprocess.STDOUT,
                                      start_new_session=True)
        try: over_it = seen(address(log), Path(command[-1]).name, *sys.argv[1:])
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(20)
    if over_it: sys.exit(f"over the case study stands: {over_it}")
    print("nothing stands over the case study")


if __name__ == "__main__": main()
