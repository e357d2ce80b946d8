"""A database that was copied before an erasure brings nobody back."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from node.errors import NotFound
from node.listings import open_listing
from node.tables import (
    AuditRow,
    DeletionCertificate,
    Erasure,
    KnownStatement,
    OwnListing,
    SealedRecord,
)
from tests import databases
from tests.node.services.blacklist_looking import look
from tests.node.services.blacklist_town import BlacklistTown

UPLOADER, READER = 1, 2


def rows_of(town: BlacklistTown, member: int, entry: bytes) -> list[str]:
    """Return what a node's rows still hold of an entry."""
    with town.node(member).database.reading() as session:
        own, known = session.get(OwnListing, entry), session.get(KnownStatement, entry)
        sealed = session.scalars(select(SealedRecord).where(SealedRecord.entry == entry)).all()
        held = {
            "statement": own is not None and own.statement is not None,
            "secret": own is not None and own.secret != b"",
            "records": bool(sealed),
            "known": known is not None,
        }
    return [name for name, here in held.items() if here]


def test_an_older_copy_brings_nobody_back(town: BlacklistTown) -> None:
    """Uploader and reader are put back to before the erasure: what they certified they keep."""
    town.node(READER).screening.claim_allowance()
    entry, stays = town.list(UPLOADER, 7), town.list(UPLOADER, 8)
    receipt = look(town, READER, UPLOADER, entry)
    assert town.node(READER).screening.read_receipt(receipt) == (entry,)
    before = {UPLOADER: ["statement", "secret", "records"], READER: ["known"]}
    homes = {member: town.node(member).home for member in before}
    for member, home in homes.items():
        town.node(member).close()
        databases.copy(home / "kanhe.db", home / "older.db")
        town.reopen(member)
        assert rows_of(town, member, entry) == before[member]
    town.erase(UPLOADER, entry)
    for _ in range(2):
        town.settle()
        town.chain.mine(5)
    # The reader's erasure follows by itself.
    town.settle()
    assert rows_of(town, READER, entry) == []
    assert {one for one, _, _ in town.node(3).screening.trace(entry).certificates} == set(before)
    for member, home in homes.items():
        town.node(member).close()
        databases.copy(home / "older.db", home / "kanhe.db")
        back = town.reopen(member)
        for _ in range(4):
            back.step()
        assert rows_of(town, member, entry) == [], "destroyed before anything else is asked of it"
        with back.database.reading() as session:
            stands = session.get_one(DeletionCertificate, (entry, member))
            assert session.get_one(Erasure, entry).hash == stands.certificate
            acts = select(AuditRow.subject).where(AuditRow.act == "erase again")
            assert list(session.scalars(acts)) == [entry.hex()]
        with pytest.raises(NotFound) as caught:
            back.screening.certificate_of(entry)
        assert caught.value.code == "CERTIFICATE_UNKNOWN"
    with town.node(UPLOADER).database.reading() as session:
        assert open_listing(session, town.node(UPLOADER).keys.ring, stays).opened is not None
    # Read again from the receipt that it keeps, the statement is gone with the next turn.
    town.node(READER).screening.read_receipt(receipt)
    town.settle(READER)
    assert rows_of(town, READER, entry) == []
