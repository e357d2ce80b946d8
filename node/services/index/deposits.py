"""Records left with this replica, and which of them a version holds.

What belongs into a version is decided by the ledger alone: the entries with a leaf where it was
cut. A record that came before its entry was tagged waits; one whose entry has left the index is
taken out by this replica itself, whoever is silent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import msgspec
from sqlalchemy import CursorResult, Select, and_, delete, or_, select, update
from sqlalchemy.orm import Session

from node.db import overwriting
from node.replica import Removal, Replica, Sent
from node.screening.index import record_leaf
from node.screening.records import RECORD_BYTES, VERSION
from node.screening.states import DAY_S, Stage
from node.tables import BlacklistFact, Deposit, EntryTag, IndexCut, KeyEpoch, ListedEntry
from node.tables.tip import tip_of
from reconcile.commitment.fields import as_hex
from reconcile.model import KanheError, ProtocolError, Where

DEPOSIT: Final = "index/deposit"
MAX_RECORDS: Final = 500
#: Rows of one SQL transaction and of one batch of the replica's files.
BATCH: Final = 5_000
#: Stages that no entry leaves.
OVER: Final = tuple(one.name for one in (Stage.CORRECTED, Stage.REMOVED, Stage.ERASED))


class Left(msgspec.Struct, forbid_unknown_fields=True):
    """One record on its way to a replica; bytes are hexadecimal."""

    entry: str
    loc: str
    record: str


class Records(msgspec.Struct, forbid_unknown_fields=True):
    """Records of one uploader for one key epoch."""

    key_epoch: int
    items: list[Left]


@dataclass(frozen=True, slots=True)
class _Read:
    entry: bytes
    loc: bytes
    record: bytes


def take_records(session: Session, uploader: int, body: bytes, *, now_ms: int) -> int:
    """Keep an uploader's records; one that lies here already changes nothing.

    Raises `ProtocolError` RECORDS_MALFORMED, KEY_EPOCH_NOT_USABLE, ENTRY_FOREIGN (the ledger
    knows no such entry of this member: ask again once it does) or RECORD_DIFFERS: nothing of the
    message is kept.
    """
    key_epoch, items = _read(body)
    known = select(KeyEpoch.key_epoch).where(KeyEpoch.key_epoch == key_epoch).limit(1)
    if session.scalar(known) is None:
        # Each epoch of anybody's making would hold another record of one entry.
        raise _refuse("KEY_EPOCH_NOT_USABLE", f"key epoch {key_epoch} is not on the ledger")
    for item in items:
        row = session.get(ListedEntry, item.entry)
        if row is None or row.uploader != uploader:
            raise _refuse("ENTRY_FOREIGN", "an entry is not this member's on the ledger")
        hashed = hashlib.sha256(item.loc + item.record).digest()
        standing = session.get(Deposit, (key_epoch, item.entry))
        if standing is not None:
            if standing.hash != hashed:
                says = f"another record of entry {item.entry.hex()[:16]}… lies here"
                raise _refuse("RECORD_DIFFERS", says)
            continue
        session.add(
            Deposit(
                key_epoch=key_epoch,
                entry=item.entry,
                uploader=uploader,
                loc=item.loc,
                leaf=record_leaf(item.record),
                hash=hashed,
                record=item.record,
                taken=False,
                removed=False,
                received_at_ms=now_ms,
            )
        )
    session.flush()
    return len(items)


def write_records(key_epoch: int, items: Sequence[tuple[bytes, bytes, bytes]]) -> bytes:
    """Return the message that leaves (entry, loc, record) with a replica."""
    left = [Left(entry.hex(), loc.hex(), record.hex()) for entry, loc, record in items]
    return msgspec.json.encode(Records(key_epoch, left))


def _read(body: bytes) -> tuple[int, list[_Read]]:
    try:
        found = msgspec.json.decode(body, type=Records)
        items = [
            _Read(
                as_hex(item.entry, "entry", 32),
                as_hex(item.loc, "loc", 32),
                as_hex(item.record, "record", RECORD_BYTES),
            )
            for item in found.items
        ]
    except (msgspec.DecodeError, KanheError):
        raise _refuse("RECORDS_MALFORMED", "the message does not read") from None
    versioned = all(item.record[:1] == VERSION for item in items)
    if not 1 <= len(items) <= MAX_RECORDS or not versioned or found.key_epoch < 1:
        raise _refuse("RECORDS_MALFORMED", f"1 to {MAX_RECORDS} records of version 1 are left")
    return found.key_epoch, items


def bring_up_to(session: Session, replica: Replica, cut: IndexCut) -> int:
    """Move what the version holds into the replica's files, and what left the index out of them.

    Returns how many moved; call again until it is 0. The files come first: after a crash the same
    records are taken again, which changes nothing. Records stay in their rows until their entry is
    over (`forget_over`): one whose suspension ends is put into the index again.
    """
    moved = 0
    coming = _differing(session, cut, inside=True)
    if coming:
        replica.take(cut.key_epoch, coming[0].uploader, [Sent(r.loc, r.record) for r in coming])
        for row in coming:
            row.taken, row.removed = True, False
        moved += len(coming)
    going = _differing(session, cut, inside=False)
    if going:
        replica.take(cut.key_epoch, going[0].uploader, [Removal(r.loc, r.leaf) for r in going])
        for row in going:
            row.removed = True
        moved += len(going)
    session.flush()
    return moved


def forget_over(session: Session, key_epoch: int) -> int:
    """Empty the records whose entries are over for good, and drop those of older key epochs.

    Over for good: out of the files of a version that was cut since, and in final blocks, so that
    neither a build nor a fork asks for the record again. Returns how many went.
    """
    cursor = tip_of(session)
    if cursor is None:
        return 0
    older = delete(Deposit).where(Deposit.key_epoch < key_epoch)
    fact = select(BlacklistFact.id).where(
        BlacklistFact.entry == Deposit.entry, BlacklistFact.block_number > cursor.final_block
    )
    over = select(ListedEntry.entry).where(
        ListedEntry.entry == Deposit.entry, ListedEntry.stage.in_(OVER)
    )
    emptied = (
        update(Deposit)
        .where(Deposit.taken.is_(True), Deposit.removed.is_(True), Deposit.record != b"")
        .where(over.exists(), ~fact.exists())
        .values(record=b"")
    )
    done = 0
    with overwriting(session):
        for statement in (older, emptied):
            # What the session holds in memory of them is read again by nobody.
            result = session.execute(statement.execution_options(synchronize_session=False))
            done += cast("CursorResult[Any]", result).rowcount
    return done


def missing_of(session: Session, cut: IndexCut) -> int:
    """Return how many entries of a version no uploader has left a record of here."""
    left = select(Deposit.entry).where(
        Deposit.key_epoch == cut.key_epoch, Deposit.entry == EntryTag.entry
    )
    query = _tagged(cut).where(~left.exists())
    return len(session.scalars(query.limit(1_000)).all())


def _differing(session: Session, cut: IndexCut, *, inside: bool) -> list[Deposit]:
    """Return deposits of one uploader that are not where the version wants them."""
    tagged = _tagged(cut).where(EntryTag.entry == Deposit.entry).exists()
    query = select(Deposit).where(Deposit.key_epoch == cut.key_epoch)
    if inside:
        query = query.where(tagged, or_(Deposit.taken.is_(False), Deposit.removed.is_(True)))
    else:
        query = query.where(~tagged, Deposit.taken.is_(True), Deposit.removed.is_(False))
    first = session.scalars(query.order_by(Deposit.uploader).limit(1)).first()
    if first is None:
        return []
    rows = session.scalars(query.where(Deposit.uploader == first.uploader).limit(BATCH))
    return list(rows)


def _tagged(cut: IndexCut) -> Select[Any]:
    """Return the query of entries with a leaf where the log was cut.

    Entries whose last day is over are counted out by the contract, without an event of their own.
    """
    before = or_(
        EntryTag.block_number < cut.block_number,
        and_(EntryTag.block_number == cut.block_number, EntryTag.log_index < cut.log_index),
    )
    still = or_(
        EntryTag.untagged_block.is_(None),
        EntryTag.untagged_block > cut.block_number,
        and_(
            EntryTag.untagged_block == cut.block_number,
            EntryTag.untagged_log_index > cut.log_index,
        ),
    )
    return (
        select(EntryTag.entry)
        .join(ListedEntry, ListedEntry.entry == EntryTag.entry)
        .where(
            EntryTag.key_epoch == cut.key_epoch,
            before,
            still,
            ListedEntry.expires_day >= cut.block_time_s // DAY_S,
        )
    )


def _refuse(code: str, says: str) -> ProtocolError:
    return ProtocolError(code, says, where=Where(field="records"), help="nothing was kept")
