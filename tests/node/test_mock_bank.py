"""An independent bank's statements, with its faults, end to end through `kanhe match`."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconcile.model import BalanceBasis, EntryStatus
from reconcile.statements import read_statement
from scripts.benchmarks.counterparty import Counterparty, Day, Judged, judge, missed


@pytest.fixture(scope="module")
def days() -> list[Day]:
    """Three days of two accounts' statements."""
    return Counterparty(payments=20).play()


@pytest.fixture(scope="module")
def judged(days: list[Day], tmp_path_factory: pytest.TempPathFactory) -> list[Judged]:
    """What `kanhe match` says of each."""
    return [judge(day, tmp_path_factory.mktemp("day")) for day in days]


def test_every_injected_fault_is_found(days: list[Day], judged: list[Judged]) -> None:
    """Each rejected, returned, doubled or unbooked payment has a break, under its own id."""
    injected = {fault for day in days for fault in day.faults.values()}
    assert injected >= {
        "closed-account", "bad-bank-id", "insufficient-funds", "duplicate-file", "reject-file",
        "return-later", "credit nobody booked",
    }  # fmt: skip
    for day, one in zip(days, judged, strict=True):
        lost, _ = missed(day, one)
        assert not lost, (day.name, lost)


def test_nothing_else_is_called_a_break(days: list[Day], judged: list[Judged]) -> None:
    """All other payments are groups; a silent bank's settled payment is one of them."""
    extra = [missed(day, one)[1] for day, one in zip(days, judged, strict=True)]
    assert [len(one) for one in extra] == [0, 0, 1, 0]
    assert [one.groups for one in judged] == [22, 21, 19, 0]


def test_a_hole_in_a_statement_is_refused_and_then_found(
    days: list[Day], judged: list[Judged]
) -> None:
    """`statement-gap` leaves one settled payment out: strict says TOTALS, lenient says which."""
    assert [one.strict for one in judged] == [0, 0, 2, 0]
    _, (hole,) = missed(days[2], judged[2])
    assert hole in {row[5] for row in days[2].book}
    assert hole not in days[2].statement
    assert judged[2].kinds[hole] in (["TIMING"], ["MISSING_AT_SERVICER"])


def test_a_return_and_a_doubled_booking_have_their_kinds(judged: list[Judged]) -> None:
    """The bank's RtrInf becomes RETURN, the file sent twice DUPLICATE."""
    assert judged[1].kinds["D1-BACK-1"] == ["RETURN"]
    assert judged[0].kinds["D1-TWICE-1"] == ["DUPLICATE"]


def test_its_statement_is_read_provably(days: list[Day], tmp_path: Path) -> None:
    """Balances, charges and parties of a camt.053.001.08 nobody here wrote."""
    path = tmp_path / "statement.xml"
    path.write_text(days[0].statement, encoding="utf-8")
    one = read_statement(path).statements[0]
    assert one.provable
    assert one.opening_balance is not None
    assert one.opening_balance.basis is BalanceBasis.STATED
    assert one.entries[0].counterparty_name == "Payee of D1-GOOD-00000"
    assert {entry.status for entry in one.entries} == {EntryStatus.BOOKED}
