# The one place that says how each thing is done; CI calls the same targets.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python3.14; do \
	command -v $$p >/dev/null && $$p -c 'import sys, ensurepip; ensurepip.version(); sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO_SECONDS ?= 60
COVERAGE ?= --cov --cov-report=term:skip-covered
QUICK := not faults and not system

.PHONY: demo test test-thorough test-packages test-faults test-faults-long test-system lint bench soak clean

demo: $(READY)            ## a trading afternoon in a minute, on an embedded Valkey
	@$(BIN)/tickstock-relay demo --seconds $(DEMO_SECONDS) || [ $$? -eq 141 ] # 141: its reader went away, as head does

test: $(READY)            ## quick and real: unit tests and the daemon against a real Valkey
	@echo "the quick tests: some minutes, a dot for each test that passes"
	$(BIN)/pytest -m "$(QUICK) and not thorough" $(COVERAGE)

test-thorough: $(READY)   ## property tests with five times as many examples, and what takes long
	$(BIN)/pytest -m "$(QUICK) and (hypothesis or thorough)" --hypothesis-profile=thorough

test-faults: $(READY)     ## as root: what breaks, broken on purpose; prints a table
	$(BIN)/pytest -m faults -p no:randomly -s

test-faults-long: $(READY) ## the same with 200,000 events where it counts, and a soak of ten minutes
	FAULT_BACKLOG_ROWS=200000 FAULT_SOAK_SECONDS=600 $(BIN)/pytest -m faults -p no:randomly -s

test-system: $(READY)     ## as root: a real systemd, Prometheus and Chromium
	$(BIN)/pytest -m system -p no:randomly -s

test-packages:            ## wheel and sdist, installed: does the demo run from an empty folder?
	@tools/test-packages "$(PYTHON)"

lint: $(READY)            ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/vulture

bench: $(READY)           ## side by side with the others; writes docs/performance data
	$(BIN)/python -m benchmarks

soak: $(READY)            ## five million events: is everything flat?
	$(BIN)/python -m benchmarks.soak

# A virtual environment knows its own place and Python: one that was moved, copied or outlived its Python is made anew.
SOUND := $(shell grep -qsF "$$(pwd -P)/$(BIN)/python" $(BIN)/tickstock-relay && $(BIN)/python -c "" 2>/dev/null && echo yes)
ifneq ($(SOUND),yes)
.PHONY: $(READY)
endif

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "need Python 3.11 or later with venv (Debian, Ubuntu: apt install python3-venv)"; exit 1; }
	@test -n "$(SOUND)" || test ! -d $(VENV) || echo "$(VENV) was made elsewhere, or not to its end: making it anew"
	@test -n "$(SOUND)" || $(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python tools/install.py
	@touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
