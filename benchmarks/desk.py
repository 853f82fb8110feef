"""How long is one step of the review desk, for images, texts and tables, and how long
do 50,000 suspects take to open?

Run by hand, `python benchmarks/desk.py`, on a machine that does nothing else; needs
Chromium. It measures and judges nothing: a clock on a shared machine is no test. From
the key to the new card by the page's own clock, and the processor time of the kernel
for it, decision on the disk included.
"""
import os
import statistics
import sys
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
from browser import CHROMIUM, QUIET, end_kernel, jupyterlab, leave_lab
from review import STEP, open_desk, write_notebook

STEPS = 40
START = """
import os, time, numpy as np, pandas as pd
from pathlib import Path
from influence_nb.review import review_labels
from influence_nb.suspects import Suspects
rng, n = np.random.RandomState(0), {n}
x = {x}
y = rng.randint(0, 3, n)
suspects = Suspects(np.arange(n), -np.arange(float(n)), y, (y + 1) % 3,
                    np.full(n, 0.9), "at random", groups=np.arange(n))
start = time.perf_counter()
review_labels(x, y, suspects, path="{name}.json", limit=n)
Path("{name}.txt").write_text(f"{{os.getpid()}} {{time.perf_counter() - start}}")
"""
CASES = {
    "images, 64 by 64, three channels": (400, "rng.rand(n, 64, 64, 3)"),
    "texts of 2,000 characters": (400, "[f'{i:09} ' * 200 for i in range(n)]"),
    "tables of 50 columns": (
        400, "pd.DataFrame(rng.randn(n, 50)).add_prefix('feature ')"),
    "50,000 suspects, two numbers each": (50_000, "rng.randn(n, 2)"),
}


def processor_time(process):
    "Seconds that a process has used, from Linux; NaN elsewhere"
    try: fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError: return float("nan")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measured(browser, base, token, folder, name):
    "Milliseconds of the steps, the kernel's milliseconds for one, seconds to open"
    n, x = CASES[name]
    file = name.split(",")[0].split(" ")[0] + str(n)
    write_notebook(folder / f"{file}.ipynb", START.format(n=n, x=x, name=file))
    page, _ = open_desk(browser, base, token, file)
    process, opened = (folder / f"{file}.txt").read_text().split()
    time.sleep(1)  # what is drawn ahead comes before the steps
    page.evaluate(STEP, "k")
    before = processor_time(process)
    times = [page.evaluate(STEP, "k") for _ in range(STEPS)]
    spent = 1000 * (processor_time(process) - before) / STEPS
    leave_lab(whole=False)
    end_kernel(base, token, file)
    return times, spent, float(opened)


def main():
    if CHROMIUM is None: sys.exit("Chromium is missing: name it in CHROMIUM")
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    print(f"{STEPS} steps each, {os.cpu_count()} cores, load {load} at the start")
    print("| | median, ms | slowest, ms | kernel, ms | opened in, s |\n"
          "|---|---|---|---|---|")
    with sync_playwright() as playwright, jupyterlab() as (base, token, folder):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        for name in CASES:
            times, spent, opened = measured(browser, base, token, folder, name)
            print(f"| {name} | {statistics.median(times):.0f} | {max(times):.0f} | "
                  f"{spent:.0f} | {opened:.2f} |", flush=True)
        browser.close()


if __name__ == "__main__": main()
