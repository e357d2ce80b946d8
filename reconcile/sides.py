"""Both sides' columns at once: a column's kernels let go of the interpreter, so two cores serve."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from reconcile.model import Side

# A thread costs more than what the kernels of fewer rows take.
MANY_ROWS: Final = 50_000

T = TypeVar("T")


def of_both(call: Callable[[Side], T], rows: int, threads: int | None = None) -> tuple[T, T]:
    """Return what a function says of each side, at the same time where there are many `rows`.

    `threads` 1: one after the other. The servicer's error comes first, whichever was sooner.
    """
    if rows < MANY_ROWS or threads == 1:
        return call(Side.SERVICER), call(Side.OWNER)
    with ThreadPoolExecutor(1) as pool:
        owner = pool.submit(call, Side.OWNER)
        servicer = call(Side.SERVICER)
        return servicer, owner.result()
