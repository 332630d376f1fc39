# Each target works on a fresh machine with Python 3.11+ and git; `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo test lint types unit torture bench format clean

help: ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (once) ..."
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(READY) ## Play the main job on real orders (ARGS="--orders N --exit --json", or --erp tryton)
	@$(BIN)/crossdock demo $(ARGS)

test: lint types unit ## Lint, types, layers and all tests

lint: $(READY)
	@$(BIN)/ruff check src tests benchmarks docs
	@$(BIN)/ruff format --check src tests benchmarks docs
	@$(BIN)/lint-imports --no-logo

types: $(READY)
	@$(BIN)/mypy

unit: $(READY)
	@$(BIN)/pytest -n 2 --dist loadgroup $(ARGS)

torture: $(READY) ## Break it on purpose and settle accounts (ARGS="--minutes 10 --seed 7")
	@cd tests && ../$(BIN)/python -m torture $(ARGS)

bench: $(READY) ## Measure (NAME=engine for one, ARGS=--json for one object a line)
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev,bench]'
	@$(BIN)/python -m benchmarks $(NAME) $(ARGS)

format: $(READY) ## Format and mend what lint can mend
	@$(BIN)/ruff format src tests benchmarks docs
	@$(BIN)/ruff check --fix src tests benchmarks docs

clean: ## Remove what was built here
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
