"""Build the site into _docs/: execute every notebook fresh in a copy, then render the
copy.

Quarto renders where it is on the path, otherwise smalldocs, both the same files to the
same addresses. Then `pages.py` mends what a page needs to stand alone.
Names of chapters execute these alone, and take the others from the last build;
`--rendered-only` renders what a former build has executed. `--compare` builds a second
time and lists the files that differ by a byte: none should, save where a chapter shows
a measured time or an error at the level of rounding.
"""
import argparse
import ast
import filecmp
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from folds import fold
from pages import answer_old_addresses, book_pages, mend, results_page, same_addresses

ROOT = Path(__file__).resolve().parent.parent
BUILD, SITE = ROOT / "_build", ROOT / "_docs"
# a wheel that carries the files of KaTeX 0.16.40, fonts included
KATEX_WHEEL = "djangocms-katex==1.0.2"
PLAYERS_OF_A_PAGE = 1_500_000  # bytes
KATEX_FILES = "djangocms_katex/static/djangocms_katex/vendor/katex/"


def run(*command, cwd=BUILD):
    subprocess.run([str(part) for part in command], cwd=cwd, check=True)


def copy_and_execute(chosen):
    """The notebooks of the copy get fresh outputs; those of the project stay as they
    are. Only the chosen chapters, if there are any"""
    if not chosen: shutil.rmtree(BUILD, ignore_errors=True)
    BUILD.mkdir(exist_ok=True)
    for name in ("settings.ini", "_quarto.yml"): shutil.copy(ROOT / name, BUILD)
    shutil.copytree(ROOT / "influence_nb", BUILD / "influence_nb", dirs_exist_ok=True,
                    ignore=shutil.ignore_patterns("__pycache__"))
    (BUILD / "nbs/_quarto.yml").unlink(missing_ok=True)  # a link is not copied onto one
    kept = {path.name for path in BUILD.glob("nbs/*.ipynb") if path.stem not in chosen}
    shutil.copytree(ROOT / "nbs", BUILD / "nbs", symlinks=True, dirs_exist_ok=True,
                    ignore=shutil.ignore_patterns(".ipynb_checkpoints", "images",
                                                  *kept))
    paths = [path for path in sorted((BUILD / "nbs").glob("*.ipynb"))
             if not chosen or path.stem in chosen]
    run(sys.executable, ROOT / "tools/execute.py", "--player", *paths, cwd=ROOT)


def public_names():
    "What the library defines for others, by name"
    return {node.name for path in (ROOT / "influence_nb").glob("*.py")
            for node in ast.parse(path.read_text(encoding="utf-8")).body
            if isinstance(node, (ast.FunctionDef, ast.ClassDef))
            and not node.name.startswith("_")}


def katex(target):
    "KaTeX's script, style and fonts, for pages that are read without a network"
    wheels = ROOT / ".venv/katex"
    if not list(wheels.glob("*.whl")):
        run(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest",
            wheels, KATEX_WHEEL, cwd=ROOT)
    keep = re.compile(
        r"(LICENSE|katex\.min\.(js|css)|contrib/auto-render\.min\.js|fonts/.*\.woff2)$")
    with zipfile.ZipFile(next(wheels.glob("*.whl"))) as wheel:
        for name in wheel.namelist():
            if name.startswith(KATEX_FILES) and keep.search(name):
                path = target / name.removeprefix(KATEX_FILES)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(wheel.read(name))


def render():
    "Pages in _build/_docs from the executed notebooks in _build/nbs"
    site = BUILD / "_docs"
    for old in ("_docs", "_proc"): shutil.rmtree(BUILD / old, ignore_errors=True)
    for path, name in ((ROOT, "_quarto.yml"), (ROOT / "nbs", "styles.css")):
        shutil.copy(path / name, BUILD / path.relative_to(ROOT))
    (BUILD / "nbs/86_benchmarks.md").write_text(
        results_page((ROOT / "benchmarks/results.md").read_text(encoding="utf-8")),
        encoding="utf-8")
    for figure in (ROOT / "benchmarks").glob("*.svg"):
        shutil.copy(figure, BUILD / "nbs")
    run(sys.executable, "-c", "from nbdev.serve import proc_nbs; proc_nbs(n_workers=2)")
    same_addresses(BUILD / "_proc")
    names = public_names()
    for path in (BUILD / "_proc").glob("*.ipynb"): fold(path, names)
    if shutil.which("quarto"):
        run("quarto", "render", "--no-cache", cwd=BUILD / "_proc")
    else: run(Path(sys.executable).parent / "smalldocs", "render", "--quiet", "_proc")
    if not site.exists(): shutil.move(BUILD / "_proc/_docs", site)
    katex(site / "site_libs/katex")
    elsewhere = mend(site)
    if elsewhere: sys.exit("\n".join(elsewhere))
    answer_old_addresses(site,
                         json.loads((ROOT / "tools/renamed.json")
                                    .read_text(encoding="utf-8")))
    check_weights(site)


def check_weights(site):
    "All players of a page together stay within the promise"
    for page in book_pages(site):
        weight = sum(map(len, re.findall(r'<div class="player".*?</script>\n</div>',
                                         page.read_text(encoding="utf-8"), re.S)))
        if weight > PLAYERS_OF_A_PAGE:
            sys.exit(f"the players of {page.name} weigh {weight / 1e6:.2f} MB, more "
                     f"than {PLAYERS_OF_A_PAGE / 1e6} MB")


def differences(first, second):
    "Files that two builds do not have in common, or not byte for byte"
    names = {path.relative_to(site).as_posix() for site in (first, second)
             for path in site.rglob("*") if path.is_file()}
    return sorted(filecmp.cmpfiles(first, second, names, shallow=False)[1]
                  + filecmp.cmpfiles(first, second, names, shallow=False)[2])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rendered-only", action="store_true",
                        help="do not execute, render the notebooks of the last build")
    parser.add_argument("--compare", action="store_true",
                        help="build again and compare with _docs/; exit 1 where a page "
                        "differs")
    parser.add_argument("chapters", nargs="*", help="execute only these")
    options = parser.parse_args()
    run(sys.executable, "-c", "from nbdev.doclinks import nbdev_export; nbdev_export()",
        cwd=ROOT)
    if not options.rendered_only: copy_and_execute(options.chapters)
    render()
    if options.compare:
        differing = differences(SITE, BUILD / "_docs")
        print(*(f"differs: {name}" for name in differing),
              f"{len(differing)} files differ", sep="\n")
        sys.exit(bool(differing))
    shutil.rmtree(SITE, ignore_errors=True)
    shutil.copytree(BUILD / "_docs", SITE)
    print(f"{len(book_pages(SITE))} pages in {os.path.relpath(SITE)}/")


if __name__ == "__main__": main()
