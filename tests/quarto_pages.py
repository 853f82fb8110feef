"""Pages as Quarto writes them, mended by `tools/pages.py`: needs neither Quarto nor a
browser.

A small site in the markup of Quarto 1.11 (pandoc 3.9), with everything on it that has
gone wrong there. Run by `make test`; `tests/browser.py` opens the same site in
Chromium.
"""
import base64
import io
import json
import re
import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import yaml
from bs4 import BeautifulSoup
from PIL import Image
from PIL.PngImagePlugin import PngInfo

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]
sys.path.append(str(ROOT / "tools"))
import execute
import lint
import pages
import weight

FONTS = ("https://fonts.googleapis.com/css2?family=Lato:ital,wght@0,400;0,700;1,400"
         "&amp;display=swap")
LIGHT = f'''@import"{FONTS}";
:root {{ --bs-body-bg: #fff; --bs-body-color: #222 }}
body {{ background: #fff; color: #222; margin: 0; padding: 0 12px; font-size: 17px }}
.collapse:not(.show) {{ display: none }}
.text-start, .quarto-figure-center > figure {{ text-align: center }}
#quarto-content {{ display: grid; grid-template-columns: 15rem minmax(0, 1fr) 12rem;
gap: 2rem }} main {{ grid-area: 1 / 2 }} #quarto-margin-sidebar {{ grid-area: 1 / 3 }}
@media (max-width: 900px) {{ #quarto-content {{ display: block }}
#quarto-margin-sidebar {{ display: none }} }}
@media (min-width: 901px) {{ #quarto-sidebar {{ display: block }}
.quarto-secondary-nav {{ display: none }} }}
#quarto-sidebar-glass {{ display: none; position: fixed; inset: 0; z-index: 5 }}
#quarto-sidebar-glass.show {{ display: block }}
#quarto-sidebar {{ position: relative; z-index: 6 }}
details.code-fold summary, .page-navigation a, .breadcrumb-item a {{ color: #6c757d }}
#quarto-sidebar a, #TOC a {{ color: inherit }}
.quarto-secondary-nav {{ background: #f8f9fa }}
pre {{ overflow: auto }} .breadcrumb {{ list-style: none }}
.quarto-btn-toggle {{ min-width: 44px; min-height: 44px }}
button, input {{ font-size: 16px }}
.aa-Panel {{ position: fixed; z-index: 10; top: 0; right: 0; width: 100%; height: 50%;
background: #fff; color: #222 }} .aa-Panel[hidden] {{ display: none }}
'''
DARK = (LIGHT.replace(f'@import"{FONTS}";', f'@import url("{FONTS}");')
        .replace("#fff", "#222").replace("color: #222", "color: #eee")
        .replace("#f8f9fa", "#2f2f2f"))

SEARCH = '''let shownWarning = false;
async function items(query) {
  if (window.location.protocol === "file:" && !shownWarning) {
    window.alert("Search requires a web server.");
    shownWarning = true;
    return [];
  }
  const response = await fetch("search.json");
  if (response.status !== 200)
    throw new Error("Unexpected status from search index request: " + response.status);
  return (await response.json()).filter(entry => entry.text.includes(query));
}
document.addEventListener("DOMContentLoaded", () => {
  const field = document.querySelector("#quarto-search input");
  const panel = document.createElement("div");
  panel.className = "aa-Panel";
  panel.hidden = true;
  panel.setAttribute("role", "region");
  panel.setAttribute("aria-label", "found");
  document.body.append(panel);
  field.addEventListener("input", async () => {
    const found = field.value ? await items(field.value) : [];
    panel.innerHTML = found.map(entry =>
      `<div class="aa-Item">${entry.title}</div>`).join("");
    panel.hidden = !field.value;
  });
  field.addEventListener("keydown",
    event => { if (event.key === "Escape") panel.hidden = true; });
});
'''
MODULES = {"quarto.js": '''import * as tabsets from "./tabsets/tabsets.js";
import { greet, NAME as name } from './greet.js'
const done = new CustomEvent("quarto-sectionChanged", { detail: {} });
window.document.addEventListener("DOMContentLoaded", () => {
  tabsets.init();
  document.body.dataset.module = greet(name);
});
''', "tabsets/tabsets.js": '''// grouped tabsets
const shared = "of the module alone";
export function init() { document.body.dataset.tabsets = shared; }
''', "greet.js": '''export const NAME = "quarto";
export async function later() {}
export function greet(who) { return `hello ${who}`; }
'''}

