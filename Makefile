# Two commands matter: `make demo` and `make test`. Both set up what they need.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# Tests start hundreds of processes: each would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup demo test check bench faults packages lock clean help

help: ## what can be made
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/.installed .deps/.installed ## Python packages in .venv, Debian programs in .deps

$(VENV)/.installed: requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "setup: no $(PYTHON); install Python 3.11 or newer (Debian: apt install python3 python3-venv)"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "setup: $(PYTHON) is older than 3.11; name a newer one with make PYTHON=..."; exit 1; }
	@echo "setup: Python packages of requirements.lock into $(VENV) (about a minute)"
	@$(PYTHON) -m venv $(VENV) || { echo "setup: no venv module (Debian: apt install python3-venv)"; exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.deps/.installed: tools/debian-programs
	@tools/debian-programs .deps

demo: setup ## a city block on this machine; ARGS="--for 90 --json" for one line of figures
	@$(BIN)/gengfu demo $(ARGS)

test: setup ## all tests, with a real mosquitto, real ptys, a real libmodbus slave and mbpoll
	@$(BIN)/pytest $(ARGS)

check: setup ## style, types, import contracts, profiles
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/gengfu profiles check

bench: setup ## every benchmark in bench/, one after the other
	@set -e; for file in $$(grep -l '"figures"' bench/*.py); do echo "== $$file"; $(BIN)/python -m bench.$$(basename $$file .py); done

faults: setup ## the fault laboratory, two hours and more; ARGS="--short" for minutes, "--list" for what there is
	@$(BIN)/python -m tests.faults $(ARGS)

packages: setup ## Debian packages into dist/; ARGS="edge --python 3.12 --architecture arm64" for another machine
	@$(BIN)/python -m tools.build_deb $(ARGS)

lock: setup ## write requirements.lock anew (needs uv)
	@uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-find-links --no-header --no-annotate --all-extras --group dev \
		--quiet --upgrade --output-file requirements.lock

clean: ## remove what setup and the demo made
	@rm -rf $(VENV) .deps demo-run dist
