# Everything a contributor needs; CI runs the same recipes. uv is fetched into .uv/ where it is missing.
UV := $(shell command -v uv || echo .uv/bin/uv)
export PYTHONUNBUFFERED := 1

.PHONY: demo quick test check docs lock bench

demo: $(UV)  ## the whole path on data it makes: graph, training, index, recommendations
	$(UV) run --no-dev --extra train colisten demo

quick: $(UV)  ## at every save: the tests that need neither Neo4j nor minutes
	$(UV) run pytest -n 2 -m "not neo4j and not slow"

test: $(UV)  ## all tests, with a real Neo4j and the real Qdrant engine
	$(UV) run pytest -n 2

check: $(UV)  ## lint, format, types
	$(UV) run ruff check .
	$(UV) run ruff format --check .
	$(UV) run mypy

docs: $(UV)  ## docs/cli.md, from what the commands say of themselves
	$(UV) run scripts/cli_docs.py

lock: $(UV)  ## newest versions of everything, written down in pyproject.toml and jars.lock
	$(UV) run scripts/lock.py

bench: $(UV)  ## the figures that the docs quote; minutes to hours
	$(UV) run benchmarks/loader.py

.uv/bin/uv:
	python3 -m pip install --quiet --target .uv uv
