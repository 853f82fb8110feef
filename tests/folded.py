"""Which code of a page folds, and under which words (`tools/folds.py`). Run by
`make test`; needs no browser."""
import json
import re
import sys
import tempfile
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "tools"))
from folds import EXPORTED, fold
from promises import keep


def code(source, *texts):
    outputs = [{"output_type": "execute_result", "data": {"text/plain": text}}
               for text in texts]
    return {"cell_type": "code", "metadata": {}, "source": source, "outputs": outputs}


def shown(name, arguments="x"):
    text = (f"---\n\n### {name}\n\n```python\ndef {name}(\n    {arguments},\n)\n```\n\n"
            "*Says it.*")
    return {"cell_type": "code", "metadata": {}, "outputs": [
        {"output_type": "execute_result", "data": {"text/markdown": text}}],
        "source": f"#| echo: false\n#| output: asis\nshow_doc({name})"}


def words(text): return {"cell_type": "markdown", "metadata": {}, "source": text}


def folded(*cells, exported=("solve", "long", "Curve", "BadError")):
    "[(the words of the fold or None, the source)] of the cells as they reach a page"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.ipynb"
        path.write_text(json.dumps({"cells": list(cells)}), encoding="utf-8")
        fold(path, set(exported))
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    found = []
    for cell in cells:
        said = re.search(r'^#\| code-summary: (".*")$', cell["source"], re.M)
        said = json.loads(said[1]) if said else None
        if "<summary>" in cell["source"]:
            said = re.search("<summary>(.*)</summary>", cell["source"])[1]
        found.append((said, cell["source"], cell))
    return found


LONG = ("def long(x):\n    \"\"\"Does it: slowly.\"\"\"\n" + "    x = x + 1\n" * 11
        + "    return x")
SHORT = "def solve(\n    x,  # numbers\n):\n    \"Solves.\"\n    return x"


def test_definitions():
    "A short definition stays open, a longer one folds under its name; each stands once"
    found = folded(shown("solve"), code(EXPORTED + SHORT), words("and"), shown("long"),
                   code(EXPORTED + LONG))
    assert [said for said, *_ in found] == [None, None, None, None,
                                            "long: Does it"], found
    assert found[0][1] == '<span id="solve" class="named" data-name="solve"></span>'
    assert "show_doc" not in json.dumps([source for _, source, _ in found])


def test_only_signature():
    """Where the source is not on the page the signature folds; one that says nothing
    goes"""
    found = folded(shown("hidden"), shown("empty", "*args, **kwargs"))
    assert [said for said, *_ in found] == [None, "hidden: Says it", None]
    assert "def hidden(" in found[1][1] and not any("kwargs" in text
                                                    for _, text, _ in found)


def test_checks():
    """Checks fold under one line with what they check, also those that give an error
    back"""
    found = folded(code("assert solve(1) == 1"),
                   code("check_close(solve(2), 2, 1e-9)", "0.0"),
                   code("with ExceptionExpected(ValueError): long('a')"))
    assert [said for said, *_ in found] == [
        "Checks, all pass: solve; long; bad input is refused"], found
    assert found[0][2]["outputs"] == []
    table = folded(code("assert solve(1) == 1\nsolve(3)", "a table"))
    assert table[0][0] is None, "what shows something stays open"


def test_others():
    "Imports, errors, helpers, pictures and experiments fold; a cell's own word counts"
    found = folded(code("import os"), code("from re import sub"), words("."),
                   code(EXPORTED + "class BadError(ValueError): \"Bad.\""), words("."),
                   code(EXPORTED + "def _a(): return 1"), words("."),
                   code("#| label: fig-a\n" + "draw()\n" * 9), words("."),
                   code("runs = stored('runs', make)"), words("."),
                   code("#| code-fold: false\n" + "assert solve(1) == 1"))
    said = [said for said, *_ in found if said]
    assert sorted(said) == ["Code of the experiment", "Code of the picture",
                            "Error: BadError: Bad", "Helper: _a", "Imports"], said
    assert [text for said, text, _ in found if said == "Imports"][0].endswith(
        "import os\nfrom re import sub")
    behind = "what folds comes after the opening picture"
    assert said[0] == "Code of the picture", behind


def test_tables():
    "The code of a table stays open while it is short"
    for lines, line in ((17, None), (18, "Code of the table")):
        cell = code("x = solve(1)\n" * lines + "x", "a table")
        cell["outputs"][0]["data"] = {"text/html": ["<table></table>"]}
        assert folded(cell)[0][0] == line


def test_picture_first():
    """Open code before the opening picture comes after it; under a heading only folds
    do, and the picture of the question follows the first words after the title"""
    picture = "#| label: fig-%s\ndraw()"
    def order(*cells): return [text.split("\n")[-1] for _, text, _ in folded(*cells)]
    assert order(words("why"), code("x = 1"), words("so"), code(picture % "a"),
                 words("## Then")) == ["why", "so", "draw()", "x = 1", "## Then"]
    headed = [words("<!-- made -->"), words("# Title"), words("why"), words("## How"),
              code("x = 1")]
    assert order(*headed, code(picture % "a"))[-2:] == ["x = 1", "draw()"]
    assert order(*headed, *[words(".")] * 20, code(picture % "question"))[2:6] == [
        "why", "draw()", "## How", "x = 1"]
    shows = code("table", "1 2 3")
    assert order(words("why"), shows, code(picture % "a")) == ["why", "table", "draw()"]
    assert order(words("why"), shows, code(picture % "question")) == [
        "why", "draw()", "table"], (
        "a table, too, comes after the picture of the question")


if __name__ == "__main__": keep(globals(), "folds")
