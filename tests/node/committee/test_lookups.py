"""Lookups through a committee of nodes: hit and absence, receipts, wrong shares, wrong roots."""

from __future__ import annotations

import dataclasses
import functools
import json
import threading
from types import SimpleNamespace

import pytest
from committee_town import COMMITTEE, OUTSIDER, Town
from listed_people import person_of
from sqlalchemy import select

from node import index_reading
from node.crypto.oprf import group, modes, threshold
from node.crypto.oprf.group import Element
from node.crypto.oprf.modes import Mode
from node.crypto.oprf.threshold import ShareHolder
from node.lookup_parts import LookupParts
from node.screening.consents import Trust
from node.screening.envelope import read_envelope
from node.screening.explaining import ClaimedKeys, explain_receipt
from node.screening.receipts import read_receipt
from node.screening.roots import read_header, root_digest, write_header
from node.screening.states import DAY_S, MAX_REVISIONS, MIN_CUT_S
from node.screening.verifying import Ledger, verify_receipt
from node.services.index.building import SIGN
from node.services.lookups import Found
from node.tables import Deposit, Incident, IndexRoot, RootChallenge
from reconcile.model import KanheError, OutsideError, ProtocolError, UsageError

READER = 1


def incidents(town: Town, member: int, kind: str) -> list[str]:
    """What a member's incidents of a kind say."""
    with town.node(member).sessions() as session:
        return [i.says for i in session.scalars(select(Incident).where(Incident.kind == kind))]


def refusal(town: Town, serial: int) -> KanheError:
    """Look a person up and return what refused it."""
    lookup = town.consented(READER, serial)
    town.tickets(READER)
    (found,) = town.node(READER).lookups.look_up([lookup])
    assert isinstance(found, KanheError)
    return found


def test_a_hit_and_an_absence_each_leave_a_receipt_that_anyone_verifies(indexed: Town) -> None:
    """The listed person's entry is found, the other's absence proven, both offline."""
    hit, miss = indexed.found(READER, 1), indexed.found(READER, 3)
    assert (hit.outcome, miss.outcome) == ("HIT", "MISS")
    assert [(item.state, item.reason) for item in hit.entries] == [("LISTED", "OVERDUE_M3")]
    assert not hit.entries[0].protects
    assert miss.entries == ()
    for found in (hit, miss):
        said = explain_receipt(found.receipt, allow_test=True)
        assert said.ok, said
        assert indexed.node(READER).lookups.receipt(found.lookup) == found.receipt
        # Against a ledger that has no such root the receipt is void.
        ledger = Ledger(
            lambda _header: False,
            lambda _epoch, _committee: False,
            lambda _epoch, _committee, _node, _key: False,
            lambda _header, _entries: {},
        )
        with pytest.raises(ProtocolError) as caught:
            verify_receipt(
                found.receipt,
                trust=Trust(ClaimedKeys()),
                at_s=indexed.time_s(),
                ledger=ledger,
                allow_test=True,
            )
        assert caught.value.code == "RECEIPT_ROOT"
    views = indexed.node(READER).lookups.lookups()
    assert {view.outcome for view in views} >= {"HIT", "MISS"}
    # The whole region code: four of its digits stand in a digest by chance.
    regions = {person_of(serial).value[:6] for serial in (1, 3)}
    assert not [view for view in views for region in regions if region in repr(view)]


