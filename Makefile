# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0

# .venv has Fast DDS; a shell set up for a robot may name another middleware.
unexport RMW_IMPLEMENTATION

# DDS stays on this machine, whatever the shell says.
export ROS_AUTOMATIC_DISCOVERY_RANGE = LOCALHOST

# Without stored bytecode every start of Python compiles torch's sources anew.
unexport PYTHONDONTWRITEBYTECODE

BIN = .venv/bin
ARGS =

.DEFAULT_GOAL = help

.PHONY: help
help: ## list the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

SETUP = $(or $(PYTHON),python3) scripts/setup_environment.py $(if $(PYTHON),--this-python)

.PHONY: setup
setup: ## .venv with ROS 2, torch, the hiseg command and all tools; messages built (PYTHON= picks the Python)
	@$(SETUP) --with all

.PHONY: robot
robot: ## the same with what a robot needs, without torch (TORCH=1 adds it)
	@$(SETUP) --with $(if $(TORCH),torch,robot)

.PHONY: demo
demo: ## replay a drawn drive through the node and record to demo/ (BAG= a rosbag2, TORCH=1 in torch)
	@$(SETUP) --with $(if $(TORCH),torch,robot) $(if $(BAG)$(ARGS),,--draw)
	@$(BIN)/hiseg demo --output demo $(if $(BAG),"$(BAG)") $(ARGS)

# Files of tests go to the workers in the order in which test/support/turns.py puts them.
WORKERS = 2
PYTEST = $(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: test
test: setup ## the whole test suite on WORKERS=2 cores (ARGS= goes to pytest, e.g. '-n0 --pdb')
	@$(PYTEST) $(ARGS)

.PHONY: test-fast
test-fast: ## in less than two minutes: without torch, a ROS graph and slow tests (ARGS=)
	@$(SETUP) --with test
	@$(PYTEST) --fast $(ARGS)

.PHONY: coverage
coverage: setup ## the test suite with line and branch coverage; a page in runs/coverage/ (ARGS=)
	@$(PYTEST) --cov --cov-report=term --cov-report=html $(ARGS)

# All of a machine with a GPU in one call: torch is needed, and the files fill as it goes on.
ifdef GPU
bench: TORCH = 1
BENCH = mkdir -p runs && \
	$(BIN)/hiseg benchmark --everything --device cuda --seconds 5 --minutes $(or $(MINUTES),10) \
	--json runs/benchmark.json --markdown runs/benchmark.md $(ARGS)
else
BENCH = $(BIN)/hiseg benchmark --frames 20 --warm-up 5 $(ARGS) && \
	$(BIN)/hiseg benchmark --ros --backend auto:auto --seconds 5
endif

.PHONY: bench
bench: robot ## how fast this machine is: engine, node in a graph (GPU=1 everything in MINUTES=10, to runs/; ARGS=)
	@$(BENCH)

.PHONY: soak
soak: ## soak test: the node under faults for MINUTES=30, every frame accounted for, in runs/soak/ (ARGS=)
	@$(SETUP) --with test
	@$(BIN)/hiseg soak --minutes $(or $(MINUTES),30) --output runs/soak $(ARGS)

.PHONY: docs
docs: ## the documentation as a website in build/docs/html, warnings are errors (ARGS= goes to Sphinx)
	@$(SETUP) --with docs
	@$(BIN)/python -m sphinx --fail-on-warning --keep-going --nitpicky --quiet \
		--doctree-dir build/docs/doctrees --builder html docs build/docs/html $(ARGS)
	@echo build/docs/html/index.html

.PHONY: check
check: lint types docs test ## what CI runs: lint, types, documentation and tests

.PHONY: lint
lint: setup ## ruff: rules and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

.PHONY: types
types: setup ## mypy, strict
	@$(BIN)/mypy

.PHONY: lock
lock: setup ## resolve requirements/*.in again and freeze them
	@$(BIN)/python -m pip install --quiet uv
	@scripts/lock_requirements.sh

.PHONY: clean
clean: ## remove what was built: .venv, build, install, caches
	rm -rf .venv build install log hiseg_ros.egg-info .coverage* .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
