# Each target works alone on a fresh clone with Python 3.11 or later.
PYTHON ?= python3
BIN := .venv/bin
SETUP := .venv/.ready

.PHONY: help setup check test slow demo clean

help:            ## list the targets
	@grep -E '^[a-z]+: .*##|^[a-z]+:  +##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

setup: $(SETUP)  ## make .venv, install the package and fetch the face models

$(SETUP): pyproject.toml constraints.txt scripts/fetch_face_models.py scripts/fetch_elan_schema.py
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --config-settings editable_mode=compat --editable '.[dev]'
	$(BIN)/python scripts/fetch_face_models.py
	$(BIN)/python scripts/fetch_elan_schema.py
	touch $(SETUP)

check: $(SETUP)  ## style, types, layers, spelling
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell omsn tests docs scripts benchmarks README.md CHANGELOG.md CONTRIBUTING.md

test: check      ## check, then the fast tests
	$(BIN)/pytest

slow: $(SETUP)   ## the tests that need the real corpora (OMSN_DATA)
	$(BIN)/pytest -m slow

demo: $(SETUP)   ## render a small corpus, then prepare, train, evaluate, predict and report on it
	$(BIN)/omsn demo --out demo --jobs 2

clean:           ## remove what the targets made
	rm -rf .venv demo build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
