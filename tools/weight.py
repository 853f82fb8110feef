"""What a page need not carry: rules of a style sheet that nothing on the site uses,
an icon font, scripts that have nothing to do."""
import re

BIG = 20_000  # bytes; smaller style sheets stay as they are
# classes that scripts give while somebody reads
GIVEN = {"show", "collapsing", "collapsed", "active", "quarto-dark", "quarto-light"}


def without_unused(soup):
    """No icon font (the style sheet of the book draws the few icons), no KaTeX where
    there is no formula, and no script that the first paint waits for"""
    for link in soup.select('link[href*="bootstrap-icons"]'): link.decompose()
    if not soup.select_one(".math"):
        for part in soup.select('link[href*="katex"], script[src*="katex"]'):
            part.decompose()
    for script in soup.select('script[src*="bootstrap.bundle"], '
                              'script[src*="bootstrap.min.js"]'):
        script["defer"] = ""


def rules(style):
    """(what stands before the brace, what stands in it) for every rule, in order; None
    in place of the second for a line like `@import`"""
    start, depth = 0, 0
    strings = r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|[{};]'
    for match in re.finditer(strings, style):
        if match[0] == "{":
            if depth == 0: brace = match.start()
            depth += 1
        elif match[0] == "}":
            depth -= 1
            if depth == 0:
                yield style[start:brace].strip(), style[brace + 1:match.start()]
                start = match.end()
        elif match[0] == ";" and depth == 0:
            yield style[start:match.end()].strip(), None
            start = match.end()


def needed(selector, used):
    "Whether all classes of a selector are used; what it excludes does not count"
    plain = re.sub(r":(not|is|where|has)\((?:[^()]|\([^()]*\))*\)", "", selector)
    plain = re.sub(r"\[[^\]]*\]", "", plain)
    return all(name in used for name in re.findall(r"\.(-?[A-Za-z_][\w-]*)", plain))


def lean(style, used):
    "A style sheet with the rules alone that something on the site can meet"
    kept = []
    for head, body in rules(re.sub(r"/\*(?!!).*?\*/", "", style, flags=re.S)):
        if body is None: kept.append(head)
        elif re.match(r"@(media|supports|layer|container)", head):
            inner = lean(body, used)
            if inner: kept.append(f"{head}{{{inner}}}")
        elif head.startswith("@"): kept.append(f"{head}{{{body}}}")
        else:
            selectors = [one for one in re.split(r",(?![^(]*\))", head)
                         if needed(one, used)]
            if selectors: kept.append(f"{','.join(selectors)}{{{body}}}")
    return "".join(kept)


def used_classes(site, pages):
    "Classes of the pages, and every word of the scripts, which give classes too"
    used = set(GIVEN)
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for classes in re.findall(r'class=\\?["\']([^"\'>]*)["\']', text):
            used |= set(classes.replace("\\", " ").split())
        for script in re.findall(r"<script(?![^>]*json)[^>]*>(.*?)</script>", text,
                                 re.S):
            used |= set(re.findall(r"[A-Za-z_][\w-]*", script))
    for script in site.rglob("*.js"):
        if "katex" not in script.parts and script.name != "search.js":
            used |= set(re.findall(r"[A-Za-z_][\w-]*",
                                   script.read_text(encoding="utf-8")))
    return used


def only_used(site, pages):
    "Every large style sheet of a theme, reduced to what the site can meet"
    used = used_classes(site, pages)
    for path in (site / "site_libs").rglob("*.css"):
        if path.stat().st_size > BIG and "katex" not in path.parts:
            path.write_text(lean(path.read_text(encoding="utf-8"), used),
                            encoding="utf-8")
