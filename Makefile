# Everything a fresh machine with Python >= 3.10, pip and make needs: `make demo` and `make test`.
# `make help` lists the rest.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
CONSTRAINTS := requirements/constraints.txt
TORCH := $(shell sed -n 's/^\(torch==[^; ]*\).*/\1/p' $(CONSTRAINTS))
SOURCES := $(shell find edge2torch -type f -not -path '*/__pycache__/*')

# Notebook kernels come from this environment, never from the user's home.
export JUPYTER_PREFER_ENV_PATH := 1
export PYTHONUTF8 := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test setup lint types contracts wheel pytest notebooks format constraints clean distclean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | column -t -s '|' 2>/dev/null || grep '##' Makefile

# ---------------------------------------------------------------------------- what users call

demo: $(VENV)/.ready-run ## set up .venv, run the main job on real data, write demo_output/
	$(BIN)/edge2torch demo

test: lint types contracts wheel pytest ## set up .venv, run every check

# ---------------------------------------------------------------------------------- set-up
# A stamp is written when its step is complete. `.building` stands while pip works: where it is
# found at the start, the last set-up was cut short, and the environment is made afresh.

$(VENV)/.ready-run: pyproject.toml $(CONSTRAINTS) requirements/demo-data.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "edge2torch needs Python 3.10 or newer; name one with: make PYTHON=python3.12 ..."; exit 1; }
	@if [ -e $(VENV)/.building ]; then rm -rf $(VENV); fi
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || \
	  $(PYTHON) -m venv --clear $(VENV) || \
	  { $(PYTHON) -m venv --clear --without-pip $(VENV) && \
	    $(PYTHON) -m pip --python $(BIN)/python install --quiet pip; }
	@touch $(VENV)/.building
	@$(PIP) install --quiet 'pip>=23.1'
	@echo "Setting up $(VENV). Installing $(TORCH) first; on a slow line this takes some minutes."
	$(PIP) install --quiet $(TORCH)
	$(PIP) install --quiet --constraint $(CONSTRAINTS) --editable '.[cli]'
	$(PIP) install --quiet --no-deps --requirement requirements/demo-data.txt
	@rm $(VENV)/.building
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready-run
	@touch $(VENV)/.building
	$(PIP) install --quiet --constraint $(CONSTRAINTS) --editable '.[dev]'
	@rm $(VENV)/.building
	@touch $@

setup: $(VENV)/.ready-dev ## set up .venv for development

# ---------------------------------------------------------------------------------- checks

lint: $(VENV)/.ready-dev ## ruff: lint and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.ready-dev ## mypy, strict on the package
	$(BIN)/mypy

contracts: $(VENV)/.ready-dev ## the doors between the rooms
	$(BIN)/lint-imports --no-cache

pytest: $(VENV)/.ready-dev ## tests, doctests, pages and notebooks, on up to four cores
	$(BIN)/python -m pytest --numprocesses=logical --maxprocesses=4 --dist=worksteal --hypothesis-profile=ci --durations=10

.PHONY: reliability
reliability: $(VENV)/.ready-dev ## an hour of spoiled files, hostile values, kills, scale: one table; one part: ARGS=fuzz
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.reliability $(ARGS)

# The lowest versions that pyproject.toml allows, and the newest that there are, in environments of
# their own. torch stays at the version of $(CONSTRAINTS), for others bring gigabytes of CUDA
# packages; name one to have it. Other versions warn of one another, which is no error of ours.
LOWEST_TORCH ?= $(TORCH)
NEWEST_TORCH ?= $(TORCH)
IN_PIP := -m pip --disable-pip-version-check install --quiet
define tests_with # environment, torch, what else pip is told
	$(PYTHON) -m venv --clear $(1)
	$(1)/bin/python $(IN_PIP) $(2)
	$(1)/bin/python $(IN_PIP) $(3) --editable '.[dev]'
	$(1)/bin/python $(IN_PIP) --no-deps --requirement requirements/demo-data.txt
	$(1)/bin/python -m pytest --numprocesses=logical --maxprocesses=4 --dist=worksteal --hypothesis-profile=ci -W default
