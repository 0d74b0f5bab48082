# Every target sets itself up: Python 3.11 or newer and make are all it takes.
# ARGS go to what is run: make run ARGS="--port 9000", make test ARGS="tests/core -x".

ARGS ?=
# The long tests wait for a broker or a clock, so that two cores carry four at a time.
TEST_WORKERS ?= 4
ROOT_PYTHON := .venv/bin/python
UV_VERSION := 0.13.9
SHELL := /bin/sh
.SHELLFLAGS := -c
MAKEFLAGS += --no-print-directory

# An explicit PYTHON=… is tried alone; otherwise python3, then the names that newer ones go by.
ifdef PYTHON
PYTHONS := "$(PYTHON)"
else
PYTHONS := python3 python3.13 python3.12 python3.11 python3.14
# The environment's own Python answers "is all installed?" in 0.05 s.
CHECK = $(ROOT_PYTHON) -m local.environment --check $(1) 2>/dev/null ||
endif

# Make the environment hold the set $(1).
define environment
@$(CHECK) { \
  for candidate in $(PYTHONS); do \
    if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
      exec env MAKE_PID=$$PPID "$$candidate" -m local.environment $(1); \
    fi; \
  done; \
  echo Millrace needs Python 3.11 or newer. None of these is: $(PYTHONS) >&2; \
  echo "Install one, or name it: make PYTHON=/path/to/python3" >&2; exit 2; }
endef

.PHONY: help run test setup check fix bench soak conformance mutants build lambda invoke budget infra audit lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## Start everything on one port: broker, processing, API; Ctrl-C stops it all
	$(call environment,run)
	@exec env MAKE_PID=$$PPID $(ROOT_PYTHON) -m local $(ARGS)

test: ## Set up and run all tests on a real broker
	$(call environment,test)
	@$(ROOT_PYTHON) -m local.first_start
	$(ROOT_PYTHON) -m pytest -m "not soak" -n $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

setup: ## Only what run and test need: packages and the broker
	$(call environment,test)
	@$(ROOT_PYTHON) -m local.first_start
	@echo "Ready: make run, make test"

check: ## Lint, types, budgets
	$(call environment,test)
	$(ROOT_PYTHON) -m ruff check .
	$(ROOT_PYTHON) -m ruff format --check .
	$(ROOT_PYTHON) -m mypy
	$(ROOT_PYTHON) -m pytest -q tests/architecture

fix: ## Let the linter mend and format what it can
	$(call environment,test)
	$(ROOT_PYTHON) -m ruff check --fix .
	$(ROOT_PYTHON) -m ruff format .

bench: ## Measure: 1,000 readers, latency against rate
	$(call environment,bench)
	@$(ROOT_PYTHON) -m local.first_start
	@exec env MAKE_PID=$$PPID $(ROOT_PYTHON) -m tests.bench $(ARGS)

soak: ## The tests that run for minutes: 20 of faults on three brokers among them
	$(call environment,test)
	@$(ROOT_PYTHON) -m local.first_start
	$(ROOT_PYTHON) -m pytest -m soak $(ARGS)

# URL, KEY and KEY2 (a second tenant's) are read from the command line; without URL our own is tried.
conformance: ## Hold the contract against a server: URL=http://127.0.0.1:8080 KEY=test-api-key
	$(call environment,test)
	@[ -n "$(URL)" ] || $(ROOT_PYTHON) -m local.first_start
	@CONFORMANCE_URL="$(URL)" CONFORMANCE_KEY="$(KEY)" CONFORMANCE_KEY2="$(KEY2)" \
		$(ROOT_PYTHON) -m pytest -q tests/conformance $(ARGS)

mutants: ## Prove the history checker on broken products; ARGS="--runs 100"
	$(call environment,test)
	@$(ROOT_PYTHON) -m local.first_start
	@$(ROOT_PYTHON) -m tests.history mutants $(ARGS)

build: ## Build the functions for Lambda into build/; ARGS="--arch x86_64"
	$(call environment,run)
	@exec env MAKE_PID=$$PPID $(ROOT_PYTHON) -m local.build $(ARGS)

# What SAM calls for BuildMethod makefile: make build-SendFunction ARTIFACTS_DIR=...
build-%:
	$(call environment,run)
	@$(ROOT_PYTHON) -m local.build $* --artifacts-dir "$(ARTIFACTS_DIR)"

lambda: ## The functions as built, under a Lambda runtime here, with the rest of make run
	$(call environment,test)
	@$(ROOT_PYTHON) -m local.first_start
	@exec env MAKE_PID=$$PPID $(ROOT_PYTHON) -m local.emulator $(ARGS)

invoke: ## One call of one function: make invoke F=send EVENT=event.json
	$(call environment,test)
	@$(ROOT_PYTHON) -m local.first_start
	@$(ROOT_PYTHON) -m local.emulator.invoke "$(F)" "$(EVENT)" $(ARGS)

budget: ## Measure the functions: import and init time, sizes, p50 and p99
	$(call environment,test)
	@$(ROOT_PYTHON) -m local.first_start
	@$(ROOT_PYTHON) -m local.emulator.budget $(ARGS)

infra: ## Prove template.yaml and infra/ without an account
	$(call environment,test)
	@$(ROOT_PYTHON) -m local.first_start
	@$(ROOT_PYTHON) -m tests.infra $(ARGS)

audit: ## Supply chain: bills of materials, pins, licences, contents, known faults
	$(call environment,test)
	@$(ROOT_PYTHON) -m tests.supply_chain $(ARGS)

# Sets include each other in the same versions: each is resolved within the one before.
COMPILE = .local/lock/bin/uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links --no-header $(UPGRADE)

lock: ## Write requirements/*.txt from *.in; UPGRADE=--upgrade takes the newest versions
	$(call environment,run)
	@$(ROOT_PYTHON) -m venv .local/lock
	@.local/lock/bin/python -m pip install --quiet uv==$(UV_VERSION)
	$(COMPILE) requirements/run.in -o requirements/run.txt
	$(COMPILE) -c requirements/run.txt requirements/functions.in -o requirements/functions.txt
	$(COMPILE) -c requirements/run.txt -c requirements/functions.txt requirements/container.in -o requirements/container.txt
	$(COMPILE) -c requirements/run.txt -c requirements/functions.txt requirements/test.in -o requirements/test.txt
	$(COMPILE) -c requirements/test.txt requirements/bench.in -o requirements/bench.txt
	$(COMPILE) -c requirements/test.txt requirements/pip-audit.in -o requirements/pip-audit.txt
	$(COMPILE) requirements/sam.in -o requirements/sam.txt
	$(COMPILE) requirements/checkov.in -o requirements/checkov.txt

clean: ## Remove what the commands made, but for the broker's data in .local/
	rm -rf .venv .venv.unfinished build dist .aws-sam .local/lock .local/functions .local/packages .local/tools
	rm -rf tests/conformance/node/node_modules tests/stories/oidc/node_modules
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
