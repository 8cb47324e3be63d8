# The commands of daily work. `make setup` makes .venv; PYTHON=python3.12 make setup chooses the Python.

PYTHON ?= python3
BIN := .venv/bin
VENV := .venv/.installed

.PHONY: setup check format test bench results schema picture clean

setup: $(VENV)

$(VENV): pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -e '.[dev]'
	touch $@

check: $(VENV)  ## what a commit must pass: format, lint, types, fast tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q -n auto --dist loadfile -m 'not slow'

format: $(VENV)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: $(VENV)  ## everything, as in .ci/run
	$(BIN)/python -m pytest -n auto --dist loadfile

bench: $(VENV)  ## dlrun beside the libraries that are installed; writes docs/benchmarks.md
	$(BIN)/python -m benchmarks --results docs/benchmarks.json --page docs/benchmarks.md

results: $(VENV)  ## train every shipped config on the real data and write docs/results.md; SKIP="translate ..." leaves out
	$(BIN)/python -m benchmarks.results $(if $(SKIP),--skip $(SKIP))

schema: $(VENV)  ## the JSON Schema that editors use
	$(BIN)/dlrun schema > dlrun.schema.json

picture: $(VENV)  ## the README's pictures, from real runs: of a terminal, and of the report and the board in a browser
	$(BIN)/python docs/images/record.py
	$(BIN)/python docs/images/browser.py

clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
