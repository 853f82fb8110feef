"""The rule for exercises (`tools/exercising.py`) finds whatever is left out. Run by
`make test`; needs no browser."""
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "tools"))
from exercising import NOTHING, exercise_problems
from promises import keep

WORDS = ("### Exercise 1: twice (•, 5 minutes)\n\nWrite `twice(x)`.\n\n<details>"
         "<summary>Solution</summary>\n\nAdd.\n\n</details>")
CHECK = '''#| code-fold: true
#| code-summary: "The check, with the solution"
def added(x): return x + x
def squared(x): return x * x
def halved(x): return x / 2

check = Exercise(added, [(3.0,), (5.0,)], {
    "That is the square.": squared,
    "That is the half.": halved})
assert check(added)
'''
WRAPPED = CHECK.replace("check = Exercise", "exercise = Exercise").replace(
    "assert check", "def check(answer): return exercise(answer)\nassert check")
STUB = "def twice(x): ...\n\ncheck(twice)"
LEFT_OUT = {
    "the form of the heading": (WORDS.replace(" (•, 5 minutes)", ""), CHECK, STUB),
    "the name of the function": (WORDS.replace("`twice(x)`", "it"), CHECK, STUB),
    "a heading": (WORDS.replace("### ", "- "), CHECK, STUB),
    "a heading of its own": ("## Exercises\n\n**1. (5 minutes) Twice.** Write it.",
                             CHECK,
                             STUB),
    "the check": (WORDS, "#| code-fold: true\ndef added(x): return x + x", STUB),
    "the fold": (WORDS, CHECK.replace("#| code-fold: true\n", ""), STUB),
    "the second mistake": (WORDS, CHECK.replace(
        ',\n    "That is the half.": halved', ""), STUB),
    "another mistake": (WORDS, CHECK.replace(": halved", ": squared"), STUB),
    "the sentences": (WORDS, CHECK.replace('"That is the half."', '""'), STUB),
    "sentences that are written": (WORDS, CHECK[:CHECK.index("check =")]
                                   + "check = Exercise(added, [(3.0,)], known)\n"
                                   "assert check(added)", STUB),
    "the solution": (WORDS, CHECK.replace("assert check(added)", ""), STUB),
    "a solution that passes": (WORDS, CHECK.replace("assert check", "assert not check"),
                               STUB),
    "the solution, for another": (WORDS, CHECK.replace("check(added)", "check(halved)"),
                                  STUB),
    "the solution of a wrapped check": (WORDS, WRAPPED.replace(
        "assert check(added)", ""), STUB),
    "the stub": (WORDS, CHECK, "check(added)"),
    "the call": (WORDS, CHECK, "def twice(x): ..."),
    "the call of the stub": (WORDS, CHECK, "def twice(x): ...\n\ncheck(added)"),
    "an empty stub": (WORDS, CHECK, STUB.replace("...", "x + x")),
    "an open stub": (WORDS, CHECK, "#| code-fold: true\n" + STUB),
}


def cells(words, check, stub, said=NOTHING):
    output = {"output_type": "execute_result", "data": {"text/plain": [said]}}
    return [{"cell_type": "markdown", "source": "# Title\n\n```\n## Exercise\n```"},
            {"cell_type": "markdown", "source": words},
            {"cell_type": "code", "source": check.splitlines(True), "outputs": []},
            {"cell_type": "code", "source": stub, "outputs": [output]},
            {"cell_type": "markdown", "source": "## Summary\n\nExercises are done."}]


def test_whole():
    "A whole exercise is left in peace, also with a wrapped check, two stubs, `answer`"
    assert not list(exercise_problems(cells(WORDS, CHECK, STUB)))
    assert not list(exercise_problems(cells(WORDS, WRAPPED, STUB)))
    keyword = CHECK.replace("(5.0,)], {", "(5.0,)], mistakes={")
    assert not list(exercise_problems(cells(WORDS, keyword, STUB)))
    named = [part.replace("twice", "answer") for part in (WORDS, CHECK, STUB)]
    words = "### Exercise 1: twice (•, 5 minutes)\n\nDo"
    assert not list(exercise_problems(cells(words, *named[1:])))
    second = CHECK[CHECK.index("check ="):].replace("check", "check_more")
    both = ("def twice(x): ...\ndef more(x): ...\n\n"
            'print(check(twice), check_more(more), sep="\\n")')
    assert not list(exercise_problems(cells(WORDS + "\n\nAnd `more(x)`.",
                                            CHECK + second,
                                            both, f"{NOTHING}\n{NOTHING}\n")))


def test_left_out():
    "Whatever is left out is found"
    for what, parts in LEFT_OUT.items():
        assert list(exercise_problems(cells(*parts))), what
    said = cells(WORDS, CHECK, STUB, "Right, in all 2 cases.")
    assert list(exercise_problems(said)), "a stub that is filled in"
    assert list(exercise_problems(cells(WORDS, CHECK, STUB)[:3])), "no stub"
    said[3]["outputs"] = []
    assert list(exercise_problems(said)), "a stub that was not run"


if __name__ == "__main__": keep(globals(), "exercises")
