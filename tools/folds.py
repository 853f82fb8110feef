"""Which code of a page is folded, under which words, and where it stands.

Works on the notebooks that `nbdev.serve.proc_nbs` has prepared, before a renderer reads
them. What a chapter teaches stays open: short definitions, and cells that show a value.
Folded are imports, helpers, longer definitions, errors, checks, experiments, and the
code of pictures and, if it is long, of tables. A definition is on the page once, as its
source, or as its signature where the source is not on the page. What a cell says itself
(`#| code-fold: …`) stays.
"""
import ast
import html
import json
import re
from pathlib import Path

QUESTION = "label: fig-question"  # the picture that opens a page, wherever it is drawn
FIRST_CELLS = 15  # a picture that comes later does not open the page
# lines of a definition that stays open, its signature and docstring not counted
LONGEST = 8
LONGEST_DRAWING = 3  # lines of a picture's code that stay open
LONGEST_TABLE = 18  # lines of what makes a table and stays open
NAMES = 4  # how many names a folded line tells
# nbdev, before an `exports` cell
EXPORTED = '#| code-fold: show\n#| code-summary: "Exported source"\n'
SHOWN = re.compile(r"^show_doc\(([\w.]+)", re.M)
CHECKS = ("check_close", "check_pages", "test_eq", "test_fail", "check_inverse")
ERRORS = re.compile(r"(Error|Warning|Exception)$")
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def statements(text):
    "The statements of a cell; none where it is no Python"
    try: return ast.parse(re.sub(r"^\s*[%!].*$", "", text, flags=re.M)).body
    except SyntaxError: return []


def called(node):
    "Names of what is called or named anywhere in a piece of code"
    return [part.id if isinstance(part, ast.Name) else part.attr
            for part in ast.walk(node) if isinstance(part, (ast.Name, ast.Attribute))]


def refusals(node):
    return isinstance(node, ast.With) and any("ExceptionExpected" in called(item)
                                              for item in node.items)


def is_check(node):
    "Whether a statement, or one inside it, can fail where a number is wrong"
    calls = (part for part in ast.walk(node) if isinstance(part, ast.Call))
    return (any(isinstance(part, ast.Assert) or refusals(part)
                for part in ast.walk(node))
            or any(getattr(call.func, "id", "") in CHECKS for call in calls))


def own_lines(node):
    "Lines of a definition without its signature and docstrings"
    lines = set()
    for part in ast.walk(node):
        if not isinstance(part, DEFINITIONS): continue
        body = part.body[ast.get_docstring(part) is not None:]
        if not isinstance(part, ast.ClassDef):
            lines |= {line for inner in body for line in range(inner.lineno,
                                                               inner.end_lineno + 1)}
    return len(lines)


def sentence(text, longest=90):
    "The first sentence of a docstring, for one line of a page"
    first = re.split(r"(?<=[.:;])\s", re.sub(r"\s+", " ", text or "").strip())[0]
    first = first.replace("`", "").rstrip(".:;")
    if len(first) <= longest: return first
    return first[:longest].rpartition(" ")[0] + " …"


def described(nodes):
    "Names of definitions; with its first sentence, where there is one"
    said = sentence(ast.get_docstring(nodes[0])) if len(nodes) == 1 else ""
    return list_of([node.name for node in nodes]) + (f": {said}" if said else "")


def list_of(names):
    names = list(dict.fromkeys(names))
    return ", ".join(names[:NAMES]) + (", …" if len(names) > NAMES else "")


def lone_number(cell):
    "The one number that a check gives back and the page need not show, or None"
    texts = ["".join(output.get("data", {}).get("text/plain", output.get("text", "")))
             for output in cell["outputs"]]
    body = statements(cell["source"])
    if len(texts) != 1 or not body: return None
    if not isinstance(body[-1], ast.Expr) or not is_check(body[-1]): return None
    number = re.fullmatch(r"\s*(0(\.0)?|[\d.]+(e[+-]?\d+)?)\s*", texts[0])
    return float(texts[0]) if number else None


def visible(cell):
    "Whether a cell shows something"
    texts = ["".join(output.get("data", {}).get("text/plain", output.get("text", "")))
             if set(output.get("data", {})) <= {"text/plain"} else "more"
             for output in cell["outputs"]]
    return any(text.strip() for text in texts)


