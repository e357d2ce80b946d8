"""Books: what a contradictory file states proves nothing."""

from __future__ import annotations

from dataclasses import replace

from node.books import book_of
from reconcile.model import (
    Balance,
    BalanceBasis,
    Contradiction,
    Direction,
    Statement,
    StatementFile,
)


def _file(*contradictions: Contradiction) -> StatementFile:
    balance = Balance(100, Direction.IN, 20_000, BalanceBasis.STATED)
    stated = Statement("1", "S1", "CNY", 2, balance, balance, (), (), contradictions)
    return StatementFile("camt.053", None, "00" * 32, (stated,))


def test_a_contradictory_file_proves_no_balance() -> None:
    """One contradiction makes every balance of the book DERIVED, so that no run is proven by it."""
    whole = book_of(_file(), "a.xml")
    broken = book_of(_file(Contradiction("TOTALS", "7 entries are stated, 1 is here")), "a.xml")
    assert (whole.provable, broken.provable) == (True, False)
    assert whole.opening["CNY"].basis is whole.closing["CNY"].basis is BalanceBasis.STATED
    assert broken.opening["CNY"].basis is broken.closing["CNY"].basis is BalanceBasis.DERIVED
    assert replace(broken.closing["CNY"], basis=BalanceBasis.STATED) == whole.closing["CNY"]
