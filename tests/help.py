"""What `help` shows of an installed wheel: build it, install it into an empty folder,
and ask there.

Run by `make test`; it needs setuptools and wheel, and no network.
"""
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ASK = r"""
import pydoc, re, sys, time
import influence_nb
from influence_nb import prompt
assert influence_nb.__file__.startswith(sys.argv[1]), influence_nb.__file__

def shown(item): return pydoc.render_doc(item, renderer=pydoc.plaintext)

def appears(item, parameter, comment):
    found = [line.strip(" |") for line in shown(item).splitlines()]
    at = [i for i, line in enumerate(found)
          if line == parameter and found[i + 1].startswith(comment)]
    assert at, f"help({item}) does not show {parameter}"
    shown_times = len(re.findall(rf"^{parameter}$", item.__doc__, re.M))
    assert shown_times == 1, f"{item}: {parameter}"

# a class has them from its base or its inverse; functions, methods, named tuples
appears(influence_nb.DirectInfluence, "regularization", "what pyDVL calls")
appears(influence_nb.CgInfluence, "maxiter", "iterations at most")
appears(influence_nb.leave_one_out, "indices", "training points to leave out")
appears(influence_nb.Influence.influences, "x_test", "test inputs")
appears(influence_nb.Suspects, "guess", "class that the model prefers")

modules = [module for name, module in sys.modules.items()
           if name.startswith("influence_nb.")]
items = [item for module in modules for item in prompt._public(module)]
texts = [item.__doc__ or "" for item in items]
bare = re.compile(r"\n*^(Parameters|Attributes|Returns)\n---.*", re.M | re.S)
for item in items: item.__doc__ = bare.sub("", item.__doc__ or "")
start = time.process_time()
prompt.comments_in_help("influence_nb")
milliseconds = 1000 * (time.process_time() - start)
assert [item.__doc__ or "" for item in items] == texts
print(f"{len(items)} docstrings extended in {milliseconds:.0f} ms of processor time")
"""


def installed(folder):
    "The library from its wheel, in a folder of its own"
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    source = folder / "source"  # a copy, since setuptools builds beside the sources
    shutil.copytree(ROOT / "influence_nb", source / "influence_nb")
    for path in ROOT.iterdir():
        if path.is_file() and not path.name.startswith("."): shutil.copy(path, source)
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir",
             folder / "dist", source]
    subprocess.run([str(part) for part in pip + build], check=True)
    wheel, = (folder / "dist").glob("*.whl")
    install = ["install", "--no-deps", "--no-index", "--target", folder / "site", wheel]
    subprocess.run([str(part) for part in pip + install], check=True)
    return folder / "site"


def main():
    with tempfile.TemporaryDirectory() as folder:
        site = installed(Path(folder).resolve())
        command = [sys.executable, "-c", ASK, str(site)]
        asked = subprocess.run(command, cwd=folder,
                               env={"PYTHONPATH": str(site), "PATH": ""})
    sys.exit(asked.returncode)


if __name__ == "__main__": main()
