"""The parts of `make bench`, by name; each takes the options and returns measurements."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from scripts.bench import Measurement
from scripts.benchmarks.accuracy import bench_accuracy
from scripts.benchmarks.codec import bench_codec
from scripts.benchmarks.counterparty import bench_counterparty
from scripts.benchmarks.day import bench_day
from scripts.benchmarks.lookups import bench_lookups
from scripts.benchmarks.matching import bench_matching
from scripts.benchmarks.oprf import bench_oprf
from scripts.benchmarks.parse import bench_parse
from scripts.benchmarks.replica import bench_replica

PARTS: dict[str, Callable[[argparse.Namespace], list[Measurement]]] = {
    "accuracy": bench_accuracy,
    "parse": bench_parse,
    "codec": bench_codec,
    "match": bench_matching,
    "day": bench_day,
    "counterparty": bench_counterparty,
    "oprf": bench_oprf,
    "lookups": bench_lookups,
    "replica": bench_replica,
}
