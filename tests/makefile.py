"""Which Python make takes for .venv, and when it makes .venv anew. Run by `make test`.

The Pythons are pretended ones in an empty folder: programs that answer with the version
in their name.
"""
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PRETENDED = '''#!{python}
import shutil, sys
from pathlib import Path
version, arguments = {version}, sys.argv[1:]
if arguments[0] == "-c":
    sys.version_info, sys.argv = version, ["-c", *arguments[2:]]
    exec(arguments[1])
elif arguments[:2] == ["-m", "venv"]:
    Path(arguments[2], "bin").mkdir(parents=True)
    shutil.copy(__file__, Path(arguments[2], "bin/python"))
    sys.exit(Path("no-ensurepip").exists())
elif arguments[:2] == ["-m", "pip"]: sys.exit(Path("no-network").exists())
'''


class Folder:
    "A copy of what make reads, and the Pythons of a machine"
    def __init__(self, path, default):
        self.path = Path(path)
        for name in ("Makefile", "settings.ini", "setup.py", "constraints.txt"):
            shutil.copy(ROOT / name, path)
        (self.path / "tools").mkdir()
        shutil.copy(ROOT / "tools/venv.sh", self.path / "tools")
        (self.path / "machine").mkdir()
        for version in ((3, 10, 13), (3, 11, 7), (3, 12, 1)):
            self.pretend(f"python3.{version[1]}", version)
        self.pretend("python3", default)

    def pretend(self, name, version):
        program = self.path / "machine" / name
        program.write_text(PRETENDED.format(python=sys.executable, version=version))
        program.chmod(0o755)

    def make(self, *arguments):
        "(whether it passed, what it said)"
        clean = {name: value for name, value in os.environ.items()
                 if name not in ("PYTHON", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
        clean["PATH"] = f"{self.path / 'machine'}:{clean['PATH']}"
        done = subprocess.run(["make", "install", *arguments], cwd=self.path, env=clean,
                              capture_output=True, text=True)
        return done.returncode == 0, done.stdout + done.stderr

    def version(self):
        "The Python of .venv, None without one"
        python = self.path / ".venv/bin/python"
        if not python.exists(): return None
        return subprocess.run([python, "-c", "import sys; print(*sys.version_info, "
                               "sep='.')"], capture_output=True,
                              text=True).stdout.strip()


def new_enough(folder):
    passed, said = folder.make()
    assert passed and folder.version() == "3.11.7", said
    passed, said = folder.make()
    assert passed and "pip" not in said, said  # nothing to do


def too_old(folder):
    for arguments in (), ("PYTHON=python3.10",):
        passed, said = folder.make(*arguments)
        assert not passed and folder.version() is None, said
        assert "The book needs Python 3.11 or newer, and python3" in said, said
        assert "is 3.10.13" in said and "Traceback" not in said, said
    passed, said = folder.make("PYTHON=python3.12")
    assert passed and folder.version() == "3.12.1", said
    (folder.path / "settings.ini").touch()
    passed, said = folder.make()  # the .venv that works is kept, whatever python3 is
    assert passed and folder.version() == "3.12.1", said


def not_there(folder):
    passed, said = folder.make("PYTHON=python3.99")
    assert not passed and "python3.99 is not there" in said, said
    assert "not found" not in said, said


def failed_before(folder):
    (folder.path / "no-network").touch()
    passed, said = folder.make("PYTHON=python3.12")
    assert not passed and folder.version() == "3.12.1", said
    (folder.path / "no-network").unlink()
    passed, said = folder.make("PYTHON=python3.11")
    assert passed and folder.version() == "3.11.7" and "made anew" in said, said


def another_is_asked_for(folder):
    folder.make()
    passed, said = folder.make("PYTHON=python3.12")
    assert passed and folder.version() == "3.12.1", said
    assert "(Python 3.11.7) is made anew with Python 3.12.1" in said, said
    passed, said = folder.make("PYTHON=python3.12")
    assert passed and "pip" not in said, said
    passed, said = folder.make()
    assert passed and folder.version() == "3.12.1", said
    # refused, and what works is left alone
    passed, said = folder.make("PYTHON=python3.10")
    assert not passed and folder.version() == "3.12.1", said


def made_with_one_too_old(folder):
    subprocess.run([folder.path / "machine/python3.10", "-m", "venv", ".venv"],
                   cwd=folder.path, check=True)
    passed, said = folder.make()
    assert passed and folder.version() == "3.11.7" and "made anew" in said, said


def no_ensurepip(folder):
    (folder.path / "no-ensurepip").touch()
    passed, said = folder.make()
    assert not passed and folder.version() is None, said
    assert "apt install python3-venv" in said, said


def main():
    default = {too_old: (3, 10, 13)}
    for case in (new_enough, too_old, not_there, failed_before, another_is_asked_for,
                 made_with_one_too_old, no_ensurepip):
        with tempfile.TemporaryDirectory() as path:
            case(Folder(path, default.get(case, (3, 11, 7))))
        print(f"make: {case.__name__.replace('_', ' ')}: as promised")


if __name__ == "__main__": main()
