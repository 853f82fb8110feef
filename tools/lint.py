"""Places in the notebooks where the book would not keep its promises. Prints one line
each; exit 1 if there is any."""
import ast
import importlib
import json
import re
import sys
from pathlib import Path

from exercising import exercise_problems
from reading import WIDTH

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
CHECK = re.compile(r"\bassert\b|\btest_\w+\(|\bcheck_\w+\(|\bExceptionExpected\b")


def source(cell): return "".join(cell["source"])


def option(text, name):
    found = re.search(rf'^#\|\s*{name}:\s*(.*)$', text, re.M)
    return found.group(1) if found else None


def functions(cell):
    "Public functions and classes that an exported cell defines"
    return [node for node in ast.parse(source(cell)).body
            if isinstance(node, (ast.FunctionDef, ast.ClassDef))
            and not node.name.startswith("_")]


def undocumented(node, text):
    """Parameters and results of public functions without a comment beside them,
    definitions without a docstring"""
    lines, problems = text.splitlines(), []
    if not ast.get_docstring(node): problems.append(f"{node.name} has no docstring")
    methods = ([node] if isinstance(node, ast.FunctionDef)
               else [m for m in node.body if isinstance(m, ast.FunctionDef)
                     and (m.name == "__init__" or not m.name.startswith("_"))])
    for method in methods:
        arguments = method.args.posonlyargs + method.args.args + method.args.kwonlyargs
        arguments += [a for a in (method.args.vararg, method.args.kwarg) if a]
        for argument in arguments:
            if argument.arg != "self" and "#" not in lines[argument.end_lineno
                                                           - 1].split(argument.arg,
                                                                      1)[-1]:
                problems.append(f"{node.name}: no comment beside {argument.arg} of "
                                f"{method.name}")
    return problems


def figures(cell):
    return [o for o in cell.get("outputs", [])
            if any(k.startswith("image/") for k in o.get("data", {}))]


def lint_cell(cell):
    text, outputs = source(cell), cell.get("outputs", [])
    shown = option(text, "output") != "false" and not re.search(r"^#\|\s*hide\b", text,
                                                                re.M)
    if shown and figures(cell):
        for name in ("label", "fig-cap", "fig-alt"):
            if not option(text, name): yield f"figure without {name}"
        label = option(text, "label")
        if label and not label.startswith("fig-"):
            yield f"figure label {label} does not begin with fig-"
    if text.endswith("\n"): yield "an empty line at its end"
    for output in outputs:
        if output["output_type"] == "error": yield "saved error"
        table = "".join(output.get("data", {}).get("text/html", ""))
        if re.search(r"\.\.\.</t[dh]>", table): yield "a table that is cut off: ..."
        plain = "".join(output.get("data", {}).get("text/plain", ""))
        if re.search(r"<[\w. ]+ at 0x", plain) and not table:
            yield "the address of an object: end the cell with ;"
        if output.get("name") == "stderr": yield "saved warning or error text"
        said = json.dumps(output.get("data", {}).get("text/markdown", ""))
        if "made by other code" in said and "sentences" not in text:  # the example
            yield "a stored result of other code"
        if any("widget-view" in k for k in output.get("data", {})):
            yield "saved widget view"
    written = [text] + [json.dumps(output.get("text") or output.get("data", {})
                                   .get("text/plain", "")) for output in outputs]
    if any(re.search(r"/(work|tmp|home|root)/", part) for part in written):
        yield "path of a machine"


def broken_tex(text):
    """Formulas in a text that a page would show as raw TeX: a blank inside the dollars,
    or a dollar without its partner.

    The rule is Markdown's: $x$ is a formula, $x $ and $ x$ are dollars. Code and
    escaped dollars do not count.
    """
    text = re.sub(r"^(```|~~~).*?^\1|(`+)(?!`).*?(?<!`)\2(?!`)|\\\$", "", text,
                  flags=re.M | re.S)
    text = re.sub(r"\$\$.*?\$\$", "", text, flags=re.S)
    for paragraph in re.split(r"\n\s*\n", text):
        parts = paragraph.split("$")
        if len(parts) % 2 == 0:
            yield f"a dollar without a partner: {paragraph.strip()[:60]}"
        else:
            yield from (f"a blank inside the dollars of a formula: ${part[:60]}$"
                        for part in parts[1::2] if part != part.strip() or not part)


def tex_problems(cell):
    "Raw TeX in the prose of a cell, or in the caption that it gives"
    texts = [source(cell)] if cell["cell_type"] == "markdown" else re.findall(
        r"^#\|\s*(?:fig-cap|code-summary):(.*)$", source(cell), re.M)
    headings = re.findall(r"^#+ .*\$.*$", source(cell), re.M)
    if cell["cell_type"] == "code": headings = []
    return [problem for text in texts for problem in broken_tex(text)] + [
        f"a formula in a heading, raw in the contents of the page: {heading}"
        for heading in headings]


