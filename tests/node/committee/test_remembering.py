"""A committee node that was put back from an older copy evaluates nothing it may have forgotten."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from committee_town import Town
from sqlalchemy import delete
from test_evaluating import NODE, READER, ask, code_of, item_of, other_element, signed

from node.outbox.adoption import FORGETS_TO, note_restored
from node.screening.states import DAY_S
from node.services.committee.remembering import forgets_to
from node.tables import Evaluation, NodeFact


@pytest.fixture
def restored(indexed: Town) -> Iterator[Town]:
    """The town, whose node forgets what it evaluated; the next file finds it as it was."""
    indexed.pass_s(DAY_S)
    indexed.claim()
    indexed.tickets(READER, 6)
    yield indexed
    with indexed.node(NODE).sessions.begin() as session:
        session.execute(delete(NodeFact).where(NodeFact.name == FORGETS_TO))


def put_back(town: Town, ticket: int) -> None:
    """Put a copy back that was made before a ticket was used."""
    with town.node(NODE).sessions.begin() as session:
        session.execute(delete(Evaluation).where(Evaluation.ticket == ticket))
        note_restored(session)


def test_a_forgotten_ticket_is_no_fresh_one(restored: Town) -> None:
    """Bought before the restore and without a row: refused, whatever element it comes with."""
    used, kept = item_of(restored, 1), item_of(restored, 2)
    assert ask(restored, used).answer.accepted == (0,)
    assert ask(restored, kept).answer.accepted == (0,)
    put_back(restored, used.ticket)
    # Before it has seen the head nothing that is new is evaluated.
    assert code_of(restored, item_of(restored, 3)) == "TICKET_FORGOTTEN"
    restored.settle()
    second = signed(restored, other_element(used))
    assert code_of(restored, second) == "TICKET_FORGOTTEN"
    assert code_of(restored, used) == "TICKET_FORGOTTEN"
    assert ask(restored, kept).answer.accepted == (0,), "what the copy knows is answered again"
    with restored.node(NODE).sessions() as session:
        before = forgets_to(session)
    # A ticket that was bought since is nobody's second use, and lookups go on through the others.
    lookups = restored.node(READER).lookups
    lookups.buy_tickets(1)
    restored.settle()
    (*_, fresh) = lookups.tickets()
    newer = item_of(restored, 3)
    while newer.ticket != fresh:
        newer = item_of(restored, 3)
    assert ask(restored, newer).answer.accepted == (0,)
    restored.settle()
    with restored.node(NODE).sessions() as session:
        assert forgets_to(session) == before, "learned once"


def test_lookups_and_listings_go_on_without_it(restored: Town) -> None:
    """The other two evaluate; an entry of before is none of the restored node's to evaluate."""
    put_back(restored, 0)
    restored.settle()
    assert restored.found(READER, 1).outcome == "HIT"
    entry = restored.list(3, 70)
    restored.settle()
    assert restored.node(3).screening.trace(entry).entry.state == "LISTED"
