"""Records left with this replica, and which of them a version holds.

What belongs into a version is decided by the ledger alone: the entries with a leaf where it was
cut, each with the one record whose salted hash stands there. This replica signs that it holds a
record, and with the signatures of t replicas the uploader tags the entry; the others fetch it. So
nothing is counted that cannot be built. A record whose entry has left the index is taken out by
this replica itself, whoever is silent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import msgspec
from sqlalchemy import CursorResult, Select, and_, delete, func, or_, select, update
from sqlalchemy.orm import Session

from node.blacklist import now_of, state_of
from node.db import overwriting
from node.index_reading import had_leaf
from node.replica import Removal, Replica, Sent
from node.screening.holding import SALT_BYTES, record_hash
from node.screening.index import bucket_bits, bucket_number, record_leaf
from node.screening.records import RECORD_BYTES, VERSION
from node.screening.states import DAY_S, OVER, TICKET_S, Stage
from node.tables import BlacklistFact, Deposit, EntryTag, IndexCut, KeyEpoch, ListedEntry
from node.tables.tip import tip_of
from reconcile.commitment.fields import as_hex
from reconcile.model import KanheError, ProtocolError, Where

DEPOSIT: Final = "index/deposit"
#: What a replica asks another one for, and an uploader for its own.
RECORDS: Final = "index/records"
DIFFERS: Final = "RECORD_DIFFERS"
MAX_RECORDS: Final = 500
#: Of one uploader's records so many lie in one bucket of its own number of entries. Places that
#: follow from persons fill one with 180 at most; whoever chooses them could fill one past measure.
MAX_OWN_IN_BUCKET: Final = 256
#: Rows of one SQL transaction and of one batch of the replica's files.
BATCH: Final = 5_000
#: A replica's refusals of files that are not what these rows say.
UNLIKE_ROWS: Final = frozenset({"INDEX_COUNT_DIFFERS", "REPLICA_DAMAGED"})
#: Stages that no entry leaves.
_LAST_STAGES: Final = tuple(one.name for one in (Stage.CORRECTED, Stage.REMOVED, Stage.ERASED))


class Left(msgspec.Struct, forbid_unknown_fields=True):
    """One record on its way to a replica; bytes are hexadecimal."""

    entry: str
    loc: str
    record: str
    salt: str


class Records(msgspec.Struct, forbid_unknown_fields=True):
    """Records for one key epoch: an uploader's, or those that a replica was asked for."""

    key_epoch: int
    items: list[Left]


class Held(msgspec.Struct, forbid_unknown_fields=True):
    """A replica's answer, in the records' order: its signature (hexadecimal) or a code why not."""

    signatures: list[str]
    refused: list[str]


class Wanted(msgspec.Struct, forbid_unknown_fields=True):
    """Entries of a key epoch whose records a replica lacks (hexadecimal)."""

    key_epoch: int
    entries: list[str]