def lint(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    cells, problems = notebook["cells"], []
    if path.stat().st_size > 500_000:
        problems.append(f"{path.stat().st_size // 1000} kB, more than 500")
    code = [c for c in cells if c["cell_type"] == "code"]
    exported = [c for c in code if re.search(r"^#\|\s*exports?\b", source(c), re.M)]
    checks = "\n".join(source(c) for c in code if c not in exported
                       and CHECK.search(source(c)))
    for number, cell in enumerate(cells):
        problems += ([f"cell {number}: {problem}" for problem in lint_cell(cell)]
                     if cell["cell_type"] == "code" else [])
        problems += [f"cell {number}: {problem}" for problem in tex_problems(cell)]
    for cell in exported:
        for node in functions(cell):
            if not re.search(rf"\b{node.name}\b", checks):
                problems.append(f"{node.name} is exported, and no check names it")
            problems += undocumented(node, source(cell))
        longest = sum(1 for line in source(cell).splitlines() if line.strip())
        if longest > 46:
            problems.append(f"an exported cell of {longest} lines: "
                            f"{source(cell).splitlines()[1]}")
    local = set(re.findall(r"\b(?:def|class)\s+(\w+)|\b(\w+)\s*=",
                           "\n".join(source(c) for c in code)))
    known = public_names() | {name for pair in local for name in pair}
    for cell in cells:
        if cell["cell_type"] == "code" and mixed(cell):
            problems.append("imports and other code in one cell: "
                            f"{source(cell)[:60]!r}")
        if cell["cell_type"] != "markdown": continue
        for name in re.findall(r"`([A-Za-z_]\w+)\(\)?`",
                               source(cell)) + re.findall(
                r"`(\w*(?:Influence|Inverse|Preconditioner))`", source(cell)):
            if name not in known and not hasattr(__builtins__, name):
                problems.append(f"`{name}` is named, and does not exist")
        for target in re.findall(r"\]\((\w+\.(?:ipynb|md))", source(cell)):
            if not (path.parent / target).exists():
                problems.append(f"link to {target}, which does not exist")
    problems += exercise_problems(cells)
    return [f"{path.name}: {problem}" for problem in problems]


def wide_lines():
    """Lines of what is written by hand outside the notebooks that are wider than lines
    there may be; what is generated (`_modidx.py`, README.md) does not count"""
    written = ("tests/*.py", "tools/*.py", "tools/*.js", "benchmarks/**/*.py",
               "setup.py", "influence_nb/static/*", "nbs/*.css")
    for pattern in written:
        for path in sorted(ROOT.glob(pattern)):
            if ".envs" in path.parts or not path.is_file(): continue
            lines = path.read_text(encoding="utf-8").split("\n")
            for number, line in enumerate(lines, 1):
                if len(line) > WIDTH:
                    yield (f"{path.relative_to(ROOT)}:{number}: {len(line)} characters,"
                           f" more than {WIDTH}")


def public_names():
    names = set()
    for module in (ROOT / "influence_nb").glob("[a-z]*.py"):
        names |= set(vars(importlib.import_module(f"influence_nb.{module.stem}")))
    return names


def mixed(cell):
    """Whether a cell that is not exported holds imports and other code: nbdev runs it
    when it prepares the page, where what it uses does not exist"""
    text = re.sub(r"^\s*[%!].*$", "pass", source(cell), flags=re.M)
    if re.search(r"^#\|\s*exports?\b", text, re.M): return False
    try: body = ast.parse(text).body
    except SyntaxError: return False
    imports = (ast.Import, ast.ImportFrom)
    some = any(isinstance(node, imports) for part in body for node in ast.walk(part))
    return some and not all(isinstance(part, imports) for part in body)


def contents():
    """Every chapter stands once in the table of contents and once on the front page, in
    the order of the numbers"""
    chapters = sorted(path.stem for path in (ROOT / "nbs").glob("*.ipynb")
                      if path.stem != "index")
    settings = (ROOT / "_quarto.yml").read_text(encoding="utf-8")
    if (ROOT / "nbs/_quarto.yml").read_text(encoding="utf-8") != settings:
        yield "nbs/_quarto.yml: should be a link to ../_quarto.yml"
    sidebar = re.findall(r"href: (\w+)\.ipynb", settings)
    front = "".join(source(c)
                    for c in json.loads((ROOT / "nbs/index.ipynb")
                                        .read_text(encoding="utf-8"))["cells"])
    rows = re.findall(r"^\|(?: [A-Z][a-z ]+)? \| \[[^\]]*\]\((\d\w+)\.ipynb\) \|",
                      front, re.M)
    for name, listed in (("_quarto.yml", [stem for stem in sidebar if stem != "index"]),
                         ("the table of the front page", rows)):
        if listed != chapters: yield f"{name}: should list {chapters}, lists {listed}"


if __name__ == "__main__":
    problems = [problem for path in sorted((ROOT / "nbs").glob("*.ipynb"))
                for problem in lint(path)]
    problems += [*contents(), *wide_lines()]
    print(*problems, sep="\n")
    sys.exit(bool(problems))
