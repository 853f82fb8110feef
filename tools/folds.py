"""Which code of a page is folded, and where it stands: imports, and helpers of the
library that no reader needs by name.

Works on the notebooks that `nbdev.serve.proc_nbs` has prepared, before a renderer reads
them. What a cell says itself (`#| code-fold: …`) stays.
"""
import ast
import json
import re
from pathlib import Path

FIRST_CELLS = 15  # a picture that comes later does not open the page
IMPORTS = '#| code-fold: true\n#| code-summary: "Imports"\n'
# what nbdev puts before an `exports` cell
EXPORTED = '#| code-fold: show\n#| code-summary: "Exported source"\n'


def statements(text):
    "The statements of a cell; none where it is no Python"
    try: return ast.parse(re.sub(r"^\s*[%!].*$", "", text, flags=re.M)).body
    except SyntaxError: return []


def summary(text, exported):
    "The line under which the code of a cell folds, or None where it stays open"
    body = statements(text)
    if body and all(isinstance(node, (ast.Import, ast.ImportFrom)) for node in body):
        return "Imports"
    names = [getattr(node, "name", "") for node in body]
    if exported and names and all(name.startswith("_") for name in names):
        return "Helper" if len(names) == 1 else "Helpers"
    return None


def folded(text):
    "The source of a cell with the option that folds it, if it is to be folded"
    exported = text.startswith(EXPORTED)
    text = text.removeprefix(EXPORTED)
    if re.search(r"^#\|\s*code-fold", text, re.M): return text
    words = summary(text, exported)
    return f'#| code-fold: true\n#| code-summary: "{words}"\n{text}' if words else text


def is_folded(cell):
    return cell["cell_type"] == "code" and bool(re.search(r"^#\|\s*code-fold: true",
                                                          cell["source"], re.M))


def joined(cells):
    "Imports that follow each other fold under one line"
    kept = []
    for cell in cells:
        last = kept[-1] if kept else None
        if cell["cell_type"] == "code" and cell["source"].startswith(
            IMPORTS) and not cell["outputs"]:
            if last and last["cell_type"] == "code" and last["source"].startswith(
                IMPORTS):
                last["source"] += "\n" + cell["source"].removeprefix(IMPORTS)
                continue
        kept.append(cell)
    return kept


def picture_first(cells):
    """What is folded before the opening picture comes after it, so that a page begins
    with its question"""
    opening = next((i for i, cell in enumerate(cells)
                    if "label: fig-" in cell["source"]), len(cells))
    if opening > FIRST_CELLS: return cells
    plumbing = [cell for cell in cells[:opening] if is_folded(cell)
                and not cell["outputs"]]
    words = [cell for cell in cells[:opening] if cell not in plumbing]
    return words + cells[opening:opening + 1] + plumbing + cells[opening + 1:]


def fold(
    path: Path,  # a notebook that nbdev has prepared for a page
) -> None:
    "Fold the plumbing of one notebook, in place."
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        text = "".join(cell["source"])
        cell["source"] = folded(text) if cell["cell_type"] == "code" else text
    notebook["cells"] = picture_first(joined(notebook["cells"]))
    path.write_text(json.dumps(notebook, ensure_ascii=False, indent=1) + "\n",
                    encoding="utf-8")
