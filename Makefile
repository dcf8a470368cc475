# Every command a user or developer needs; each does its own set-up.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
MEMBERS := libs/common libs/simulators libs/cli libs/talker services/edge services/realtime_worker services/orchestrator services/fallback
DISTS   := trunkline-common trunkline-simulators trunkline-cli trunkline-talker trunkline-edge trunkline-realtime-worker trunkline-orchestrator trunkline-fallback
MANIFESTS := pyproject.toml $(addsuffix /pyproject.toml,$(MEMBERS))
LOCK := --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header --python-version 3.11 \
	--quiet $(addprefix --no-emit-package ,$(DISTS))

# Tests of how soon something is noticed need the machine for themselves.
ALONE := tests/integration/common/test_cluster.py tests/integration/edge/test_noticing.py

# Tests start processes by the hundred; without byte code each would compile every package anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-transfer up test check format bench bench-revisions chaos prompts migrate lock

help: ## Show the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Create .venv with everything the repository needs

$(READY): requirements.lock $(MANIFESTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Trunkline needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 …"; exit 2; }
	@echo "Setting up $(VENV) (once, about a minute) …"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(awk '/^uv==/{print $$1}' requirements.lock)"
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps $(addprefix -e ,$(MEMBERS))
	@touch $@

demo: setup ## Place one simulated phone call through the whole system and show it
	@$(BIN)/trunkline demo

demo-transfer: setup ## The same with a caller who is given to a human: first in vain, then with a summary
	@$(BIN)/trunkline demo --transfer

up: setup ## Run the stack in the foreground (Ctrl-C drains it); ARGS="--edges 2 --workers 2"
	@$(BIN)/trunkline up $(ARGS)

test: setup ## Run the whole test suite; ARGS="tests/unit -k arbiter" for a part of it
ifdef ARGS
	@$(BIN)/pytest $(ARGS)
else
	@$(BIN)/pytest tests/integration tests/contract tests/unit -n 4 --dist loadfile --no-loadscope-reorder $(addprefix --ignore ,$(ALONE))
	@$(BIN)/pytest tests/e2e -n 3
	@$(BIN)/pytest $(ALONE) tests/chaos
endif

check: setup ## Lint, types, formatting, locks
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy libs/*/src services/*/src tests docs
	@$(BIN)/python tests/check_locks.py

format: setup ## Rewrite the sources in the house format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: setup ## Compare with a plain bridge at 20, 80 and 200 calls; writes build/bench.json
	@$(BIN)/python -m tests.bench $(ARGS)

bench-revisions: setup ## Measure how soon a revision of instructions is in force at an idle model
	@$(BIN)/python -m tests.bench.revisions $(ARGS)

chaos: setup ## Break everything under calls and show what it cost; ARGS="--faults worker_kill --outages none --seed 1"
	@$(BIN)/python -m tests.chaos $(ARGS)

prompts: ## Speak the prompts of agents/prompts anew from their texts (needs flite and sox)
	@test -x build/prompts/bin/python || $(PYTHON) -m venv build/prompts
	@build/prompts/bin/python -m pip install --quiet --disable-pip-version-check pyopenjtalk-plus==0.4.1.post10
	@build/prompts/bin/python agents/prompts/make_prompts.py $(ARGS)

migrate: setup ## Bring the database of ORCHESTRATOR_DATABASE_URL to the form this version needs
	@$(BIN)/python -m orchestrator.stores.migrating

lock: setup ## Resolve the dependencies anew
	@$(BIN)/uv pip compile pyproject.toml --group dev --group bench $(LOCK) -o requirements.lock
	@for member in $(MEMBERS); do $(BIN)/uv pip compile $$member/pyproject.toml -c requirements.lock $(LOCK) -o $$member/requirements.lock; done
