# What people run and what CI runs. `make install` alone makes .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: install search submit hosts test check chaos format

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "leafsearch needs Python 3.11 or newer")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

search: install  ## the whole job on digits: search, promotion, ensemble, report in runs/
	$(BIN)/python search.py

CLUSTER ?= cluster.yaml
submit: install  ## ARGS="--space ..." on the head of CLUSTER, with this code; SUBMIT=--tmux outlives the terminal
	$(BIN)/ray rsync-up $(CLUSTER)
	$(BIN)/ray submit $(SUBMIT) $(CLUSTER) search.py -- --code $$($(BIN)/python -m cluster.snapshot) $(ARGS)

hosts:  ## what tests/test_submit.py needs on Debian, as root; without it that test is skipped
	apt-get update -q
	apt-get install -y -q --no-install-recommends openssh-server rsync iproute2 util-linux

test: install
	$(BIN)/python -m pytest

check: install  ## format, lint, types, tests: exactly what CI runs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(MAKE) test

chaos: install  ## a search that is struck thirty times beside one that is not (half an hour)
	rm -rf runs/chaos
	$(BIN)/python -m benchmarks.chaos --faults 30 --out runs/chaos --json runs/chaos.json

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