TOGGLE = '''<script>
const dark = matchMedia("(prefers-color-scheme: dark)");
const show = on => { document.body.classList.toggle("quarto-dark", on);
  document.body.classList.toggle("quarto-light", !on);
  document.querySelector("#quarto-bootstrap-dark").disabled = !on; };
window.quartoToggleColorScheme = () =>
  show(!document.body.classList.contains("quarto-dark"));
document.addEventListener("DOMContentLoaded",
  () => { show(dark.matches); dark.addEventListener("change", () => show(dark.matches));
  const bar = document.querySelector("#quarto-sidebar");
  const glass = document.querySelector("#quarto-sidebar-glass");
  const open = on => { bar.classList.toggle("show", on);
    glass.classList.toggle("show", on) };
  document.querySelector(".quarto-btn-toggle").addEventListener("click",
    () => open(true)); glass.addEventListener("click", () => open(false)); });
</script>'''
KATEX = '''<script>document.addEventListener("DOMContentLoaded", () => {
  for (const math of document.getElementsByClassName("math"))
  katex.render(math.textContent.replace(/^\\\\[\\[(]|\\\\[\\])]$/g, ""), math,
    { displayMode: math.classList.contains("display"), throwOnError: false });
    });</script>'''

PAGE = '''<!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml" lang="en" xml:lang="en"><head>
<meta charset="utf-8"><meta name="generator" content="quarto-1.11.0"><meta
name="viewport" content="width=device-width, initial-scale=1.0, user-scalable=yes">
<title>@TITLE@ – influence_nb</title>
<script src="site_libs/quarto-search/quarto-search.js"></script>
<script src="site_libs/quarto-html/quarto.js" type="module"></script>
<script src="site_libs/quarto-html/tabsets/tabsets.js" type="module"></script>
<link href="site_libs/bootstrap/bootstrap-0a1b.min.css" rel="stylesheet"
class="quarto-color-scheme" id="quarto-bootstrap" data-mode="light">
<link href="site_libs/bootstrap/bootstrap-dark-2c3d.min.css" rel="stylesheet"
class="quarto-color-scheme quarto-color-alternate" id="quarto-bootstrap-dark"
data-mode="dark">
<script src="https://cdnjs.cloudflare.com/ajax/libs/require.js/2.3.6/require.min.js"
integrity="sha512-c3==" crossorigin="anonymous"></script>
<script type="application/javascript">
define('jquery', [],function() {return window.jQuery;})</script>
<script src="https://cdn.jsdelivr.net/npm/katex@@KATEX@/dist/katex.min.js"
crossorigin="anonymous"></script>
''' + KATEX + '''
<link rel="stylesheet"
href="https://cdn.jsdelivr.net/npm/katex@@KATEX@/dist/katex.min.css">
<link rel="stylesheet" href="styles.css"><link rel="icon" href="data:,">
''' + TOGGLE + '''
</head><body class="nav-sidebar floating quarto-light">
<div id="quarto-search-results"></div>
<header id="quarto-header" class="headroom fixed-top"><nav
class="quarto-secondary-nav"><div class="container-fluid d-flex">
<button type="button" class="quarto-btn-toggle btn" data-bs-toggle="collapse"
role="button" data-bs-target=".quarto-sidebar-collapse-item"
aria-controls="quarto-sidebar" aria-expanded="false" aria-label="Toggle sidebar
navigation"><i class="bi bi-layout-text-sidebar-reverse"></i></button>
<nav class="quarto-page-breadcrumbs" aria-label="breadcrumb"><ol class="breadcrumb"><li
class="breadcrumb-item"><a href="./45_digits.html">Foundations</a></li></ol></nav>
</div></nav></header>
<div id="quarto-content"
class="quarto-container page-columns page-rows-contents page-layout-article">
<nav id="quarto-sidebar" class="sidebar collapse collapse-horizontal
quarto-sidebar-collapse-item sidebar-navigation floating overflow-auto">
<div class="pt-lg-2 mt-2 text-left sidebar-header"><div
class="sidebar-title mb-0 py-0"><a href="./">influence_nb</a>
<div class="sidebar-tools-main"><a href="" class="quarto-color-scheme-toggle
quarto-navigation-tool px-1" onclick="window.quartoToggleColorScheme(); return false;"
title="Toggle dark mode"><i class="bi"></i></a></div></div></div>
<div class="mt-2 flex-shrink-0 align-items-center"><div class="sidebar-search"><div
id="quarto-search" class="" title="Search"><input aria-label="search"
type="search"></div></div></div>
<div class="sidebar-menu-container"><ul class="list-unstyled mt-1"><li
class="sidebar-item sidebar-item-section"><div class="sidebar-item-container">
<a class="sidebar-item-text sidebar-link text-start" data-bs-toggle="collapse"
data-bs-target="#quarto-sidebar-section-1" role="navigation" aria-expanded="true"><span
class="menu-text">Wrong labels</span></a>
<a class="sidebar-item-toggle text-start" data-bs-toggle="collapse"
data-bs-target="#quarto-sidebar-section-1" role="navigation" aria-expanded="true"
aria-label="Toggle section"><i class="bi bi-chevron-right ms-2"></i></a></div>
<ul id="quarto-sidebar-section-1"
class="collapse list-unstyled sidebar-section depth1 show">
<li class="sidebar-item"><div class="sidebar-item-container"><a href="./45_digits.html"
class="sidebar-item-text sidebar-link"><span
class="menu-text">Handwritten digits</span></a></div></li>
<li class="sidebar-item"><div class="sidebar-item-container"><a href="./47_wine.html"
class="sidebar-item-text sidebar-link active"><span
class="menu-text">Wine</span></a></div></li>
</ul></li></ul></div></nav>
<div id="quarto-sidebar-glass" class="quarto-sidebar-collapse-item"></div>
<div id="quarto-margin-sidebar" class="sidebar margin-sidebar"><nav id="TOC"
role="doc-toc" class="toc-active"><h2 id="toc-title">On this page</h2>
<ul class="collapse"><li><a href="#the-recipe" id="toc-the-recipe" class="nav-link
active" data-scroll-target="#the-recipe">The recipe</a></li></ul></nav></div>
<main class="content" id="quarto-document-content">
<header id="title-block-header" class="quarto-title-block default"><nav
class="quarto-page-breadcrumbs quarto-title-breadcrumbs d-none d-lg-block"
aria-label="breadcrumb"><ol class="breadcrumb"><li class="breadcrumb-item"><a
href="./45_digits.html">Foundations</a></li></ol></nav>
<div class="quarto-title"><h1 class="title">@TITLE@</h1></div></header>
@BODY@
<nav class="page-navigation"><div class="nav-page nav-page-previous"><a
href="./45_digits.html" class="pagination-link" aria-label="Handwritten digits"><i
class="bi bi-arrow-left-short"></i> <span
class="nav-page-text">Handwritten digits</span></a></div></nav>
</main></div></body></html>
'''
PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="
DIGITS = '''<section id="the-recipe" class="level2"><h2 class="anchored"
data-anchor-id="the-recipe">The recipe</h2>
<p>The penalty is <span class="math inline">\\(\\lambda\\)</span>, and</p>
<p><span class="math display">\\[a = b \\tag{3}\\]</span></p></section>'''
WINE = '''<section id="the-recipe" class="level2"><h2 class="anchored"
data-anchor-id="the-recipe">The recipe</h2>
<p>By equation (3) of <a href="./45_digits.html">Handwritten digits</a>, see Figure 1.
It measures the curvature of the loss.</p>
<h4 class="anchored">A level skipped</h4>
<div class="cell"><details class="code-fold"><summary>Code of the picture</summary><div
class="code-copy-outer-scaffold"><div class="sourceCode cell-code" id="cb1"><pre
class="sourceCode python code-with-copy"><code
class="sourceCode python">draw()</code></pre></div><button title="Copy to Clipboard"
class="code-copy-button"><i class="bi"></i></button></div></details>
<div class="cell-output cell-output-display"><div id="fig-lines"
class="quarto-float quarto-figure quarto-figure-center anchored"><figure
class="quarto-float quarto-float-fig figure">
<div aria-describedby="fig-lines-caption-0ceaefa1"><img src="PIXEL"
class="img-fluid figure-img" alt="Two lines that cross."></div>
<figcaption class="quarto-float-caption-bottom quarto-float-caption quarto-float-fig"
id="fig-lines-caption-0ceaefa1">Figure&nbsp;1: The <em>crossing</em> lines.</figcaption
></figure></div></div></div>
<div class="cell"><div class="cell-output cell-output-display"><div id="fig-play"
class="quarto-float quarto-figure quarto-figure-center anchored"><figure
class="quarto-float quarto-float-fig figure">
<div aria-describedby="fig-play-caption-0ceaefa1">PLAYER</div>
<figcaption class="quarto-float-caption-bottom quarto-float-caption quarto-float-fig"
id="fig-play-caption-0ceaefa1">Figure&nbsp;2: A figure with controls.</figcaption
></figure></div></div></div>
<div class="cell" id="fig-again"><div
class="cell-output cell-output-display">PLAYER</div></div>
<div class="cell" id="fig-tour"><div
class="cell-output cell-output-display">TOUR</div></div><div class="cell"
id="fig-tours"><div class="cell-output cell-output-display">TOUR</div></div>
<div class="cell" id="fig-explore"><div
class="cell-output cell-output-display">EXPLORER</div></div>
<table class="caption-top table"><colgroup><col style="width: 50%"><col
style="width: 50%"></colgroup><thead><tr
class="header"><th></th><th>accuracy</th></tr></thead>
<tbody><tr
class="odd"
><td>as_wide_as_it_gets_in_a_benchmark_of_many_words_that_cannot_be_broken</td
><td>0.9</td></tr></tbody></table></section>'''
FRONT = '''<section id="a-dozen-lines" class="level2"><h2>A dozen lines</h2><p
id="the-recipe">Short.</p></section>'''


