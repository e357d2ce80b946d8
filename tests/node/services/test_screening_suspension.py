"""A suspended entry is over by itself: seen at each node, out of the index, erased, destroyed."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from node.blacklist import last_day_of, now_of, state_of
from node.bootstrap import Node
from node.listings import untagged
from node.screening.states import DAY_S, SUSPENSION_DAYS, EntryState
from node.screening.weighing import weigh_evidence
from node.services.screening.custody import is_over
from node.tables import ListedEntry
from reconcile.model import day_iso
from tests.node.services.blacklist_town import BlacklistTown

ANSWER_DAYS = 10


@pytest.fixture(scope="module")
def listed(town: BlacklistTown) -> list[bytes]:
    """Return two entries of A's: they are tagged before so many days go by without a cut."""
    return [town.list(1, serial) for serial in (1, 2)]


def disputed(town: BlacklistTown, entry: bytes) -> tuple[int, int]:
    """Let B dispute an entry of A's, who says nothing; return the dispute and the last day."""
    town.node(2).screening.open_dispute(entry, "the card was paid in full")
    town.settle()
    (raised,) = [row for row in town.node(2).screening.disputes() if row.entry == entry]
    last = (raised.suspends_s // DAY_S) + SUSPENSION_DAYS
    return raised.dispute, last


def test_a_suspension_that_was_settled_ends_the_entry(
    town: BlacklistTown, listed: list[bytes]
) -> None:
    """Each node shows since when and until when; after that day it is over without an act."""
    alpha, beta = town.node(1), town.node(2)
    entry = listed[0]
    number, last = disputed(town, entry)
    open_ = beta.screening.trace(entry).entry
    assert (open_.state, open_.suspended_s, open_.ends_day) == ("DISPUTED", None, open_.expires_day)
    town.pass_days(ANSWER_DAYS + 0.5)
    assert beta.screening.dispute(number).outcome == "TIMED_OUT"
    for node in town.nodes:
        view = node.screening.trace(entry).entry
        assert (view.state, view.ends_day) == ("SUSPENDED", last)
        assert view.suspended_s == beta.screening.dispute(number).suspends_s + 1
        assert view.expires_day > last, "the statement's own day is kept"
    said = [step.says for step in beta.screening.trace(entry).history]
    assert f"its last day is {day_iso(last)} now: a dispute ran out" in said
    words = told(alpha.screening.evidence_of(entry))
    assert "SUSPENDED at block" in words
    assert f"ends on {day_iso(last)}" in words
    with alpha.database.reading() as session:
        assert entry in untagged(session, 1, 2, time_s=last * DAY_S, limit=9)
        assert entry not in untagged(session, 1, 2, time_s=(last + 1) * DAY_S, limit=9)
    assert entry not in out_of_custody(beta)
    town.pass_days(SUSPENSION_DAYS + 0.5)
    assert entry in out_of_custody(beta)
    for node in town.nodes:
        view = node.screening.trace(entry).entry
        assert (view.state, view.ends_day) == ("EXPIRED", last)
    assert f"ended on {day_iso(last)}" in told(alpha.screening.evidence_of(entry))
    assert beta.screening.trace(entry).history[-1].what == "Expired"
    town.erase(1, entry)
    assert beta.screening.trace(entry).entry.state == "ERASED"


def test_a_suspension_that_nobody_settled_ends_on_the_same_day(
    town: BlacklistTown, listed: list[bytes]
) -> None:
    """By the block's time alone; who settles afterwards changes nothing of it."""
    beta = town.node(2)
    entry = listed[1]
    number, last = disputed(town, entry)
    for days, state in ((ANSWER_DAYS + 0.5, "SUSPENDED"), (SUSPENSION_DAYS + 0.5, "EXPIRED")):
        town.chain.rpc("evm_increaseTime", int(days * DAY_S))
        town.chain.mine()
        beta.follower.catch_up()
        view = beta.screening.trace(entry).entry
        assert (view.state, view.ends_day) == (state, last)
    with beta.database.reading() as session:
        row = session.get_one(ListedEntry, entry)
        assert row.ends_day > last, "nothing of it stands on the ledger yet"
        assert last_day_of(session, row, now_of(session)) == last
    town.settle()
    assert beta.screening.dispute(number).outcome == "TIMED_OUT"
    with beta.database.reading() as session:
        row = session.get_one(ListedEntry, entry)
        assert (row.ends_day, row.stage) == (last, "SUSPENDED")
        assert state_of(session, row, now_of(session)) is EntryState.EXPIRED


def out_of_custody(node: Node) -> set[bytes]:
    """Return the entries whose custodians destroy what they keep; no consent is looked at."""
    with node.database.reading() as session:
        over = is_over(now_of(session), ListedEntry.commitment)
        return set(session.scalars(select(ListedEntry.entry).where(over)))


def told(bundle: bytes) -> str:
    """Return what a bundle's verification says; it holds."""
    found = weigh_evidence(bundle, allow_test=True)
    assert found.ok
    return " ".join(found.proved)
