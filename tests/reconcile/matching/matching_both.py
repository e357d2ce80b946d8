"""Match as the product does, of few rows in Python, and in DuckDB: both must say the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from reconcile import matching
from reconcile.matching import Matched, RunInput, few


@contextmanager
def tables_alone() -> Iterator[None]:
    """Leave every step to DuckDB, however few the rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(few, "FEW_PAIRS", 0)
        yield


def match(run: RunInput) -> Matched:
    """Return what both ways make of a run."""
    found = matching.match(run)
    with tables_alone():
        assert matching.match(run) == found
    return found
