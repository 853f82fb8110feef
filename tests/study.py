"""What `make study` leaves: the tables of *A page retold* on the screen, and a whole
page whose pictures are described. Run by `make test`.
"""
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TABLES = ("share of class 1", "average influence", "conjugate gradient", "published",
          "Hessian of 100", "mean influence")


def recipe():
    "The command of the target, without what make fills in"
    line = re.search(r"^study:.*\n\t(.*)", (ROOT / "Makefile").read_text(), re.M)[1]
    return re.search(r"tools/execute\.py (.*?) nbs/", line)[1].split()


def main():
    options = recipe()
    assert options[:2] == ["--out", "_study"], options
    study, = (ROOT / "nbs").glob("*_mislabeling.ipynb")
    with tempfile.TemporaryDirectory() as folder:
        said = subprocess.run(
            [sys.executable, ROOT / "tools/execute.py", "--out", folder, *options[2:],
             study], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True, text=True, check=True).stdout
        page = Path(folder, study.stem + ".html").read_text(encoding="utf-8")
        assert Path(folder, study.name).exists()
    missing = [table for table in TABLES if table not in said]
    assert not missing, f"not printed: {missing}"
    assert not re.search(r"^-?[\d.]+(e[+-]?\d+)?$", said, re.M), "a bare number"
    pictures = re.findall(r"<img[^>]*>", page)
    told = [re.search(r'alt="([^"]*)"', picture)[1] for picture in pictures]
    assert len(told) >= 5 and min(map(len, told)) > 30, told
    assert "No description" not in page and page.rstrip().endswith("</html>")
    assert all(table in page for table in TABLES) and "References" in page
    print(f"{len(TABLES)} tables, {len(told)} pictures with descriptions")


if __name__ == "__main__": main()
