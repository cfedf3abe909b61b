# The one door for developers: `just` lists the recipes, and CI calls the same ones.
# `just` comes with the dev extra: pip install -e '.[dev]' brings it as a wheel (rust-just).

set shell := ["bash", "-euo", "pipefail", "-c"]
python := if path_exists(".venv/bin/python") == "true" { ".venv/bin/python" } else { "python3" }

# list the recipes
default:
    @just --list

# what a change must pass: style, types, quick tests
check: lint types test

# style and common faults
lint:
    {{python}} -m ruff check .
    {{python}} -m ruff format --check .

# mypy --strict on the package
types:
    {{python}} -m mypy

# the quick tests: unit, contract, properties, and the reference tests where the data is present
test *args:
    {{python}} -m pytest -n auto {{args}}

# the slow tests too
test-all *args:
    {{python}} -m pytest -n auto -m "not cluster" {{args}}

# rewrite code in the project's style
format:
    {{python}} -m ruff check --fix .
    {{python}} -m ruff format .

# build and start the docker mini-cluster, and wait until every service answers (docs/cluster.md)
cluster-up *args:
    docker/cluster up {{args}}

# remove the mini-cluster with all its data
cluster-down:
    docker/cluster down

# run the cluster tests in the running mini-cluster, on this checkout's code
test-cluster *args:
    docker/cluster test {{args}}
