from __future__ import annotations

from collections.abc import Sequence

import pytest
from sqlalchemy import select

from node.bootstrap import Node
from node.services.breaks import DecisionView, Listed, Wish, digest_of
from node.tables import MatchRun
from reconcile.matching.keys import group_subject
from reconcile.model import ZERO32, ProtocolError, Side, UsageError
from reconcile.report import SectionName
from tests.node.services.conftest import Pair, entry


def books(
    pair: Pair, agreement: bytes, servicer: Sequence[object], owner: Sequence[object]
) -> None:
    """Post both sides' entries and let them be matched."""
    pair.servicer.posting.queue_entries(agreement, list(servicer))
    pair.owner.posting.queue_entries(agreement, list(owner))
    pair.settle()


@pytest.fixture
def broken(pair: Pair, agreement: bytes) -> bytes:
    """One AMOUNT break of 50 fen, one REFERENCE pair, one matched pair."""
    servicer = [
        entry("s1", 1_000, e2e="E2E-0001"),
        entry("s2", -500, e2e="E2E-0002"),
        entry("s3", 700, e2e="E2E-0003", counterparty_account="9900012345"),
    ]
    owner = [
        entry("o1", 1_000, e2e="E2E-0001"),
        entry("o2", -550, e2e="E2E-0002"),
        entry("o3", 700, e2e="E2E-9999", counterparty_account="9900012345"),
    ]
    books(pair, agreement, servicer, owner)
    return agreement


def window_of_today(pair: Pair, agreement: bytes) -> int:
    """Return the newest window: that in which decisions are posted."""
    return max(row.window for row in pair.owner.reconciliation.status(agreement))


def decide(
    node: Node, agreement: bytes, verdict: str, *, key: bytes | None = None, **refs: Sequence[str]
) -> DecisionView:
    """Propose as one person and approve as another."""
    made = node.breaks.propose_decision(
        agreement, verdict=verdict, reason="agreed by phone", actor="maker", key=key, **refs
    )
    return node.breaks.approve_decision(made.decision_id, actor="checker")


def key_of(node: Node, agreement: bytes, kind: str) -> bytes:
    """Return the key of the one break of a kind."""
    (row,) = node.breaks.breaks(agreement, kind=kind)
    return row.key


def runs(node: Node, agreement: bytes) -> list[MatchRun]:
    """Return the proofs of an agreement."""
    query = select(MatchRun).where(MatchRun.agreement == agreement, MatchRun.kind == "PROOF")
    with node.sessions() as session:
        return list(session.scalars(query))


def effects(node: Node, agreement: bytes) -> list[tuple[str, str, str | None]]:
    """Return verdict, effect and void reason of what stands on the ledger."""
    return [
        (item.decision.verdict, item.effect, item.void_reason)
        for item in node.breaks.standing(agreement)
    ]


def test_a_decision_waits_for_the_other_side_then_takes_effect(pair: Pair, broken: bytes) -> None:
    """WAITING while one side posted it, PENDING once both did, EFFECTIVE in the next report."""
    refs = {"servicer": ("s2",), "owner": ("o2",)}
    decide(pair.servicer, broken, "confirm", **refs)
    pair.settle()
    assert effects(pair.owner, broken) == [("confirm", "WAITING", None)]
    (theirs,) = pair.owner.breaks.standing(broken)
    assert theirs.posted_by(Side.SERVICER)
    assert not theirs.posted_by(Side.OWNER)
    decide(pair.owner, broken, "confirm", **refs)
    pair.settle()
    assert effects(pair.owner, broken) == [("confirm", "PENDING", None)]
    window = window_of_today(pair, broken)
    pair.day(broken, window)
    for node in pair.nodes:
        assert effects(node, broken) == [("confirm", "EFFECTIVE", None)]
        assert node.reconciliation.window_status(broken, window).proof == (("CNY", 0),)
    groups = pair.owner.breaks.groups(broken, window)
    assert [row.residual_minor for row in groups if row.pass_name == "decision"] == [50]


