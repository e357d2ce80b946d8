"""One false record leaves a person without an answer, but not without a way: its entry is found."""

from __future__ import annotations

import json
from typing import Any

import pytest
from committee_town import OUTSIDER, PHRASE, Town
from listed_people import person_of
from sqlalchemy import select
from sqlalchemy.orm import Session

from node import listings
from node.cli import main
from node.errors import NotFound
from node.keyring import KeyRing
from node.screening.derivation import Tag
from node.screening.states import DAY_S
from node.services.index import uploading
from node.tables import Incident, SealedRecord
from reconcile.model import KanheError

READER, SERIAL = 2, 65


def test_a_lookup_that_is_refused_leads_to_the_entry(
    indexed: Town, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The incident stays, names the leaf; a replica's operator names entry and uploader."""
    indexed.pass_s(DAY_S)
    indexed.claim()
    seal = uploading.seal_for_epoch

    def spoilt(
        session: Session, ring: KeyRing, entry: bytes, tag: Tag, *, now_ms: int
    ) -> SealedRecord:
        row = seal(session, ring, entry, tag, now_ms=now_ms)
        owned = listings.open_listing(session, ring, entry)
        if (owned.opened.listing.uploader, owned.identifier) == (OUTSIDER, person_of(SERIAL)):
            row.record = row.record[:-1] + bytes([row.record[-1] ^ 1])
        return row

    monkeypatch.setattr(uploading, "seal_for_epoch", spoilt)
    entry = indexed.list(OUTSIDER, SERIAL)
    indexed.publish()
    lookup = indexed.consented(READER, SERIAL)
    indexed.tickets(READER)
    reader = indexed.node(READER)
    (refused,) = reader.lookups.look_up([lookup])
    assert isinstance(refused, KanheError)
    assert refused.code == "RECORD_FALSE"
    (evidence,) = _incidents(indexed, lookup)
    (record,) = evidence["records"]
    assert f"index whose {record['leaf']}" in refused.help
    with indexed.node(OUTSIDER).sessions() as session:
        row = session.get_one(SealedRecord, (entry, int(evidence["key_epoch"])))
        assert record["leaf"] == row.record[1:33].hex()
    (found,) = indexed.node(1).lookups.whose(bytes.fromhex(record["leaf"]))
    assert (found.entry, found.uploader) == (entry, OUTSIDER)
    monkeypatch.setenv("KANHE_PASSPHRASE", PHRASE)
    home = str(indexed.node(1).home)
    said = ["blacklist", "index", "whose", record["leaf"], "--home", home, "--json", "-"]
    capsys.readouterr()
    assert main(said) == 0
    (shown,) = json.loads(capsys.readouterr().out)["records"]
    assert (shown["entry"], shown["uploader"]) == (entry.hex(), str(OUTSIDER))
    with pytest.raises(NotFound) as caught:
        indexed.node(1).lookups.whose(bytes(32))
    assert caught.value.code == "LEAF_UNKNOWN"
    # Disputed for the person, as any entry is.
    reader.screening.open_dispute(found.entry, "its record is false", by_person=True)
    indexed.settle()
    assert reader.screening.trace(entry).entry.state == "DISPUTED"
    # Beside a true one it is named, too; the true one's leaf is not.
    true = indexed.list(1, SERIAL)
    indexed.publish()
    hit = indexed.found(READER, SERIAL)
    assert [item.entry for item in hit.entries] == [true]
    (beside,) = _incidents(indexed, hit.lookup)
    assert beside["records"] == [record]


def _incidents(town: Town, lookup: int) -> list[dict[str, Any]]:
    with town.node(READER).sessions() as session:
        kind = select(Incident).where(Incident.kind == f"RECORD_FALSE/{lookup}")
        return [json.loads(json.dumps(row.evidence)) for row in session.scalars(kind)]
