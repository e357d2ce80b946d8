"""Full classification of two books beside what others do with the same rows.

Both books stand in memory as the product holds them: one Arrow column a field and side, as they
come from storage. Ours reads every pass, near misses, breaks, identities and totals, and writes the
groups as Parquet; the digest is timed apart. The bare join is the least that any comparison must
do: it pairs equal references and amounts, and knows no duplicates, near misses, breaks or report.
It writes four columns; the same join of the whole tables writes all that a reader of either needs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from scripts.bench import Measurement
from scripts.benchmarks.books import write_books

PROGRAM = Path(__file__).with_name("contestants.py")
OURS = "kanhe"
JOIN = "DuckDB, bare full outer join"
WIDE = "DuckDB, full outer join of all columns"
OBJECTS = "kanhe from Python entries"
JOINS = (JOIN, WIDE)
PEERS = (*JOINS, OBJECTS, "pandas merge", "dict loop", "fastrecon, keyed", "datacompy")
# A peer that joins by reference and amount sees an amount that differs on both sides alone.
BY_AMOUNT = frozenset({*JOINS, "pandas merge", "dict loop"})
BATCH = "kanhe, one batch"
WHOLE = "kanhe, a run over all"
BATCH_ROWS = 1_000
AIM_BATCH_MS = 200
# How often the bare join's time; how often the smaller book's time a row.
AIM_JOINS = 3
AIM_GROWTH = 1.5
MORE_BATCHES = 20
MIN_RUNS = 3
MILLION = 1_000_000
ANSWER_TIMEOUT_S = 300


class Contestant:
    """A process that holds both books and compares them when it is asked."""

    def __init__(self, name: str, folder: Path) -> None:
        """Start it; it is ready when it has read the files."""
        self.name = name
        self.found: list[dict[str, Any]] = []
        self._process = subprocess.Popen(
            [sys.executable, str(PROGRAM), name, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(ANSWER_TIMEOUT_S)

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended before it answered")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def run(self) -> None:
        """Compare once."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        self.found.append(self._answer())

    @property
    def seconds(self) -> list[float]:
        """Return how long each run took, the first left out: it warms up."""
        return [item["seconds"] for item in self.found[1:]]


def _beside(folder: Path, rows: int, peer: str, runs: int) -> Measurement:
    """Run ours and a peer's in turn, each in its process."""
    with Contestant(OURS, folder) as ours, Contestant(peer, folder) as theirs:
        for _ in range(max(runs, MIN_RUNS) + 1):
            ours.run()
            theirs.run()
    size = f"{rows // MILLION}m" if rows >= MILLION else f"{rows // 1_000}k"
    done = Measurement(f"match_{size}", rows, ours.seconds, peer, theirs.seconds)
    done.peak_mb = ours.found[-1]["peak_mb"]
    done.extra = {
        "counts": ours.found[-1]["counts"],
        f"counts of {peer}": theirs.found[-1]["counts"],
        "peer's MB": theirs.found[-1]["peak_mb"],
    }
    if peer in JOINS:
        ratio = statistics.median(done.runs) / statistics.median(done.peer_runs)
        done.extra["aim"] = _beside_aim(ratio, AIM_JOINS)
    if peer == JOIN:
        for name in ("digest_s", "parquet_s"):
            done.extra[name] = round(statistics.median(item[name] for item in ours.found[1:]), 3)
        done.extra["complete"] = ours.found[-1]["complete"]
    done.extra["counts agree"] = _agree(ours.found[-1]["counts"], theirs.found[-1]["counts"], peer)
    return done


def _incremental(folder: Path, rows: int, runs: int) -> Measurement:
    """Match batches of 1,000 against all open entries, beside a run over everything."""
    with Contestant(BATCH, folder) as ours, Contestant(WHOLE, folder) as theirs:
        for _ in range(max(runs, MIN_RUNS) + 1):
            ours.run()
            theirs.run()
        for _ in range(MORE_BATCHES):
            ours.run()
    done = Measurement("match_batch", BATCH_ROWS, ours.seconds, WHOLE, theirs.seconds)
    done.peak_mb = ours.found[-1]["peak_mb"]
    done.extra = {
        "open entries": rows,
        "slowest ms": round(1_000 * max(ours.seconds)),
        "aim ms": AIM_BATCH_MS,
        "counts": ours.found[0]["counts"],
        "counts of a run over all": theirs.found[0]["counts"],
    }
    return done


def _beside_aim(found: float, aim: float) -> str:
    """Say whether an aim is reached, or by how much it is missed."""
    if found <= aim:
        return f"{found:.2f} of at most {aim}: reached"
    return f"{found:.2f} of at most {aim}: missed by {100 * (found / aim - 1):.0f} %"


def _agree(ours: dict[str, int], theirs: dict[str, int], peer: str) -> str:
    """Say whether a peer found the same, and where the difference comes from."""
    expected = dict(ours)
    if peer in BY_AMOUNT:
        differ = expected.pop("differ")
        expected["servicer_only"] += differ
        expected["owner_only"] += differ
    same = all(expected[name] == count for name, count in theirs.items())
    if not same:
        return f"no: {theirs} beside {expected}"
    return "yes, a differing amount being alone on both sides" if peer in BY_AMOUNT else "yes"


def bench_matching(options: argparse.Namespace) -> list[Measurement]:
    """Measure ours beside each peer, and a larger book beside the join alone."""
    results = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_books(options.match_rows, folder)
        results += [_beside(folder, options.match_rows, peer, options.runs) for peer in PEERS]
        results.append(_incremental(folder, options.match_rows, options.runs))
        if options.big_rows:
            write_books(options.big_rows, folder)
            big = _beside(folder, options.big_rows, JOIN, options.runs)
            first = results[0]
            per_row = statistics.median(big.runs) / big.rows
            before = statistics.median(first.runs) / first.rows
            growth = per_row / before
            big.extra["time a row beside the smaller book"] = round(growth, 2)
            big.extra["aim of time a row"] = _beside_aim(growth, AIM_GROWTH)
            results.append(big)
    return results
