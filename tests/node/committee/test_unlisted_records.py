"""An uploader that seals into the index what it never posted: no hit, and its name stands there."""

from __future__ import annotations

import secrets
from typing import Any

import msgspec
import pytest
from committee_town import OUTSIDER, Town
from listed_people import person_of
from sqlalchemy import select
from sqlalchemy.orm import Session

from node import listings
from node.keyring import KeyRing
from node.screening.derivation import Tag
from node.screening.envelope import LISTING_TYPE, sign_envelope
from node.screening.listings import Reason, committed
from node.screening.records import OpenedRecord, seal_record
from node.screening.releases import HitVerdict
from node.screening.states import DAY_S
from node.services.index import leaving, uploading
from node.services.index.deposits import DEPOSIT
from node.tables import EntryTag, Incident, KnownStatement, SealedRecord
from reconcile.model import KanheError, OutsideError

READER = 2
BACK_DATED, NOBODYS, ANOTHERS = 21, 22, 23


def incidents(town: Town, lookup: int) -> list[Incident]:
    """A reader's incidents of false records that a lookup found."""
    with town.node(READER).sessions() as session:
        kind = f"RECORD_FALSE/{lookup}"
        return list(session.scalars(select(Incident).where(Incident.kind == kind)))


@pytest.mark.parametrize("serial", [BACK_DATED, NOBODYS, ANOTHERS])
def test_what_was_never_posted_is_no_hit(
    indexed: Town, monkeypatch: pytest.MonkeyPatch, serial: int
) -> None:
    """A back-dated statement, one of an entry that nobody posted, one of another member's entry."""
    indexed.pass_s(DAY_S)
    honest = indexed.list(1, 30 + serial)
    mallory = indexed.node(OUTSIDER)
    seal = uploading.seal_for_epoch

    def forged(
        session: Session, ring: KeyRing, entry: bytes, tag: Tag, *, now_ms: int
    ) -> SealedRecord:
        row = seal(session, ring, entry, tag, now_ms=now_ms)
        owned = listings.open_listing(session, ring, entry)
        posted = owned.opened.listing
        if (posted.uploader, owned.identifier) != (OUTSIDER, person_of(serial)):
            return row
        said = msgspec.structs.replace(
            posted,
            reason=Reason.COURT_CONFIRMED,
            effective_from=posted.effective_from - 3_000,
            expires_at=posted.expires_at + 30_000,
            entry_id={NOBODYS: secrets.token_bytes(32), ANOTHERS: honest}.get(serial, entry),
            commitment=bytes(32),
        )
        salt = secrets.token_bytes(32)
        whole = committed(said, owned.identifier, salt)
        signed = sign_envelope(LISTING_TYPE, whole.payload, [mallory.keys.approver])
        row.record = seal_record(tag, OpenedRecord(whole, salt, signed.signatures[0]))
        session.flush()
        return row

    monkeypatch.setattr(uploading, "seal_for_epoch", forged)
    entry = indexed.list(OUTSIDER, serial)
    indexed.publish()
    reader = indexed.node(READER)

    def looked_up() -> tuple[int, Any]:
        lookup = indexed.consented(READER, serial)
        indexed.tickets(READER)
        (found,) = reader.lookups.look_up([lookup])
        return lookup, found

    lookup, refused = looked_up()
    assert isinstance(refused, KanheError)
    assert refused.code == "RECORD_NOT_LISTED"
    (incident,) = incidents(indexed, lookup)
    assert f"member {OUTSIDER} signed a statement" in incident.says
    (signer,) = incident.evidence["signed"]
    assert signer["uploader"] == str(OUTSIDER)
    # Beside an honest member's record it hides nothing and adds nothing.
    true = indexed.list(1, serial)
    indexed.publish()
    lookup, found = looked_up()
    assert found.outcome == "HIT"
    assert [item.entry for item in found.entries] == [true]
    assert len(incidents(indexed, lookup)) == 1
    for item in (entry, honest):
        with pytest.raises(KanheError) as caught:
            reader.screening.attest_hit(item, HitVerdict.CONFIRMED, found.receipt)
        assert caught.value.code == "ENTRY_NOT_IN_RECEIPT"
    with reader.sessions() as session:
        for item in (entry, honest, bytes.fromhex(signer["entry"])):
            assert session.get(KnownStatement, item) is None


def test_what_is_only_announced_is_no_hit(indexed: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its record in the place of another own entry: posted, but nobody could dispute it yet."""
    indexed.pass_s(DAY_S)
    indexed.claim()
    liar = indexed.node(OUTSIDER)
    index = liar.parts.index
    ask, undelivered = index._ask, leaving._undelivered

    def kept_back(member: int, word: str, body: bytes) -> bytes:
        if word == DEPOSIT:
            raise OutsideError("PEER_UNREACHABLE", "kept back on purpose")
        return ask(member, word, body)

    with monkeypatch.context() as patch:
        patch.setattr(index, "_ask", kept_back)
        announced, cover = indexed.list(OUTSIDER, 25), indexed.list(OUTSIDER, 26)
    with liar.database.writing.begin() as session:
        true = session.get_one(SealedRecord, (announced, 1))
        place = session.get_one(SealedRecord, (cover, 1))
        place.loc, place.record = true.loc, true.record

    def but_the_announced(*asked: Any, time_s: int) -> list[SealedRecord]:  # noqa: ANN401 - as it takes them
        return [row for row in undelivered(*asked, time_s=time_s) if row.entry != announced]

    monkeypatch.setattr(leaving, "_undelivered", but_the_announced)
    indexed.publish()
    with indexed.nodes[1].sessions() as session:
        assert session.get(EntryTag, (cover, 1)) is not None
        assert session.get(EntryTag, (announced, 1)) is None
    lookup = indexed.consented(READER, 25)
    indexed.tickets(READER)
    (refused,) = indexed.node(READER).lookups.look_up([lookup])
    assert isinstance(refused, KanheError)
    assert refused.code == "RECORD_NOT_LISTED"
    (incident,) = incidents(indexed, lookup)
    assert incident.evidence["signed"][0]["entry"] == announced.hex()


def test_an_entry_that_ended_since_the_cut_still_stands_in_its_receipt(indexed: Town) -> None:
    """Withdrawn after the lookup, the receipt still shows what the index held at its cut."""
    indexed.pass_s(DAY_S)
    entry = indexed.list(OUTSIDER, 24)
    indexed.publish()
    found = indexed.found(READER, 24)
    assert [item.entry for item in found.entries] == [entry]
    indexed.node(OUTSIDER).screening.withdraw(entry)
    indexed.settle()
    assert indexed.node(READER).screening.trace(entry).entry.state == "REMOVED"
    assert indexed.node(READER).screening.read_receipt(found.receipt) == (entry,)
