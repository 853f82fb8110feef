"""What every exercise of every chapter has, read from the notebook as it stands: words
that name the reader's function (where it is not called `answer`), a folded cell with
the check, the solution that passes it and two mistakes with a sentence each, and an
open cell with a stub for the reader, whose stored verdict is that nothing is returned
yet. `tools/lint.py` asks for it.

That the mistakes fail, each with its own sentence, is seen when the chapter runs:
`Exercise` refuses to be made otherwise.
"""
import ast
import re

HEADING = re.compile(r"Exercise( \d+)?: .+ \(•{1,3}, \d+ minutes\)$")
NOTHING = "Not yet. In case 1, nothing is returned yet."


def source(cell): return "".join(cell["source"])


def pieces(cells):
    """[heading or None, words, code cells] of each part of a notebook; a heading within
    a listing is none"""
    found = [[None, "", []]]
    for cell in cells:
        if cell["cell_type"] == "code":
            found[-1][2].append(cell)
            continue
        listing = False
        for line in source(cell).splitlines():
            listing ^= line.startswith(("```", "~~~"))
            heading = None if listing else re.match(r"##+ +(.*?)\s*$", line)
            if heading: found.append([heading[1], "", []])
            else: found[-1][1] += line + "\n"
    return found


def calls_in(node, names):
    "The calls of functions of these names within a piece of code"
    return [call for call in ast.walk(node) if isinstance(call, ast.Call)
            and isinstance(call.func, ast.Name) and call.func.id in names]


def denied(node):
    "Everything that stands under a `not`"
    return {id(part) for inner in ast.walk(node) if isinstance(inner, ast.UnaryOp)
            and isinstance(inner.op, ast.Not) for part in ast.walk(inner)}


def mistakes_of(call):
    """The sentences and functions of an `Exercise(…)`, or None where they are not
    written"""
    given = call.args[2:3] + [k.value for k in call.keywords if k.arg == "mistakes"]
    if len(given) != 1 or not isinstance(given[0], ast.Dict): return None
    return [(key.value if isinstance(key, ast.Constant) else None, ast.unparse(value))
            for key, value in zip(given[0].keys, given[0].values)]


def made_in(tree):
    "{name: its `Exercise(…)`} that a cell makes, and {wrapper: names it calls}"
    made = {node.targets[0].id: node.value for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
            and calls_in(node.value, {"Exercise"}) == [node.value]}
    wrappers = {node.name: {call.func.id for call in calls_in(node, made)}
                for node in tree.body if isinstance(node, ast.FunctionDef)}
    return made, {name: calls for name, calls in wrappers.items() if calls}


def of_check(cell):
    "What is wrong with the folded cell, and the names of the checks that it makes"
    tree, problems = ast.parse(source(cell)), []
    if not re.search(r"^#\|\s*code-fold: true$", source(cell), re.M):
        problems.append("the cell of the check, with the solution in it, is not folded")
    made, wrappers = made_in(tree)
    passed = {(call.func.id, ast.unparse(call.args[0]))
              for node in tree.body if isinstance(node, ast.Assert)
              for call in calls_in(node.test, made | wrappers)
              if call.args and id(call) not in denied(node.test)}
    for name, call in made.items():
        mistakes = mistakes_of(call) or []
        if not all(isinstance(sentence, str) and sentence for sentence, _ in mistakes):
            problems.append("a mistake has no sentence")
        if min(len({m[0] for m in mistakes}), len({m[1] for m in mistakes})) < 2:
            problems.append("fewer than two wrong answers, each with its own sentence")
        around = {wrapper for wrapper, calls in wrappers.items() if name in calls}
        right = (any(check in around for check, _ in passed) if around else
                 call.args and (name, ast.unparse(call.args[0])) in passed)
        if not right: problems.append(f"no `assert {name}(…)` with the solution")
    hidden = set().union(*wrappers.values())
    return problems, (set(made) - hidden) | set(wrappers)


def of_stub(cell, checks, words):
    "What is wrong with the open cell"
    tree, text = ast.parse(source(cell)), source(cell)
    stubs = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    if "#|" in text: yield "the cell of the stub has directives: it should stand open"
    for stub in stubs:
        if ast.unparse(stub.body[0]) != "..." or len(stub.body) > 1:
            yield f"the stub {stub.name} holds more than `...`"
        if stub.name != "answer" and f"`{stub.name}(" not in words:
            yield f"the words of the exercise do not say `{stub.name}(…)`"
    asked = {ast.unparse(call) for call in calls_in(tree.body[-1], checks)}
    tried = {re.search(r"\((\w+)\)$", call)[1] for call in asked}
    if len(asked) != len(checks) or tried != {stub.name for stub in stubs}:
        yield "the cell of the stub does not end with its check"
    texts = (output.get("text") or output.get("data", {}).get("text/plain", "")
             for output in cell["outputs"])
    shown = "".join(map("".join, texts)).split("\n")
    if shown[:len(checks)] != [NOTHING] * len(checks):
        yield f"the stored verdict of the stub is not {NOTHING!r}"


def of_exercise(heading, words, code):
    "What one exercise lacks"
    if not HEADING.match(heading):
        yield "the heading is not of the form: Exercise 1: a name (•, 5 minutes)"
    making = [cell for cell in code if "Exercise(" in source(cell)]
    if len(making) != 1:
        yield f"{len(making)} cells make an `Exercise`, one should"
        return
    problems, checks = of_check(making[0])
    yield from problems
    behind = code[code.index(making[0]) + 1:]
    stubs = [cell for cell in behind if re.search(r"\): \.\.\.$", source(cell), re.M)]
    if len(stubs) != 1:
        yield f"{len(stubs)} cells with a stub behind the check, not one"
    else: yield from of_stub(stubs[0], checks, words)


def exercise_problems(cells):
    """One sentence for each thing that an exercise of a notebook lacks; also for an
    exercise that hides under another heading, or among the words"""
    for heading, words, code in pieces(cells):
        if heading and heading.startswith("Exercise") and heading != "Exercises":
            for problem in of_exercise(heading, words, code):
                yield f"{heading.partition(' (')[0]}: {problem}"
            continue
        if heading == "Exercises" and (words.strip() or code):
            yield "Exercises: each needs a heading of its own"
        for line in words.splitlines():
            if re.match(r"\W*(\d+\W+)?Exercise\b[^s]", line):
                yield f"an exercise without a heading: {line[:50]}"
