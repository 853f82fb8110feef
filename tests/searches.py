"""What people type, and the page that the search must bring first: tests/searches.json
holds both. Run by `make test-browser`.

The index and the engine of the built site run in Chromium, as they do behind the field
of every page; no snippet may hold TeX.
"""
import json
import re
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from browser import CHROMIUM, QUIET, SITE

ASKED = json.loads(Path(__file__).with_name("searches.json")
                   .read_text(encoding="utf-8"))
FIND = """query => window.bookFind(query, 5).map(entry => [entry.href, entry.title,
          window.bookSnippet(entry, query), entry.kind])"""


def main():
    wrong = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = browser.new_page()
        page.evaluate((SITE / "site_libs/book/search.js").read_text(encoding="utf-8")
                      + "\nnull")
        for query, stem in ASKED.items():
            found = page.evaluate(FIND, query)
            first = re.split(r"\.html", found[0][0])[0] if found else None
            if first != stem:
                wrong.append(f"{query!r} brings {[href for href, *_ in found]}, not "
                             f"{stem} first")
            wrong += [f"{query!r}: TeX in a snippet: {snippet}"
                      for _, _, snippet, _ in found
                      if re.search(r"\\[A-Za-z]|\$", snippet)]
        browser.close()
    print(*wrong, f"{len(ASKED)} searches, {len(wrong)} faults", sep="\n")
    sys.exit(bool(wrong))


if __name__ == "__main__": main()
