# The Python that makes .venv: the first that runs; name another with make PYTHON=...
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c '' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin

.DEFAULT_GOAL := setup
.PHONY: setup demo serve test fuzz fuzz-doors chaos cluster lint mutants bench proto map lock clean

setup:
	@$(or $(PYTHON),$(error No Python was found. Install Python 3.11 or newer)) tools/setup.py

demo: setup
	@$(BIN)/conclave demo

serve: setup
	@$(BIN)/conclave serve

test: setup
	@$(BIN)/python tools/stages.py

lint: setup
	@$(BIN)/python tools/stages.py lint types

# Whether the tests notice a changed engine; minutes. Name some files with make mutants FILES=...
mutants: setup
	@$(BIN)/python tools/mutants.py $(FILES)

# The engine's properties and bad input on a real bus, with thousands of other examples; minutes
fuzz: setup
	@$(BIN)/python tools/stages.py fuzz

# Thousands of requests to both doors, drawn from their own documents; minutes
fuzz-doors: setup
	@$(BIN)/python tools/stages.py fuzz-doors

# Ten minutes in which processes die, stop and are cut off, then three that have to be caught
chaos: setup
	@$(BIN)/python tools/stages.py siege

# Several engines or nodes at once, which takes a test of its own minutes
cluster: setup
	@$(BIN)/python tools/stages.py cluster

# What the engine costs; bench/ has one file for each BENCH
BENCH ?= core
bench: setup
	@$(BIN)/python -m bench.$(BENCH)

proto: setup
	@$(BIN)/python tools/generate.py

# docs/map.md, a line for each file
map: setup
	@$(BIN)/python tools/map.py

# requirements.lock from pyproject.toml, and from both what each image holds
lock:
	@$(or $(PYTHON),$(error No Python was found. Install Python 3.11 or newer)) tools/setup.py lock
	@$(PYTHON) tools/locks.py

clean:
	rm -rf .venv .cache .conclave build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
