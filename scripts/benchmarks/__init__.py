"""The parts of `make bench`, by name; each takes the options and returns measurements."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from scripts.bench import Measurement
from scripts.benchmarks.codec import bench_codec


PARTS: dict[str, Callable[[argparse.Namespace], list[Measurement]]] = {
    "codec": bench_codec,
}
