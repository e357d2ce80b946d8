"""`kanhe chains` of a node that keeps no branch, and what it prints of one that does."""

from __future__ import annotations

import pytest

from node.cli.chains import _show
from node.services.reconciliation import Chains
from reconcile.model import Carrier, Direction, Entry
from reconcile.report import BranchBook, chains_of, roll_up


def entry(ref: str, direction: Direction) -> Entry:
    """Return an entry of voucher VCH-1 over 12.00 yuan."""
    known = ((int(Carrier.VOUCHER_NO), "VCH-1"),)
    return Entry(ref, 0, direction, 1_200, "CNY", 20_780, references=known)


def test_the_way_of_a_voucher_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """Roll-up in one line, then each leg with both sides' entries."""
    books = [BranchBook(b"\1" * 32, [entry("h1", Direction.OUT)], [entry("b1", Direction.OUT)])]
    chains = chains_of(books)
    _show(Chains(roll_up(books, chains), chains, 5, (b"\1" * 32,)))
    shown = capsys.readouterr().out
    assert "CNY: 0 originated, 1 at_head, 0 received, 0 irregular" in shown
    assert "in transit 12.00 = between branches and head office 0.00" in shown
    assert "+ at head office 12.00" in shown
    assert "b1 -12.00" in shown
    assert "… and 4 more" in shown
    assert "every identity holds" in shown


def test_a_node_without_branches_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """An empty answer has a reason."""
    _show(Chains((), (), 0, ()))
    assert "no head-branch agreement" in capsys.readouterr().out