def player():
    "A player as `explore` shows it on a page"
    import matplotlib
    matplotlib.use("agg")
    import matplotlib.pyplot as plt
    from influence_nb.widgets import Slider, draw_pictures, player_html
    def draw(height): plt.subplots(figsize=(2, 2))[1].bar(0, height)
    controls, values = ({"height": Slider("height <!--<script> h", 1, 3, 2, 1)},
                        {"height": [1, 2, 3]})
    return (player_html(controls, values, draw_pictures(draw, values))
            .replace('alt=""', 'alt="A bar."').replace('<div class="player"',
                                                       '<div class="player" '
                                                       'data-caption="A figure with '
                                                       'controls."'))


def tour():
    "A tour of the review desk as a page without a kernel shows it"
    import numpy as np
    from influence_nb.cards import Cards, samples_of
    from influence_nb.review import Review
    from influence_nb.desk import tour_html
    x, y = np.arange(12.0).reshape(6, 2) % 5, np.arange(6) % 2
    cards = Cards(Review(x, y, np.arange(6)), samples_of(x, y))
    return str(tour_html(cards)).replace('<div class="review-tour"',
                                    '<div class="review-tour" data-caption="The first '
                                    'suspects."', 1)


def explorer():
    from influence_nb.explorer import explorer_page
    return explorer_page(num_samples=20).replace('<div class="explorer-figure"',
                                                 '<div class="explorer-figure" '
                                                 'data-caption="A cloud that moves."',
                                                 1)


