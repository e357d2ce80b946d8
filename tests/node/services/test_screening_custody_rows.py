"""An uploader that takes back what it never left: few rows at its custodians."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import func, select

from node.screening.custody import Manifest, read_manifest, write_manifest
from node.screening.custody_messages import (
    Deposit,
    Deposits,
    Drop,
    Taken,
    pack,
    read_destroyed,
    unpack,
)
from node.services.screening.custody import TAKE
from node.tables import AuditRow, HeldCustody, OwnCustody
from tests.node.services.blacklist_town import BlacklistTown
from tests.node.services.custody_tools import UPLOADER, holds, kept, wire


@pytest.fixture(scope="module", autouse=True)
def wired(town: BlacklistTown) -> None:
    """Everybody has points, and reaches everybody."""
    wire(town)


def test_an_uploader_makes_no_rows_by_taking_back_what_never_came(town: BlacklistTown) -> None:
    """However many generations it names, one row bars them; each word is signed all the same."""
    entry = kept(town, 17)
    keeper, other = town.node(3), town.node(1)
    manifest = _manifest(town, entry)
    for generation in (40, 7, *range(41, 60), 7):
        word = keeper.screening.drop_custody(UPLOADER, pack(Drop(entry, generation)))
        assert read_destroyed(word)[0]["generation"] == str(generation)
    with keeper.database.reading() as session:
        rows = session.scalars(select(HeldCustody).where(HeldCustody.entry == entry)).all()
        assert sorted(row.generation for row in rows) == [1, 59]
        acts = select(func.count()).where(AuditRow.subject == entry.hex())
        assert session.scalar(acts) == 0, "nothing was destroyed"
    assert holds(town, 3, entry)
    # What comes late is refused where it was barred, and taken elsewhere.
    late = _again(town, manifest, 5)
    for node, code in ((keeper, "CUSTODY_DIFFERS"), (other, "CUSTODY_DETAIL_FALSE")):
        taken = node.screening.handlers()[TAKE](UPLOADER, late)
        assert unpack(taken, Taken).codes == [code]


def _manifest(town: BlacklistTown, entry: bytes) -> Manifest:
    with town.node(UPLOADER).database.reading() as session:
        return read_manifest(session.get_one(OwnCustody, (entry, 1)).manifest)[0]


def _again(town: BlacklistTown, manifest: Manifest, generation: int) -> bytes:
    """A deposit of another generation, whose detail does not matter here."""
    other = replace(manifest, generation=generation)
    signed = write_manifest(other, town.node(UPLOADER).keys.approver)
    return pack(Deposits([Deposit(signed, 1, b"sealed", b"detail")]))
