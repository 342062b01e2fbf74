# Two commands are all a newcomer needs: `make demo` and `make test`. Both make .venv from constraints.txt first.

PYTHON ?= python3
VENV ?= .venv
DEMO_HOME := crystalforge-demo
CRYSTALFORGE_SHARED ?= ../shared
COUNT ?= 50000
BENCH ?=
export CRYSTALFORGE_SHARED

PLATFORM := $(VENV)/bin/platform
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: demo test fault cluster s3 dft slurm image lint format bench docs install install-dev mlflow-postgres prometheus clean help

help:
	@echo "make demo    set up, then real crystals -> 12 GANs -> $(COUNT) samples -> a table of candidates"
	@echo "make test    set up, then all tests"
	@echo "make fault   the fault tests with their long loops: kills, failing writes, lost nodes; long"
	@echo "make slurm   the batch script on a real Slurm, which it installs from Debian's packages and starts itself"
	@echo "make s3      homes on a real S3 server, which it starts itself: every command, kills, a store that fails; long"
	@echo "make cluster trainings and a generation on four nodes of this machine that are lost, cut off and added; long"
	@echo "make image   the CPU image, built by Buildah on Debian's Python, and commands in it; needs root, no registry"
	@echo "make dft     the long tests with GPAW, where it is installed: lattice constants of known crystals"
	@echo "make mlflow-postgres    MLflow on a real PostgreSQL, killed while 12 trainings log to it; installs PostgreSQL"
	@echo "make prometheus    a real Prometheus asks for the figures, the rules and the dashboard; installs Prometheus"
	@echo "make lint    ruff, mypy, import contracts"
	@echo "make format  let ruff format the code"
	@echo "make bench   all benchmarks, figures to docs/benchmarks.md; one alone: make bench BENCH=\"--only merging\""
	@echo "make docs    docs/commands.md from the code of the commands"
	@echo "make clean   remove the environment, builds and the demo's home ($(DEMO_HOME))"

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "crystalforge needs Python 3.11 or newer; choose one by PYTHON=…")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing crystalforge into $(VENV) (some minutes the first time)"
	$(PIP) --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing crystalforge and its development tools into $(VENV) (some minutes the first time)"
	$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.installed

install: $(VENV)/.installed
install-dev: $(VENV)/.installed-dev

demo: export CRYSTALFORGE_HOME := $(DEMO_HOME)
demo: $(VENV)/.installed
	$(PLATFORM) dataset build bundled
	$(PLATFORM) train-all --dataset bundled
	$(PLATFORM) generate --count $(COUNT)
	$(PLATFORM) sql "SELECT space_group_number, count(*) AS candidates, round(avg(density), 2) AS mean_density, \
	  round(median(min_contact_ratio), 3) AS median_contact, arg_min(formula, abs(min_contact_ratio - 1)) AS example \
	  FROM candidates GROUP BY ALL ORDER BY candidates DESC"
	@echo
	@echo "The crystals in a page:    $(PLATFORM) explore --home $(DEMO_HOME)"
	@echo "A report in one file:      $(PLATFORM) report --home $(DEMO_HOME)"
	@echo "Training runs in MLflow:   $(PLATFORM) ui --home $(DEMO_HOME)"
	@echo "Your own questions:        $(PLATFORM) sql --home $(DEMO_HOME) \"SELECT * FROM candidates LIMIT 5\""

# Two files of tests at a time, each with its own Ray where it needs one.
test: $(VENV)/.installed-dev
	$(VENV)/bin/python -m pytest --numprocesses 2 --dist loadfile

fault: $(VENV)/.installed-dev
	$(VENV)/bin/python -m pytest tests/fault -m "nightly or not nightly" --log-cli-level=INFO

# Without the log while they run, which takes standard output away from commands that a test runs in its own process.
s3: $(VENV)/.installed-dev
	$(VENV)/bin/python -m pytest -v -m "nightly or not nightly" tests/integration/test_store_home.py \
	  tests/fault/test_store_faults.py tests/unit/test_object_store.py tests/unit/catalog/test_manifest_lines.py

cluster: $(VENV)/.installed-dev
	$(VENV)/bin/python -m pytest tests/fault/test_several_nodes.py -m "nightly or not nightly" --log-cli-level=INFO

dft: $(VENV)/.installed-dev
	$(VENV)/bin/python -m pytest tests/unit/validation/test_gpaw.py -m "nightly or not nightly" --log-cli-level=INFO

slurm: $(VENV)/.installed-dev
	$(VENV)/bin/python -m pytest tests/integration/test_slurm.py -m "nightly or not nightly" --log-cli-level=INFO

image: export BUILD_OPTIONS ?=
image: export IMAGE_FOLDER ?=
image:
	infra/docker/try_it.sh

# Services of the system: their tests install what they need of Debian's packages, under root, and start it themselves.
mlflow-postgres: $(VENV)/.installed-dev
	$(VENV)/bin/python -m pytest tests/integration/test_mlflow_on_postgresql.py -m nightly --log-cli-level=INFO

prometheus: $(VENV)/.installed-dev
	$(VENV)/bin/python -m pytest tests/integration/test_prometheus.py -m nightly --log-cli-level=INFO

# The package is spread over platform/, jobs/ and schemas/; mypy and the import contracts read it from one folder.
LINT := build/lint
lint: $(VENV)/.installed-dev
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	@rm -rf $(LINT) && mkdir -p $(LINT)/crystalforge
	@ln -s $(CURDIR)/platform/crystalforge/* $(CURDIR)/jobs $(CURDIR)/schemas $(LINT)/crystalforge/
	cd $(LINT) && PYTHONPATH=$(CURDIR)/$(LINT) $(abspath $(VENV))/bin/lint-imports --config $(CURDIR)/pyproject.toml --no-cache
	cd $(LINT) && $(abspath $(VENV))/bin/mypy --config-file $(CURDIR)/pyproject.toml --cache-dir $(CURDIR)/.mypy_cache -p crystalforge

format: $(VENV)/.installed-dev
	$(VENV)/bin/ruff check --fix
	$(VENV)/bin/ruff format

bench: $(VENV)/.installed-dev
	$(VENV)/bin/python benchmarks/run.py $(BENCH)

docs: $(VENV)/.installed-dev
	$(VENV)/bin/python -m crystalforge.cli.make_reference docs/commands.md

clean:
	rm -rf $(VENV) build $(DEMO_HOME)
