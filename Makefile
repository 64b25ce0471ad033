# Everything starts here: `make help`. Only Python 3.11 or 3.12, git and make have to be there.
PYTHON ?= python3.11
EXPERIMENT ?= digits_cnn
ARGS ?=
PORT ?=

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# -qq: errors only; pip has a warning per package where a mirror is configured and lacks it.
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check --no-input

# What was asked for, also in a make that this one starts.
export ASKED ?= $(MAKECMDGOALS)

.DEFAULT_GOAL := help
.PHONY: help setup sweep train ui mlflow test test-long check format bench docs pictures release clean chromium postgresql connect

help: ## this list
	@echo "Deep-learning experiments on data that lives in Spark"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  EXPERIMENT=digits_rnn chooses another experiment, ARGS='--trials 8' adds options."

setup: $(READY) ## create .venv with everything in it (the other targets do it when needed)

# The stamp is made last: a setup that was interrupted starts over where pip left off.
$(READY): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { \
	  echo "Python 3.11 or 3.12 is needed and '$(PYTHON)' is not on PATH. Install it (Debian: apt-get install" \
	       "python3.11-venv), or name one: make PYTHON=/path/to/python3.11 $(ASKED)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' || { \
	  echo "Python 3.11 or 3.12 is needed and '$(PYTHON)' is $$($(PYTHON) -V 2>&1)." \
	       "Name one: make PYTHON=/path/to/python3.11 $(ASKED)" >&2; exit 1; }
	@echo "[1/3] Python environment in $(VENV)"
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo "[2/3] PyTorch (the largest part; minutes on a slow line)"
	@$(PIP) install "$$(grep '^torch==' constraints.txt)" -c constraints.txt
	@echo "[3/3] Ray, Spark, MLflow, a Java runtime and the workbench"
	@$(PIP) install -c constraints.txt -e '.[ui,dev]'
	@touch $@

sweep: $(READY) ## search learning rate, batch size and activation of EXPERIMENT (digits_cnn)
	@$(BIN)/workbench sweep $(EXPERIMENT) $(ARGS)

train: $(READY) ## train EXPERIMENT once
	@$(BIN)/workbench train $(EXPERIMENT) $(ARGS)

ui: $(READY) ## the browser UI: launch, compare, look inside the nets
	@$(BIN)/workbench ui $(if $(PORT),--port $(PORT)) $(ARGS)

mlflow: $(READY) ## MLflow's own UI on the recorded runs (PORT=5001 for another port)
	@$(BIN)/workbench mlflow $(if $(PORT),--port $(PORT)) $(ARGS)

test: ## check, then the tests
	@$(MAKE) --no-print-directory -j2 check chromium
	@$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not long" $(ARGS)

test-long: ## the tests that take long: faults, topologies, memory, S3, PostgreSQL
	@$(MAKE) --no-print-directory -j2 connect postgresql
	@$(BIN)/python -m pytest -n 2 --dist loadgroup -m long $(ARGS)

check: $(READY) ## format, lint, types, import directions, pinned packages
	@$(BIN)/ruff format --check --quiet . || { echo "Run 'make format'." >&2; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m pip --disable-pip-version-check check >/dev/null || $(BIN)/python -m pip check
	@$(BIN)/python -m pytest -q --no-header --durations=0 --durations-min=99 -p no:cacheprovider tests/test_dependencies.py >/dev/null \
	  || $(BIN)/python -m pytest -q tests/test_dependencies.py

format: $(READY) ## format and fix what ruff can fix
	@$(BIN)/ruff check --quiet --fix --exit-zero .
	@$(BIN)/ruff format --quiet .

bench: $(READY) ## the benchmarks: one table each
	@$(BIN)/python -m benchmarks $(ARGS)

# Sphinx has an environment of its own, which sees the packages of .venv behind its own.
DOCS := .venv-docs
docs: $(READY) ## build the manual into build/docs/html
	@test -x $(DOCS)/bin/sphinx-build || $(BIN)/python -m venv --clear $(DOCS)
	@$(DOCS)/bin/python -m pip -qq --disable-pip-version-check --no-input install -r docs/manual/requirements.txt
	@$(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))" \
	  > "$$($(DOCS)/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/project.pth"
	@$(DOCS)/bin/python docs/manual/build.py $(ARGS)

pictures: $(READY) chromium ## make the manual's pictures (docs/pictures) from the real browser UI
	@$(BIN)/python docs/manual/pictures.py $(ARGS)

# Built with this environment's hatchling; checked and installed in environments of their own.
RELEASE := .venv-release
INSTALLED := .venv-installed
release: docs ## build and check the wheel and the sdist, and run a sweep from the wheel
	@rm -rf dist workbench/manual && cp -r build/docs/html workbench/manual && rm -rf workbench/manual/.doctrees
	@$(BIN)/python -m hatchling build -d dist; built=$$?; rm -rf workbench/manual; exit $$built
	@$(BIN)/python -m venv --clear $(RELEASE) && $(RELEASE)/bin/python -m pip -q --no-input install twine==7.0.0
	@$(RELEASE)/bin/python -m twine check --strict dist/*
	@echo "Installing the wheel into $(INSTALLED) (as large as the first setup)"
	@$(BIN)/python -m venv --clear $(INSTALLED)
	@$(INSTALLED)/bin/python -m pip -q --no-input install "$$(grep '^torch==' constraints.txt)" -c constraints.txt
	@$(INSTALLED)/bin/python -m pip -q --no-input install "$$(ls $(CURDIR)/dist/*.whl)[ui]" -c constraints.txt
	@folder=$$(mktemp -d) && cd $$folder && WORKBENCH_HOME=$$folder/home \
	  $(CURDIR)/$(INSTALLED)/bin/workbench sweep digits_cnn --trials 2 && rm -rf $$folder
	@echo && echo "Checked. To publish: move what is under Unreleased in CHANGELOG.md to the version, commit," && \
	  echo "git tag v$$($(BIN)/python -c 'import workbench; print(workbench.__version__)') && git push --tags," && \
	  echo "then $(RELEASE)/bin/python -m twine upload dist/*"

clean: ## remove .venv and caches (the runs in .workbench stay)
	rm -rf $(VENV) .venv-docs .venv-release .venv-installed .venv-connect .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Browser tests need a Chromium and skip without one, so that it cannot be had is no error.
chromium:
	@if ! command -v chromium >/dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing chromium for the browser tests"; \
	  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium; } \
	    >/dev/null 2>&1 || echo "chromium could not be installed: the browser tests will be skipped"; \
	fi

# A Spark 4 for its server of Spark Connect, which PySpark 3.5 does not bring. Only its files are used; without
# them, a test skips.
connect: $(READY)
	@test -d .venv-connect/lib || { echo "Installing a server of Spark Connect" && \
	  $(BIN)/python -m venv --clear .venv-connect && \
	  .venv-connect/bin/python -m pip -qq --disable-pip-version-check --no-input install --no-deps pyspark==4.0.1; } \
	  || { rm -rf .venv-connect; echo "Spark 4 could not be installed: its test will be skipped"; }

# The same for the tests that record to a PostgreSQL. Debian starts a server of its own with it, which
# nobody here needs.
postgresql: | chromium
	@if ! command -v initdb >/dev/null && ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 \
	  && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing PostgreSQL for the tests of the tracking store"; \
	  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
	      postgresql-common && sed -i 's/^#\?create_main_cluster.*/create_main_cluster = false/' \
	      /etc/postgresql-common/createcluster.conf && DEBIAN_FRONTEND=noninteractive \
	      apt-get install -y -qq postgresql; } >/dev/null 2>&1 \
	    || echo "PostgreSQL could not be installed: its tests will be skipped"; \
	fi