@dataclass(frozen=True, slots=True)
class Record:
    """An entry's record on its way between nodes."""

    entry: bytes
    loc: bytes
    record: bytes
    salt: bytes

    @property
    def hash(self) -> bytes:
        """Return the salted hash."""
        return record_hash(self.salt, self.loc, self.record)


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of a message: its key epoch, and for each record that it lies here, or why not."""

    key_epoch: int
    records: tuple[Record | KanheError, ...]


def take_records(session: Session, uploader: int, body: bytes, *, now_ms: int) -> Taken:
    """Keep an uploader's records, each by itself; one that lies here already changes nothing.

    Raises `ProtocolError` RECORDS_MALFORMED or KEY_EPOCH_NOT_USABLE for the message. A record alone
    is refused as ENTRY_FOREIGN (the ledger knows no such entry of this member: ask again once it
    does), ENTRY_NOT_LIVE, RECORD_DIFFERS or RECORDS_CROWDED. A leaf that another entry's record
    shows is taken: whoever saw it first, as a replica or by the person's T, would otherwise keep
    the entry that it belongs to out of the index.
    """
    key_epoch, items = read_records(body)
    known = select(KeyEpoch.key_epoch).where(KeyEpoch.key_epoch == key_epoch).limit(1)
    if session.scalar(known) is None:
        # Each epoch of anybody's making would hold another record of one entry.
        raise _refuse("KEY_EPOCH_NOT_USABLE", f"key epoch {key_epoch} is not on the ledger")
    records: list[Record | KanheError] = []
    for item in items:
        try:
            _take(session, key_epoch, uploader, item, now_ms)
            records.append(item)
        except ProtocolError as error:
            records.append(error)
    return Taken(key_epoch, tuple(records))


def _take(session: Session, key_epoch: int, uploader: int, item: Record, now_ms: int) -> None:
    row = session.get(ListedEntry, item.entry)
    if row is None or row.uploader != uploader:
        raise _refuse("ENTRY_FOREIGN", "an entry is not this member's on the ledger")
    now = now_of(session)
    state = state_of(session, row, now)
    if state in OVER:
        raise _refuse("ENTRY_NOT_LIVE", f"the entry is {state.name}")
    if now.time_s // DAY_S > row.ends_day:
        raise _refuse("ENTRY_NOT_LIVE", "the entry's last day is over")
    standing = session.get(Deposit, (key_epoch, item.entry))
    if standing is None:
        _require_room(session, key_epoch, uploader, item)
        session.add(_deposit(key_epoch, uploader, item, now_ms))
        session.flush()
    elif standing.hash != item.hash:
        says = f"another record of entry {item.entry.hex()[:16]}… lies here"
        raise _refuse(DIFFERS, says)


def _deposit(key_epoch: int, uploader: int, item: Record, now_ms: int) -> Deposit:
    return Deposit(
        key_epoch=key_epoch,
        entry=item.entry,
        uploader=uploader,
        loc=item.loc,
        leaf=record_leaf(item.record),
        hash=item.hash,
        record=item.record,
        salt=item.salt,
        taken=False,
        removed=False,
        received_at_ms=now_ms,
    )


def _require_room(session: Session, key_epoch: int, uploader: int, item: Record) -> None:
    """Refuse to let one uploader fill a bucket: of a place that it chooses there is no end."""
    own = select(func.count()).where(Deposit.key_epoch == key_epoch, Deposit.uploader == uploader)
    bits = bucket_bits((session.scalar(own) or 0) + 1)
    number = bucket_number(item.loc, bits)
    first = (number << (32 - bits)).to_bytes(4, "big").ljust(32, b"\x00")
    last = (((number + 1) << (32 - bits)) - 1).to_bytes(4, "big").ljust(32, b"\xff")
    if (session.scalar(own.where(Deposit.loc.between(first, last))) or 0) >= MAX_OWN_IN_BUCKET:
        says = f"{MAX_OWN_IN_BUCKET} records of this member lie in one place"
        raise _refuse("RECORDS_CROWDED", says)


def write_records(key_epoch: int, items: Sequence[Record]) -> bytes:
    """Return the message that leaves records with a replica."""
    left = [Left(one.entry.hex(), one.loc.hex(), one.record.hex(), one.salt.hex()) for one in items]
    return msgspec.json.encode(Records(key_epoch, left))


def read_records(body: bytes) -> tuple[int, list[Record]]:
    """Read a message's key epoch and records; raises `ProtocolError` RECORDS_MALFORMED."""
    try:
        found = msgspec.json.decode(body, type=Records)
        items = [
            Record(
                as_hex(item.entry, "entry", 32),
                as_hex(item.loc, "loc", 32),
                as_hex(item.record, "record", RECORD_BYTES),
                as_hex(item.salt, "salt", SALT_BYTES),
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
        replica.take(cut.key_epoch, [Sent(r.entry, r.loc, r.record) for r in coming])
        for row in coming:
            row.taken, row.removed = True, False
        moved += len(coming)
    going = _differing(session, cut, inside=False)
    if going:
        replica.take(cut.key_epoch, [Removal(r.entry, r.loc, r.leaf) for r in going])
        for row in going:
            row.removed = True
        moved += len(going)
    session.flush()
    return moved


def start_anew(session: Session, replica: Replica, key_epoch: int) -> int:
    """Throw a key epoch's files away, to be filled from the rows again; return how many records.

    For files that are not what the rows say: a backup holds none of them, and a database that was
    put back knows less than they do. Whatever a crash leaves undone, the files are found wanting
    again.
    """
    again = (
        update(Deposit)
        .where(Deposit.key_epoch == key_epoch, Deposit.record != b"")
        .values(taken=False, removed=False)
    )
    done = cast("CursorResult[Any]", session.execute(again)).rowcount
    session.expire_all()
    replica.drop(key_epoch)
    return done


def forget_over(session: Session, key_epoch: int) -> int:
    """Empty the records whose entries are over for good, and drop those of older key epochs.

    Called once the newest cut is built. Over for good: out of its files or never in any, and over
    in final blocks (by time alone, since a day), so that neither a build nor a fork asks for the
    record again. Returns how many went.
    """
    cursor = tip_of(session)
    if cursor is None:
        return 0
    older = delete(Deposit).where(Deposit.key_epoch < key_epoch)
    fact = select(BlacklistFact.id).where(
        BlacklistFact.entry == Deposit.entry, BlacklistFact.block_number > cursor.final_block
    )
    yesterday_s = cursor.head_time_s - DAY_S
    lapsed = and_(
        ListedEntry.stage == Stage.TICKETED.name, ListedEntry.posted_at_s < yesterday_s - TICKET_S
    )
    over = select(ListedEntry.entry).where(
        ListedEntry.entry == Deposit.entry,
        or_(
            ListedEntry.stage.in_(_LAST_STAGES),
            lapsed,
            ListedEntry.ends_day < yesterday_s // DAY_S,
        ),
    )
    emptied = (
        update(Deposit)
        .where(or_(Deposit.taken.is_(False), Deposit.removed.is_(True)), Deposit.record != b"")
        .where(over.exists(), ~fact.exists())
        .values(record=b"", salt=b"")
    )
    done = 0
    with overwriting(session):
        for statement in (older, emptied):
            # What the session holds in memory of them is read again by nobody.
            result = session.execute(statement.execution_options(synchronize_session=False))
            done += cast("CursorResult[Any]", result).rowcount
    return done


def missing_of(session: Session, cut: IndexCut) -> dict[bytes, bytes]:
    """Return entries of a version whose record is not here, with its hash; a message's worth."""
    left = select(Deposit.entry).where(
        Deposit.key_epoch == cut.key_epoch,
        Deposit.entry == EntryTag.entry,
        Deposit.hash == EntryTag.record,
    )
    query = _tagged(cut).add_columns(EntryTag.record).where(~left.exists())
    rows = session.execute(query.order_by(EntryTag.entry).limit(MAX_RECORDS)).all()
    return {row.entry: row.record for row in rows}


def keep_fetched(
    session: Session, cut: IndexCut, wanted: Mapping[bytes, bytes], body: bytes, *, now_ms: int
) -> int:
    """Keep the records of another replica's answer that are the ledger's; return how many.

    A record of the entry that lies here and was never tagged gives way. Raises `ProtocolError`
    RECORDS_MALFORMED.
    """
    key_epoch, items = read_records(body)
    kept = 0
    for item in items:
        if key_epoch != cut.key_epoch or wanted.get(item.entry) != item.hash:
            continue
        standing = session.get(Deposit, (key_epoch, item.entry))
        if standing is not None and standing.hash == item.hash:
            continue
        if standing is not None and standing.taken and not standing.removed:
            # A fork took its tag back: first it leaves the files.
            continue
        if standing is not None:
            session.delete(standing)
            session.flush()
        uploader = session.get_one(ListedEntry, item.entry).uploader
        session.add(_deposit(key_epoch, uploader, item, now_ms))
        kept += 1
    session.flush()
    return kept


def show_records(session: Session, body: bytes, *, uploader: int | None = None) -> bytes:
    """Return the records of entries that lie here, for a replica that lacks them.

    `uploader` is shown its own alone. What is not here is left out of the answer. Raises
    `ProtocolError` RECORDS_MALFORMED.
    """
    try:
        asked = msgspec.json.decode(body, type=Wanted)
        entries = [as_hex(entry, "entry", 32) for entry in asked.entries]
    except (msgspec.DecodeError, KanheError):
        raise _refuse("RECORDS_MALFORMED", "the message does not read") from None
    if not 1 <= len(entries) <= MAX_RECORDS or asked.key_epoch < 1:
        raise _refuse("RECORDS_MALFORMED", f"1 to {MAX_RECORDS} entries are asked for")
    query = select(Deposit).where(
        Deposit.key_epoch == asked.key_epoch, Deposit.entry.in_(entries), Deposit.record != b""
    )
    if uploader is not None:
        query = query.where(Deposit.uploader == uploader)
    rows = session.scalars(query)
    return write_records(
        asked.key_epoch, [Record(row.entry, row.loc, row.record, row.salt) for row in rows]
    )


def _differing(session: Session, cut: IndexCut, *, inside: bool) -> list[Deposit]:
    """Return deposits that are not where the version wants them."""
    tagged = (
        _tagged(cut)
        .where(EntryTag.entry == Deposit.entry, EntryTag.record == Deposit.hash)
        .exists()
    )
    query = select(Deposit).where(Deposit.key_epoch == cut.key_epoch)
    if inside:
        query = query.where(tagged, or_(Deposit.taken.is_(False), Deposit.removed.is_(True)))
    else:
        query = query.where(~tagged, Deposit.taken.is_(True), Deposit.removed.is_(False))
    return list(session.scalars(query.limit(BATCH)))


def _tagged(cut: IndexCut) -> Select[Any]:
    """Return the query of entries with a leaf where the log was cut.

    Entries whose last day is over are counted out by the contract, without an event of their own.
    The last day is the one that the entry had at the cut.
    """
    day = cut.block_time_s // DAY_S
    shortened_later = or_(
        ListedEntry.shortened_block > cut.block_number,
        and_(
            ListedEntry.shortened_block == cut.block_number,
            ListedEntry.shortened_log_index > cut.log_index,
        ),
    )
    return (
        select(EntryTag.entry)
        .join(ListedEntry, ListedEntry.entry == EntryTag.entry)
        .where(
            had_leaf(cut),
            or_(ListedEntry.ends_day >= day, and_(shortened_later, ListedEntry.expires_day >= day)),
        )
    )


def _refuse(code: str, says: str) -> ProtocolError:
    return ProtocolError(code, says, where=Where(field="records"), help="nothing was kept")
