# Every target makes .venv first if it is missing; PYTHON names the interpreter to make it with.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
SPACE ?= sweeps/arc.yaml
ARGS ?=
PROCESSES := -n logical --maxprocesses 4 --dist loadgroup --no-loadscope-reorder

.PHONY: sweep plan test slow nightly chaos thorough check format format-check lint types clean

sweep: $(READY)  ## search the space, to its report
	$(BIN)/python sweeps/run.py --space $(SPACE) $(ARGS)

plan: $(READY)  ## print what the search would cost
	$(BIN)/python sweeps/run.py --space $(SPACE) --dry-run $(ARGS)

test: $(READY)  ## run the tests but the slow ones, in as many processes as there are cores
	$(BIN)/python -m pytest $(PROCESSES) -m "not slow and not nightly" $(ARGS)

slow: $(READY)  ## run the slow tests: whole sweeps, servers, compilers, several processes
	$(BIN)/python -m pytest $(PROCESSES) -m "slow and not chaos and not nightly" $(ARGS)

nightly: $(READY)  ## run the longest tests: every space that shows a feature, to its report
	$(BIN)/python -m pytest $(PROCESSES) -m nightly $(ARGS)

chaos: $(READY)  ## clusters and sweeps that lose hosts, workers and servers, Slurm, PostgreSQL; an hour
	$(BIN)/python -m pytest -s -m chaos $(ARGS)

thorough: $(READY)  ## the same, with 100 examples a property in place of 25
	HYPOTHESIS_PROFILE=thorough $(BIN)/python -m pytest $(PROCESSES) $(ARGS)

check: format-check lint types test slow  ## all that must hold before a commit

format-check: $(READY)
	$(BIN)/ruff format --check .

lint: $(READY)
	$(BIN)/ruff check .

# Benchmarks are run by hand, and rarely: what they call has to be there, and take what it is given.
LOOSE := $(addprefix --disable-error-code=,arg-type assignment misc no-any-return no-untyped-call \
	var-annotated unused-ignore import-untyped import-not-found)

types: $(READY)
	$(BIN)/mypy
	$(BIN)/mypy benchmarks $(LOOSE)

format: $(READY)  ## put the code into its one layout, and renew the lines that docs cite
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/python docs/cited_lines.py
	$(BIN)/python docs/architecture.py
	$(BIN)/python docs/space_schema.py

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt --editable ".[dev]"
	touch $(READY)

clean:  ## remove the environment and caches; puzzles, runs and records stay
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis
