from __future__ import annotations

import hashlib

import msgspec
import pytest
import rfc8785
from report_books import (
    DAY,
    IN,
    OUT,
    PAIR,
    all_hold,
    failing,
    line,
    one_sided,
    row,
    run_of,
    stated,
    worked_example,
)

from reconcile.model import (
    AgreementKind,
    BreakKind,
    Side,
    SideBook,
)
from reconcile.report import (
    match_json,
    reconcile,
)


def test_worked_example_by_hand() -> None:
    """Turnover, balances and the proof amount are those of a calculation on paper."""
    result = worked_example()
    totals = row(result)
    assert totals["servicer"] == {
        "count": "5",
        "in_minor": "10700",
        "out_minor": "12800",
        "net_in_minor": "700",  # the reversal takes back 10,000
        "net_out_minor": "2800",
        "opening_minor": "100000",
        "opening_basis": "STATED",
        "closing_minor": "97900",
        "closing_basis": "STATED",
    }
    assert totals["owner"]["count"] == "5"
    assert (totals["owner"]["in_minor"], totals["owner"]["out_minor"]) == ("10730", "12500")
    assert totals["closing_difference_minor"] == "-330"
    assert totals["breaks_minor"] == "-330"  # +50 - 300 - 80
    assert totals["proof_minor"] == "0"
    assert result.complete
    assert result.balance_proven
    kinds = {tuple(item.servicer + item.owner): item.kind for item in result.breaks}
    assert kinds == {
        ("s3", "o3"): BreakKind.AMOUNT,
        ("s4",): BreakKind.TIMING,
        ("s6",): BreakKind.TIMEOUT,
        ("o7",): BreakKind.TIMING,
    }
    assert {group.servicer + group.owner for group in result.groups} == {
        ("s1", "o1"),
        ("s2", "o2"),
        ("s5", "o5"),
    }


def test_match_json_has_the_published_fields() -> None:
    """`kanhe match --json` writes the fields of the interface, amounts as decimal strings."""
    result = worked_example()
    body = match_json(result)
    assert set(body) == {
        "report", "report_digest", "complete", "balance_proven", "totals", "groups", "proposals",
        "breaks", "timing_ms",
    }  # fmt: skip
    assert body["report_digest"] == hashlib.sha256(rfc8785.dumps(result.report)).hexdigest()
    assert body["groups"][0] == {
        "pass": "e2e",
        "servicer": ["s1"],
        "owner": ["o1"],
        "currency": "CNY",
        "residual_minor": "0",
    }
    amount = next(item for item in body["breaks"] if item["kind"] == "AMOUNT")
    assert amount["signed"] == [{"currency": "CNY", "minor": "50"}]
    assert {"match", "digest", "parse"} <= set(body["timing_ms"])


@pytest.mark.parametrize("side", list(Side))
def test_wrong_closing_is_a_balance_break_of_its_side(side: Side) -> None:
    """A closing that does not follow from the entries names side, currency and difference."""
    closings = [1_500, 1_500]
    closings[side] += 7
    books = [one_sided(1_000, closings[s], PAIR[s]) for s in Side]
    result = reconcile(run_of(*books))
    assert not result.complete
    assert failing(result) == [("flow", side.word), ("proof", None)]
    (found,) = result.breaks
    assert (found.kind, found.side, found.unexplained_minor) == (BreakKind.BALANCE, side, 7)
    # A BALANCE break never enters the proof amount: it would explain itself away.
    assert row(result)["breaks_minor"] == "0"
    assert row(result)["proof_minor"] == str(7 if side is Side.SERVICER else -7)
    assert all_hold(result)


def test_openings_apart_are_not_explained_away() -> None:
    """Two books that each add up but start apart leave a proof amount and one BALANCE break."""
    result = reconcile(run_of(one_sided(1_100, 1_600, PAIR[0]), one_sided(1_000, 1_500, PAIR[1])))
    assert failing(result) == [("proof", None)]
    assert [(item.kind, item.side) for item in result.breaks] == [(BreakKind.BALANCE, None)]
    assert row(result)["proof_minor"] == "100"
    assert not result.balance_proven


def test_opening_must_be_the_previous_closing() -> None:
    """An opening other than the previous closing is a failing identity of that side."""
    servicer = one_sided(1_000, 1_500, PAIR[0], previous_closing=stated(CNY=900))
    result = reconcile(run_of(servicer, one_sided(1_000, 1_500, PAIR[1])))
    assert failing(result) == [("opening", "servicer")]
    (found,) = result.breaks
    assert (found.kind, found.unexplained_minor) == (BreakKind.BALANCE, 100)


def test_a_gap_between_statements_is_named() -> None:
    """A missing statement is a STATEMENT_GAP, and the run is not complete."""
    servicer = one_sided(1_000, 1_500, PAIR[0], gaps=("CNY: closing 1 , next opening 2",))
    result = reconcile(run_of(servicer, one_sided(1_000, 1_500, PAIR[1])))
    assert [item.kind for item in result.breaks] == [BreakKind.STATEMENT_GAP]
    assert result.report["gaps"]["servicer"] == ["CNY: closing 1 , next opening 2"]
    assert not result.complete


