"""How the pages of the built site are laid out, measured in Chromium: a table, one line
a chapter. Run by `make test-browser`.

For every chapter: the share of its height that is prose and formulas, visible code,
outputs, figures, and folded lines; where the opening picture with its caption ends; how
many boxes of code, tables and formulas are cut at 1,280 and 1,600 px; the smallest text
in a figure, on the desk and on the phone; how many legends lie on a curve or a point;
on paper, how many folds stay closed, and how many boxes that no page break may cut are
higher than half a page, which leaves the page before them half empty. What is short of
the goal stands in tests/layout_left.json and may only get better: `--write` writes
today's numbers there, and refuses if one of them got worse; a chapter, or a measure,
that is not in it yet is written down. Names of chapters choose some.
"""
import argparse
import base64
import io
import json
import sys
from pathlib import Path

from PIL import Image

import browser
from browser import DESK, PHONE, SETTLE, SITE, served, side_by_side
from pages import book_pages

LEFT = Path(__file__).with_name("layout_left.json")
WIDE = {"width": 1600, "height": 900}
PAPER = {"width": 718, "height": 1047}  # A4 inside margins of 1 cm
# at least or at most: what a page is measured by, and STEP: how far it may go on from
# there, for what fonts of another machine may add
GOALS = {"prose": (">=", 35), "code": ("<=", 30), "picture": ("<=", 800),
         "cut": ("<=", 0), "desk text": (">=", 10), "phone text": (">=", 8),
         "legends": ("<=", 0), "paper folds": ("<=", 0), "paper gaps": ("<=", 0)}
STEP = {"prose": 1, "code": 1, "picture": 8, "cut": 0, "desk text": 0.2,
        "phone text": 0.2, "legends": 0, "paper folds": 0, "paper gaps": 0}

# Every block of the page in the order of the eyes, with its kind; a block reaches to
# where the next one begins, so that the shares add up to the height of the page.
BLOCKS = r"""() => {
  const main = document.querySelector('main'), kinds = [
    ['figure', 'figure, .player, .review-tour, .explorer-figure, .cell-output img'],
    ['output', '.cell-output'],
    ['fold', 'details:not([open])'],
    ['code', '.sourceCode, pre, summary'],
    ['prose', 'p, li, h1, h2, h3, h4, h5, h6, blockquote, table, .math.display, '
              + 'summary, .ways-in, .description, dl, nav']];
  const drawn = 'figure, .player, .review-tour, .explorer-figure, img';
  const blocks = [];
  const walk = element => {
    for (const child of element.children) {
      const box = child.getBoundingClientRect();
      if (!box.height || !box.width
        || getComputedStyle(child).position === 'absolute') continue;
      const kind = kinds.find(([, selector]) => child.matches(selector)
        && !(selector.startsWith('.cell-output') && child.querySelector(drawn)));
      if (kind) blocks.push([kind[0], box.top]); else walk(child);
    }
  };
  walk(main);
  const end = main.getBoundingClientRect().bottom,
    share = {prose: 0, code: 0, output: 0, figure: 0, fold: 0};
  blocks.forEach(([kind, top], i) => {
    share[kind] += Math.max(0, (i + 1 < blocks.length ? blocks[i + 1][1] : end) - top);
  });
  const total = Object.values(share).reduce((a, b) => a + b, 0),
    opening = main.querySelector('figure:has(figcaption)');
  for (const kind in share) share[kind] = 100 * share[kind] / total;
  return {share, height: main.getBoundingClientRect().height,
    picture: opening ? opening.getBoundingClientRect().bottom + scrollY : null};
}"""

# Boxes whose content is wider than they are, with the first words of it
CUT = r"""() => [...document.querySelectorAll(
    'main pre, .table-scroll, .katex-display, main .cell-output')]
  .filter(box => box.checkVisibility() && box.scrollWidth > box.clientWidth + 1)
  .map(box => box.textContent.trim().slice(0, 60))"""

# Pictures of figures: what they hold, and how wide they are shown
PICTURES = r"""() => [...document.querySelectorAll('main img')]
  .filter(i => i.checkVisibility() && i.src.startsWith('data:image/png'))
  .map(i => [i.src, i.getBoundingClientRect().width])"""


