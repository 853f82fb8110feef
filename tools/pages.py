"""Mend the pages of a built site, so that each stands alone and everybody can use it.

Every step runs whichever renderer made the page, Quarto or smalldocs, and leaves alone
what is right already.
"""
import base64
import html
import json
import math
import re
import struct
from collections import Counter
from functools import partial
from multiprocessing import Pool
from pathlib import Path

from bs4 import BeautifulSoup, NavigableString

import searching
from weight import only_used, without_unused

KATEX = re.compile(r"https://cdn\.jsdelivr\.net/npm/katex@[\w.-]+/dist")
FOREIGN = re.compile(r"(https?:)?//")
# what Quarto writes in front of a caption
NUMBERED = re.compile(r"^\s*Figure\s(\d+)\s?[:.]\s+")
SCRIPT = Path(__file__).with_name("book.js")
PROSE = ("p", "li", "td", "figcaption")  # no summary: a link in a button is no link
NOT_PROSE = ("a", "code", "pre", "script", "style", "h1", "h2", "h3", "h4", "h5", "h6")
# (3) or equation (3), but not f(3) and not a year; or @fig-label
REFERENCE = re.compile(r"(?:\b[Ee]quation )?(?<![\w)\]])\((\d{1,2})\)|@(fig-[\w-]+)")


def fragment(markup):
    "The one element of a piece of markup"
    return BeautifulSoup(markup, "html.parser").find(True).extract()


def soup_of(path): return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def equation_tags(soup):
    """{number: formula that carries it}, for the numbers that one formula of the page
    carries"""
    formulas = [(tag, formula) for formula in soup.select(".math.display")
                for tag in re.findall(r"\\tag\{(\d+)\}", formula.get_text())]
    counts = Counter(tag for tag, _ in formulas)
    return {tag: formula for tag, formula in formulas if counts[tag] == 1}


def number_equations(soup):
    for tag, formula in equation_tags(soup).items(): formula["id"] = f"eq-{tag}"


def caption_players(soup):
    """The caption that the cell gave, where the renderer has not set it below the
    player, the tour or the explorer"""
    for player in soup.select("[data-caption]"):
        words = player.attrs.pop("data-caption")
        if player.find_parent("figure"): continue
        caption = soup.new_tag("figcaption")
        caption.string = words
        player.wrap(soup.new_tag("figure", attrs={"class": "figure"})).append(caption)
    for explorer in soup.select("figure .explorer-figure"):
        # it is tall, and its caption says what to do
        figure = explorer.find_parent("figure")
        caption = figure.find("figcaption")
        if caption: figure.insert(0, caption.extract())


def number_figures(soup):
    """A number in front of every caption of a labeled figure; one that the renderer has
    given is kept"""
    number = 0
    for figure in soup.select("main figure:has(> figcaption)"):
        cell, caption = (figure.find_parent(id=re.compile("^fig-")),
                         figure.find("figcaption", recursive=False))
        if not cell or figure.find_parent(class_="review-slide") or caption.select_one(
            ".figure-number"):
            continue
        given = NUMBERED.match(caption.get_text())
        number = int(given[1]) if given else number + 1
        first = caption.find(string=True)
        if given and first: first.replace_with(NUMBERED.sub("", first))
        label = soup.new_tag("strong", attrs={"class": "figure-number"})
        label.string, cell["data-number"] = f"Figure {number}. ", str(number)
        caption.insert(0, label)


def prose(soup):
    "The pieces of text of the page that are read as sentences and refer to something"
    for text in (soup.select_one("main") or soup).find_all(string=True):
        if type(text) is not NavigableString or not REFERENCE.search(text): continue
        if text.find_parent(PROSE) and not text.find_parent(
            NOT_PROSE) and not text.find_parent(class_=("math", "player")):
            yield text


def linked(text, link):
    """The text with a link in place of every reference for which `link` gives an
    address and words; None without any"""
    out, end = [], 0
    for match in REFERENCE.finditer(text):
        target = link(match)
        if target is None: continue
        out += [html.escape(text[end:match.start()], quote=False),
                '<a href="{}">{}</a>'.format(*target)]
        end = match.end()
    return "".join(out) + html.escape(text[end:], quote=False) if out else None


def elsewhere(text):
    """The page to which a number in a text belongs, where a link to a chapter follows:
    (3) of [Curvature](...)"""
    following = text.next_sibling
    if re.search(r"\(\d+\),? (of|in|from)( the)?( chapter( on)?)? $",
                 text) and getattr(following, "name", None) == "a":
        return following.get("href", "").removeprefix("./")


