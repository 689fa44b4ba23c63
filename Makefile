# make demo   draw vials, run the whole chain on them
# make test   the fast tests
# make ui     Dagster's UI on http://127.0.0.1:3000, with the daemon
# make lint   ruff, mypy, import-linter, and the documentation's links

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
PORT ?= 3000
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
export DAGSTER_HOME := $(CURDIR)/.dagster
# Dagster's in-process runs start no other Python; do not let numerical libraries start a thread per core each.
export OMP_NUM_THREADS ?= 1

.PHONY: setup demo test test-slow lint ui lock clean

setup: $(READY)

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	@echo "installing requirements.lock into $(VENV)"
	@# uv takes a quarter of pip's time; where it cannot be had, pip installs the same.
	@$(PIP) install uv && $(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -r requirements.lock \
		|| { echo "uv did not do it: installing with pip"; $(PIP) install --no-deps -r requirements.lock; }
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $(READY)

$(DAGSTER_HOME)/dagster.yaml: deploy/local/dagster.yaml
	@mkdir -p $(DAGSTER_HOME) && cp $< $@

demo: $(READY) $(DAGSTER_HOME)/dagster.yaml
	$(BIN)/brev-pipeline demo-data data/demo --flaws
	$(BIN)/brev-pipeline run configs/demo.yaml

test: $(READY)
	env -u DAGSTER_HOME $(BIN)/python -m pytest -m "not slow" -n 2 -q

# Many slow tests wait for daemons, ticks and timeouts: three processes keep two cores busy. Files go in the order of their names,
# since by default those with few tests, among them the longest, would come last.
test-slow: $(READY)
	env -u DAGSTER_HOME $(BIN)/python -m pytest -m slow -n 3 --dist loadfile --no-loadscope-reorder -q

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

ui: $(READY) $(DAGSTER_HOME)/dagster.yaml
	$(BIN)/dagster dev -w workspace.yaml -h 127.0.0.1 -p $(PORT)

lock:
	uv pip compile --quiet --universal --python-version 3.11 --extra dev --no-emit-index-url --no-annotate --no-header \
		pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV) .dagster data site