# On paper: folds that stay closed, and boxes higher than half a page that must not be
# cut
ON_PAPER = r"""height => {
  dispatchEvent(new Event('beforeprint'));
  const shown = [...document.querySelectorAll('main *')].filter(e =>
    e.getClientRects().length);
  const folds = shown.filter(e => e.matches('details:not([open])')).length;
  const gaps = shown.filter(e => getComputedStyle(e).breakInside.startsWith('avoid')
    && e.getBoundingClientRect().height > height / 2).length;
  dispatchEvent(new Event('afterprint'));
  return {'paper folds': folds, 'paper gaps': gaps};
}"""


def told(pictures):
    "What each picture says of itself, with the width at which it is shown"
    return [Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))).info
            | {"width": width} for source, width in pictures]


def smallest_text(pictures):
    """The smallest text of the pictures as shown, in px; None where none says how large
    its text is"""
    return min((float(picture["smallest text"]) * picture["width"]
                for picture in told(pictures) if "smallest text" in picture),
               default=None)


def measured(address):
    "Everything that the table shows of one page"
    page = browser.BROWSER.new_page(viewport=DESK, reduced_motion="reduce")
    try:
        page.goto(address, wait_until="load")
        page.evaluate(SETTLE)
        seen = page.evaluate(BLOCKS)
        found = {kind: round(share) for kind, share in seen["share"].items()}
        found["screens"] = round(seen["height"] / DESK["height"], 1)
        if seen["picture"]: found["picture"] = round(seen["picture"])
        cut = page.evaluate(CUT)
        pictures = page.evaluate(PICTURES)
        text = smallest_text(pictures)
        if text: found["desk text"] = round(text, 1)
        found["legends"] = sum(int(picture.get("covering legends", 0))
                               for picture in told(pictures))
        page.set_viewport_size(WIDE)
        page.evaluate(SETTLE)
        found["cut"] = len(set(cut + page.evaluate(CUT)))
        found["what is cut"] = cut[:3]
        page.set_viewport_size(PHONE)
        page.evaluate(SETTLE)
        text = smallest_text(page.evaluate(PICTURES))
        if text: found["phone text"] = round(text, 1)
        page.set_viewport_size(PAPER)
        page.emulate_media(media="print")
        page.evaluate(SETTLE)
        return found | page.evaluate(ON_PAPER, PAPER["height"])
    finally: page.close()


def misses(found):
    "Which goals a page misses, and by what number"
    return {what: found[what] for what, (way, goal) in GOALS.items() if what in found
            and not (found[what] >= goal if way == ">=" else found[what] <= goal)}


def worse(today, before):
    "What is worse than what was written down"
    out = []
    for what, number in today.items():
        way, goal = GOALS[what]
        allowed = before.get(what, goal)
        short = allowed - number if way == ">=" else number - allowed
        if short > STEP[what]: out.append(f"{what}: {number}, may be {allowed}")
    return out


def table(rows):
    columns = ["screens", "prose", "code", "output", "figure", "fold", "picture", "cut",
               "desk text", "phone text", "legends", "paper folds", "paper gaps"]
    print(f"{'chapter':<20}" + "".join(f"{column:>12}" for column in columns))
    for name, found in rows.items():
        print(f"{name:<20}" + "".join(f"{found.get(column, '–'):>12}"
                                      for column in columns))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("chapters", nargs="*")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--site", type=Path, default=SITE)
    options = parser.parse_args()
    stems = [path.stem for path in book_pages(options.site)
             if not options.chapters or path.stem in options.chapters]
    with served(options.site) as base:
        rows = dict(zip(stems, side_by_side(measured, [f"{base}/{stem}.html"
                                                       for stem in stems])))
    table(rows)
    left = json.loads(LEFT.read_text(encoding="utf-8")) if LEFT.exists() else {}
    today = {name: misses(found) for name, found in rows.items()}
    known = {what for missed in left.values() for what in missed}
    rose = [f"{name}: {line}" for name, missed in today.items()
            if name in left or not options.write
            for line in worse(missed, left.get(name, {}))
            if line.partition(":")[0] in known or not options.write]
    cut = [f"{name}: cut: {words!r}" for name, found in rows.items()
           for words in found["what is cut"]]
    if options.write and not rose:
        LEFT.write_text(json.dumps(dict(sorted((left | today).items())), indent=1)
                        + "\n", encoding="utf-8")
    print(*cut[:20], *(f"worse: {line}" for line in rose), sep="\n")
    counted = {what: sum(what in missed for missed in today.values()) for what in GOALS}
    print("pages that miss a goal: " + ", ".join(f"{what} {number}" for what, number
                                                 in counted.items()))
    sys.exit(bool(rose))


if __name__ == "__main__": main()