def write_site(folder, katex="latest"):
    "The site as Quarto leaves it"
    for name, text in MODULES.items():
        put(folder / "site_libs/quarto-html" / name, text)
    put(folder / "site_libs/quarto-search/quarto-search.js", SEARCH)
    put(folder / "site_libs/bootstrap/bootstrap-0a1b.min.css",
        LIGHT.replace("&amp;", "&"))
    put(folder / "site_libs/bootstrap/bootstrap-dark-2c3d.min.css",
        DARK.replace("&amp;", "&"))
    put(folder / "search.json",
        json.dumps([{"objectID": "47_wine.html", "href": "47_wine.html",
                     "title": "Wine", "section": "",
                     "text": "The curvature \\lambda of $x$"}]))
    shutil.copy(ROOT / "nbs/styles.css", folder)
    bodies = {"index": FRONT, "45_digits": DIGITS,
              "47_wine": WINE.replace("PIXEL", PIXEL).replace("PLAYER", player())
              .replace("TOUR", tour()).replace("EXPLORER", explorer())}
    for stem, body in bodies.items():
        put(folder / f"{stem}.html",
            PAGE.replace("@TITLE@", stem).replace("@KATEX@", katex)
            .replace("@BODY@", body))
    return folder


@contextmanager
def mended_site(katex):
    "The site in a folder of its own, mended, with the files of KaTeX from a folder"
    with tempfile.TemporaryDirectory() as folder:
        site = write_site(Path(folder))
        shutil.copytree(katex, site / "site_libs/katex")
        pages.mend(site)
        pages.answer_old_addresses(site, {"17_wine": "47_wine"})
        yield site


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def soup(site, stem):
    return BeautifulSoup((site / f"{stem}.html").read_text(encoding="utf-8"),
                         "html.parser")


