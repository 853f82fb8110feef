"""Try the library as it was installed: import every module and run the Python lines of
README.md, in their order.

Needs nothing but what the package needs. For any environment, from any folder: `python
tests/installed.py`.
"""
import importlib
import importlib.util
import pkgutil
import platform
import re
import sys
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# the installed one, not the checkout
sys.path = [folder for folder in sys.path if Path(folder or ".").resolve() != ROOT]

import matplotlib

matplotlib.use("agg")
import influence_nb


def import_everything():
    "The modules of the package, each imported; its other files are there too"
    here = Path(influence_nb.__file__).resolve().parent
    names = [module.name for module in pkgutil.iter_modules([str(here)])]
    for name in names: importlib.import_module(f"influence_nb.{name}")
    expected = {path.name for path in (ROOT / "influence_nb").rglob("*.*")
                if "__pycache__" not in path.parts}
    missing = expected - {path.name for path in here.rglob("*.*")}
    assert not missing, f"the package lacks {sorted(missing)}"
    return names


def run_readme():
    "The blocks of Python in README.md, run as one program"
    blocks = re.findall(r"^```python\n(.*?)^```",
                        (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)
    assert len(blocks) > 3
    names = {"__name__": "readme"}
    for number, block in enumerate(blocks):
        exec(compile(block, f"README.md, block {number}", "exec"), names)
    return blocks


def main():
    modules, blocks = import_everything(), run_readme()
    versions = ", ".join(f"{name} {version(name)}"
                         for name in ("torch", "numpy", "matplotlib", "influence_nb"))
    print(f"Python {platform.python_version()}, {versions}, in "
          f"{Path(influence_nb.__file__).parent}")
    print(f"{len(modules)} modules imported, {len(blocks)} blocks of README.md run")


if __name__ == "__main__": main()
