"""Give chapters new numbers: `python tools/rename.py 01_data=11_data …`.

Moves the notebooks and their claims, mends every link to them, remembers the old
addresses for the site in tools/renamed.json, and exports the library anew. The order
in the table of contents (`_quarto.yml`, the front page) stays to be chosen by hand.
"""
import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RENAMED = ROOT / "tools/renamed.json"  # {old stem: stem of today}
TEXTS = ("nbs/*.ipynb", "_quarto.yml", "README.md", "tools/*.py", "tests/*.py",
         "benchmarks/*.md", "benchmarks/*.py", "tools/*.json", "tests/*.json")


def remember(new_names):
    "Old addresses lead to the chapters' places of today, also those that moved before"
    known = json.loads(RENAMED.read_text(encoding="utf-8")) if RENAMED.exists() else {}
    known = {old: new_names.get(now, now) for old, now in known.items()} | new_names
    RENAMED.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


def relink(path, new_names):
    "Every old name in a text, as a whole word, becomes the new one"
    old = re.compile(r"(?<![\w/-])(" + "|".join(map(re.escape, new_names)) + r")(?!\w)")
    in_folder = re.compile(r"(?<=nbs/)(" + "|".join(map(re.escape, new_names))
                           + r")(?!\w)")
    text = path.read_text(encoding="utf-8")
    for pattern in (old, in_folder):
        text = pattern.sub(lambda found: new_names[found[1]], text)
    path.write_text(text, encoding="utf-8")


def main():
    new_names = dict(pair.split("=") for pair in sys.argv[1:])
    if not new_names: sys.exit(__doc__)
    for old, new in new_names.items():
        # the benchmarks are a chapter of the site, and no notebook
        for place in ("nbs/{}.ipynb", "nbs/results/claims/{}.json"):
            if (ROOT / place.format(old)).exists():
                subprocess.run(["git", "mv", place.format(old), place.format(new)],
                               cwd=ROOT, check=True)
    for pattern in TEXTS:
        for path in ROOT.glob(pattern):
            if path.name not in (Path(__file__).name, RENAMED.name):
                relink(path, new_names)
    remember(new_names)
    subprocess.run([sys.executable, "-c", "from nbdev.doclinks import nbdev_export; "
                    "nbdev_export()"], cwd=ROOT, check=True)


if __name__ == "__main__": main()