def check_formulas(site, asked):
    """Formulas are set by the files beside the page, whichever version the renderer
    names"""
    page = soup(site, "45_digits")
    assert (page.select_one('script[src="site_libs/katex/katex.min.js"]')
            and page.select_one('link[href="site_libs/katex/katex.min.css"]'))
    assert not page.select("script[crossorigin]"), "a file has no origin"
    assert not soup(site, "index").select('[src*="katex"], [href*="katex"]'), (
        "no formula, no KaTeX")
    assert "cdn.jsdelivr" not in (site / "45_digits.html").read_text()


def check_nothing_foreign(site, asked):
    "No page and no style asks another host"
    assert asked == [], asked
    for style in site.glob("site_libs/bootstrap/*.css"):
        assert ("fonts.googleapis" not in style.read_text()
                and "body {" in style.read_text())


def check_disk(site, asked):
    "From disk the list of contents is open, and no script is a module"
    page = soup(site, "47_wine")
    assert (not page.select("#TOC .collapse") and page.select("#TOC ul")
            and not page.select("script[type=module]"))
    scripts = [script["src"] for script in page.select("script[src]")]
    assert ("site_libs/quarto-html/quarto.js" in scripts
            and not any("tabsets" in script for script in scripts))
    script = (site / "site_libs/quarto-html/quarto.js").read_text()
    assert (not re.search(r"^\s*(import|export)\b", script, re.M)
            and "of the module alone" in script and "hello ${who}" in script)
    assert page.select_one('script[src$="quarto.js"]').has_attr("defer"), (
        "a module runs when the page is there")


def check_search(site, asked):
    """The book's own search in place of the renderer's: one field, an index without
    TeX that knows sections and what people type, and no other script of a search"""
    page = soup(site, "47_wine")
    assert len(page.select(".book-search input[type=search]")) == 1
    assert not page.select('#quarto-search, script[src*="quarto-search"]')
    text = (site / "site_libs/book/search.js").read_text(encoding="utf-8")
    index = json.loads(re.match(r"window\.bookIndex = (.*);\n", text)[1])
    found = {entry["href"]: entry for entry in index}
    assert found["45_digits.html#the-recipe"]["text"] == "The penalty is … , and …"
    assert "cleanlab" in found["45_digits.html"]["aliases"]
    assert all("\\" not in entry["text"] for entry in index)


def check_weight(site, asked):
    """Style sheets of a theme keep the rules that something on the site meets, and
    pages have no icon font"""
    style = """@charset "utf-8"; /* gone */ .row, .never { a: b } .never { c: d }
    p { e: f; } @media (x) { .never { g: h } .row:not(.never) { i: "}"; } }
    @font-face { j: k }"""
    lean = re.sub(r"\s+", "", weight.lean(style, {"row"}))
    assert lean == ('@charset"utf-8";.row{a:b}p{e:f;}@media(x){.row:not(.never)'
                    '{i:"}";}}@font-face{j:k}'), lean
    assert not soup(site, "47_wine").select('[href*="bootstrap-icons"]')
    assert {"player", "show", "table-scroll"} <= weight.used_classes(
        site, pages.book_pages(site))


