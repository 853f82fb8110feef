"""What a reader of the pages stumbles over, counted for each notebook: names that come
from nowhere, private imports, lines over 88 characters, more than three code cells
without a word between them, outputs without names (a dict, a tuple, an array, a lone
number), numbers of more than six significant digits.

Each count may only fall: tools/reading_left.json holds what is left, and a chapter that
is not in it must have none. `--write` writes today's counts there, and refuses if one
of them rose.
"""
import builtins
import json
import re
import symtable
import sys
from pathlib import Path

from folds import lone_number

ROOT = Path(__file__).resolve().parent.parent
LEFT = Path(__file__).with_name("reading_left.json")
WIDTH, RUN = 88, 3
NEVER_SHOWN = {"hide", "export", "exporti", "default_exp"}
GIVEN = set(dir(builtins)) | {"__file__", "__name__", "get_ipython"}


def source(cell): return "".join(cell["source"])


def directives(text):
    "The `#|` lines of a cell: first word → the whole line"
    lines = (line[2:].strip() for line in text.splitlines() if line.startswith("#|"))
    return {re.split(r"[:\s]", line)[0]: line for line in lines if line}


def on_page(cell):
    "Whether the code of a cell reaches the page, open or folded"
    given = directives(source(cell))
    kept = all("false" not in given.get(option, "") for option in ("include", "echo"))
    return cell["cell_type"] == "code" and kept and not NEVER_SHOWN & given.keys()


def table_of(text):
    "The symbols of a cell; magics are no Python"
    lines = ["pass" if line.lstrip().startswith(("%", "!")) else line
             for line in text.splitlines()]
    return symtable.symtable("\n".join(lines), "cell", "exec")


def symbols(text):
    """Names that a cell makes at its top, and names that it takes from elsewhere, in
    all its scopes"""
    top = table_of(text)
    made = {s.get_name() for s in top.get_symbols() if s.is_assigned()
            or s.is_imported() or s.is_namespace()}
    taken, scopes = set(), [top]
    while scopes:
        scope = scopes.pop()
        scopes += scope.get_children()
        taken |= {s.get_name() for s in scope.get_symbols() if s.is_referenced()
                  and (scope is top or s.is_global())}
    return made, taken


def names_from_nowhere(cells):
    """Names that a cell on the page uses and that neither it nor an earlier one on the
    page makes"""
    known, missing = set(GIVEN), []
    for cell in filter(on_page, cells):
        made, taken = symbols(source(cell))
        known |= made
        missing += sorted(taken - known - set(missing))
    return missing


def private_imports(cells):
    "Names with an underscore that a page takes from the library"
    found = []
    for cell in filter(on_page, cells):
        for names in re.findall(
            r"^from (?:influence_nb|\.)[\w.]* import ([^(\n]+|\([^)]*\))", source(cell),
            re.M):
            found += re.findall(r"\b_\w+", names)
    return found


def long_lines(cells):
    code = (source(cell) for cell in cells if cell["cell_type"] == "code")
    return [line for text in code for line in text.splitlines() if len(line) > WIDTH
            and not line.startswith("#|")]


def long_runs(cells):
    """First lines of the cells that are the fourth piece of code, or a later one,
    without a word before it"""
    found, run = [], 0
    for cell in cells:
        if cell["cell_type"] == "markdown": run = 0
        elif on_page(cell):
            run += 1
            if run > RUN: found.append(source(cell).splitlines()[0])
    return found


def shown_texts(cells):
    """(text, whether it is a table) of the outputs that a page shows as text; the error
    that a check gives back does not reach the page"""
    for cell in filter(on_page, cells):
        if lone_number({"source": source(cell),
                        "outputs": cell["outputs"]}) is not None:
            continue
        for output in cell["outputs"]:
            data = output.get("data", {})
            if any(kind.startswith("image/") or kind == "text/markdown"
                   for kind in data):
                continue
            text = "".join(data.get("text/plain", output.get("text", ""))).strip()
            if text: yield text, "text/html" in data


def naked_outputs(cells):
    "Outputs that begin like a dict, a tuple, a list or an array, or are one number"
    naked = r"[{(\[]|array\(|tensor\(|-?[\d.]+(e[+-]?\d+)?$"
    return [text[:60] for text, table in shown_texts(cells)
            if not table and re.match(naked, text)]


def long_numbers(cells):
    "Numbers with a point and more than six significant digits"
    numbers = [number for text, _ in shown_texts(cells)
               for number in re.findall(r"(?<![\w.])\d+\.\d+", text)]
    return [number for number in numbers
            if len(number.replace(".", "").lstrip("0").rstrip("0")) > 6]


COUNTED = {"names from nowhere": names_from_nowhere, "private imports": private_imports,
           f"lines over {WIDTH}": long_lines,
           f"code cells after {RUN} others": long_runs, "naked outputs": naked_outputs,
           "long numbers": long_numbers}


def count(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    found = {what: look(cells) for what, look in COUNTED.items()}
    return {what: places for what, places in found.items() if places}


def main():
    left = json.loads(LEFT.read_text(encoding="utf-8")) if LEFT.exists() else {}
    known = {what for counts in left.values() for what in counts}
    today, rose, fell = {}, [], []
    for path in sorted((ROOT / "nbs").glob("*.ipynb")):
        found, before = count(path), left.get(path.stem, {})
        if found:
            today[path.stem] = {what: len(places) for what, places in found.items()}
        for what in COUNTED:
            places = found.get(what, [])
            if what not in known and "--write" in sys.argv: continue  # counted anew
            if len(places) > before.get(what, 0):
                rose.append(f"{path.stem}: {what}: {len(places)}, were "
                            f"{before.get(what, 0)}: {places[:8]}")
            if len(places) < before.get(what, 0):
                fell.append(f"{path.stem}: {what}: {len(places)}, were {before[what]}")
    for what in COUNTED:
        print(f"{sum(counts.get(what, 0) for counts in today.values()):>5} {what}")
    if "--write" in sys.argv and (not rose or not LEFT.exists()):
        LEFT.write_text(json.dumps(today, indent=1) + "\n", encoding="utf-8")
        return
    print(*rose, *fell, sep="\n")
    if fell and not rose:
        print("fewer than before: write it down with `python tools/reading.py --write`")
    sys.exit(bool(rose or fell))


if __name__ == "__main__": main()
