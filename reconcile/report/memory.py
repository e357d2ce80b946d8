"""Holding Python's cycle collector off while millions of plain values are made."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_collection() -> Iterator[None]:
    """Hold the collector off for a step that makes many values and no cycles.

    Each of its full passes walks every live entry; over a million of them these passes cost more
    than the work itself. Reference counting still frees what is dropped.
    """
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()
