"""What each page of the built site weighs, and when it shows something on a slow 4G
line (1.6 Mbit/s, 150 ms a round trip), in Chromium: `make weigh`.

Every page is opened with an empty cache, from a server on this machine behind a line of
that speed. Names of chapters choose some. Exits with 1 where the first paint takes more
than two seconds.
"""
import sys

from playwright.sync_api import sync_playwright

from browser import CHROMIUM, DESK, QUIET, SITE, served
from pages import book_pages

LINE = {"offline": False, "latency": 150, "downloadThroughput": 1.6e6 / 8,
        "uploadThroughput": 0.75e6 / 8}
BOUND = 2.0  # seconds
PAINTED = """async () => {
  for (let tries = 0; tries < 200; tries++) {
    const [paint] = performance.getEntriesByName('first-contentful-paint');
    if (paint) return paint.startTime / 1000;
    await new Promise(go => setTimeout(go, 50));
  }
  return Infinity;
}"""


def weighed(browser, address):
    "(kB of the page itself, kB of everything that it asks for, seconds to first paint)"
    context, sizes, kinds = browser.new_context(viewport=DESK), {}, {}
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    session.send("Network.emulateNetworkConditions", LINE)
    session.on("Network.responseReceived",
               lambda e: kinds.update({e["requestId"]: e["type"]}))
    session.on("Network.loadingFinished",
               lambda e: sizes.update({e["requestId"]: e["encodedDataLength"]}))
    try:
        page.goto(address, wait_until="load", timeout=120_000)
        seconds = page.evaluate(PAINTED)
    finally: context.close()
    own = sum(size for request, size in sizes.items()
              if kinds.get(request) == "Document")
    return own / 1000, sum(sizes.values()) / 1000, seconds


def main():
    slow, chosen = [], sys.argv[1:]
    print(f"{'chapter':<20}{'page, kB':>10}{'all, kB':>10}{'first paint, s':>16}")
    with sync_playwright() as playwright, served(SITE) as base:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        for path in book_pages(SITE):
            if chosen and path.stem not in chosen: continue
            own, total, seconds = weighed(browser, f"{base}/{path.name}")
            print(f"{path.stem:<20}{own:>10.0f}{total:>10.0f}{seconds:>16.2f}",
                  flush=True)
            if seconds > BOUND: slow.append(path.stem)
        browser.close()
    if slow: sys.exit(f"first paint after {BOUND} s: {', '.join(slow)}")


if __name__ == "__main__": main()
