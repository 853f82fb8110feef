"""The package as a stranger gets it: what its files promise agrees, and both
distributions build and hold what they need.

Run by `make test`. Builds in a copy of the project, with the tools of .venv, so that no
network is needed.
"""
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from configparser import ConfigParser
from email import message_from_string
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
NOT_COPIED = (".git", ".venv", "_build", "_docs", "_proc", "_study", "build", "dist",
              "*.egg-info", "__pycache__", ".envs")


def settings():
    config = ConfigParser(delimiters=["="], interpolation=None)
    config.read(ROOT / "settings.ini", encoding="utf-8")
    return config["DEFAULT"]


def same_for_both_nbdevs():
    """nbdev 2 reads settings.ini, nbdev 3 the table in pyproject.toml: what one is
    told, the other is told too"""
    table = tomllib.loads((ROOT / "pyproject.toml")
                          .read_text(encoding="utf-8"))["tool"]["nbdev"]
    spoken = {key: str(value) for key, value in table.items()}
    assert spoken == {key: settings()[key] for key in table}, spoken
    # what nbdev 3 reads there, and would take for granted otherwise
    read_by_both = {"lib_path", "nbs_path", "doc_path", "readme_nb", "branch",
                    "custom_sidebar", "recursive", "tst_flags", "clean_ids",
                    "clear_all", "jupyter_hooks", "put_version_in_init", "title",
                    "skip_procs", "allowed_metadata_keys", "allowed_cell_metadata_keys",
                    "contributing_nb"}
    assert read_by_both & set(settings()) == set(table), read_by_both & set(
        settings()) ^ set(table)
    # so that nbdev makes no README.md: tools/readme.py does
    assert not (ROOT / "nbs" / table["readme_nb"]).exists()


def promised_pythons():
    "The README, the workflow and the list of versions name the same Pythons"
    promised, book, readme = (settings()["pythons"].split(), settings()["book_python"],
                              (ROOT / "README.md").read_text(encoding="utf-8"))
    assert promised[0] == settings()["min_python"] and book in promised
    assert (f"Python {book} or newer and `make`" in readme
            and f"needs Python {promised[0]} or newer" in readme)
    workflow = ROOT / ".github/workflows/test.yml"
    if not workflow.exists(): return  # a source distribution has none
    named = set(re.findall(r'"(3\.\d+)"', workflow.read_text(encoding="utf-8")))
    assert named == set(promised), named


def constraints_fit():
    """Every requirement has one version for every Python that is promised, and the
    oldest ones are those of settings.ini"""
    def lines(name):
        return [Requirement(line) for line in (ROOT / name).read_text(encoding="utf-8")
                .splitlines() if line and line[0] != "#"]
    library = [Requirement(text) for text in settings()["requirements"].split()]
    book = library + [Requirement(text) for kind in ("lab", "dask", "disk", "dev")
                      for text in settings()[f"{kind}_requirements"].split()]
    for python in settings()["pythons"].split():
        new_enough = tuple(map(int, python.split("."))) >= tuple(
            map(int, settings()["book_python"].split(".")))
        for wanted in book if new_enough else library:
            pins = [pin for pin in lines("constraints.txt") if pin.name == wanted.name
                    and (not pin.marker
                         or pin.marker.evaluate({"python_version": python}))]
            assert len(pins) == 1 and wanted.specifier.contains(str(pins[0].specifier)
                                                                .removeprefix("==")), (
                    python, str(wanted), pins)
    oldest = {pin.name: str(pin.specifier).removeprefix("==")
              for pin in lines("constraints-oldest.txt")}
    for wanted in library:
        version = str(wanted.specifier).removeprefix(">=")
        assert oldest.pop(wanted.name) == version + ".0" * (2
                                                            - version.count(".")), str(
                wanted)
    assert not oldest


def build(folder):
    "(source distribution, wheel made from it)"
    copy = folder / "project"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*NOT_COPIED))
    done = subprocess.run([sys.executable, "-m", "build", "--no-isolation", "--outdir",
                           folder], cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return next(folder.glob("*.tar.gz")), next(folder.glob("*-py3-none-any.whl"))


def source_is_whole(source):
    "All of the book: notebooks, results, tools, tests, settings"
    inside = {name.split("/", 1)[1] for name in tarfile.open(source).getnames()
              if "/" in name}
    kinds = ("*.*", "influence_nb/**/*.*", "nbs/**/*.*", "tools/*.*", "tests/*.*",
             "benchmarks/**/*.*")
    wanted = {path for kind in kinds for path in ROOT.glob(kind) if path.is_file()
              and not path.name.startswith(".")}
    unwanted = re.compile(
        r"/(__pycache__|\.\w+|results-\w+)/|nbdev\.yml$|digits-review\.json$")
    missing = {path.relative_to(ROOT).as_posix() for path in wanted
               if not unwanted.search(path.as_posix()
                                      .removeprefix(ROOT.as_posix()))} - inside
    assert not missing and "Makefile" in inside, ("MANIFEST.in forgets "
                                                  f"{sorted(missing)}")
    assert not [name for name in inside if "__pycache__" in name
                or name.endswith(".pyc")]


def wheel_is_whole(wheel):
    "Every module and the explorer's files; metadata without a link that leads nowhere"
    archive = zipfile.ZipFile(wheel)
    inside = {name for name in archive.namelist() if name.startswith("influence_nb/")}
    assert inside == {path.relative_to(ROOT).as_posix()
                      for path in (ROOT / "influence_nb").rglob("*.*")
                      if "__pycache__" not in path.parts}
    metadata = message_from_string(archive.read(next(name for name in archive.namelist()
                                                     if name.endswith("/METADATA")))
                                   .decode())
    assert (metadata["License-Expression"] == "Apache-2.0"
            and metadata["Requires-Python"] == f">={settings()['min_python']}")
    classifiers = metadata.get_all("Classifier")
    assert not [name for name in classifiers if name.startswith("License")]
    versions = [name.rsplit(" :: ", 1)[1] for name in classifiers
                if re.search(r":: 3\.\d+$", name)]
    assert versions == settings()["pythons"].split() and metadata["Keywords"]
    text = metadata.get_payload()
    nowhere = re.findall(r"\]\((?!https?:)[^)]*\)|<img|^\s*<!--", text, re.M)
    assert not nowhere and len(text) > 5000 and "make lab" in text, nowhere
    needed = [Requirement(line) for line in metadata.get_all("Requires-Dist")]
    assert {need.name for need in needed if need.marker is None} == {"torch", "numpy",
                                                                     "matplotlib"}


def main():
    for check in (same_for_both_nbdevs, promised_pythons, constraints_fit):
        check()
        print(f"package: {check.__name__.replace('_', ' ')}: yes")
    with tempfile.TemporaryDirectory() as folder:
        source, wheel = build(Path(folder))
        source_is_whole(source)
        wheel_is_whole(wheel)
        print(f"package: {source.name} ({source.stat().st_size / 1e6:.1f} MB) and "
              f"{wheel.name} ({wheel.stat().st_size / 1e3:.0f} kB) are whole")


if __name__ == "__main__": main()