def link_references(soup, tags_of):
    """Numbers of equations and labels of figures become links, where one thing on the
    page can be meant"""
    own, figures = equation_tags(soup), {cell["id"]: cell["data-number"]
                                         for cell in soup.select("[data-number]")}
    for text in list(prose(soup)):
        other = (elsewhere(text) or "").split("#")[0]
        last = [match.start() for match in REFERENCE.finditer(text)][-1:]

        def link(match):
            if match[2]:
                return (f"#{match[2]}",
                        f"Figure {figures[match[2]]}") if match[2] in figures else None
            page = other if [match.start()] == last else ""
            known = tags_of.get(page, ()) if page else own
            return (f"{page}#eq-{match[1]}", match[0]) if match[1] in known else None

        new = linked(str(text), link)
        if new: text.replace_with(*list(BeautifulSoup(new, "html.parser").contents))


def name_landmarks(soup):
    """Each region of the page has a name of its own, and what folds is a button that
    the keyboard reaches"""
    for selector, name in (("#quarto-sidebar", "chapters"),
                           (".quarto-secondary-nav", "bar"), ("#TOC", "on this page"),
                           (".page-navigation", "previous and next"),
                           (".quarto-title-breadcrumbs", "part"),
                           (".quarto-secondary-nav .quarto-page-breadcrumbs",
                            "where you are")):
        for element in soup.select(selector): element["aria-label"] = name
    for heading in soup.select(".sidebar-item-container"):
        text, toggle = (heading.select_one("a.text-start:not(.sidebar-item-toggle)"),
                        heading.select_one("a.sidebar-item-toggle"))
        if not (text and toggle): continue
        toggle.name, toggle["type"], toggle["aria-label"] = ("button", "button",
                                                             f"fold {text.get_text()}")
        del toggle["role"]
        text.name, text.attrs = "span", {"class": "sidebar-item-text sidebar-part"}
    for toggle in soup.select("a.quarto-color-scheme-toggle"):
        toggle.name, toggle["type"], toggle["aria-label"] = ("button", "button",
                                                             "dark or light")
        del toggle["href"]
    for icon in soup.select("i.bi"): icon["aria-hidden"] = "true"
    for home in soup.select('a[href="./"]'):
        home["href"] = "index.html"  # a folder is no page when it is read from disk
    for button in soup.select(".code-copy-button"):
        button["aria-label"] = button["title"] = "copy the code"


def order_headings(soup):
    "No level is skipped on the way down: an h2 is followed by an h3, not by an h4"
    before = 1
    for heading in soup.select("main :is(h1, h2, h3, h4, h5, h6)"):
        level = min(int(heading.name[1]), before + 1)
        if level != int(heading.name[1]):
            heading["aria-level"], heading["role"] = str(level), "heading"
        before = level


def only_this_site(soup, depth):
    """No script or style from another host: Quarto brings two for notebook outputs,
    which a player does not need"""
    for element in soup.select("script, link[rel~=stylesheet]"):
        address = element.get("src") or element.get("href") or ""
        # from beside the page, where nothing is signed and a file has no origin
        if KATEX.match(address):
            for name in ("integrity", "crossorigin"): element.attrs.pop(name, None)
            element["src" if element.name == "script"
                    else "href"] = KATEX.sub(f"{depth}site_libs/katex", address)
        elif FOREIGN.match(address) or "define('jquery'" in element.get_text():
            element.decompose()


def open_contents(soup):
    "The list of what is on the page is open: Quarto folds it, and opens it by a script"
    for items in soup.select("#TOC ul.collapse"): items["class"].remove("collapse")


def classic_scripts(soup, classic, joined):
    """Scripts that a browser also takes from disk, where it refuses modules; `joined`
    are those that are part of another"""
    for script in soup.select("script[type=module][src]"):
        if script["src"].endswith(tuple(joined)): script.decompose()
        elif script["src"].endswith(tuple(classic)):
            del script["type"]
            script["defer"] = ""


def asks_elsewhere(soup):
    "What the page would fetch from another host: there should be nothing"
    for element in soup.select("[src], link[rel~=stylesheet], link[rel~=preload], "
                               "link[rel~=icon]"):
        address = element.get("src") or element.get("href") or ""
        if FOREIGN.match(address): yield address


def add_class(element, name):
    "One more class, once"
    if name not in element.get("class", ()):
        element["class"] = [*element.get("class", ()), name]