def test_unmatch_holds_the_entries_and_a_later_confirmation_names_it(
    pair: Pair, broken: bytes
) -> None:
    """A group both unmatch opens again and is held; only a decision that names it groups it."""
    first = window_of_today(pair, broken)
    pair.day(broken, first)
    refs = {"servicer": ("s1",), "owner": ("o1",)}
    for node in pair.nodes:
        decide(node, broken, "unmatch", **refs)
    pair.settle()
    second = window_of_today(pair, broken)
    pair.day(broken, second)
    assert effects(pair.owner, broken) == [("unmatch", "EFFECTIVE", None)]
    report = pair.owner.reconciliation.report(broken, second).report
    assert report["standing"]["held"] == {"servicer": ["s1"], "owner": ["o1"]}
    open_refs = {ref for row in pair.owner.breaks.breaks(broken, second) for ref in row.servicer}
    assert "s1" in open_refs
    (unmatched,) = pair.owner.breaks.standing(broken)
    again = pair.owner.breaks.propose_decision(
        broken, verdict="confirm", reason="it was right", actor="maker", **refs
    )
    body = pair.owner.breaks.approve_decision(again.decision_id, actor="checker")
    assert body.subject == unmatched.decision.subject
    decide(pair.servicer, broken, "confirm", **refs)
    pair.settle()
    last = pair.owner.breaks.standing(broken)[-1]
    assert last.decision.previous == unmatched.hash


def test_a_void_decision_is_never_named_by_the_next(pair: Pair, broken: bytes) -> None:
    """An unmatch of what is no group is void and listed; a confirmation then still takes effect."""
    refs = {"servicer": ("s3",), "owner": ("o3",)}
    for node in pair.nodes:
        decide(node, broken, "unmatch", **refs)
    pair.settle()
    first = window_of_today(pair, broken)
    pair.day(broken, first)
    assert effects(pair.owner, broken) == [("unmatch", "VOID", "NO_GROUP")]
    listed = pair.owner.reconciliation.report(broken, first).report["decisions"]
    assert [(item["verdict"], item["void"]) for item in listed] == [("unmatch", "NO_GROUP")]
    for node in pair.nodes:
        decide(node, broken, "confirm", **refs)
    pair.settle()
    run = pair.owner.reconciliation.provisional(broken)
    assert ("s3",) not in {item.servicer for item in run.breaks}
    assert pair.owner.breaks.standing(broken)[-1].decision.previous == ZERO32


def test_only_one_decision_on_the_same_entries_is_on_its_way(pair: Pair, broken: bytes) -> None:
    """While one waits for its checker or the other side, another is refused by name."""
    refs = {"servicer": ("s2",), "owner": ("o2",)}
    service = pair.owner.breaks

    def propose(verdict: str) -> DecisionView:
        return service.propose_decision(
            broken, verdict=verdict, reason="because", actor="maker", **refs
        )

    drafted = propose("confirm")
    with pytest.raises(UsageError, match="DECISION_WAITING"):
        propose("reject")
    service.approve_decision(drafted.decision_id, actor="checker")
    for verdict, code in (("confirm", "DECISION_STANDS"), ("reject", "DECISION_PENDING")):
        with pytest.raises(UsageError, match=code):
            propose(verdict)
    pair.settle()
    for verdict, code in (("confirm", "DECISION_STANDS"), ("reject", "DECISION_PENDING")):
        with pytest.raises(UsageError, match=code):
            propose(verdict)
    decide(pair.servicer, broken, "reject", **refs)
    pair.settle()
    assert propose("reject").state == "DRAFTED", "what the other side posted may be joined"


def test_a_settled_void_decision_is_not_posted_again(pair: Pair, broken: bytes) -> None:
    """The same bytes would be read as the old record: the refusal says what to do instead."""
    refs = {"servicer": ("s2",), "owner": ("o2",)}
    for node in pair.nodes:
        decide(node, broken, "unmatch", **refs)
    pair.settle()
    pair.day(broken, window_of_today(pair, broken))
    with pytest.raises(UsageError, match="DECISION_REPEATED") as refused:
        decide(pair.owner, broken, "unmatch", **refs)
    assert "NO_GROUP" in refused.value.message


