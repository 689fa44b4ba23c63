# make demo   draw vials, run the whole chain on them
# make test   the fast tests
# make test-slow, make test-torch, make test-versions   the slow ones; those of PyTorch; the fast ones with other Pythons
# make ui     Dagster's UI on http://127.0.0.1:3000, with the daemon
# make lint   ruff, mypy, import-linter, and the documentation's links

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
PORT ?= 3000
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PIP := pip --quiet --disable-pip-version-check
# PyTorch is no dependency: its tests have an environment of their own.
TORCH := 2.13.0
# Further interpreters that pyproject.toml names, each run where it is installed.
VERSIONS := 3.12 3.13
# What test-versions runs: all that test does, or some folders of it.
TESTS ?= brev_pipeline_tests
export DAGSTER_HOME := $(CURDIR)/.dagster
# Dagster's in-process runs start no other Python; do not let numerical libraries start a thread per core each.
export OMP_NUM_THREADS ?= 1

.PHONY: setup demo test test-slow test-torch test-versions lint ui lock clean

setup: $(READY)

# $(call environment,FOLDER,INTERPRETER): the locked packages and this one, in an environment of their own.
# uv takes a quarter of pip's time; where it cannot be had, pip installs the same.
define environment
	$(2) -m venv $(1)
	@echo "installing requirements.lock into $(1)"
	@$(1)/bin/python -m $(PIP) install uv \
		&& $(1)/bin/uv pip install --quiet --python $(1)/bin/python --no-deps -r requirements.lock \
		|| { echo "uv did not do it: installing with pip"; $(1)/bin/python -m $(PIP) install --no-deps -r requirements.lock; }
	@$(1)/bin/python -m $(PIP) install --no-deps --no-build-isolation -e .
endef

$(READY): requirements.lock pyproject.toml
	$(call environment,$(VENV),$(PYTHON))
	@touch $@

# PyTorch for the CPU: pip knows it where the machine's configuration says so, uv where PyTorch keeps its builds.
$(VENV)-torch/.ready: requirements.lock pyproject.toml
	$(call environment,$(VENV)-torch,$(BIN)/python)
	@$(VENV)-torch/bin/python -m $(PIP) install --constraint requirements.lock torch==$(TORCH)+cpu 2>/dev/null \
		|| $(VENV)-torch/bin/uv pip install --quiet --python $(VENV)-torch/bin/python --constraint requirements.lock \
			--torch-backend cpu torch==$(TORCH)
	@touch $@

# pyenv's commands answer only for the version that is asked for.
$(VENV)-%/.ready: requirements.lock pyproject.toml
	$(call environment,$(VENV)-$*,PYENV_VERSION=$* python$*)
	@touch $@

$(DAGSTER_HOME)/dagster.yaml: deploy/local/dagster.yaml
	@mkdir -p $(DAGSTER_HOME) && cp $< $@

demo: $(READY) $(DAGSTER_HOME)/dagster.yaml
	$(BIN)/brev-pipeline demo-data data/demo --flaws
	$(BIN)/brev-pipeline run configs/demo.yaml

test: $(READY)
	env -u DAGSTER_HOME $(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile -q

# Many slow tests wait for daemons, ticks and timeouts: four processes keep two cores busy. Files go in the order of their names,
# since by default those with few tests, among them the longest, would come last.
test-slow: $(READY)
	env -u DAGSTER_HOME $(BIN)/python -m pytest -m slow -n 4 --dist loadfile --no-loadscope-reorder -q

# Without a network there is no PyTorch; only CI insists on it.
test-torch: $(READY)
	@if $(MAKE) --no-print-directory $(VENV)-torch/.ready; then \
		env -u DAGSTER_HOME $(VENV)-torch/bin/python -m pytest -m torch -n 2 -q brev_pipeline_tests/readers brev_pipeline_tests/examples; \
	else \
		echo "PyTorch $(TORCH) for the CPU cannot be had here (no network?): the tests marked torch are NOT RUN"; test -z "$${CI:-}"; \
	fi

test-versions: $(READY)
	@for version in $(VERSIONS); do \
		if ! PYENV_VERSION=$$version python$$version -c '' 2>/dev/null; then \
			echo "NOT RUN with Python $$version: no python$$version here"; continue; \
		fi; \
		$(MAKE) --no-print-directory $(VENV)-$$version/.ready || exit 1; \
		echo "with Python $$version:"; \
		env -u DAGSTER_HOME $(VENV)-$$version/bin/python -m pytest -m "not slow" -n 2 --dist loadfile -q $(TESTS) || exit 1; \
	done

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
	rm -rf $(VENV) $(VENV)-* .dagster data site
