"""A counterparty that breaks the rules is refused, set aside or shown; the stream goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from drill_forger import (
    Lie,
    forge,
    lie_about_report,
    other_count,
    other_totals,
    post_forged,
    try_to_post,
)
from drill_town import DAYS, Town, passphrase
from sqlalchemy import select

from devnet.story import agree_on, close_day
from node.bootstrap import Node, open_node
from node.errors import ContractError
from node.tables import Batch, Closing, Incident, PostedEntry
from reconcile.model import ZERO32, AgreementKind, ProtocolError, Side, UsageError

OWNER = Side.OWNER
DAY_S = 86_400
CHINA_S = 8 * 3_600


def test_a_skipped_sequence_number_is_refused_by_the_contract(agreed: Town) -> None:
    """Whoever leaves a number out, or names another head, gets the number that is expected."""
    node, window = agreed.enterprise, agreed.window(1)
    forged = forge(node, agreed.agreement, OWNER, window, skip=1)
    with pytest.raises(ContractError, match="BatchOutOfSequence") as caught:
        try_to_post(node, agreed.agreement, OWNER, forged)
    assert caught.value.values == (forged.seq - 1, forged.seq)
    with pytest.raises(ContractError, match="HeadMismatch"):
        try_to_post(
            node,
            agreed.agreement,
            OWNER,
            replace(forged, seq=forged.seq - 1, prev_head=ZERO32),
        )


def test_a_stranger_posts_nothing(agreed: Town) -> None:
    """A member that is no party, and a party for the other side, are refused by the contract."""
    forged = forge(agreed.enterprise, agreed.agreement, OWNER, agreed.window(1))
    for node in (agreed.clearing, agreed.branch, agreed.bank):
        with pytest.raises(ContractError, match="NotAgreementParty"):
            try_to_post(node, agreed.agreement, OWNER, forged)


def quarantined(node: Node, town: Town) -> list[tuple[int, str, str | None]]:
    """Return the owner's batches that do not count, as a node has them."""
    with node.database.reading() as session:
        found = session.execute(
            select(Batch.seq, Batch.state, Batch.reason)
            .where(
                Batch.agreement == town.agreement,
                Batch.side == int(OWNER),
                Batch.state != "VALID",
            )
            .order_by(Batch.seq)
        ).all()
    return [(row.seq, row.state, row.reason) for row in found]


def test_poison_is_set_aside_by_both_and_named_in_the_report(town: Town) -> None:
    """Batches that do not open, or whose header lies: excluded with the reason, the day goes on."""
    node, agreement, window = town.enterprise, town.agreement, town.window()
    lies: list[tuple[str, Lie | None]] = [
        ("NOT_OPENED", None),
        ("HEADER_TOTALS", other_totals),
        ("HEADER_COUNT", other_count),
    ]
    for reason, lie in lies:
        honest: Lie = lambda header: header  # noqa: E731
        post_forged(
            node,
            agreement,
            OWNER,
            forge(node, agreement, OWNER, window, lie=lie or honest, spoil=reason == "NOT_OPENED"),
        )
    town.settle()
    expected = [(seq, "INVALID", reason) for seq, (reason, _) in enumerate(lies, start=2)]
    for reader in (*town.parties, town.branch):
        assert quarantined(reader, town) == expected
        with reader.database.reading() as session:
            refs = session.scalars(select(PostedEntry.entry_ref)).all()
        assert not [ref for ref in refs if ref.startswith("FORGED")]
    with node.database.reading() as session:
        own = session.scalars(select(Incident.kind)).all()
    assert list(own) == ["OWN_BATCH_INVALID"] * 3
    town.run_day()
    first, second = town.digests()
    assert first == second
    report = town.bank.reconciliation.report(agreement, window).report
    named = [(item["side"], item["seq"], item["reason"]) for item in report["invalid_batches"]]
    assert named == [("owner", str(seq), reason) for seq, _, reason in expected]


def test_another_digest_shows_where_the_reports_differ(town: Town) -> None:
    """One side hides a break: DIFFERS on both desks, which name the section; mended, they agree."""
    agreement, window = town.agreement, town.window()
    town.import_day()
    town.settle()
    close_day(town.network, town.relation, window)
    town.until(lambda: {town.state(n) for n in town.parties} == {"PROVEN"}, "both proofs")
    lie_about_report(town.enterprise, agreement, window)
    for node in town.parties:
        node.reconciliation.attest(agreement, window)

    def shown() -> bool:
        seen = [n.reconciliation.window_status(agreement, window) for n in town.parties]
        return all(item.state == "DIFFERS" and item.differing_sections for item in seen)

    town.until(shown, "the differing sections on both sides")
    for node in town.parties:
        status = node.reconciliation.window_status(agreement, window)
        assert status.differing_sections == ("breaks",)
    honest = town.bank.reconciliation.window_status(agreement, window)
    assert honest.digest != honest.their_digest
    town.settle()
    town.enterprise.reconciliation.prove(agreement, window)
    town.enterprise.reconciliation.attest(agreement, window)
    town.until(lambda: {town.state(n) for n in town.parties} == {"AGREED"}, "the agreement")
    first, second = town.digests()
    assert first == second


