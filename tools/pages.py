"""Mend the pages of a built site, so that each stands alone and everybody can use it.

Both renderers need the links between texts, formulas and figures. What `smalldocs` leaves to the network or to the
mouse is mended only where it made the page.
"""
import html
import json
import re
from collections import Counter
from functools import partial
from multiprocessing import Pool
from pathlib import Path

from bs4 import BeautifulSoup, NavigableString

SCRIPT = Path(__file__).with_name("book.js")
PROSE = ("p", "li", "td", "figcaption", "summary")
NOT_PROSE = ("a", "code", "pre", "script", "style", "h1", "h2", "h3", "h4", "h5", "h6")
# (3) or equation (3), but not f(3) and not a year; or @fig-label
REFERENCE = re.compile(r"(?:\b[Ee]quation )?(?<![\w)\]])\((\d{1,2})\)|@(fig-[\w-]+)")


def soup_of(path): return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def equation_tags(soup):
    "{number: formula that carries it}, for the numbers that one formula of the page carries"
    formulas = [(tag, formula) for formula in soup.select(".math.display") for tag in re.findall(r"\\tag\{(\d+)\}", formula.get_text())]
    counts = Counter(tag for tag, _ in formulas)
    return {tag: formula for tag, formula in formulas if counts[tag] == 1}


def number_equations(soup):
    for tag, formula in equation_tags(soup).items(): formula["id"] = f"eq-{tag}"


def caption_players(soup):
    "The caption that the cell gave, where the renderer has not set it below the player or the tour"
    for player in soup.select("[data-caption]"):
        words = player.attrs.pop("data-caption")
        if player.find_parent("figure"): continue
        caption = soup.new_tag("figcaption")
        caption.string = words
        player.wrap(soup.new_tag("figure", attrs={"class": "figure"})).append(caption)


def number_figures(soup):
    "A number in front of every caption of a labeled figure"
    figures = [(figure, figure.find_parent(id=re.compile("^fig-"))) for figure in soup.select("main figure:has(> figcaption)")
               if not figure.find_parent(class_="review-slide")]
    for number, (figure, cell) in enumerate(((figure, cell) for figure, cell in figures if cell), 1):
        cell["data-number"] = str(number)
        label = soup.new_tag("strong", attrs={"class": "figure-number"})
        label.string = f"Figure {number}. "
        figure.find("figcaption", recursive=False).insert(0, label)


def prose(soup):
    "The pieces of text of the page that are read as sentences and refer to something"
    for text in (soup.select_one("main") or soup).find_all(string=True):
        if type(text) is not NavigableString or not REFERENCE.search(text): continue
        if text.find_parent(PROSE) and not text.find_parent(NOT_PROSE) and not text.find_parent(class_=("math", "player")): yield text


def linked(text, link):
    "The text with a link in place of every reference for which `link` gives an address and words; None without any"
    out, end = [], 0
    for match in REFERENCE.finditer(text):
        target = link(match)
        if target is None: continue
        out += [html.escape(text[end:match.start()], quote=False), '<a href="{}">{}</a>'.format(*target)]
        end = match.end()
    return "".join(out) + html.escape(text[end:], quote=False) if out else None


def elsewhere(text):
    "The page to which a number in a text belongs, where a link to a chapter follows: (3) of [Curvature](...)"
    following = text.next_sibling
    if re.search(r"\(\d+\),? (of|in|from)( the)?( chapter( on)?)? $", text) and getattr(following, "name", None) == "a": return following.get("href", "")


def link_references(soup, tags_of):
    "Numbers of equations and labels of figures become links, where one thing on the page can be meant"
    own, figures = equation_tags(soup), {cell["id"]: cell["data-number"] for cell in soup.select("[data-number]")}
    for text in list(prose(soup)):
        other = (elsewhere(text) or "").split("#")[0]
        last = [match.start() for match in REFERENCE.finditer(text)][-1:]

        def link(match):
            if match[2]: return (f"#{match[2]}", f"Figure {figures[match[2]]}") if match[2] in figures else None
            page = other if [match.start()] == last else ""
            known = tags_of.get(page, ()) if page else own
            return (f"{page}#eq-{match[1]}", match[0]) if match[1] in known else None

        new = linked(str(text), link)
        if new: text.replace_with(*list(BeautifulSoup(new, "html.parser").contents))


def name_landmarks(soup):
    "Each region of the page has a name of its own, and what folds is a button that the keyboard reaches"
    for selector, name in (("#quarto-sidebar", "chapters"), (".quarto-secondary-nav", "bar"), ("#TOC", "on this page"), (".page-navigation", "previous and next"),
                           (".quarto-title-breadcrumbs", "part"), (".quarto-secondary-nav .quarto-page-breadcrumbs", "where you are")):
        for element in soup.select(selector): element["aria-label"] = name
    for heading in soup.select(".sidebar-item-container"):
        text, toggle = heading.select_one("a.text-start:not(.sidebar-item-toggle)"), heading.select_one("a.sidebar-item-toggle")
        if not (text and toggle): continue
        toggle.name, toggle["type"], toggle["aria-label"] = "button", "button", f"fold {text.get_text()}"
        del toggle["role"]
        text.name, text.attrs = "span", {"class": "sidebar-item-text sidebar-part"}
    for toggle in soup.select("a.quarto-color-scheme-toggle"):
        toggle.name, toggle["type"], toggle["aria-label"] = "button", "button", "dark or light"
        del toggle["href"]
    for icon in soup.select("i.bi"): icon["aria-hidden"] = "true"
    for home in soup.select('a[href="./"]'): home["href"] = "index.html"  # a folder is no page when it is read from disk
    for button in soup.select(".code-copy-button"): button["aria-label"] = button["title"] = "copy the code"


