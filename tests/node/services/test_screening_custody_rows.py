"""An uploader that takes back what it left, or never did: few rows at its custodians."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import func, select

from node.crypto.keys import SealingPublicKey
from node.crypto.oprf.shamir import commit, share_of
from node.screening.custody import (
    Manifest,
    begin,
    detail_hash,
    read_manifest,
    seal_detail,
    share_info,
    write_manifest,
)
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
from node.services.screening.detail import general_key
from node.services.screening.keeping import SPARE_GENERATIONS
from node.tables import AuditRow, HeldCustody, KeyEpoch, OwnCustody
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


def test_an_uploader_makes_few_rows_by_leaving_anew_and_taking_back(town: BlacklistTown) -> None:
    """One custody a committee, and a few of restored backups: then none is kept, or written of."""
    entry = kept(town, 18)
    keeper, manifest = town.node(3), _manifest(town, entry)
    with keeper.database.reading() as session:
        sharings = session.scalar(select(func.count()).select_from(KeyEpoch))
        key = general_key(session, 3)
    assert sharings is not None
    most, codes = sharings + SPARE_GENERATIONS, []
    for generation in range(2, most + 4):
        polynomial = begin(manifest.threshold)
        made = replace(manifest, generation=generation, commitments=commit(polynomial))
        body = seal_detail([b"x"], polynomial[0], made.place)
        made = replace(made, detail=detail_hash(body))
        share = share_of(polynomial, made.index_of(3))
        sealed = SealingPublicKey.parse(key.public_key).seal(share, share_info(made, receiver=3))
        signed = write_manifest(made, town.node(UPLOADER).keys.approver)
        left = pack(Deposits([Deposit(signed, key.generation, sealed, body)]))
        taken = keeper.screening.handlers()[TAKE](UPLOADER, left)
        codes += unpack(taken, Taken).codes
        keeper.screening.drop_custody(UPLOADER, pack(Drop(entry, generation)))
    assert codes == [""] * (most - 1) + ["CUSTODY_TOO_MANY"] * 3
    with keeper.database.reading() as session:
        rows = select(func.count()).where(HeldCustody.entry == entry)
        assert session.scalar(rows) == most + 1, "and one that bars the others"
        acts = select(func.count()).where(AuditRow.subject == entry.hex())
        assert session.scalar(acts) == most - 1
    assert holds(town, 3, entry)


def _manifest(town: BlacklistTown, entry: bytes) -> Manifest:
    with town.node(UPLOADER).database.reading() as session:
        return read_manifest(session.get_one(OwnCustody, (entry, 1)).manifest)[0]


def _again(town: BlacklistTown, manifest: Manifest, generation: int) -> bytes:
    """A deposit of another generation, whose detail does not matter here."""
    other = replace(manifest, generation=generation)
    signed = write_manifest(other, town.node(UPLOADER).keys.approver)
    return pack(Deposits([Deposit(signed, 1, b"sealed", b"detail")]))