def check_order(site, asked):
    """The folded code of a picture stands below its caption; on the phone a page has
    its contents, whose links lead somewhere"""
    page = soup(site, "47_wine")
    cell = page.select_one("#fig-lines").find_parent(class_="cell")
    assert [part.name for part in cell.find_all(recursive=False)] == ["div", "details"]
    links = page.select("details.here a")
    assert links and all(page.select_one(link["href"]) for link in links)
    assert not page.select("details.here [id]")


def check_figures(site, asked):
    """Every labeled figure has one number, also the player and the explorer, and no
    caption twice"""
    page = soup(site, "47_wine")
    captions = [caption.get_text() for caption in page.select("figcaption")
                if not caption.find_parent(class_="review-slide")]
    assert captions == ["Figure 1. The crossing lines.",
                        "Figure 2. A figure with controls.",
                        "Figure 3. A figure with controls.",
                        "Figure 4. The first suspects.",
                        "Figure 5. The first suspects.",
                        "Figure 6. A cloud that moves."], captions
    assert [page.select_one(f"#fig-{name}")["data-number"]
            for name in ("lines", "play", "again", "tour", "tours",
                         "explore")] == list("123456")
    assert not page.select("[data-caption]")
    explorer = page.select_one("figure:has(.explorer-figure)")
    assert explorer.find(True).name == "figcaption", "its caption stands above it"


def check_pictures(site, asked):
    """A picture knows how wide it must be to be read, and the line of needs is known,
    in either renderer, once"""
    told = PngInfo()
    told.add_text("smallest text", "0.02000")
    told.add_text("shown width", "150")
    Image.new("RGB", (300, 200)).save(picture := io.BytesIO(), "png", pnginfo=told)
    source = "data:image/png;base64," + base64.b64encode(picture.getvalue()).decode()
    page = BeautifulSoup(f'''<h2>On this page</h2><main><p><em>Takes an hour. Needs
        nothing.</em></p><p><em>Takes</em> its time.</p><figure><img src="{source}">
        <img src="{PIXEL}"></figure><h2>Then</h2><p><em>About ten minutes.</em></p>
        <div class="player"><figure><img src="{source}"></figure></div></main>''',
                         "html.parser")
    for _ in range(2):
        pages.readable_pictures(page)
        pages.name_needs(page)
    boxes = page.select(".picture")
    assert [box["style"] for box in boxes] == ["--readable: 403px; --ratio: 1.500"]
    assert [box.img["width"] for box in boxes] == ["150"]  # of 300 pixels
    assert [words.em.get_text()[:5] for words in page.select(".needs")] == ["Takes"]
    assert len(page.select(".needs")) == 1


def check_scales(site, asked):
    "A player whose axes follow must say so in its caption"
    follows, still = '<div class="player" data-scales="differ"', '<div class="player"'
    says, silent = '#| fig-cap: "The scale follows."', '#| fig-cap: "A curve."'
    for shown, source in ((follows, says), (still, says), (still, silent)):
        assert "data-caption" in execute.described(shown, source)
    try: execute.described(follows, silent)
    except ValueError as error: assert "caption" in str(error)
    else: raise AssertionError("a scale that changes passed unsaid")


def check_repeated(site, asked):
    """The same player and the same tour may stand twice on a page: no two things share
    an id"""
    ids = [element["id"] for element in soup(site, "47_wine").select("main [id]")]
    assert len(ids) == len(set(ids)), ids
    assert (len(soup(site, "47_wine").select(".player"))
            == len(soup(site, "47_wine").select(".review-tour")) == 2)


def check_links(site, asked):
    "The number of an equation of another chapter is a link"
    page = soup(site, "47_wine")
    assert page.select_one('a[href="45_digits.html#eq-3"]').get_text() == "equation (3)"
    assert soup(site, "45_digits").select_one("#eq-3")


def check_access(site, asked):
    """Tables scroll by themselves, landmarks have names of their own, no level of
    heading is skipped, what folds is a button"""
    page = soup(site, "47_wine")
    assert page.select_one("main .table-scroll > table") and not page.select("th:empty")
    names = [nav.get("aria-label") for nav in page.select("nav")]
    assert all(names) and len(set(names)) == len(names), names
    levels = [int(h.get("aria-level", h.name[1]))
              for h in page.select("main :is(h1, h2, h3, h4)")]
    assert all(b <= a + 1 for a, b in zip(levels, levels[1:])), levels
    assert (page.select_one("button.quarto-color-scheme-toggle")
            and page.select_one("button.sidebar-item-toggle"))
    assert page.select_one('a[href="index.html"]') and not page.select('a[href="./"]')


def check_looks(site, asked):
    "What our style sheet says over the theme's; the browser test measures it"
    style = re.sub(r"\s+", " ", (ROOT / "nbs/styles.css").read_text(encoding="utf-8"))
    for rule in (r"\.player, \.review-tour, \.explorer-figure \{ text-align: left",
                 r"summary \{ color: inherit !important",
                 r"\.pagination-link[^}]*color: var\(--bs-link-color\) !important",
                 r"\.quarto-secondary-nav[^{}]*\{[^}]*background"):
        assert re.search(rule, style), rule


FRAME = '''<main><table class="dataframe"><thead>
<tr style="text-align: right;"><th></th><th>error</th><th>way</th><th>both</th></tr>
<tr><th>method</th><th></th><th></th><th></th></tr></thead><tbody>
<tr><th>direct</th><td>0.10 ± 0.02</td><td>dense</td><td>1</td></tr>
<tr><th>CG</th><td>1e-3</td><td>products</td><td>so</td></tr></tbody></table></main>'''


TWO_LEVELS = '''<main><table class="dataframe"><thead>
<tr style="text-align: right;"><th></th><th></th><th>use</th></tr>
<tr><th>layers</th><th>p</th><th></th></tr></thead><tbody>
<tr><th rowspan="2">any</th><th>5</th><td>one</td></tr>
<tr><th>9</th><td>two</td></tr></tbody></table></main>'''


def check_frames(site, asked):
    """The levels of the index of a data frame are named in the row of the other names;
    numbers, also with an interval, and their name stand at the right"""
    page = pages.BeautifulSoup(FRAME, "html.parser")
    for _ in range(2): pages.wrap_tables(page)
    heads = page.select("thead tr")
    assert [cell.get_text() for cell in heads[0].select("th")] == [
        "method", "error", "way", "both"] and len(heads) == 1
    assert [cell.get_text() for cell in page.select(".number")] == [
        "error", "0.10 ± 0.02", "1", "1e-3"]
    assert page.select(".narrow") and not page.select(".many")
    two = pages.BeautifulSoup(TWO_LEVELS, "html.parser")
    for _ in range(2): pages.wrap_tables(two)
    assert [[cell.get_text() for cell in row.select("th")]
            for row in two.select("thead tr")] == [["layers", "p", "use"]]
    row = "<tr>" + "<td>1</td>" * (pages.MANY + 1) + "</tr>"
    wide = pages.BeautifulSoup(f"<main><table>{row}</table></main>", "html.parser")
    for _ in range(2): pages.wrap_tables(wide)
    assert len(wide.select(".table-scroll > table.many")) == 1
    assert not wide.select(".long")
    rows = "<tbody>" + "<tr><td>1</td></tr>" * (pages.LONG + 1) + "</tbody>"
    long = pages.BeautifulSoup(f"<main><table>{rows}</table></main>", "html.parser")
    for _ in range(2): pages.wrap_tables(long)
    assert len(long.select(".table-scroll.long")) == 1


def check_once(site, asked):
    "Mending what is mended changes nothing but the script that is added"
    before = soup(site, "47_wine").select_one("main")
    pages.mend(site)
    assert soup(site, "47_wine").select_one("main") == before


def check_older(site, asked):
    "Pages of an older pandoc, which named a version of KaTeX"
    with tempfile.TemporaryDirectory() as folder:
        older = write_site(Path(folder), katex="0.15.1")
        assert pages.mend(older) == [] and "site_libs/katex/katex.min.js" in (
            older / "45_digits.html").read_text()


def check_alarm(site, asked):
    "A page or a style that would ask another host is told"
    with tempfile.TemporaryDirectory() as folder:
        bad = write_site(Path(folder))
        put(bad / "site_libs/theme.css", "a { background: url(//elsewhere.org/x.png) }")
        put(bad / "17_other.html", '<html><head></head><body><main><img '
            'src="https://elsewhere.org/y.png" alt="y"></main></body></html>')
        assert pages.mend(bad) == ["theme.css asks for //elsewhere.org/x.png",
                                   "17_other.html asks for https://elsewhere.org/y.png"]


