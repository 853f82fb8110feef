#!/bin/sh
# Make .venv, or keep the one that is there: `sh tools/venv.sh PYTHON [file]`, run by make.
# "file" says that nobody asked for this Python: it is the Makefile's own choice, and any .venv that works is kept.
book=$(sed -n 's/^book_python *= *//p' settings.ini)
version() { $1 -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null; }
enough() { $1 -c "import sys; sys.exit(sys.version_info[:2] < tuple(map(int, '$book'.split('.'))))" 2>/dev/null; }
usable() { enough .venv/bin/python && .venv/bin/python -c 'import pip' 2>/dev/null; }

there=$(version .venv/bin/python)
asked=$(version "$1")
if usable && { [ "$2" = file ] || [ "$there" = "$asked" ]; }; then exit 0; fi
if ! enough "$1"; then
  echo "The book needs Python $book or newer, and $1 is ${asked:-not there}: say which, as in \`make lab PYTHON=python$book\`." >&2
  exit 1
fi
if [ -e .venv ]; then echo "The environment in .venv (Python ${there:-is gone}) is made anew with Python $asked."; fi
rm -rf .venv
if ! $1 -m venv .venv; then
  rm -rf .venv
  echo "Python needs its venv module (Debian: apt install python3-venv)." >&2
  exit 1
fi