def what_is_checked(body, here, exported):
    """The words behind `Checks`: names that are tested, of this page if there are any,
    and that bad input is refused"""
    names = [name for node in body for name in called(node)]
    names = ([name for name in names if name in here]
             or [name for name in names if name in exported and name not in CHECKS])
    refused = any(refusals(part) for node in body for part in ast.walk(node))
    words = [list_of(names)] if names else []
    if refused: words.append("bad input is refused")
    return "; ".join(words)


def summary(cell, is_exported, here, exported):
    """(kind, words) of the line under which the code of a cell folds, or None where it
    stays open; `here`, `exported`: the public names of the page, and of the book"""
    text, body = cell["source"], statements(cell["source"])
    if not body: return None
    if all(isinstance(node, (ast.Import, ast.ImportFrom)) for node in body):
        return "Imports", ""
    defined = [node for node in body if isinstance(node, DEFINITIONS)]
    names = [getattr(node, "name", "") for node in body]
    if is_exported:
        if all(name.startswith("_") for name in names if name) and defined:
            return "Helper", described(defined)
        if defined and all(ERRORS.search(node.name) for node in defined):
            return "Error", described(defined)
        public = [node for node in defined if not node.name.startswith("_")]
        return ("Source", described(public)) if public and sum(
            map(own_lines, defined)) > LONGEST else None
    if "label: fig-" in text or re.search(r"^explore\(", text, re.M):
        long = len(re.sub(r"^#\|.*\n", "", text, flags=re.M).splitlines())
        return ("Code of the picture", "") if long > LONGEST_DRAWING else None
    if re.search(r"\bstored\(", text): return "Code of the experiment", ""
    table = any("text/html" in output.get("data", {}) for output in cell["outputs"])
    if table and len(text.splitlines()) > LONGEST_TABLE: return "Code of the table", ""
    if visible(cell): return None
    if any(map(is_check, body)): return "Checks, all pass", what_is_checked(
        body, here, exported)
    if len(defined) == len(body) and sum(map(own_lines, defined)) > LONGEST:
        return "Code", described(defined)
    return None


def options(kind, words):
    line = f"{kind}: {words}" if words and kind != "Source" else words or kind
    summary = json.dumps(line, ensure_ascii=False)
    return f"#| code-fold: true\n#| code-summary: {summary}\n"


def fold_cell(cell, here, exported):
    "Fold one cell; its `fold` is (kind, words) where the rule did it"
    is_exported = cell["source"].startswith(EXPORTED)
    text = cell["source"] = cell["source"].removeprefix(EXPORTED)
    error = lone_number(cell)
    if error is not None: cell["outputs"] = []
    if re.search(r"^#\|\s*code-fold", text, re.M): return
    found = summary(cell, is_exported, here, exported)
    if not found: return
    kind, words = found
    cell["fold"], cell["source"] = found, options(kind, words) + text


def is_folded(cell):
    "Whether the code of a cell folds, be the fold open or not"
    return cell["cell_type"] == "code" and bool(re.search(
        r"^#\|\s*code-fold: (true|show)", cell["source"], re.M))


def joined(cells):
    "Imports, helpers and checks that follow each other fold under one line"
    kept = []
    for cell in cells:
        last, fold = kept[-1] if kept else {}, cell.get("fold")
        alike = fold and last.get("fold") and last["fold"][0] == fold[0]
        together = alike and fold[0] in ("Imports", "Helper", "Checks, all pass")
        if together and not last["outputs"]:
            (kind, before), now = last["fold"], fold[1]
            parts = [part for words in (before, now) for part in words.split("; ")]
            if kind == "Helper": parts = [part.partition(":")[0] for part in parts]
            join = ", ".join if kind == "Helper" else "; ".join
            words = join(dict.fromkeys(part for part in parts if part))
            sources = [one["source"].removeprefix(options(*one["fold"]))
                       for one in (last, cell)]
            between = "\n" if kind == "Imports" else "\n\n"
            last["fold"] = (kind, words)
            last["source"] = options(kind, words) + between.join(sources)
            last["outputs"] = cell["outputs"]
        else: kept.append(cell)
    return kept


