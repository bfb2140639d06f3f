# Everything a clone can do. `make demo` and `make test` set themselves up first.
#   PYTHON=/usr/bin/python3.11   builds the environment with that interpreter
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo demo-month test unit lint format bench simulate powercut bluez-vm mutants pictures lock clean

VENV ?= .venv
SEEDS ?= 200
BIN := $(VENV)/bin
CODE = $(wildcard gateway firmware-sims/firmware_sims tests benchmarks tools)
export VENV

help:  ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

setup:  ## the virtual environment and mosquitto; installs only what is missing
	@bash tools/setup.sh

demo: setup  ## the main job on simulated locks, a readable timeline, exit 0 if every step held
	@$(BIN)/lock-gateway demo $(ARGS)

demo-month: setup  ## a month without cloud in simulated time: what it promises, and that all of it is told
	@$(BIN)/python -m tests.simulation.month $(ARGS)

test: lint unit  ## lint, types, import rules, then all tests

unit: setup  ## only the tests; ARGS="-k windows" narrows them, ARGS="-n 0" runs them in one process
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

lint: setup  ## format, lint, types, import rules, spelling, tree, determinism
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy $(CODE)
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/codespell
	@$(BIN)/python tools/check_tree.py --strict
	@$(BIN)/python tools/check_determinism.py

format: setup  ## let ruff format and mend what it can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: setup  ## the figures, as a table and as JSON
	@$(BIN)/python -m benchmarks $(ARGS)

simulate: setup  ## buildings in virtual time, from seeds; SEEDS=200, SEEDS=1000:1200, ARGS="--seed 7"
	@$(BIN)/python -m tests.simulation --seeds $(SEEDS) $(ARGS)

mutants: setup  ## plants bugs in copies of the product; the simulation must find each; ARGS="--only erase"
	@$(BIN)/python -m tests.simulation.mutants $(ARGS)

powercut: setup  ## cut the power by both methods and count what was lost; ARGS="replay" for one
	@bash tools/setup_powercut.sh
	@$(BIN)/python -m tests.powercut $(ARGS)

bluez-vm: setup  ## the radio's tests over real BlueZ and a Linux kernel, under QEMU; ARGS="-k lingering"
	@bash tools/setup_bluez.sh
	@$(BIN)/python -m tests.bluez $(ARGS)

pictures: setup  ## the README's pictures, from the real terminal output
	@$(BIN)/python tools/pictures.py $(ARGS)

lock: setup  ## resolve the dependencies anew and write both lock files
	@bash tools/lock.sh

clean:  ## remove the environment and everything a run left in the clone
	rm -rf $(VENV) build dist *.egg-info .coverage htmlcov .hypothesis .demo \
	  .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