def today(town: Town) -> int:
    """Return the window of the chain's local day (UTC+8)."""
    head_s = int(town.chain.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    return (head_s + CHINA_S) // DAY_S * 8


def travel(town: Town, days: int) -> None:
    """Let the chain's clock go on by some days."""
    goal = int(time.time()) + days * DAY_S
    while today(town) // 8 < (goal + CHINA_S) // DAY_S:
        town.chain.rpc("evm_setNextBlockTimestamp", goal)
        town.chain.mine()


def test_a_side_that_never_closes_is_named_and_closed_by_default(town: Town) -> None:
    """Without its closing no proof; after the terms' days the other closes it at its head."""
    agreement, window = town.agreement, today(town)
    for side, node in zip(Side, town.parties, strict=True):
        node.posting.import_file(agreement, town.book(side), window=window)
    town.settle()
    bank = town.bank
    bank.posting.close_window(agreement, window)
    town.settle()
    assert bank.reconciliation.window_status(agreement, window).state == "CLOSED_BY_US"
    theirs = town.enterprise.reconciliation.window_status(agreement, window)
    assert theirs.state == "CLOSED_BY_THEM"
    with pytest.raises(ProtocolError, match="owner") as caught:
        bank.reconciliation.prove(agreement, window)
    assert caught.value.code == "WINDOW_NOT_CLOSED"
    assert caught.value.help
    travel(town, 7)
    town.settle()
    bank.posting.close_by_default(agreement, OWNER, window)
    relation = town.relation
    agree_on(town.network, [(relation, window)])
    digests = {n.reconciliation.report(agreement, window).digest for n in town.parties}
    assert len(digests) == 1
    with town.enterprise.database.reading() as session:
        closing = session.get_one(Closing, (agreement, int(OWNER), window))
        assert closing.by_default


def test_an_unanswered_result_is_shown_as_overdue(town: Town) -> None:
    """Attested by one side alone: ATTESTED until the next day's window closes, then UNANSWERED."""
    # The next day of the last one is today or ahead; that of the first may be over already.
    agreement, window = town.agreement, town.window(DAYS - 1)
    for day in range(DAYS):
        town.import_day(day)
    town.settle()
    close_day(town.network, town.relation, window)
    town.until(lambda: town.state(town.bank, DAYS - 1) == "PROVEN", "the proof")
    town.bank.reconciliation.attest(agreement, window)
    town.settle()
    assert town.state(town.bank, DAYS - 1) == "ATTESTED"
    assert town.state(town.enterprise, DAYS - 1) == "AWAITING_US"
    town.network.nodes.pop("bank").close()
    late = open_node(
        town.folder / "bank",
        passphrase=passphrase(town.folder),
        clock=lambda: int((time.time() + 10 * DAY_S) * 1000),
        running=False,
    )
    try:
        assert town.state(late, DAYS - 1) == "UNANSWERED"
    finally:
        late.close()
    town.network.nodes["bank"] = open_node(town.folder / "bank", passphrase=passphrase(town.folder))
    agree_on(town.network, [])
    town.enterprise.reconciliation.attest(agreement, window)

    def agreed() -> bool:
        return {town.state(node, DAYS - 1) for node in town.parties} == {"AGREED"}

    town.until(agreed, "the late answer")


def decide(town: Town, action: str, member: int) -> None:
    """Let the other full members pass a motion on a member."""
    motion = town.clearing.network.open_motion(action, member)
    town.settle()
    town.branch.network.approve_motion(motion)
    town.settle()
    town.clearing.network.execute_motion(motion)
    town.settle()


def test_a_suspended_or_unknown_member_is_refused_in_words(town: Town) -> None:
    """No agreement with it, no import and no signature by it; reinstated, the day goes on."""
    bank, enterprise, agreement = town.bank, town.enterprise, town.agreement
    assert bank.member is not None
    town.import_day()
    town.settle()
    close_day(town.network, town.relation, town.window())
    town.settle()
    decide(town, "SUSPEND", bank.member)
    refusals: tuple[tuple[str, Callable[[], object]], ...] = (
        ("MEMBER_SUSPENDED", lambda: offer(town.clearing, town, bank.member or 0)),
        ("MEMBER_SUSPENDED", lambda: offer(bank, town, town.clearing.member or 0)),
        ("MEMBER_UNKNOWN", lambda: offer(town.clearing, town, 99)),
        ("MEMBER_SUSPENDED", lambda: bank.reconciliation.attest(agreement, town.window())),
        (
            "MEMBER_SUSPENDED",
            lambda: bank.posting.import_file(agreement, town.book(Side.SERVICER, 1)),
        ),
    )
    for code, call in refusals:
        with pytest.raises((ProtocolError, UsageError)) as caught:
            call()
        assert caught.value.code == code
        assert caught.value.help
    enterprise.reconciliation.attest(agreement, town.window())
    town.settle()
    decide(town, "REINSTATE", bank.member)
    bank.reconciliation.attest(agreement, town.window())
    town.until(lambda: {town.state(n) for n in town.parties} == {"AGREED"}, "the agreement")


def offer(node: Node, town: Town, owner: int) -> bytes:
    """Open an agreement from one member with another."""
    assert node.member is not None
    return node.network.open_agreement(
        AgreementKind.HEAD_BRANCH,
        servicer=node.member,
        owner=owner,
        terms=town.relation.terms,
        label="another account",
    )
