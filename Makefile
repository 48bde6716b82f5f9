# `make demo` and `make test` do all the set-up; the rest is for every day.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.PHONY: help setup demo up down test lint simulate mutate bench clean

VENV := .venv
TOOLS := .cache/tools
BIN := $(VENV)/bin

# The newest supported Python that really runs: a name on the path may be only a version manager's shim.
PYTHON ?= $(shell for python in python3.13 python3.12 python3 \
	$$(ls -d $${PYENV_ROOT:-$$HOME/.pyenv}/versions/3.1[32].*/bin/python3 2>/dev/null | sort -rV); do \
	"$$python" -c 'import sys; sys.exit(sys.version_info[:2] not in {(3, 12), (3, 13)})' >/dev/null 2>&1 \
	&& command -v "$$python" && break; done)

help: ## What there is to make
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: ## Install what the project and its local stack need
	@$(MAKE) --no-print-directory -j2 $(VENV)/.complete $(TOOLS)/.complete

$(VENV)/.complete: pyproject.toml
	$(call new-environment,$(VENV))
	$(BIN)/python -m pip install --disable-pip-version-check -e '.[dev]'
	@touch $@

$(TOOLS)/.complete: requirements-tools.txt
	$(call new-environment,$(TOOLS))
	$(TOOLS)/bin/python -m pip install --disable-pip-version-check -r requirements-tools.txt
	@touch $@

$(VENV)/.mutation: $(VENV)/.complete
	$(BIN)/python -m pip install --disable-pip-version-check -e '.[dev,mutation]'
	@touch $@

define new-environment
	@test -n "$(PYTHON)" || { echo "Streakline needs Python 3.13 (or 3.12), and found neither." \
		"Install one, or name it: make PYTHON=/path/to/python3.13" >&2; exit 1; }
	rm -rf $(1)
	$(PYTHON) -m venv $(1)
endef

demo: setup ## See it work: the local stack, 5,000 interactions, one learner's dashboard
	$(BIN)/streakline up
	$(BIN)/streakline demo

up: setup ## Start the local stack
	$(BIN)/streakline up

down: setup ## End the local stack
	$(BIN)/streakline down

test: lint ## All tests
	$(BIN)/python -m pytest tests/unit tests/integration -n 2
	$(BIN)/python -m pytest tests/simulation
	$(BIN)/python -m pytest tests/e2e

lint: setup ## Format, lint, types, template
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=us-east-1 $(TOOLS)/bin/sam validate --lint

simulate: setup ## Run SEEDS=n histories with faults, or replay SEED=s
	$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),20000))

mutate: $(VENV)/.mutation ## Which changes of the core's code no test notices: half an hour
	$(BIN)/mutmut run --max-children 2
	$(BIN)/mutmut results

bench: setup ## Timings of the hot paths
	@for benchmark in imports streaks readiness; do \
		echo "== $$benchmark"; $(BIN)/python benchmarks/$$benchmark.py || exit 1; done

clean: ## Remove what set-up and runs left behind, but for the local stack's data
	rm -rf $(VENV) $(TOOLS) .aws-sam .mypy_cache .pytest_cache .ruff_cache .hypothesis mutants
