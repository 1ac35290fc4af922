# Everything a person or CI types. `make run` and `make test` set up what they need.
PYTHON ?= python3.11
BIN := .venv/bin
UV_VERSION := $(shell sed -n 's/^uv==//p' requirements.txt)

export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: run serve test check setup requirements figures clean

run: setup
	dvc repro
	@skipcast report

serve: setup
	skipcast serve

test: check
	pytest

check: setup
	ruff check .
	ruff format --check .
	lint-imports
	mypy

setup: .venv/ready

# uv comes from the registry into the environment itself and installs the rest several times faster than pip.
.venv/ready: requirements.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --requirement requirements.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $@

# Copies the figures that the README shows; those of real sessions stay where they are.
figures:
	@grep -q '"synthetic": true' data/receipt.json || { echo "The data must be the twin's: real ones may not be passed on."; exit 1; }
	cp $(addprefix reports/figures/,roc.png accuracy_by_position.png reliability.png contributions.png) docs/figures/
	python tests/mlflow_ui.py

clean:
	rm -rf .venv

# Pins anew what pyproject.toml asks for.
requirements: setup
	uv pip compile --quiet --upgrade --no-header --no-annotate --no-emit-index-url --extra dev \
		--python-version 3.11 pyproject.toml --output-file requirements.txt