endef

.PHONY: lowest newest
lowest: $(VENV)/.ready-dev ## tests with the lowest versions allowed; torch too: LOWEST_TORCH=torch==2.9.0
	@mkdir -p build
	$(BIN)/python requirements/lowest.py pyproject.toml > build/lowest.txt
	$(call tests_with,.venv-lowest,$(LOWEST_TORCH),--constraint build/lowest.txt)

newest: ## tests with the newest versions there are; torch too: NEWEST_TORCH=torch PYTHON=python3.13
	$(call tests_with,.venv-newest,$(NEWEST_TORCH),)

notebooks: $(VENV)/.ready-dev ## run the notebooks only, in their full form
	EDGE2TORCH_FULL=1 $(BIN)/python -m pytest tests/test_notebooks.py

wheel: build/wheel/.checked ## build the wheel, install it into an empty environment, run the quickstart there

build/wheel/.checked: $(VENV)/.ready-dev $(SOURCES) README.md tests/check_wheel.py tests/pages.py
	$(BIN)/python tests/check_wheel.py build/wheel '$(TORCH)' $(CONSTRAINTS)
	@touch $@

# ----------------------------------------------------------------------------- documentation

.PHONY: docs release-check
docs: $(VENV)/.ready-dev ## build the documentation into site/; open site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "site/index.html opens from disk"

release-check: test notebooks docs ## what has to pass before a release: all checks, the wheel, the site
	@ls build/wheel/dist

# ------------------------------------------------------------------------------- upkeep

format: $(VENV)/.ready-dev ## format, and mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: wgcna
wgcna: ## install R with WGCNA, and a fast BLAS, for the backend of that name (Debian, Ubuntu; as root)
	apt-get install --yes --no-install-recommends r-cran-wgcna r-cran-jsonlite libopenblas0-serial

constraints: $(VENV)/.ready-dev ## write the versions of .venv into requirements/constraints.txt
	@{ sed '/^torch==/q' $(CONSTRAINTS); $(PIP) list --format=freeze --exclude-editable \
	   | grep -viE '^(torch|pip|setuptools|scanpy|scvega|scSpectra|edge2torch)==' | sort -f \
	   | sed 's/$$/; python_version >= "3.11"/'; } > $(CONSTRAINTS).new
	@mv $(CONSTRAINTS).new $(CONSTRAINTS)

clean: ## remove what the checks and the demo wrote
	rm -rf build dist demo_output site docs/pictures .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

distclean: clean ## the same, and .venv
	rm -rf $(VENV)

# ---------------------------------------------------------------------------- benchmarks

.PHONY: benchmark
benchmark: $(VENV)/.ready-dev ## time this library beside its peers; one row: ARGS="--case a --batch 64 --peers kpnn2"
	$(BIN)/python benchmarks/setup_peers.py
	$(BIN)/python benchmarks/run.py $(or $(ARGS),--series)

.PHONY: benchmark-recovery
benchmark-recovery: $(VENV)/.ready-dev ## do node scores find planted nodes? ARGS="--seeds 3 --settings deep"
	$(BIN)/python benchmarks/setup_peers.py edge2torch binn
	PYTHONPATH=. $(BIN)/python benchmarks/recovery.py $(ARGS)

.PHONY: benchmark-priors
benchmark-priors: $(VENV)/.ready-dev ## is the right prior named, the right method first? about 20 CPU minutes
	PYTHONPATH=. $(BIN)/python benchmarks/which_prior.py $(ARGS)
	PYTHONPATH=. $(BIN)/python benchmarks/faithfulness.py

.PHONY: benchmark-trust
benchmark-trust: $(VENV)/.ready-dev ## does "found" mean found? the bars, row by row; ARGS="--rows planted --runs 3"
	OMP_NUM_THREADS=1 PYTHONPATH=. $(BIN)/python benchmarks/trust.py $(ARGS)
