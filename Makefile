# make demo   run-time packages alone; embeds and ranks with the bundle inside the package
# make test   everything: format, lint, types, tests, documentation; what CI runs
# make dev    an editable install into the environment of `make test`

PYTHON ?= python3

# Installed before everything else and by its exact version: left to the resolver, torch comes with
# several gigabytes of CUDA. Name another build with `make test TORCH=...`.
TORCH ?= torch==2.13.0

BIN := .venv/bin
DEMO := .venv-demo/bin
PIP := pip install --quiet --disable-pip-version-check

# llama-cpp-python has no wheels on PyPI. pip compiles it once and caches the wheel it made.
LEAN := -DLLAVA_BUILD=OFF -DCMAKE_PROJECT_llama.cpp_INCLUDE=$(CURDIR)/packaging/llama-lean.cmake

.PHONY: demo test dev clean

demo: .venv-demo/installed
	$(DEMO)/python examples/demo.py

.venv-demo/installed: pyproject.toml $(shell find src runtime convert vocab_prune -type f)
	$(PYTHON) -m venv .venv-demo
	$(DEMO)/$(PIP) .
	touch $@

test: .venv/installed
	rm -rf build dist
	$(BIN)/python -m build --wheel --outdir dist . > /dev/null
	# The wheel and not an editable install: that would hide a package that the wheel lacks.
	$(BIN)/$(PIP) --force-reinstall --no-deps dist/*.whl
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

dev: .venv/installed
	$(BIN)/$(PIP) --no-deps --editable .

.venv/installed: pyproject.toml packaging/constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/$(PIP) '$(TORCH)'
	CMAKE_ARGS="$(LEAN)" $(BIN)/$(PIP) --constraint packaging/constraints.txt '.[dev]'
	touch $@

clean:
	rm -rf .venv .venv-demo build dist src/*.egg-info
