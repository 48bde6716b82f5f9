# Every target sets up what it needs, and nothing else. `make demo` and `make test` are the ones to start with.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help setup demo up down test lint format unit integration simulation e2e deployments long coverage simulate mutate \
	bench schemas lock clean browser invoke

# To use another Python than the newest that is found: make PYTHON=/path/to/python3.12
export PYTHON

BIN := .venv/bin
RUN := .venv/.run
DEV := .venv/.dev
BENCH := .venv/.bench
MUTATION := .venv/.mutation
TOOLS := .cache/tools/.tools
TOOLS_DEV := .cache/tools/.tools-dev
GATES := .cache/gates/.gates

help: ## Show this list
	@grep -hE '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(RUN) $(DEV) $(BENCH) $(MUTATION): .venv/.%: requirements/%.txt pyproject.toml
	@scripts/environment.sh $*

$(TOOLS) $(TOOLS_DEV): .cache/tools/.%: requirements/%.txt
	@scripts/environment.sh $*

$(GATES): requirements/gates.txt scripts/environment.sh
	@scripts/environment.sh gates

browser:
	@scripts/install-browser.sh

setup: $(RUN) $(TOOLS) ## Install the commands and the local stack

demo: $(RUN) $(TOOLS) ## Start the local stack, emit 4,500 interactions, show a learner's dashboard
	$(BIN)/streakline up
	$(BIN)/streakline demo

up: $(RUN) $(TOOLS) ## Start the local stack, or deploy changed code to it
	$(BIN)/streakline up

down: ## Stop the local stack and delete its data
	@if [ -x $(BIN)/streakline ]; then $(BIN)/streakline down; else echo "There is no local stack."; fi

test: lint unit integration simulation e2e ## Run all checks and tests

lint: $(DEV) $(TOOLS) $(GATES) ## Check format, style, types and the template
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=us-east-1 .cache/tools/bin/sam validate --lint
	$(BIN)/python -m gates

format: $(DEV) ## Format the code and fix what can be fixed automatically
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

unit: $(DEV) ## Test the domain, without AWS
	$(BIN)/python -m pytest tests/unit -n 2

integration: $(DEV) ## Test the functions and commands on an emulated AWS in the same process
	$(BIN)/python -m pytest tests/integration -n 2

simulation: $(DEV) ## Test 20,000 random histories with faults against recomputation
	$(BIN)/python -m pytest tests/simulation -n 2 -k "not 20000"
	$(BIN)/python -m pytest tests/simulation -k 20000

e2e: $(DEV) $(TOOLS_DEV) $(GATES) browser ## Test the deployed local stack
	$(BIN)/python -m pytest tests/e2e -n 2 --dist loadfile --no-loadscope-reorder

deployments: $(DEV) $(TOOLS_DEV) ## Deploy the local stack with every combination of yes/no parameters; takes minutes
	$(BIN)/python -m pytest tests/deployments

long: $(DEV) $(TOOLS_DEV) ## Rebuild, cut over and go back under load, on a local stack; takes half an hour
	$(BIN)/python -m pytest tests/long -s

coverage: $(DEV) ## Measure branch coverage of domain and functions; fail below 95 %
	$(BIN)/python -m pytest tests/unit tests/integration -n 2 --cov

simulate: $(DEV) ## Run SEEDS=n random histories (20,000 without it), or replay one with SEED=s
	$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),20000))

mutate: $(MUTATION) ## List changes of the core's code that no test notices; takes half an hour
	$(BIN)/mutmut run --max-children 2
	$(BIN)/mutmut results

bench: $(BENCH) $(TOOLS) ## Measure the rows of docs/performance.md, and write benchmarks/results.md
	$(BIN)/python -m benchmarks

# `sam build` calls one of these for each function of the template. Only one function needs the page's files.
build-PageFunction:
	@source scripts/python.sh && "$$PYTHON" scripts/package.py "$(ARTIFACTS_DIR)" --page

build-%:
	@source scripts/python.sh && "$$PYTHON" scripts/package.py "$(ARTIFACTS_DIR)"

invoke: $(RUN) $(TOOLS) ## Send every payload in events/ through sam local invoke, where Docker answers
	$(BIN)/python scripts/invoke.py

schemas: $(DEV) ## Write events/schemas, docs/openapi.json and docs/parameters.md
	$(BIN)/python -m cli.schemas
	$(BIN)/python -m cli.parameters

lock: ## Write the lock files after a change of requirements; UPGRADE=1 also takes newer versions
	@scripts/lock.sh $(if $(UPGRADE),--upgrade)

clean: ## Remove everything that set-up and runs left in this checkout
	@scripts/clean.sh
