#!/bin/sh
# Everything that must hold. The contracts compile and are tested beside the checks and the first of
# pytest's tests; where all is well, pytest's summary is the last line.
set -u
cd "$(dirname "$0")/.."
log=.tools/forge-test.log
echo "test: contracts in the background (log: $log), checks in front"
scripts/forge.sh test > "$log" 2>&1 &
forge=$!
make --no-print-directory check || { kill "$forge" 2>/dev/null; exit 1; }
# Four workers on the two cores that the time limits are made for: some always wait for a
# chain, a process or a browser. In the order of the tree: the long drills come first, and the last
# files are short.
.venv/bin/python -m pytest -n 4 --dist loadscope --no-loadscope-reorder
python=$?
# The contracts' tests are over long before: their compiler goes on beside the first drills.
if ! wait "$forge"; then
  cat "$log"
  echo "test: the contracts' tests failed" >&2
  exit 1
fi
exit "$python"