def test_the_checker_sees_what_the_maker_saw_and_no_amended_entry_slips_through(
    pair: Pair, broken: bytes
) -> None:
    """The draft keeps break, run and entries; an amendment since then refuses the approval."""
    key = key_of(pair.owner, broken, "AMOUNT")
    made = pair.owner.breaks.propose_decision(
        broken, verdict="write_off", reason="fee", actor="maker", key=key
    )
    shown = pair.owner.breaks.decision(made.decision_id)
    assert shown.seen["break"]["kind"] == "AMOUNT"
    assert shown.seen["break"]["signed"] == [{"currency": "CNY", "minor": "50"}]
    seen = shown.seen["entries"]
    assert [item["amount_minor"] for item in seen["servicer"] + seen["owner"]] == ["500", "550"]
    assert shown.seen["run"]["digest"]
    amended = entry("o2", -550, e2e="E2E-0002", version=1, counterparty_name="another name")
    pair.owner.posting.queue_entries(broken, [amended])
    pair.settle()
    with pytest.raises(ProtocolError, match="DECISION_STALE"):
        pair.owner.breaks.approve_decision(made.decision_id, actor="checker")
    with pytest.raises(UsageError, match="REASON_MISSING"):
        pair.owner.breaks.reject_decision(made.decision_id, actor="checker", reason=" ")
    gone = pair.owner.breaks.reject_decision(
        made.decision_id, actor="checker", reason="amended since"
    )
    assert (gone.state, gone.check_reason) == ("REJECTED", "amended since")


def test_rows_in_bulk_are_taken_or_refused_alone(pair: Pair, broken: bytes) -> None:
    """Good rows become drafts, a bad one names its code; the run must be the one shown."""
    service = pair.owner.breaks
    run = pair.owner.reconciliation.provisional(broken)
    amount, reference = (key_of(pair.owner, broken, kind) for kind in ("AMOUNT", "REFERENCE"))
    wishes = (
        Wish(2, amount, "write_off", "fee of the bank"),
        Wish(3, reference, "confirm", "one payment, re-keyed"),
        Wish(4, b"\x07" * 32, "write_off", "no such break"),
        Wish(5, reference, "reject", "and at once the contrary"),
        Wish(6, amount, "forget", "no such verdict"),
    )
    options = {"window": run.window, "digest": run.digest.hex(), "workbook": b"w" * 32}
    with pytest.raises(ProtocolError, match="WORKBOOK_STALE"):
        service.propose_many(broken, wishes, actor="maker", **{**options, "digest": "00"})
    assert service.waiting_decisions(broken) == ()
    outcomes = service.propose_many(broken, wishes, actor="maker", **options)
    codes = [item.code for item in outcomes]
    assert codes == [None, None, "BREAK_UNKNOWN", "DECISION_WAITING", "VERDICT_UNKNOWN"]
    waiting = service.waiting_decisions(broken)
    assert len(waiting) == 2
    assert {item.workbook for item in waiting} == {(b"w" * 32).hex()}
    again = service.propose_many(broken, wishes[:2], actor="maker", **options)
    assert [item.code for item in again] == ["DECISION_WAITING"] * 2
    numbers = [item.decision_id for item in waiting]
    with pytest.raises(ProtocolError, match="DRAFTS_CHANGED"):
        service.approve_many(broken, numbers, digest="00", actor="checker")
    own = service.approve_many(broken, numbers, digest=digest_of(waiting), actor="maker")
    assert [item.code for item in own] == ["SAME_PERSON"] * 2
    done = service.approve_many(broken, numbers, digest=digest_of(waiting), actor="checker")
    assert [item.code for item in done] == [None, None]
    assert service.waiting_decisions(broken) == ()