READABLE = 8.05  # px of the smallest text of a picture, on every screen
# `warm.py` writes both into a picture
SMALLEST_TEXT = re.compile(rb"smallest text\0(0\.\d+)")
SHOWN_WIDTH = re.compile(rb"shown width\0(\d+)")
FIGURES_OF_THEIR_OWN = ("player", "review-tour", "explorer-figure")
TAKES = re.compile(r"(Takes|About)\b[^.]*\b(minutes|hours?)\b")
NARROW = 5  # columns of a table whose numbers and intervals fit on one line
MANY = 7  # columns, from which on a table is set in smaller type
LONG = 60  # rows, from which on a table scrolls in a box under its heads
ONE_NUMBER = r"[-−+]?[\d,]*\.?\d+(e[-+]?\d+)?%?"
NUMBER = re.compile(
    rf"{ONE_NUMBER}( ± {ONE_NUMBER}| \({ONE_NUMBER} to {ONE_NUMBER}\))?")


def cells_of(row): return row.find_all(["th", "td"], recursive=False)


def one_head(table):
    """The names of a data frame's index stand above it, in the row of the other names,
    and the name of a column of numbers where the numbers are"""
    heads = [cells_of(row) for row in table.select("thead tr")]
    filled = [[bool(cell.get_text(strip=True)) for cell in row] for row in heads]
    named = sum(filled[1]) if len(heads) == 2 else 0  # levels of the index
    if named and all(filled[1][:named]) and not any(filled[0][:named]):
        for above, below in zip(heads[0], heads[1][:named]):
            above.string = below.get_text(strip=True)
        heads[1][0].parent.decompose()
    for column in zip(*map(cells_of, table.select("thead tr, tbody tr"))):
        if all("number" in cell.get("class", ()) for cell in column[1:]):
            add_class(column[0], "number")
    if not filled or len(filled[0]) <= NARROW: add_class(table, "narrow")


def wrap_tables(soup):
    """Wide tables scroll by themselves, and a corner without words heads nothing; a
    sentence in a cell keeps some width, numbers stand below each other, and words break
    only where there are more than a dozen columns"""
    for cell in soup.select("main td, main tbody th"):
        text = cell.get_text().strip()
        if len(text) > 30: add_class(cell, "words")
        if NUMBER.fullmatch(text): add_class(cell, "number")
    for table in soup.select("main table.dataframe"): one_head(table)
    for table in soup.select("main table"):
        columns = len(cells_of(table.select_one("tr")))
        if columns > MANY: add_class(table, "many")
        if columns > 12: add_class(table, "dense")
    for table in soup.select("main table:not(.table-scroll > table)"):
        table.wrap(soup.new_tag("div", attrs={"class": "table-scroll"}))
        if len(table.select("tbody tr")) > LONG: add_class(table.parent, "long")
    for corner in soup.select("main th"):
        if not corner.get_text(strip=True): corner.name = "td"


def readable_pictures(soup):
    """A picture stands in a box that scrolls where the page is so narrow that its text
    would be too small to read; how wide it must be for that, the picture tells"""
    for picture in soup.select('main figure img[src^="data:image/png;base64,"]'):
        if picture.find_parent(class_=("picture", *FIGURES_OF_THEIR_OWN)): continue
        start = base64.b64decode(picture["src"].partition(",")[2][:4000])
        told, size = SMALLEST_TEXT.search(start), struct.unpack(">II", start[16:24])
        width = SHOWN_WIDTH.search(start)  # half of its pixels
        if width: picture["width"] = width[1].decode()
        if not told: continue
        needed = math.ceil(READABLE / float(told[1]))
        style = f"--readable: {needed}px; --ratio: {size[0] / size[1]:.3f}"
        picture.wrap(soup.new_tag("span", attrs={"class": "picture", "style": style}))


def name_needs(soup):
    "The line that says how long a chapter takes and what it needs"
    for words in soup.select("main p:has(> em:only-child)"):
        heading = words.find_previous("h2")  # a renderer may have one in its margin
        if not (heading and heading.find_parent("main")) and TAKES.match(
            words.get_text().strip()): add_class(words, "needs")


def code_after_picture(soup):
    "The folded code of a picture stands below it, so that the picture comes first"
    for cell in soup.select("main .cell:has(> details.code-fold)"):
        fold = cell.find("details", class_="code-fold", recursive=False)
        if fold.find_next_sibling() and cell.select_one("figure, .player"):
            cell.append(fold.extract())


def mark_opening(soup):
    "The picture that opens a page is known by its class"
    first = soup.select_one("main figure:has(> figcaption)")
    if first and first.find_parent(class_="player") is None: add_class(first, "opening")


