.PHONY: install run test test-slow test-faults test-browser check up bench clean

VENV := .venv
BIN := $(VENV)/bin
PROFILE := organism

# One stamp a set of pins: a second `make` installs nothing.
STAMP := $(VENV)/.installed

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	python3.11 -m venv $(VENV) || python3 -m venv $(VENV)
	$(BIN)/python -m pip install -qq --upgrade pip
	@echo "installing pinned dependencies into $(VENV) (a few minutes the first time)"
	$(BIN)/python -m pip install -qq --constraint constraints.txt --editable '.[dev]'
	@touch $@

run: install          ## the main job; `make run PROFILE=smollm2` is a real language model
	$(BIN)/permix run --profile $(PROFILE)

up: install           ## Prefect server, MLflow server and a worker on loopback
	$(BIN)/permix up

test: install
	$(BIN)/python -m pytest

test-slow: install
	$(BIN)/python -m pytest -m slow

test-faults: install
	$(BIN)/python -m pytest -m faults

test-browser: install ## needs Chromium (Debian's package)
	$(BIN)/python -m pytest -m browser

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: install
	$(BIN)/python -m pip install -qq --constraint constraints.txt --editable '.[bench]'
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done
