# The one door for developers: `just` lists the recipes, and CI calls the same ones.
# `just` comes with the dev extra: pip install -e '.[dev]' brings it as a wheel (rust-just).

set shell := ["bash", "-euo", "pipefail", "-c"]
bin := if path_exists(".venv/bin/python") == "true" { justfile_directory() + "/.venv/bin/" } else { "" }

# list the recipes
default:
    @just --list

# what a change must pass: style, types, quick tests, help in the docs
check: lint types test docs-check

# style and common faults
lint:
    {{bin}}ruff check .
    {{bin}}ruff format --check .

# mypy --strict on the package
types:
    {{bin}}mypy

# the quick tests: unit, contract, properties, and the reference tests where the data is present
test *args:
    {{bin}}pytest -n auto {{args}}

# the slow tests
test-slow *args:
    {{bin}}pytest -n auto -m "slow and not cluster" {{args}}

# ingest, compress, convert and export real images that pydicom and nibabel ship, into the folder demo/
demo:
    PATH="{{bin}}:$PATH" examples/demo.sh demo

# rewrite code in the project's style
format:
    {{bin}}ruff check --fix .
    {{bin}}ruff format .

# write the commands' help into the docs
docs:
    {{bin}}python docs/make_help.py

# whether the help in the docs is that of the code
docs-check:
    {{bin}}python docs/make_help.py --check

# compile the messages of HBase's RPC
proto:
    {{bin}}python scripts/compile_proto.py

# build and start the docker mini-cluster, and wait until every service answers (docs/cluster.md)
cluster-up *args:
    docker/cluster up {{args}}

# remove the mini-cluster with all its data
cluster-down:
    docker/cluster down

# run the cluster tests in the running mini-cluster, on this checkout's code
test-cluster *args:
    docker/cluster test {{args}}

# kill workers of the running mini-cluster, on the machine with its engine, while hbimg reads and writes
test-faults *args:
    docker/cluster test --collect-only -q
    {{bin}}pytest -n 0 -m faults tests/faults {{args}}
