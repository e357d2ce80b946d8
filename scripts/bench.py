"""Speed beside its peers, in one run: `make bench` prints a table and writes bench.json.

Each figure is the median of several runs, alternating with the peer's so that a machine whose
speed drifts slows both. Ratios are what to quote; single times belong to this machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
# Last, so that what both places hold comes from .venv.
sys.path.append(str(ROOT / ".tools" / "bench"))


@dataclass
class Measurement:
    """One line of bench.json (interfaces: `name`, `median_s`, `runs`, peer and ratio)."""

    name: str
    rows: int
    runs: list[float]
    peer: str = ""
    peer_runs: list[float] = field(default_factory=list)
    peak_mb: int = 0
    extra: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the object that bench.json holds."""
        body = asdict(self)
        body["median_s"] = statistics.median(self.runs)
        body["rows_per_s"] = round(self.rows / body["median_s"]) if self.rows else 0
        if self.peer_runs:
            body["peer_median_s"] = statistics.median(self.peer_runs)
            body["ratio"] = body["median_s"] / body["peer_median_s"]
        return body


def peak_mb() -> int:
    """Return this process's peak memory so far, in MB (Linux counts kB, macOS bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1024 if sys.platform == "linux" else peak // 1024**2


def timed(call: Callable[[], object]) -> float:
    """Return how long a call took, in seconds."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def compare(
    name: str,
    rows: int,
    ours: Callable[[], object],
    peer_name: str,
    peer: Callable[[], object],
    *,
    runs: int,
) -> Measurement:
    """Time ours and the peer's in turn, after one warm-up of each."""
    ours()
    peer()
    mine, theirs = [], []
    for _ in range(runs):
        mine.append(timed(ours))
        theirs.append(timed(peer))
    return Measurement(name, rows, mine, peer_name, theirs, peak_mb())


def machine() -> dict[str, Any]:
    """Return the facts of this machine that a reader of the figures needs."""
    model = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    import duckdb

    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024**2,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "duckdb": duckdb.__version__,
    }


def show(results: Sequence[dict[str, Any]]) -> None:
    """Print the table."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Kanhe beside its peers (medians)")
    for column in ("what", "rows", "median s", "rows/s", "peer", "peer s", "ours / peer", "MB"):
        table.add_column(column, justify="left" if column in {"what", "peer"} else "right")
    for item in results:
        ratio = f"{item['ratio']:.2f}" if "ratio" in item else ""
        peer_s = f"{item['peer_median_s']:.3f}" if "peer_median_s" in item else ""
        table.add_row(
            item["name"],
            f"{item['rows']:,}",
            f"{item['median_s']:.3f}",
            f"{item['rows_per_s']:,}",
            item["peer"],
            peer_s,
            ratio,
            f"{item['peak_mb']:,}",
        )
    console = Console(width=140)
    console.print(table)
    for item in results:
        for key, value in item["extra"].items():
            console.print(f"  {item['name']}: {key} = {value}")


def main() -> None:
    """Run the chosen parts and report."""
    from scripts.benchmarks import PARTS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000, help="entries a side for the codecs")
    parser.add_argument("--match-rows", type=int, default=1_000_000, help="rows a side to match")
    parser.add_argument("--big-rows", type=int, default=5_000_000, help="rows a side; 0: none")
    parser.add_argument("--index-rows", type=int, default=1_000_000, help="listings of an index")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", default="", help="comma-separated: " + ", ".join(PARTS))
    options = parser.parse_args()
    chosen = [name for name in options.only.split(",") if name] or list(PARTS)
    facts, results = machine(), list[dict[str, Any]]()
    for name in chosen:
        print(f"bench: {name} …", file=sys.stderr, flush=True)
        results += [item.to_json() for item in PARTS[name](options)]
        # After each part: what was measured stays when a later one fails.
        body = {"machine": facts, "results": results}
        (ROOT / "bench.json").write_text(json.dumps(body, indent=1), encoding="utf-8")
    show(results)
    print("written to bench.json", file=sys.stderr)


if __name__ == "__main__":
    main()
