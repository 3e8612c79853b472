# `make help` lists what there is. Every target sets up .venv first, and only when needed.

usable = import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c '$(usable)' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

export TF_CPP_MIN_LOG_LEVEL ?= 3
export TF_ENABLE_ONEDNN_OPTS ?= 0
export KERAS_BACKEND := tensorflow

.DEFAULT_GOAL := help
.PHONY: help demo test deep test-all lint types bench accuracy mutants docs wheel clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml
	@test -n "$(PYTHON)" || { echo "lossc needs Python 3.11, 3.12 or 3.13; name one: make PYTHON=/path/to/python"; exit 1; }
	@echo "setting up $(VENV) (once; TensorFlow is a large download)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --editable '.[dev,demo]'
	@touch $@

demo: $(READY) ## compile the example losses, evaluate them, train and save a Keras model
	@$(BIN)/python examples/demo.py

PYTEST := $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal

test: $(READY) ## run the quick tests, and all tests of the losses that a change touches
	@$(PYTEST)

deep: $(READY) ## run the tests that `make test` leaves out (a quarter of an hour)
	@$(PYTEST) --deep

test-all: test deep ## run all tests

lint: $(READY) ## check style and layout
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(READY) ## check types
	@$(BIN)/mypy

bench: $(READY) ## measure import, check, compile, call, gradient, audit and training (an hour)
	@$(BIN)/python bench/bench.py
	@$(BIN)/python bench/gradients.py
	@$(BIN)/python bench/derive.py
	@$(BIN)/python bench/audit.py
	@$(BIN)/python bench/fit.py
	@$(BIN)/python bench/batch.py --memory

accuracy: $(READY) ## measure bits of error beside Keras's, and write docs/accuracy.md (half an hour)
	@$(BIN)/python bench/accuracy.py --processes 2

mutants: $(READY) ## break every derivative rule on purpose and count what the checks catch
	@$(BIN)/python -m tests.mutation

docs: $(READY) ## write the generated pages anew, check every example, build docs/_build/
	@$(BIN)/python docs/generate.py
	@$(BIN)/python -m pytest tests/test_docs.py
	@$(BIN)/python -m docs.manual

wheel: $(READY) ## build the wheel into dist/
	@rm -rf build dist
	@$(BIN)/python -m build --wheel . >/dev/null
	@ls dist/*.whl

clean: ## remove everything that was built
	@rm -rf $(VENV) build dist docs/_build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