def check_addresses(site, asked):
    """nbdev's line that renames the page is gone; the rest of the front matter and the
    other cells stay"""
    with tempfile.TemporaryDirectory() as folder:
        front = ["---\n", "output-file: data.html\n", "title: Data\n", "---\n"]
        words = "output-file: is a line of Quarto's"
        cells = [{"cell_type": "raw", "metadata": {}, "source": front},
                 {"cell_type": "markdown", "metadata": {}, "source": words}]
        put(Path(folder) / "11_data.ipynb",
            json.dumps({"cells": cells, "metadata": {}, "nbformat": 4,
                        "nbformat_minor": 5}))
        pages.same_addresses(Path(folder))
        found = json.loads((Path(folder) / "11_data.ipynb").read_text())["cells"]
    assert found[0]["source"] == "---\ntitle: Data\n---\n" and found[1] == cells[1]


def check_old_addresses(site, asked):
    "Old addresses lead on; a page that exists is not replaced, and signs are no pages"
    before = [path.name for path in pages.book_pages(site)]
    page = (site / "47_wine.html").read_text()
    pages.answer_old_addresses(site, {"17_wine": "47_wine", "47_wine": "45_digits",
                                      "nothing": "50_gone"})
    sign = soup(site, "17_wine")
    assert 'location.replace("47_wine.html" + location.search + location.hash)' in str(
        sign) and sign.select_one('a[href="47_wine.html"]')
    assert (sign.select_one('meta[name=robots][content=noindex]')
            and not (site / "nothing.html").exists())
    assert ((site / "47_wine.html").read_text() == page
            and [path.name for path in pages.book_pages(site)] == before)
    renamed = json.loads((ROOT / "tools/renamed.json").read_text())
    missing = [new for new in renamed.values() if not (ROOT / f"nbs/{new}.ipynb")
               .exists() and new != "86_benchmarks"]
    assert not missing, f"old addresses lead to {missing}, which do not exist"


def check_benchmarks(site, asked):
    """The report has a title and a description, no second heading, and a picture with a
    caption and a description"""
    text = pages.results_page((ROOT / "benchmarks/results.md")
                              .read_text(encoding="utf-8"))
    front = yaml.safe_load(text.split("---")[1])
    assert (front["title"] == "Benchmarks" and front["description"]
            and not re.search(r"^# ", text, re.M))
    pictures = re.findall(r"!\[([^\]]*)\]\([^)]*\)(\{fig-alt=\"[^\"]+\"\})?", text)
    assert pictures and all(caption and described
                            for caption, described in pictures), pictures


def check_dark(site, asked):
    "Quarto is told to ask what the reader prefers"
    html = yaml.safe_load((ROOT / "_quarto.yml")
                          .read_text(encoding="utf-8"))["format"]["html"]
    assert (html["respect-user-color-scheme"] is True and set(html["theme"])
            == {"light", "dark"})


def check_tex(site, asked):
    "A formula that Markdown does not take for one is told, and only that"
    cases = {"a $x$ b": 0, "a $s = $ constant.": 1, "a $ x$": 1,
             "it costs `$5 ` and $y$": 0, "$$ a $$ then $b$": 0, "\\$5 and $b$": 0,
             "one $ alone": 1, "```\n$ x\n```\n$z$": 0, "``a $ b``": 0,
             "$x$ and $y $": 1, "$a$\n\nand $": 1}
    for text, problems in cases.items():
        assert len(list(lint.broken_tex(text))) == problems, text
    cell = {"cell_type": "code", "source": ["#| fig-cap: \"Error $e $ against $n$.\"\n",
                                            "print('$ 5')"]}
    assert len(lint.tex_problems(cell)) == 1


CHECKS = [function for name, function in list(globals().items())
          if name.startswith("check_")]


def main():
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        site = write_site(Path(folder))
        asked = pages.mend(site)
        for check in CHECKS:
            try: check(site, asked)
            except Exception as error:
                failed += 1
                print(f"{check.__name__}: {check.__doc__}\n    {type(error).__name__}: "
                      f"{error}")
    print(f"pages of Quarto's markup: {len(CHECKS) - failed} passed, {failed} failed")
    sys.exit(bool(failed))


if __name__ == "__main__": main()