def test_hit_and_miss_look_the_same_to_everyone_else(
    indexed: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Words and sizes of what is asked and answered are equal, for nodes and for replicas."""
    seen: list[tuple[str, int, int]] = []
    lock, asked = threading.Lock(), LookupParts.ask

    def watch(parts: LookupParts, member: int, word: str, body: bytes) -> bytes:
        answer = asked(parts, member, word, body)
        with lock:
            seen.append((word, len(body), len(answer)))
        return answer

    monkeypatch.setattr(LookupParts, "ask", watch)
    node = indexed.node(READER)
    monkeypatch.setattr(node.lookups, "_ask", node.parts.ask)
    shapes = []
    for serial in (1, 3):
        indexed.found(READER, serial)
        seen.clear()
        node.lookups._headers.clear()
        indexed.found(READER, serial)
        # Ticket numbers have as many digits as they have, whomever they are for.
        shapes.append(sorted((w, b, a) for w, b, a in seen if w.startswith("index/")))
    assert shapes[0] == shapes[1]
    assert len(shapes[0]) == 2


def test_many_people_go_in_one_batch(indexed: Town) -> None:
    """One request a node, one proof, an outcome and a receipt each; a bad one stands alone."""
    lookups = [indexed.consented(READER, serial) for serial in (1, 2, 3)]
    indexed.tickets(READER, 3)
    unconsented = indexed.node(READER).lookups.prepare(person_of(1), indexed.terms())
    found = indexed.node(READER).lookups.look_up([*lookups, unconsented])
    outcomes = [item.outcome if isinstance(item, Found) else item.code for item in found]
    assert outcomes == ["HIT", "HIT", "MISS", "CONSENT_MISSING"]
    for item in found[:3]:
        assert isinstance(item, Found)
        assert explain_receipt(item.receipt, allow_test=True).ok
        assert len(read_receipt(read_envelope(item.receipt).payload).batch) == 3
    with pytest.raises(UsageError) as caught:
        indexed.node(READER).lookups.look_up([])
    assert caught.value.code == "LOOKUP_BATCH"


def test_a_wrong_share_is_named_and_the_others_answer(
    indexed: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that evaluates with another key is found by its proof and kept as an incident."""
    service = indexed.node(2).committee
    with indexed.node(2).sessions() as session:
        holder, epoch = service.holder(session, 1)
    other = ShareHolder(holder.index, modes.generate_key_pair())
    monkeypatch.setitem(service._holders, epoch.run, other)
    lookups = indexed.node(READER).lookups
    # Whoever is asked first: with both other nodes every lookup still ends in a receipt.
    while not incidents(indexed, READER, "OPRF_SHARE_WRONG"):
        assert indexed.found(READER, 1).outcome == "HIT"
    (says,) = incidents(indexed, READER, "OPRF_SHARE_WRONG")
    assert says.startswith("member 2 answered with a wrong share")
    assert lookups.lookups()[0].outcome == "HIT"


def test_fewer_than_t_nodes_evaluate_nothing_and_learn_nothing(
    indexed: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one node left the lookup says who is missing; its answer alone gives no output."""
    alone = indexed.node(READER)
    asked = alone.parts.ask

    def cut_off(member: int, word: str, body: bytes) -> bytes:
        if member != READER:
            raise OutsideError("PEER_UNREACHABLE", "the line is cut")
        return asked(member, word, body)

    with monkeypatch.context() as patch:
        patch.setattr(alone.lookups, "_ask", cut_off)
        error = refusal(indexed, 1)
    assert error.code == "OPRF_BELOW_THRESHOLD"
    assert "member 2" in error.message
    assert "member 3" in error.message
    # The same lookup goes on with the same ticket once the others are there again.
    waiting = alone.lookups.lookups()[0]
    assert waiting.ticket is not None
    (found,) = alone.lookups.look_up([waiting.lookup])
    assert isinstance(found, Found)
    # One share's evaluation is a point through which every polynomial's value at 0 can go.
    with alone.sessions() as session:
        holder, epoch = alone.committee.holder(session, 1)
    blinded = [modes.blind(Mode.VOPRF, person_of(1).prf_input)]
    answer = threshold.evaluate_share(holder, [blinded[0].element])
    outputs = threshold.finalize_shares(epoch.committee, blinded, [answer])
    assert outputs.missing == (0,)
    assert holder.pair.public != epoch.committee.public
    assert group.scale_base(holder.pair.secret) != Element(epoch.committee.public)


def test_a_refusal_by_the_committee_comes_through(indexed: Town) -> None:
    """A revoked consent is the answer itself, with every node's words."""
    lookups = indexed.node(READER).lookups
    lookup = indexed.consented(READER, 1)
    lookups.revoke(lookup)
    indexed.settle()
    indexed.tickets(READER)
    (found,) = lookups.look_up([lookup])
    assert isinstance(found, KanheError)
    assert found.code == "CONSENT_REVOKED"
    assert "member" in found.message


def test_a_replica_with_two_roots_is_found_with_its_own_signature(
    indexed: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its signed header is the evidence; the lookup goes on with another replica."""
    shelf = indexed.node(3).parts.index.shelf()
    honest = shelf.header

    def two_faced(body: bytes) -> bytes:
        signed = read_header(honest(body))
        other = dataclasses.replace(signed.header, tree_root=b"\x09" * 32)
        node = indexed.node(3)
        digest = root_digest(node.identity.place.blacklist_domain, other, signed.revision)
        signature = node.keys.approver.sign_digest(digest)
        return write_header(dataclasses.replace(signed, header=other, signature=signature))

    monkeypatch.setattr(shelf, "header", two_faced)
    # Member 3 is asked first.
    drawn = SimpleNamespace(shuffle=lambda replicas: replicas.sort(reverse=True))
    monkeypatch.setattr(index_reading, "secrets", SimpleNamespace(SystemRandom=lambda: drawn))
    indexed.node(READER).lookups._headers.clear()
    assert indexed.found(READER, 1).outcome == "HIT"
    (says,) = incidents(indexed, READER, "REPLICA_TWO_ROOTS")
    assert "member 3 signed another root" in says


def test_no_root_is_signed_before_it_is_due(indexed: Town) -> None:
    """Signatures gathered ahead would put a challenged root back at once."""
    sign = indexed.node(2).parts.handlers()[SIGN]
    version = indexed.node(2).parts.index.versions()[0].version
    header = indexed.node(2).parts.index._header_of(version)
    assert header is not None
    for revision in (1, 2, 3):
        asked = {"version": version, "revision": revision, "root": header.root.hex()}
        with pytest.raises(ProtocolError) as caught:
            sign(1, json.dumps(asked).encode())
        assert caught.value.code == "INDEX_REVISION_NOT_DUE"


def test_an_index_that_lacks_an_entry_is_challenged_by_its_uploader(indexed: Town) -> None:
    """Replicas that swap a record publish roots that the uploader's node stops by itself, each.

    Only the last revision cannot be stopped, and that one every member of the committee signed.
    """
    town = indexed
    town.pass_s(DAY_S)
    town.claim()
    entry = town.list(OUTSIDER, 4)
    for member in COMMITTEE:
        with town.node(member).sessions.begin() as session:
            row = session.get_one(Deposit, (1, entry))
            row.record = row.record[:1] + b"\x07" * 999
            row.leaf = row.record[1:33]
    town.pass_s(MIN_CUT_S)
    version = town.node(1).parts.index.cut()

    def challenged(revision: int) -> bool:
        with town.node(1).sessions() as session:
            row = session.get(RootChallenge, (version, revision, OUTSIDER))
            return row is not None and row.entry == entry

    for revision in (1, 2):
        town.until(functools.partial(challenged, revision), "the challenge", blocks=20)

    def signed() -> list[str]:
        with town.node(1).sessions() as session:
            row = session.get(IndexRoot, (version, MAX_REVISIONS))
            return [] if row is None else row.signatures

    town.until(lambda: bool(signed()), "the last revision", blocks=20)
    assert len(signed()) == len(COMMITTEE)
    found = incidents(town, OUTSIDER, "INDEX_LEAF_MISSING")
    assert found
    assert all(f"version {version}" in says for says in found)
    # Readers stay with the version before it.
    assert town.found(READER, 1).version < version
