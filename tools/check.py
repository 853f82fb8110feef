"Everything that `make test` checks, one line each, and a count at the end."
import hashlib
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CORE_ONLY = """
import sys

refused = ("tqdm", "ipywidgets", "IPython", "sklearn", "fastcore", "nbdev", "anywidget",
           "dask", "safetensors", "zarr")
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in refused: raise ImportError(name)
import torch._dynamo, numpy, matplotlib.pyplot
for name in list(sys.modules):
    if name.split(".")[0] in refused: del sys.modules[name]
sys.meta_path.insert(0, Refuse())
from influence_nb import *

model, loss = TorchLogisticRegression(2), torch.nn.BCELoss()
batch = [(torch.zeros(4, 2).double(), torch.ones(4, 1).double())]
optimizer = torch.optim.SGD(model.parameters(), 0.1)
fit_torch_model(model, batch, batch, loss, optimizer)  # goes on without a bar
fitted = DirectInfluence(model, loss, 0.1).fit(batch)
for call in (lambda: explore(print), influence_explorer, lambda: fitted.save("fitted"),
             lambda: review_labels(numpy.eye(4), [0, 1, 0, 1], range(4))):
    try: call()
    except ImportError as error:
        assert "pip install 'influence_nb[lab]'" in str(error), error
        assert error.__suppress_context__, error
    else: raise AssertionError("went on without the extra")
"""


COMMANDS = []  # checks that write nothing into the project, and may run two at a time


def fingerprint():
    "The content of everything that export and clean may write"
    files = [*ROOT.glob("nbs/*.ipynb"), *ROOT.glob("influence_nb/*.py")]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def command(*arguments):
    "A check that passes when a command does; what it says goes to `output`"
    def check(output=None):
        return subprocess.run([str(a) for a in arguments], cwd=ROOT, stdout=output,
                              stderr=output and subprocess.STDOUT).returncode == 0
    COMMANDS.append(check)
    return check


def leaves_no_diff(module, function):
    """A check of one of nbdev's commands, called as a function: nbdev 2 and nbdev 3
    spell the command differently"""
    def check():
        before = fingerprint()
        passed = command(sys.executable, "-c", f"from {module} import {function}; "
                         f"{function}()")()
        changed = [path for path, digest in fingerprint().items()
                   if before.get(path) != digest]
        if changed: print(f"{function} changes {changed}: commit what it wrote")
        return passed and not changed
    return check


def site():
    """Every cell of every chapter runs, as `nbdev_test` runs it, and an error ends it;
    what the cells show becomes the site"""
    return (command(sys.executable, ROOT / "tools/build_site.py")()
            and all((ROOT / "_docs" / f"{path.stem}.html").exists()
                    for path in ROOT.glob("nbs/*.ipynb")))


CHECKS = {
    "clean leaves no diff": leaves_no_diff("nbdev.clean", "nbdev_clean"),
    "export leaves no diff": leaves_no_diff("nbdev.doclinks", "nbdev_export"),
    "README.md is what the front page says": command(
        sys.executable, ROOT / "tools/readme.py", "--check"),
    "the library needs only torch, numpy and matplotlib": command(
        sys.executable, "-c", CORE_ONLY),
    "help shows the parameters, from a wheel too": command(
        sys.executable, ROOT / "tests/help.py"),
    "every module imports what it uses, and only that": command(
        sys.executable, "-m", "pyflakes", *sorted(
            set(ROOT.glob("influence_nb/*.py")) - {ROOT / "influence_nb/__init__.py"})),
    "captions, descriptions, docments, checks, sizes, exercises": command(
        sys.executable, ROOT / "tools/lint.py"),
    "pages in Quarto's markup are mended": command(
        sys.executable, ROOT / "tests/quarto_pages.py"),
    "code folds by rule": command(sys.executable, ROOT / "tests/folded.py"),
    "an exercise that lacks something is found": command(
        sys.executable, ROOT / "tests/exercises.py"),
    "make takes the Python that is asked for": command(
        sys.executable, ROOT / "tests/makefile.py"),
    "the case study runs without a browser": command(
        sys.executable, ROOT / "tests/study.py"),
    "the package builds and keeps its promises": command(
        sys.executable, ROOT / "tests/package.py"),
    "the zoo: right numbers or clear words": command(
        sys.executable, ROOT / "tests/zoo.py"),
    "without its workshop the library is only slower": command(
        sys.executable, ROOT / "tests/plain.py"),
    "what chapters check on a few cases holds on all": command(
        sys.executable, ROOT / "tests/wide.py"),
    "a list of suspects comes, whatever fails": command(
        sys.executable, ROOT / "tests/suspects.py"),
    "every inverse is right or loud on hard numbers": command(
        sys.executable, ROOT / "tests/conditions.py"),
    "a bad argument gets a clear word": command(
        sys.executable, ROOT / "tests/fuzz.py"),
    "threads, default devices, inference mode and compile change no number": command(
        sys.executable, ROOT / "tests/surroundings.py"),
    "the desk loses nothing and lets nobody in": command(
        sys.executable, ROOT / "tests/desk.py"),
    "a writer killed twenty times leaves the same bits": command(
        sys.executable, ROOT / "tests/streaming.py"),
    "an accelerator gives the processor's numbers, where there is one": command(
        sys.executable, ROOT / "tests/device.py"),
    "a messy table becomes clean labels, whatever the model": command(
        sys.executable, ROOT / "tests/messy.py"),
    "processes of a cluster give the numbers of one machine": command(
        sys.executable, ROOT / "tests/dask_cluster.py"),
    "what readers stumble over only gets less": command(
        sys.executable, ROOT / "tools/reading.py"),
    "nbdev_test runs a chapter": command(
        sys.executable, "-c", "from nbdev.test import nbdev_test; "
        "nbdev_test('nbs/10_one_point.ipynb')"),
    "every chapter runs, and the site builds from it": site,
}


def one_by_one(name):
    print(f"── {name}", flush=True)
    return CHECKS[name]()


def side_by_side(names, workers=2):
    """{name: whether it passed} of checks that run two at a time; what each says is
    printed in one piece when it is done"""
    def run(name):
        start = time.time()
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
            passed = CHECKS[name](said)
            said.seek(0)
            print(f"── {name} ({time.time() - start:.0f} s)\n{said.read()}", flush=True)
        return passed
    with ThreadPoolExecutor(workers) as pool:
        return dict(zip(names, pool.map(run, names)))


def main():
    results = {}
    for together, group in groupby(CHECKS, lambda name: CHECKS[name] in COMMANDS):
        if together: results |= side_by_side(list(group))
        else: results |= {name: one_by_one(name) for name in group}
    for name, passed in results.items():
        print(f"{'passed' if passed else 'FAILED'}  {name}")
    failed = sum(not passed for passed in results.values())
    print(f"{len(results) - failed} passed, {failed} failed")
    sys.exit(bool(failed))


if __name__ == "__main__": main()
