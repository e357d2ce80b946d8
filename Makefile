# Every command sets up what it needs first, says what it does, and can be run again.
.DEFAULT_GOAL := help
PY := .venv/bin/python
# Nodes, commands and test workers start as processes: without byte code on disk each compiles anew.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help setup demo desk test check check-contracts check-python format bench locks contracts snapshots clean

help: ## List the commands
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | awk -F'\t' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: ## Install everything under this folder (.venv, .tools, contracts/node_modules)
	@scripts/setup.sh

demo: setup ## Two business days, four institutions, to agreed results (SERVICER=file OWNER=file for your own)
	@.venv/bin/kanhe demo $(if $(SERVICER),--servicer "$(SERVICER)") $(if $(OWNER),--owner "$(OWNER)") $(DEMO_ARGS)

desk: setup ## Serve the demo's nodes and desk again at a printed loopback address
	@.venv/bin/kanhe desk $(DESK_ARGS)

# Compiling the contracts anew takes longer than all the rest: both at the same time.
check: setup ## Format, lint, types, layers, contract format, generated files fresh
	@$(MAKE) --no-print-directory -j2 check-contracts check-python

check-contracts:
	scripts/forge.sh fmt --check src test
	$(PY) scripts/build_contracts.py --check

check-python:
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	.venv/bin/lint-imports

test: setup ## Everything: check, forge tests with gas and size snapshots, pytest
	@scripts/test.sh

format: setup ## Format Python and Solidity
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .
	scripts/forge.sh fmt src test

bench: setup ## Speed beside its peers; prints a table and writes bench.json
	@scripts/setup.sh bench
	@$(PY) scripts/bench.py $(BENCH_ARGS)

locks: setup ## Pin the dependencies that pyproject.toml names anew (versions and hashes only)
	scripts/lock.sh

contracts: setup ## Compile the contracts and regenerate node/chain/abi
	$(PY) scripts/build_contracts.py

snapshots: setup ## Regenerate the contracts' gas and size snapshots
	FORGE_SNAPSHOT_CHECK=false scripts/forge.sh test --match-contract GasTest

clean: ## Remove what the commands made (.venv and tools stay)
	rm -rf demo bench.json contracts/out contracts/cache .pytest_cache .mypy_cache .ruff_cache