def order_headings(soup):
    "No level is skipped on the way down: an h2 is followed by an h3, not by an h4"
    before = 1
    for heading in soup.select("main :is(h1, h2, h3, h4, h5, h6)"):
        level = min(int(heading.name[1]), before + 1)
        if level != int(heading.name[1]): heading["aria-level"], heading["role"] = str(level), "heading"
        before = level


def only_this_site(soup):
    "No script from another host: Quarto brings two for notebook outputs, which a player does not need"
    for script in soup.find_all("script"):
        if re.match(r"https?:", script.get("src", "")) and "/katex@" not in script["src"] or "define('jquery'" in script.get_text(): script.decompose()


def wrap_tables(soup):
    "Wide tables scroll by themselves, and a corner without words heads nothing"
    for table in soup.select("main table"): table.wrap(soup.new_tag("div", attrs={"class": "table-scroll"}))
    for corner in soup.select("main th"):
        if not corner.get_text(strip=True): corner.name = "td"


def ways_in(soup):
    "On the front page: where to begin"
    chapters = [a["href"] for a in soup.select("#quarto-sidebar .sidebar-section a[href]")]
    study = [href for href in chapters if "mislabeling" in href]
    ways = [("Read from the start", chapters[:1]), ("The case study", study), ("Ten lines of code", ["#ten-lines"]), ("All chapters", ["#the-chapters"])]
    nav = soup.new_tag("nav", attrs={"class": "ways-in", "aria-label": "where to begin"})
    for words, targets in ways:
        if not targets or (targets[0][0] == "#" and not soup.select_one(targets[0])): continue
        link = soup.new_tag("a", href=targets[0])
        link.string = words
        nav.append(link)
    title = soup.select_one("#title-block-header")
    if title: title.insert_after(nav)


def link_libraries(text, depth):
    "KaTeX from beside the page, and our script after the renderer's"
    text = re.sub(r"https://cdn\.jsdelivr\.net/npm/katex@[\d.]+/dist", f"{depth}site_libs/katex", text)
    return text.replace("</head>", f'<script src="{depth}site_libs/book/book.js" data-offset="{depth or "./"}" defer></script></head>', 1)


def mend_search(site):
    "A copy of the search index that a page opened from disk may read, and words in place of TeX"
    index = site / "search.json"
    if not index.exists(): return
    entries = json.loads(index.read_text(encoding="utf-8"))
    for entry in entries:
        text = re.sub(r"\\(operatorname|text|math[a-z]*|left|right|[bB]ig[a-z]?)(?![a-z])", "", entry["text"])
        entry["text"] = re.sub(r"\\([A-Za-z]+)|\\.|[{}$]", lambda m: m[1] or "", text)
    text = json.dumps(entries, ensure_ascii=False)
    index.write_text(text, encoding="utf-8")
    (site / "site_libs/book/search.js").write_text(f"window.bookSearch = {text};\n", encoding="utf-8")


def equation_numbers(path): return set(equation_tags(soup_of(path)))


def mend_page(path, site, quarto, tags_of):
    "One page, in place; `tags_of`: page → numbers of its equations"
    soup = soup_of(path)
    number_equations(soup)
    caption_players(soup)
    only_this_site(soup)
    if not quarto:
        number_figures(soup)
        name_landmarks(soup)
        order_headings(soup)
        wrap_tables(soup)
    link_references(soup, tags_of)
    if path.name == "index.html" and path.parent == site: ways_in(soup)
    depth = "../" * (len(path.relative_to(site).parts) - 1)
    path.write_text(link_libraries(str(soup), depth), encoding="utf-8")


def mend(
    site: Path,  # folder of the built site
    quarto: bool,  # whether Quarto made it
) -> None:
    "Mend every page in place."
    target = site / "site_libs/book"
    target.mkdir(parents=True, exist_ok=True)
    (target / "book.js").write_text(SCRIPT.read_text(encoding="utf-8"), encoding="utf-8")
    for style in site.rglob("*.css"):
        text = style.read_text(encoding="utf-8")
        style.write_text(re.sub(r"@import\s+url\([^)]*fonts\.googleapis[^)]*\)[^;]*;", "", text), encoding="utf-8")
    pages = [path for path in sorted(site.rglob("*.html")) if "site_libs" not in path.parts]
    with Pool(2) as pool:
        tags_of = dict(zip([path.relative_to(site).as_posix() for path in pages], pool.map(equation_numbers, pages)))
        pool.map(partial(mend_page, site=site, quarto=quarto, tags_of=tags_of), pages)
    mend_search(site)
