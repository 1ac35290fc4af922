# Everything a person or CI types. `make run` and `make test` set up what they need.
# PYTHON=/path/to/python3.13 says which Python; without, it is the first that tools/setup.sh finds.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# As the command skipcast has it; a value that is set stays.
export MLFLOW_DISABLE_TELEMETRY ?= true
export MLFLOW_ALLOW_PICKLE_DESERIALIZATION ?= false

.PHONY: run serve test unit check setup requirements figures clean

# A file's tests share what is slow to make, so a file stays in one process; the slow ones begin.
# One process more than may compute, as tests wait for servers a third of their time; each needs
# memory for its servers, so there is an end.
PROCESSES = -n $$(python -c "from skipcast.processes import cpu_count; print(min(8, cpu_count() + 1))") \
	--dist loadfile --no-loadscope-reorder

run: setup
	dvc repro
	@skipcast report

serve: setup
	skipcast serve

test: check
	pytest $(PROCESSES)

# Without the tests that start servers, clones or a browser.
unit: setup
	pytest -m "not system" $(PROCESSES)

check: setup
	ruff check .
	ruff format --check .
	lint-imports
	mypy

# Makes .venv where there is none that works, or where PYTHON asks for another version than it has.
setup:
	@command -v bash > /dev/null || { echo "bash must be on PATH but is not. Install the package bash."; exit 1; }
	@bash tools/setup.sh "$(PYTHON)"

# Copies the figures that the README shows; those of real sessions stay where they are.
figures:
	@grep -q '"synthetic": true' data/receipt.json || { echo "The data must be the twin's: real ones may not be passed on."; exit 1; }
	cp $(addprefix reports/figures/,roc.png accuracy_by_position.png reliability.png contributions.png) docs/figures/
	PYTHONPATH=tests python -m harness.mlflow_ui

clean:
	rm -rf .venv

# Pins anew what pyproject.toml asks for, by the oldest Python: what it can install, the later ones can.
# The extra cluster is among them, as tests start real schedulers and workers of Dask.
requirements: setup
	python tools/uv.py pip compile --quiet --upgrade --no-header --no-annotate --no-emit-index-url --extra dev --extra cluster \
		--python-version 3.11 pyproject.toml --output-file requirements.txt