def contents_on_phone(soup):
    "What is on the page, folded below the title, where no margin has room for it"
    items, title = soup.select_one("#TOC ul"), soup.select_one("#title-block-header")
    if not items or not title or soup.select_one("details.here"): return
    fold = fragment('<details class="here"><summary>On this page</summary></details>')
    copied = fragment(str(items))
    for element in [copied, *copied.select("*")]:
        for name in ("id", "data-scroll-target", "class"): element.attrs.pop(name, None)
    fold.append(copied)
    title.insert_after(fold)


def ways_in(soup):
    "On the front page: where to begin"
    chapters = [a["href"] for a in soup.select("#quarto-sidebar .sidebar-section "
                                               "a[href]")]
    study = [href for href in chapters if "mislabeling" in href]
    start = [a["href"] for a in soup.select("#quarto-sidebar a[href$='_start.html']")]
    ways = [("Start here", start[:1]), ("First chapter", chapters[:1]),
            ("The case study", study), ("A dozen lines", ["#a-dozen-lines"]),
            ("All chapters", ["#the-chapters"])]
    nav = soup.new_tag("nav",
                       attrs={"class": "ways-in", "aria-label": "where to begin"})
    for words, targets in ways:
        if not targets or (targets[0][0] == "#" and not soup.select_one(targets[0])):
            continue
        link = soup.new_tag("a", href=targets[0])
        link.string = words
        nav.append(link)
    title = soup.select_one("#title-block-header")
    if title: title.insert_after(nav)


def link_libraries(text, depth):
    "KaTeX from beside the page, and our script after the renderer's"
    text = KATEX.sub(f"{depth}site_libs/katex", text)
    return text.replace("</head>", f'<script src="{depth}site_libs/book/book.js" '
                        f'data-offset="{depth or "./"}" defer></script></head>', 1)


def without_foreign_imports(style):
    """A style sheet that imports nothing from another host, neither by `@import url(x)`
    nor by an address in quotes alone"""
    found = (r"""@import\s*(?:url\(\s*("[^"]*"|'[^']*'|[^)"']*)\s*\)|"""
             r"""("[^"]*"|'[^']*'))[^;]*;""")
    return re.sub(found, lambda m: "" if FOREIGN.match((m[1] or m[2]).strip("\"'"))
                  else m[0], style)


def as_classic(path):
    "(a module and what it imports as one classic script, the files that went into it)"
    text, parts = path.read_text(encoding="utf-8"), []

    def inlined(match):
        part = (path.parent / match[2]).resolve()
        body, more = as_classic(part)
        names = re.findall(
            r"^export\s+(?:async\s+)?(?:function\*?|class|const|let|var)\s+(\w+)",
            part.read_text(encoding="utf-8"), re.M)
        parts.extend([part, *more])
        return (f"const {match[1].removeprefix('* as ').replace(' as ', ': ')} = (() "
                f"=> {{\n{body}\nreturn {{ {', '.join(names)} }};\n}})();")

    text = re.sub(r"""^import\s+(\* as \w+|\{[^}]*\})\s+from\s+["'](\.[^"']*)["'];?""",
                  inlined, text, flags=re.M)
    text = re.sub(r"^export\s+(?=async|function|class|const|let|var)", "", text,
                  flags=re.M)
    if re.search(r"^(import|export)\b", text, re.M):
        raise ValueError(f"{path.name} imports or exports in a way that "
                         "pages.as_classic does not know")
    return text, parts


def join_modules(site, pages):
    """Modules become scripts that a page opened from disk may run: (those that did,
    those that went into another)"""
    tags = {tag for page in pages for tag in re.findall(r"<script\b[^>]*>",
                                                        page.read_text(
            encoding="utf-8")) if re.search(r"type=.?module", tag)}
    asked = {match[1] for match in (re.search(r'src="([^"]+)"', tag) for tag in tags)
             if match and not FOREIGN.match(match[1])}
    scripts, joined = {}, set()
    for path in sorted({(site / re.sub(r"^(\.\.?/)+", "", address)).resolve()
                        for address in asked}):
        try: scripts[path], parts = as_classic(path)
        except ValueError as error:
            print(f"{error}: it stays a module, which a page from disk does not run")
        else: joined |= set(parts)
    for path in scripts.keys() - joined:
        path.write_text(f'(() => {{\n"use strict";\n{scripts[path]}\n}})();\n',
                        encoding="utf-8")
    return tuple(sorted(path.relative_to(site.resolve()).as_posix() for path in paths)
                 for paths in (scripts.keys() - joined, joined))


def equation_numbers(path): return set(equation_tags(soup_of(path)))


