#!/bin/sh
# Runs forge with the pinned compiler; node comes from the PATH or from the venv's wheel.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
PATH="$PATH:$root/.venv/bin"
FOUNDRY_SOLC="$root/contracts/solc"
export PATH FOUNDRY_SOLC
cd "$root/contracts"
exec node_modules/.bin/forge "$@"