def test_a_workbook_that_was_decided_is_not_taken_again(pair: Pair, broken: bytes) -> None:
    """Once its decisions are effective, every row is refused with its reason, at approval too."""
    first = window_of_today(pair, broken)
    pair.day(broken, first)
    # A break that the next day settles by itself.
    groups = pair.owner.breaks.groups(broken, first)
    amount, reference = (key_of(pair.owner, broken, kind) for kind in ("AMOUNT", "REFERENCE"))
    (matched,) = [row for row in groups if row.servicer == ("s1",)]
    wishes = (
        Wish(2, amount, "write_off", "fee of the bank"),
        Wish(3, reference, "reject", "two payments"),
        Wish(
            4,
            group_subject(broken, matched.servicer, matched.owner),
            "unmatch",
            "another payment",
            listed=Listed.GROUP,
            number=matched.number,
        ),
    )

    def take(node: Node) -> list[str | None]:
        run = next(row for row in runs(node, broken) if row.window == first)
        options = {"window": first, "digest": run.mark.hex(), "workbook": b"w" * 32}
        taken = node.breaks.propose_many(broken, wishes, actor="maker", **options)
        return [item.code for item in taken]

    assert take(pair.owner) == take(pair.servicer) == [None] * 3
    late = pair.servicer.breaks.waiting_decisions(broken)
    for node in pair.nodes:
        shown = node.breaks.waiting_decisions(broken)
        numbers = [item.decision_id for item in shown]
        options = {"digest": digest_of(shown), "actor": "checker"}
        assert {x.code for x in node.breaks.approve_many(broken, numbers, **options)} == {None}
    pair.settle()
    assert {item[1] for item in effects(pair.owner, broken)} == {"PENDING"}
    assert take(pair.owner) == ["DECISION_EFFECTIVE"] * 3, "both sides posted it already"
    second = window_of_today(pair, broken)
    pair.day(broken, second)
    assert {item[1] for item in effects(pair.owner, broken)} == {"EFFECTIVE"}
    for node in pair.nodes:
        assert take(node) == ["ENTRY_NOT_OPEN", "DECISION_EFFECTIVE", "DECISION_EFFECTIVE"]
        assert node.breaks.waiting_decisions(broken) == ()
    assert len(late) == 3
    written_off = {"servicer": ("s2",), "owner": ("o2",)}
    with pytest.raises(UsageError, match="ENTRY_NOT_OPEN") as refused:
        decide(pair.owner, broken, "confirm", **written_off)
    assert "write_off" in refused.value.message
    with pytest.raises(UsageError, match="GROUP_NOT_STANDING"):
        decide(pair.owner, broken, "unmatch", servicer=("s3",), owner=("o3",))


def test_a_break_that_a_later_proof_settles_is_not_decided(pair: Pair, agreement: bytes) -> None:
    """A late counterpart settles it: a row of the old workbook and a waiting draft are refused."""
    books(pair, agreement, [entry("s1", 70, e2e="E2E-0001"), entry("s2", 9, e2e="E2E-2222")], [])
    first = window_of_today(pair, agreement)
    pair.day(agreement, first)
    key = next(row.key for row in pair.owner.breaks.breaks(agreement) if row.servicer == ("s1",))
    service = pair.owner.breaks
    drafted = service.propose_decision(
        agreement, verdict="write_off", reason="small", actor="maker", key=key
    )
    pair.owner.posting.queue_entries(agreement, [entry("o1", 70, e2e="E2E-0001")])
    pair.settle()
    second = window_of_today(pair, agreement)
    assert second > first
    pair.day(agreement, second)
    with pytest.raises(UsageError, match="ENTRY_NOT_OPEN") as refused:
        service.approve_decision(drafted.decision_id, actor="checker")
    assert "e2e" in refused.value.message
    service.reject_decision(drafted.decision_id, actor="checker", reason="settled")
    (run,) = [row for row in runs(pair.owner, agreement) if row.window == first]
    options = {"window": first, "digest": run.mark.hex(), "workbook": b"w" * 32}
    wish = Wish(2, key, "write_off", "small amount")
    (taken,) = service.propose_many(agreement, [wish], actor="maker", **options)
    assert taken.code == "ENTRY_NOT_OPEN"
    # What an unmatch on its way opens may be decided on already.
    refs = {"servicer": ("s1",), "owner": ("o1",)}
    decide(pair.owner, agreement, "unmatch", **refs)
    made = service.propose_decision(
        agreement, verdict="reject", reason="two", actor="maker", servicer=("s1",), owner=()
    )
    assert made.state == "DRAFTED"


def test_a_write_off_stands_on_the_sheet_of_the_side_it_names(pair: Pair, agreement: bytes) -> None:
    """The window's 余额调节表 shows it under differences, decided and not under inquiry."""
    books(pair, agreement, [entry("s1", 70, e2e="E2E-0001")], [])
    for node in pair.nodes:
        decide(node, agreement, "write_off", key=key_of(node, agreement, "TIMING"))
    pair.settle()
    window = window_of_today(pair, agreement)
    pair.day(agreement, window)
    sheet = pair.owner.reconciliation.adjustment(agreement, window).sheets[0]
    items = next(s.items for s in sheet.sections if s.name is SectionName.DIFFERENCES)
    assert [(x.kind, x.side, x.minor, x.under_inquiry) for x in items] == [
        ("WRITTEN_OFF", Side.SERVICER, -70, False)
    ]
    assert items[0].refs == (("s1",), ())
    assert sheet.agrees
