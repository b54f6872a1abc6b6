# Everything goes through run.py, which makes .venv by itself. PYTHON=python3.12 chooses the interpreter.
PYTHON ?= python3
IN_VENV = $(PYTHON) run.py setup --dev && .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: run test lint e2e bench chaos fuzz i18n requirements help

run: ## start the whole portal (PORT=, DATA_DIR=, DEMO=0)
	@exec $(PYTHON) run.py
test: ## unit and integration tests, on a PostgreSQL and a Redis of their own
	@$(IN_VENV) -m pytest -n auto --maxschedchunk 25 --ignore=tests/e2e --ignore=tests/chaos --ignore=tests/bench $(ARGS)
lint: ## style, types, direction of imports, templates
	@$(PYTHON) run.py setup --dev && .venv/bin/python -m launcher.lint
e2e: ## browser tests of the whole portal, accessibility included
	@$(IN_VENV) run.py browser && .venv/bin/python -m pytest tests/e2e -p no:randomly -n 2 --dist loadscope $(ARGS)
bench: ## measures: lists and exports at their largest, outbox, registration, memory
	@$(IN_VENV) -m tests.bench $(ARGS)
chaos: ## processes killed at random: nothing lost, nothing twice; a file of 50,000 lines with 2,000 faults: each named
	@$(IN_VENV) -m pytest tests/chaos -s -p no:randomly $(ARGS)
	@$(PYTHON) run.py setup --dev && IMPORT_LINES=50000 IMPORT_FAULTS=2000 .venv/bin/python -m pytest tests/imports/test_faults.py -s -p no:randomly
fuzz: ## files of the three formats damaged at random: read or refused, never broken (ARGS="--cases 100000 --seed 1")
	@$(IN_VENV) -m tests.fuzz readers $(ARGS)
i18n: ## extract the strings, update and compile the French catalogue
	@$(IN_VENV) -m launcher.i18n
requirements: ## compile requirements*.in to pinned versions with hashes
	@$(IN_VENV) -m launcher.requirements
help: ## this list
	@grep -E '^[a-z0-9]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9]+):.*## /\1\t/' | expand -t 14
