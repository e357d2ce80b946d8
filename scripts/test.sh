#!/bin/sh
# Everything that must hold. The contracts compile and are tested on one core while the checks run
# on the other; pytest comes last, so that its summary is the last line.
set -u
cd "$(dirname "$0")/.."
log=.tools/forge-test.log
echo "test: contracts in the background (log: $log), checks in front"
scripts/forge.sh test > "$log" 2>&1 &
forge=$!
make --no-print-directory check || { kill "$forge" 2>/dev/null; exit 1; }
echo "test: waiting for the contracts' tests"
if wait "$forge"; then
  tail -n 3 "$log"
else
  cat "$log"
  echo "test: the contracts' tests failed" >&2
  exit 1
fi
# Three workers on the two cores that the time limits are made for: one of them always waits for a
# chain, a process or a browser.
# In the order of the tree: the long drills come first, and the last files are short.
exec .venv/bin/python -m pytest -n 3 --dist loadscope --no-loadscope-reorder