def mend_page(path, site, tags_of, modules):
    """One page, in place: what it still asks of other hosts, and what the search knows
    of it; `tags_of`: page → numbers of its equations, `modules`: as of
    `join_modules`"""
    soup, depth = soup_of(path), "../" * (len(path.relative_to(site).parts) - 1)
    only_this_site(soup, depth)
    open_contents(soup)
    classic_scripts(soup, *modules)
    number_equations(soup)
    caption_players(soup)
    number_figures(soup)
    name_landmarks(soup)
    order_headings(soup)
    wrap_tables(soup)
    link_references(soup, tags_of)
    code_after_picture(soup)
    mark_opening(soup)
    readable_pictures(soup)
    name_needs(soup)
    contents_on_phone(soup)
    searching.own_field(soup, fragment)
    without_unused(soup)
    if path.name == "index.html" and path.parent == site: ways_in(soup)
    path.write_text(link_libraries(str(soup), depth), encoding="utf-8")
    href = path.relative_to(site).as_posix()
    return ([f"{path.name} asks for {address}" for address in asks_elsewhere(soup)],
            searching.entries(soup, href, searching.aliases().get(path.stem, ())))


def book_pages(site):
    """The pages that are read: neither parts of libraries nor signs that point from an
    old address to a new one"""
    pages = [path for path in sorted(site.rglob("*.html"))
             if "site_libs" not in path.parts]
    return [path for path in pages
            if "data-moved-to" not in path.read_text(encoding="utf-8")[:200]]


MOVED = """<!doctype html>
<html lang="en" data-moved-to="{target}"><head><meta charset="utf-8"><title>This page
has moved</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots"
content="noindex"><link rel="canonical" href="{target}">
<script>location.replace("{target}" + location.search + location.hash);</script>
<noscript><meta http-equiv="refresh" content="0; url={target}"></noscript></head>
<body><main><h1>This page has moved</h1><p>It is now <a
href="{target}">{target}</a>.</p></main></body></html>
"""


def answer_old_addresses(site, renamed):
    """{old stem: stem of today}: a page at every old address that leads on, to the same
    place on the page"""
    for old, new in renamed.items():
        if (site / f"{new}.html").exists() and not (site / f"{old}.html").exists():
            (site / f"{old}.html").write_text(MOVED.format(target=f"{new}.html"),
                                              encoding="utf-8")


def mend(
    site: Path,  # folder of the built site
) -> list:  # what pages and styles still ask of other hosts, a line each
    "Mend every page in place."
    target = site / "site_libs/book"
    target.mkdir(parents=True, exist_ok=True)
    (target / "book.js").write_text(SCRIPT.read_text(encoding="utf-8"),
                                    encoding="utf-8")
    asked = []
    for style in sorted(site.rglob("*.css")):
        text = without_foreign_imports(style.read_text(encoding="utf-8"))
        style.write_text(text, encoding="utf-8")
        asked += [f"{style.name} asks for {address}"
                  for address in re.findall(
                r"""(?:@import\s*|url\(\s*)["']?((?:https?:)?//[^"')\s;]+)""", text)]
    pages = book_pages(site)
    modules = join_modules(site, pages)
    with Pool(2) as pool:
        tags_of = dict(zip([path.relative_to(site).as_posix() for path in pages],
                           pool.map(equation_numbers, pages)))
        mended = pool.map(partial(mend_page, site=site, tags_of=tags_of,
                                  modules=modules), pages)
    asked += [line for lines, _ in mended for line in lines]
    searching.write_index(site, [entry for _, found in mended for entry in found])
    only_used(site, pages)
    return asked


# Before the renderer: what it is given
def same_addresses(processed):
    """nbdev tells Quarto to call `01_data.ipynb` data.html; without that line the
    address is the notebook's name for every renderer"""
    for path in processed.glob("*.ipynb"):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        for cell in notebook["cells"]:
            if cell["cell_type"] == "raw":
                cell["source"] = re.sub(r"^output-file:.*\n?", "",
                                        "".join(cell["source"]), flags=re.M)
        path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n",
                        encoding="utf-8")


def results_page(markdown):
    """The report of the benchmarks as a page: a title, a description, and figures with
    a caption and a text for those who cannot see them"""
    head = ('---\ntitle: Benchmarks\ndescription: "Time, memory and error of this '
            'library and of its peers, measured beside each other."\n---\n')
    body = re.sub(r"\A# Benchmarks\n", "", markdown)
    def captioned(m): return f'![{m[3]}]({m[2]}){{fig-alt="{html.escape(m[1])}"}}'
    return head + re.sub(r"!\[([^\]]*)\]\(([^)]*)\)\n\n\*([^*\n]+)\*", captioned, body)