def picture_first(cells):
    """The code that stands before the opening picture comes after it, so that a page
    begins with its question. Under a heading only what is folded does, and there a
    picture with the label `fig-question` follows the first words after the title"""
    opening = next((i for i, cell in enumerate(cells) if QUESTION in cell["source"]),
                   next((i for i, cell in enumerate(cells)
                         if "label: fig-" in cell["source"]), len(cells)))
    asks = opening < len(cells) and QUESTION in cells[opening]["source"]
    if opening in (0, len(cells)) or opening > FIRST_CELLS and not asks: return cells
    before, after = cells[:opening], cells[opening + 1:]
    headed = any(re.search("^## ", cell["source"], re.M) for cell in before)
    if headed and asks:
        words = [i for i, cell in enumerate(before) if cell["cell_type"] == "markdown"
                 and not re.match("# |<", cell["source"])]
        place = words[0] + 1
        return before[:place] + cells[opening:opening + 1] + before[place:] + after
    code = [cell for cell in before if cell["cell_type"] == "code"
            and (asks or not cell["outputs"]) and (is_folded(cell) or not headed)]
    words = [cell for cell in before if cell not in code]
    return words + cells[opening:opening + 1] + code + after


def anchor(name):
    """The place of a name on the page, which is where its source stands: for links, and
    for the search"""
    return {"cell_type": "markdown", "metadata": {},
            "source": f'<span id="{html.escape(name.lower())}" class="named" '
                      f'data-name="{html.escape(name)}"></span>'}


def signature(cell, name):
    "The signature that nbdev shows, folded; None where it says nothing"
    text = "".join("".join(output.get("data", {}).get("text/markdown", ""))
                   for output in cell["outputs"])
    text = re.sub(r"\A\s*---\s*\n+#+ [^\n]*\n", "", text).strip()
    if not text or re.search(r"\(\s*\*args, \*\*kwargs,?\s*\)", text): return None
    said = re.search(r"^```\n+\*?([^\n]+(?:\n(?!\n)[^\n]+)*)", text, re.M)
    said = sentence(re.sub(r"[*]", "", said[1])) if said else ""
    line = f"{name}: {said}" if said else name
    return {"cell_type": "markdown", "metadata": {},
            "source": f'<details class="code-fold"><summary>{html.escape(line)}'
                      f"</summary>\n\n{text}\n\n</details>"}


def once(cells):
    "Signatures go where the source stands on the page, and fold where it does not"
    on_page = {node.name for cell in cells if cell["cell_type"] == "code"
               for node in statements(cell["source"]) if isinstance(node, DEFINITIONS)}
    kept = []
    for cell in cells:
        silent = "echo: false" in cell["source"]
        shown = SHOWN.search(cell["source"]) if silent else None
        if not shown:
            kept.append(cell)
            continue
        kept.append(anchor(shown[1]))
        if shown[1] not in on_page: kept.append(signature(cell, shown[1]))
    return [cell for cell in kept if cell]


def beside(cells):
    "An anchor stands right before the cell that defines its name"
    names = {cell["source"]: re.search('data-name="([^"]*)"', cell["source"])[1]
             for cell in cells if cell["source"].startswith('<span id=')}
    at = {name: cell for cell in reversed(cells) if cell["cell_type"] == "code"
          for node in statements(cell["source"])
          if (name := getattr(node, "name", None)) in names.values()}
    kept = []
    moved = {source for source, name in names.items() if name in at}
    for cell in cells:
        if cell["source"] in moved: continue
        kept += [anchor(name) for source, name in names.items()
                 if at.get(name) is cell] + [cell]
    return kept


def fold(
    path: Path,  # a notebook that nbdev has prepared for a page
    exported: set = frozenset(),  # the public names of the book
) -> None:
    "Fold the plumbing of one notebook, in place."
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]: cell["source"] = "".join(cell["source"])
    here = {name[1] for cell in notebook["cells"] if cell["cell_type"] == "code"
            for name in SHOWN.finditer(cell["source"])}
    cells = once(notebook["cells"])
    for cell in cells:
        if cell["cell_type"] == "code": fold_cell(cell, here, exported)
    cells = beside(picture_first(joined(cells)))
    for cell in cells: cell.pop("fold", None)
    path.write_text(json.dumps(notebook | {"cells": cells}, ensure_ascii=False,
                               indent=1) + "\n", encoding="utf-8")
