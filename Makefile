# Everything a developer or a pipeline runs. Needs Python 3.11 or newer, make and a package registry.

PYTHON  ?= python3
VENV    := .venv
BIN     := $(VENV)/bin
STAMP   := $(VENV)/.installed

# pytest's arguments: make test ARGS="tests/unit -k dsn"
ARGS    ?= -n auto --maxprocesses 4

DEMO_HOME := $(CURDIR)/.demo
SAMPLES   := samples/meters.csv samples/vehicles.parquet samples/mixed.ndjson samples/dirty.csv
LINKS     := samples/fleet/links.csv
HEALTHY   := EV-00001
FAULTY    := EV-00002
SERVERS   := DATABASE_URL PGHOST PGHOSTADDR PGPORT PGDATABASE PGUSER PGPASSWORD PGPASSFILE PGSERVICE PGSERVICEFILE
STOP      := ENERGY_ETL_HOME="$(DEMO_HOME)" $(BIN)/python -c "from energy_etl.db import embedded; embedded.stop()"

.DEFAULT_GOAL := help
.PHONY: help setup demo test check lint types imports fmt faults bench clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make the virtual environment and install the package with its tools

# pyproject.toml is all that decides what is installed: the second run has nothing to do.
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "energy-etl needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1 | head -n 1)." >&2; \
		echo "Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "setting up $(VENV): the first time takes about a minute" >&2
	@$(BIN)/python -c '' 2>/dev/null || $(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

# One shell, so that the demo's server is stopped however the demo ends.
demo: setup ## Load the samples into a database of the demo's own (.demo/) and look at them
	@set -eu; \
	unset $(SERVERS) ALERT_THRESHOLD; export ENERGY_ETL_HOME="$(DEMO_HOME)" PATH="$(CURDIR)/$(BIN):$$PATH"; \
	trap "energy-etl --quiet db stop" EXIT; \
	show() { printf '\n$$ energy-etl %s\n' "$$*"; energy-etl "$$@"; }; \
	show ingest $(SAMPLES) || { status=$$?; [ $$status -eq 5 ] || exit $$status; \
		echo "(exit code 5: samples/dirty.csv has rows that cannot be loaded, on purpose; they are kept as rejects)"; }; \
	show link import $(LINKS); \
	show live meters; \
	show live vehicles; \
	show analytics $(HEALTHY); \
	show analytics $(FAULTY); \
	printf '\nThe database stays in .demo/: run "make demo" again and nothing is loaded twice.\n'

test: setup ## Run the tests; on TimescaleDB too where ENERGY_ETL_TEST_TIMESCALE_URL is set
	@$(BIN)/python -m pytest $(ARGS)

check: lint types imports ## Run every static check

lint: setup ## Check style and formatting
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: setup ## Check types
	@$(BIN)/mypy

imports: setup ## Check that imports go one way
	@$(BIN)/lint-imports

fmt: setup ## Format the code and repair what can be repaired
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

faults: setup ## Run only the tests that kill processes and connections
	@$(BIN)/python -m pytest -m faults

bench: setup ## Measure start-up, load and analytics
	@$(BIN)/python -m benchmarks

clean: ## Remove what was built, cached or loaded by the demo; .venv stays
	@if [ -d .demo ] && [ -x $(BIN)/python ]; then $(STOP); fi
	rm -rf .demo build dist *.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache bench-results
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +
