"""Custody over mutual TLS: left with the committee, released in a silent member's place."""

from __future__ import annotations

import contextlib

import pytest
from committee_town import COMMITTEE, OUTSIDER, Town

from node.errors import Conflict
from node.peers.client import PREFIX, PeerClient
from node.screening.consents import Scope
from node.services.lookups import Found
from node.services.screening.custody import SILENCE_S, TELL
from node.services.screening.detail import DETAIL, DetailView
from node.services.screening.hearing import WaitingView
from node.tables import HeldCustody
from reconcile.model import OutsideError

READER = 1
SERIAL = 7
EVIDENCE = (b"the contract, signed", b"the letter")


@pytest.fixture
def looked_up(indexed: Town) -> tuple[bytes, int, bytes]:
    """Return an entry with evidence, its ticket and the receipt of the reader's lookup."""
    town = indexed
    for member in (READER, OUTSIDER):
        with contextlib.suppress(Conflict):
            town.node(member).screening.claim_allowance()
    town.settle()
    entry = town.list(OUTSIDER, SERIAL, EVIDENCE)
    town.publish()
    lookup = town.consented(READER, SERIAL, scope=Scope.HIT | Scope.RECORD | Scope.EVIDENCE)
    town.tickets(READER)
    (found,) = town.node(READER).lookups.look_up([lookup])
    assert isinstance(found, Found), found
    town.node(READER).screening.buy_detail_ticket(entry)
    town.settle()
    return entry, town.node(READER).screening.detail_tickets(entry)[0], found.receipt


def test_evidence_left_over_tls_is_opened_with_the_committee(
    indexed: Town, looked_up: tuple[bytes, int, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every line real: sealed and left by the uploader's node, asked for, waited for, opened."""
    town, (entry, ticket, receipt) = indexed, looked_up
    for member in COMMITTEE:
        with town.node(member).sessions() as session:
            assert session.get(HeldCustody, (entry, 1)) is not None
    asked = PeerClient.call

    def cut(client: PeerClient, member: int, path: str, body: bytes, **more: float | None) -> bytes:
        if member == OUTSIDER and path in {PREFIX + DETAIL, PREFIX + TELL}:
            raise OutsideError("PEER_UNREACHABLE", "the line is cut")
        return asked(client, member, path, body, **more)

    service = town.node(READER).screening
    with monkeypatch.context() as patch:
        patch.setattr(PeerClient, "call", cut)
        told = service.ask_detail(entry, ticket, receipt)
        assert isinstance(told, WaitingView)
        assert set(told.custodians) == set(COMMITTEE)
        assert told.from_s is not None
        town.settle()
        town.pass_s(SILENCE_S)
        view = service.ask_detail(entry, ticket, receipt)
    assert isinstance(view, DetailView)
    assert view.complete
    assert view.documents == EVIDENCE
    assert len(view.custodians) == 2
    assert service.details(entry)[0].documents == EVIDENCE
    # The line is whole again: the uploader hears of it from each custodian.
    for node in town.committee:
        node.screening._rests.clear()
    town.settle()
    told_of = town.node(OUTSIDER).screening.trace(entry).custody.told
    assert [one.custodian for one in told_of] == list(COMMITTEE)
