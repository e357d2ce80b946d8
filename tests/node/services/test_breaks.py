from __future__ import annotations

from pathlib import Path

import pytest

from reconcile.model import ProtocolError, UsageError, window_day
from tests.node.services.conftest import DATE, WINDOW, Pair, csv_of, entry


@pytest.fixture
def broken(pair: Pair, agreement: bytes) -> bytes:
    """An agreement with one AMOUNT break and one TIMING break."""
    pair.servicer.posting.queue_entries(
        agreement, [entry("s2", -500, e2e="E2E-0002"), entry("s3", 700, e2e="E2E-0003")]
    )
    pair.owner.posting.queue_entries(agreement, [entry("o2", -550, e2e="E2E-0002")])
    pair.settle()
    return agreement


def test_a_break_shows_both_entries_and_why(pair: Pair, broken: bytes) -> None:
    """Both entries stand side by side; the differing field and each pass's reason are named."""
    row = pair.owner.breaks.breaks(broken, kind="AMOUNT")[0]
    detail = pair.owner.breaks.show(broken, row.key.hex()[:10])
    assert (detail.servicer[0].entry_ref, detail.owner[0].entry_ref) == ("s2", "o2")
    assert detail.differing == ("amount_minor",)
    tried = {item.pass_name: item.verdict for item in detail.tried}
    assert tried["e2e"] == "AMOUNT_DIFFERS"
    assert tried["uetr"] == "NO_KEY"
    assert "5.00" in detail.sentence
    assert "5.50" in detail.sentence


def test_a_one_sided_break_says_what_is_missing(pair: Pair, broken: bytes) -> None:
    """A one-sided break has entries on one side and says that the other has nothing."""
    row = pair.owner.breaks.breaks(broken, kind="TIMING")[0]
    detail = pair.owner.breaks.show(broken, row.key)
    assert (len(detail.servicer), detail.owner) == (1, ())
    assert "nothing that matches" in detail.sentence
    with pytest.raises(UsageError, match="BREAK_UNKNOWN"):
        pair.owner.breaks.show(broken, "feedfeed")


def test_maker_and_checker_are_two_persons(pair: Pair, broken: bytes) -> None:
    """The maker cannot approve; a second person can, once; a reason is needed."""
    key = pair.owner.breaks.breaks(broken, kind="AMOUNT")[0].key
    with pytest.raises(UsageError, match="REASON_MISSING"):
        pair.owner.breaks.propose_decision(
            broken, verdict="write_off", reason=" ", actor="maker", key=key
        )
    drafted = pair.owner.breaks.propose_decision(
        broken, verdict="write_off", reason="rounding", actor="maker", key=key
    )
    with pytest.raises(ProtocolError, match="SAME_PERSON"):
        pair.owner.breaks.approve_decision(drafted.decision_id, actor="maker")
    done = pair.owner.breaks.approve_decision(drafted.decision_id, actor="checker")
    assert (done.state, done.maker, done.checker) == ("DONE", "maker", "checker")
    with pytest.raises(UsageError, match="DECISION_SETTLED"):
        pair.owner.breaks.approve_decision(drafted.decision_id, actor="checker")


def test_a_decision_of_both_sides_takes_effect(pair: Pair, broken: bytes) -> None:
    """A write-off that both sides posted settles the break; the proof amount stays zero."""
    for node in pair.nodes:
        key = node.breaks.breaks(broken, kind="AMOUNT")[0].key
        drafted = node.breaks.propose_decision(
            broken, verdict="write_off", reason="agreed by phone", actor="maker", key=key
        )
        node.breaks.approve_decision(drafted.decision_id, actor="checker")
    pair.settle()
    assert window_day(WINDOW)
    window = max(row.window for row in pair.owner.reconciliation.status(broken))
    pair.day(broken, window)
    rows = [node.reconciliation.window_status(broken, window) for node in pair.nodes]
    assert [row.state for row in rows] == ["AGREED", "AGREED"]
    assert rows[0].proof == (("CNY", 0),)
    kinds = {row.kind for row in pair.owner.breaks.breaks(broken, window)}
    assert "AMOUNT" not in kinds
    report = pair.owner.reconciliation.report(broken, window).report
    assert [item["verdict"] for item in report["decisions"]] == ["write_off"]
    assert report["written_off"][0]["minor"] == "50"


def test_groups_are_searched_by_ref(pair: Pair, agreement: bytes) -> None:
    """Groups are paged and searched by part of a ref; a percent sign finds itself alone."""
    for node, prefix in ((pair.servicer, "s"), (pair.owner, "o")):
        node.posting.queue_entries(
            agreement, [entry(f"{prefix}-{n}", 100 + n, e2e=f"E2E-70{n}") for n in range(5)]
        )
    pair.settle()
    assert len(pair.owner.breaks.groups(agreement)) == 5
    assert [row.owner for row in pair.owner.breaks.groups(agreement, search="o-3")] == [("o-3",)]
    assert pair.owner.breaks.groups(agreement, search="%") == ()
    assert len(pair.owner.breaks.groups(agreement, after=2)) == 2


def test_a_balance_break_names_the_statement_to_ask_for(
    pair: Pair, agreement: bytes, tmp_path: Path
) -> None:
    """A statement that opens at one yuan where the window before closed at zero says so."""
    rows = [f"s1,IN,5.00,{DATE},E2E-0001"]
    file = csv_of(tmp_path / "bank.csv", rows, opening="1", closing="6")
    pair.servicer.posting.import_file(agreement, file)
    pair.settle()
    row = next(row for row in pair.owner.breaks.breaks(agreement) if row.kind == "BALANCE")
    detail = pair.owner.breaks.show(agreement, row.key)
    assert detail.sentence.startswith("BALANCE: ask the servicer for the statement before")
    assert "closed at 0.00 CNY, this one opens at 1.00 CNY" in detail.sentence
