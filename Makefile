# Two commands are enough: `make lab` to read and play, `make test` to check everything.
PYTHON ?= python3
CONSTRAINTS ?= constraints.txt
PORT ?= 8888
BIN = .venv/bin
READY = .venv/.ready
STUDY = $(notdir $(wildcard nbs/*_mislabeling.ipynb))
export OMP_NUM_THREADS ?= 1

help:  ## this list
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/make \1\t\2/' | expand -t 20

# `make PYTHON=…` makes .venv anew where it was made with another Python.
ifneq ($(origin PYTHON),file)
version = $(shell $(1) -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null)
ifneq ($(call version,$(PYTHON)),$(call version,$(BIN)/python))
.PHONY: $(READY)
endif
endif

$(READY): settings.ini setup.py $(CONSTRAINTS)
	@sh tools/venv.sh '$(PYTHON)' $(origin PYTHON)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS) --editable '.[lab,dask,dev]'
	@touch $@

install: $(READY)  ## set up .venv (the other targets do it when it is needed); PYTHON=python3.12 chooses the Python

lab: $(READY)  ## open JupyterLab on the case study; PORT=9000 chooses the port, BROWSER=none opens no browser
	@echo "In JupyterLab, Run > Run All Cells runs the page, and Shift+Enter runs one cell. Ctrl+C here ends it."
	$(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) --port=$(PORT) $(if $(filter none,$(BROWSER)),--no-browser) --LabApp.app_settings_dir="$(CURDIR)/tools/lab" nbs/$(STUDY)

test: $(READY)  ## run every chapter, check that export and clean change nothing, build and check the site
	$(BIN)/python tools/check.py

chapters: $(READY)  ## nbdev_test of every chapter, two at a time, with the time of each
	PYTHONPATH=tools $(BIN)/python -c 'import warm; from nbdev.test import nbdev_test; nbdev_test(n_workers=2, timing=True)'

study: $(READY)  ## run the case study without a browser; leaves the executed notebook and a page in _study/
	$(BIN)/python tools/execute.py --out _study --show --html nbs/$(STUDY)

docs: $(READY)  ## execute every chapter and build the site into _docs/
	$(BIN)/python tools/build_site.py

reproduce: $(READY)  ## build the site again and list the pages that differ from _docs/ by a byte
	@test -d _docs || $(MAKE) docs
	$(BIN)/python tools/build_site.py --compare

test-browser: $(READY)  ## open every page of _docs/, every widget in JupyterLab, the review desk and the explorer, in Chromium
	@test -d _docs || $(MAKE) docs
	$(BIN)/python tests/browser.py
	$(BIN)/python tests/layout.py
	$(BIN)/python tests/searches.py
	$(BIN)/python tests/first_screen.py
	$(BIN)/python tests/review.py
	$(BIN)/python tests/explorer.py

weigh: $(READY)  ## how large each page is, and when it shows something on a slow line
	@test -d _docs || $(MAKE) docs
	$(BIN)/python tests/weigh.py

bench: $(READY)  ## measure against the other libraries, in environments of their own
	env -u OMP_NUM_THREADS $(BIN)/python benchmarks/run.py

experiments: $(READY)  ## compute anew what takes long, and store it with date and versions in nbs/results/
	INFLUENCE_NB_EXPERIMENTS=1 $(BIN)/python tools/execute.py $(shell grep -l 'stored(' nbs/*.ipynb)

notebooks: $(READY)  ## execute every chapter in place, export the library, make README.md
	$(BIN)/python tools/execute.py nbs/*.ipynb
	$(BIN)/python -c 'from nbdev.doclinks import nbdev_export; nbdev_export()'
	$(BIN)/python -c 'from nbdev.clean import nbdev_clean; nbdev_clean()'
	$(BIN)/python tools/readme.py

.PHONY: help install lab test chapters study docs reproduce test-browser weigh bench experiments notebooks
