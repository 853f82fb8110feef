"""After an edit that changes the code of a stored experiment, and none of its numbers:
run the chapter, whose checks make one draw again exactly, and where all of them hold,
store what the code is now.

    python tools/rehash.py nbs/19_damping.ipynb
"""
import datetime
import json
import os
import sys
from pathlib import Path

import warm  # noqa: F401
from nbdev.test import test_nb

import influence_nb
from influence_nb import experiments

READ = experiments.stored  # itself, also after a first chapter


def rehash(chapter):
    """Names of the results whose hash was renewed. Raises where a check of the chapter
    fails"""
    met = {}

    def stored(name, compute=None, folder="results"):
        results = READ(name, compute, folder)
        if compute is None: return results  # shown above the code that makes it
        code = experiments.code_of(compute)
        if code != results["made"].get("code"): met[Path(folder, f"{name}.json")] = code
        return {**results, "made": results["made"] | {"code": code}}

    experiments.stored = influence_nb.stored = stored
    home = Path.cwd()
    passed, _ = test_nb(Path(chapter).resolve(), do_print=True)
    if not passed: raise SystemExit(f"{chapter}: a check fails, nothing was written")
    os.chdir(home)
    for path, code in met.items():
        path = Path(chapter).parent / path
        if not path.exists(): continue  # of a folder that the chapter made to show it
        results = json.loads(path.read_text(encoding="utf-8"))
        results["made"] |= {"code": code, "checked": datetime.date.today().isoformat()}
        path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        print(f"{path}: {code}")


if __name__ == "__main__":
    for name in sys.argv[1:]: rehash(name)
