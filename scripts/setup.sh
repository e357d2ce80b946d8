#!/bin/sh
# Sets everything up under the checkout: .venv (Python), .tools (uv, stamps), contracts/node_modules.
# Run it again at any time: what is already as the locks say is left alone.
set -eu
cd "$(dirname "$0")/.."
mkdir -p .tools

say() { printf 'setup: %s\n' "$*" >&2; }
stop() { printf 'setup: %s\n' "$*" >&2; exit 3; }

# ---- Python >= 3.11
python=""
for candidate in "${PYTHON:-python3}" python3.14 python3.13 python3.12 python3.11; do
  if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    python=$candidate
    break
  fi
done
[ -n "$python" ] || stop "Python 3.11 or newer is needed; install it or set PYTHON=/path/to/python3"

digest() { cat "$@" | "$python" -c 'import hashlib,sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())'; }
fresh() { [ -f ".tools/$1" ] && [ "$(cat ".tools/$1")" = "$2" ]; }

if [ ! -x .venv/bin/python ]; then
  say "making the virtual environment"
  "$python" -m venv .venv || stop "python's venv module is missing (Debian: apt install python3-venv)"
fi

locks=$(digest requirements-bootstrap.lock requirements.lock pyproject.toml)
if ! fresh python.stamp "$locks"; then
  say "installing the locked Python packages (about 110)"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
    --only-binary :all: --upgrade --target .tools/uv -r requirements-bootstrap.lock \
    || stop "pip could not install uv; is a package index reachable?"
  uv=.tools/uv/bin/uv
  "$uv" --quiet pip sync --python .venv/bin/python --require-hashes requirements.lock \
    || stop "the locked packages could not be installed; is a package index reachable?"
  "$uv" --quiet pip install --python .venv/bin/python --no-deps --no-build-isolation -e . \
    || stop "the project itself could not be installed"
  printf '%s\n' "$locks" > .tools/python.stamp
fi

# ---- the bench's peers, apart from .venv: with pandas beside it, pyarrow starts slower
if [ "${1:-all}" = "bench" ]; then
  peers=$(digest requirements-bench.lock)
  if ! fresh bench.stamp "$peers"; then
    say "installing the bench's peers (.tools/bench)"
    rm -rf .tools/bench
    .tools/uv/bin/uv --quiet pip install --python .venv/bin/python --target .tools/bench \
      --no-deps --require-hashes -r requirements-bench.lock \
      || stop "the bench's peers could not be installed; is a package index reachable?"
    printf '%s\n' "$peers" > .tools/bench.stamp
  fi
fi

# ---- npm tools: the embedded chain, forge, the Solidity compiler
[ "${1:-all}" = "python" ] && exit 0
tools=$(digest contracts/package-lock.json)
if ! fresh npm.stamp "$tools" || [ ! -d contracts/node_modules ]; then
  major=$(node --version 2>/dev/null | sed -n 's/^v\([0-9]*\).*/\1/p')
  if [ "${major:-0}" -lt 20 ]; then
    say "no Node.js 20 or newer on the PATH: installing the locked wheel"
    .tools/uv/bin/uv --quiet pip install --python .venv/bin/python --require-hashes \
      -r requirements-node.lock
    PATH="$PWD/.venv/bin:$PATH"
    export PATH
  fi
  say "installing the locked chain and contract tools"
  (cd contracts && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2) \
    || stop "npm could not install the tools; is a package index reachable?"
  printf '%s\n' "$tools" > .tools/npm.stamp
fi
