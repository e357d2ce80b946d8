#!/bin/sh
# Compiles the locks from pyproject.toml: names, versions and hashes, no address.
# The bench's lock leaves out what requirements.lock holds already.
set -eu
cd "$(dirname "$0")/.."
uv=.tools/uv/bin/uv
compile() {
  "$uv" --quiet pip compile pyproject.toml --generate-hashes --no-emit-index-url --no-header \
    --python-version 3.11 "$@"
}
compile --extra dev -o requirements.lock
held=$(sed -n 's/^\([A-Za-z0-9._-]*\)==.*/--no-emit-package \1/p' requirements.lock)
# shellcheck disable=SC2086 # one option a word
compile --extra bench --constraint requirements.lock $held -o requirements-bench.lock