@pytest.mark.parametrize(
    ("servicer", "owner"),
    [
        ((None, None), (None, None)),
        ((1_000, 1_500), (None, None)),
        ((None, None), (1_000, 1_500)),
        ((None, 1_500), (1_000, 1_500)),
        ((1_000, None), (1_000, 1_500)),
    ],
)
def test_derived_balances_prove_nothing(
    servicer: tuple[int | None, int | None], owner: tuple[int | None, int | None]
) -> None:
    """Where a balance is only derived, the flow is reconciled and the balance is not proven."""
    books = one_sided(*servicer, PAIR[0]), one_sided(*owner, PAIR[1])
    result = reconcile(run_of(*books))
    assert result.complete
    assert not result.balance_proven
    assert result.report["says"] == "complete: flow reconciled, balance not proven"
    assert row(result)["proof_minor"] == "0"


def test_empty_books_are_complete_and_prove_nothing() -> None:
    """Two empty books have no totals, no breaks and no proven balance."""
    result = reconcile(run_of(SideBook(entries=()), SideBook(entries=())))
    assert (result.complete, result.balance_proven, result.breaks) == (True, False, ())
    assert all_hold(result)


def test_clearing_counts_by_date_session_and_type() -> None:
    """The clearing table compares counts and sums line by line and says what breaks explain."""
    place = {"settlement_date": DAY, "session": 1, "business_type": "PURCHASE"}
    servicer = [line("s1", IN, 100, "PAY-0001", **place), line("s2", IN, 40, "PAY-0002", **place)]
    # The owner does not say session and type: its partner's line counts.
    owner = [line("o1", IN, 100, "PAY-0001", settlement_date=DAY)]
    result = reconcile(
        run_of(
            SideBook(entries=tuple(servicer)),
            SideBook(entries=tuple(owner)),
            kind=AgreementKind.CLEARING,
        )
    )
    (table,) = result.report["clearing"]
    fees = {"fee_minor": "0", "net_minor": "140"}
    assert table["servicer"] == {"count": "2", "in_minor": "140", "out_minor": "0"} | fees
    fees = {"fee_minor": "0", "net_minor": "100"}
    assert table["owner"] == {"count": "1", "in_minor": "100", "out_minor": "0"} | fees
    assert (table["difference_minor"], table["breaks_minor"]) == ("40", "40")
    assert not table["agrees"]


@pytest.mark.parametrize(("paid", "holds"), [(135, True), (136, False)])
def test_settlement_is_the_net_of_its_parts(paid: int, holds: bool) -> None:
    """A settlement entry is sum IN - sum OUT - fees of the parts that name it."""
    parts = [
        line("s1", IN, 200, "PAY-0001", group_ref="NET-1", fee_minor=5),
        line("s2", OUT, 60, "PAY-0002", group_ref="NET-1"),
        line("s3", OUT, paid, "PAY-0003", group_ref="NET-1", kind="SETTLEMENT"),
    ]
    mirrored = [msgspec.structs.replace(item, entry_ref="o" + item.entry_ref) for item in parts]
    result = reconcile(
        run_of(
            SideBook(entries=tuple(parts)),
            SideBook(entries=tuple(mirrored)),
            kind=AgreementKind.CLEARING,
        )
    )
    assert result.complete is holds


def test_each_sessions_and_types_net_adds_up_to_the_settlement_entry() -> None:
    """Net = IN - OUT - fees a line; over the lines of one position it is what is settled."""
    place = {"group_ref": "NET-1", "settlement_date": DAY}
    parts = [
        line("s1", IN, 200, "A001", **place, session=0, business_type="PURCHASE", fee_minor=5),
        line("s2", OUT, 60, "A002", **place, session=1, business_type="REFUND", fee_minor=1),
        line("s3", IN, 10, "A003", **place, session=1, business_type="PURCHASE"),
        # Another currency under the same number is another position.
        line("s4", IN, 99, "A004", **place, session=1, currency="USD"),
        line("s5", OUT, 144, "A005", **place, session=1, kind="SETTLEMENT"),
    ]
    mirrored = [msgspec.structs.replace(item, entry_ref="o" + item.entry_ref) for item in parts]
    result = reconcile(
        run_of(SideBook(tuple(parts)), SideBook(tuple(mirrored)), kind=AgreementKind.CLEARING)
    )
    assert result.complete
    nets = {
        (item["session"], item["business_type"], item["currency"]): item["servicer"]["net_minor"]
        for item in result.report["clearing"]
        if item["business_type"]
    }
    assert nets == {
        ("0", "PURCHASE", "CNY"): "195",
        ("1", "PURCHASE", "CNY"): "10",
        ("1", "REFUND", "CNY"): "-61",
    }
    assert all(item["agrees"] for item in result.report["clearing"])
    settled = [x for x in result.report["identities"] if x["name"] == "settlement NET-1"]
    assert {(x["side"], x["expected_minor"], x["holds"]) for x in settled} == {
        ("servicer", "144", True),
        ("owner", "144", True),
    }
