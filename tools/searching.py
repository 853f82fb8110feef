"""The search of the book: what it knows of every page, and where its field stands.

The same for every renderer, and for pages from disk: the field of the renderer is
replaced by ours, and the index is a script that is loaded when somebody asks.
"""
import json
import re
from pathlib import Path

ALIASES = Path(__file__).with_name("aliases.json")  # stem of a page → what people type
ENGINE = Path(__file__).with_name("search.js")
TEXTS = "p, li, td, th, figcaption, blockquote"
FIELD = ('<div class="book-search" role="search"><input class="form-control" '
         'type="search" aria-label="Search" placeholder="Search" autocomplete="off"/>'
         '<div class="book-found" hidden=""></div></div>')
REPLACED = re.compile(r"(fuse(\.min)?|quarto-search|autocomplete\.umd)\.js$")


def own_field(soup, fragment):
    "Our field where the renderer has its own; `fragment` parses markup"
    for field in soup.select("#quarto-search"):
        field.replace_with(fragment(FIELD))
    for left in soup.select("#quarto-search-results, #quarto-search-options"):
        left.decompose()
    for script in soup.select("script[src]"):
        if REPLACED.search(script["src"]): script.decompose()


def words(element):
    "The words of a piece of the page, without formulas"
    text = "".join(part if part.find_parent(class_="math") is None else " … "
                   for part in element.find_all(string=True)
                   if not part.find_parent(("script", "style")))
    return re.sub(r"(\s*…\s*)+", " … ", re.sub(r"\s+", " ", text)).strip()


def entries(soup, href, aliases=()):
    """What the search knows of a page: one entry for the page, one for each section,
    one for each name that is defined on it"""
    main = soup.select_one("main")
    if main is None or not (main.select_one("h1") or soup.title): return []
    title = words(main.select_one("h1") or soup.title).partition(" – ")[0]
    found = [{"page": title, "title": title, "href": href, "kind": "page", "text": [],
              "aliases": " | ".join(aliases)}]
    for part in main.select(f"h2, h3, h4, .named, {TEXTS}"):
        if part.name in ("h2", "h3", "h4"):
            holder = part if part.get("id") else part.find_parent("section", id=True)
            kind = "exercise" if re.match(r"Exercise", words(part)) else "section"
            found.append({"page": title, "title": words(part), "kind": kind, "text": [],
                          "href": f"{href}#{holder['id']}" if holder else href})
        elif "named" in part.get("class", ()):
            found.append({"page": title, "title": part["data-name"], "kind": "name",
                          "text": [], "href": f"{href}#{part['id']}"})
        elif not part.find_parent(("p", "li", "td", "figcaption", "blockquote")) and (
            not part.find_parent(class_=("page-navigation", "here", "player"))):
            section = next(e for e in reversed(found) if e["kind"] != "name")
            section["text"].append(words(part))
    for entry in found: entry["text"] = " ".join(entry["text"])
    return found


def aliases():
    return json.loads(ALIASES.read_text(encoding="utf-8")) if ALIASES.exists() else {}


def write_index(site, found):
    "The index and the engine as one script, loaded when somebody asks"
    (site / "site_libs/book/search.js").write_text(
        f"window.bookIndex = {json.dumps(found, ensure_ascii=False)};\n"
        + ENGINE.read_text(encoding="utf-8"), encoding="utf-8")
    (site / "search.json").unlink(missing_ok=True)
