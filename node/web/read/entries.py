"""Entries: content, where they came from, how they reached the ledger, where they went."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from node.errors import NotFound
from node.runs import last_went
from node.tables import (
    AgreedResult,
    Batch,
    EpochKey,
    ImportedFile,
    PostedEntry,
    QueuedRecord,
    RunBreak,
)
from node.web.read.cursor import decode_cursor, encode_cursor
from reconcile.model import Entry, Side

PAGE: Final = 100
IN_LIMIT: Final = 500


@dataclass(frozen=True, slots=True)
class Origin:
    """The file and line an own entry came from; both stay in this node."""

    file: str
    file_sha256: bytes
    format: str
    line: int
    imported_at_ms: int


@dataclass(frozen=True, slots=True)
class Posting:
    """The batch that carries an entry."""

    seq: int
    leaf: int
    window: int
    epoch: int
    state: str
    commitment: bytes
    head: bytes
    tx_hash: bytes
    block_number: int
    block_time_s: int


@dataclass(frozen=True, slots=True)
class Destination:
    """Where an entry went in the latest run that holds it."""

    window: int
    proof: bool
    group_number: int | None
    break_key: bytes | None
    break_kind: str | None


@dataclass(frozen=True, slots=True)
class EntryView:
    """One entry with its story; `posting` is null while it is queued."""

    entry: Entry
    side: Side
    queue_state: str | None
    posting: Posting | None
    origin: Origin | None
    destination: Destination | None
    readers: tuple[int, ...]
    versions: tuple[int, ...]
    provable_window: int | None


def decode_entry(record: bytes) -> Entry:
    """Return the entry in a posted record's canonical bytes."""
    return msgspec.msgpack.decode(record, type=Entry)


def entries_by_ref(
    session: Session,
    agreement: bytes,
    side: Side,
    refs: Iterable[str],
) -> dict[str, Entry]:
    """Return the version that counts of each ref this node can read."""
    wanted = list(dict.fromkeys(refs))
    found: dict[str, Entry] = {}
    for start in range(0, len(wanted), IN_LIMIT):
        part = wanted[start : start + IN_LIMIT]
        for row in session.execute(
            select(PostedEntry.entry_ref, PostedEntry.record)
            .where(
                PostedEntry.agreement == agreement,
                PostedEntry.side == side,
                PostedEntry.entry_ref.in_(part),
                PostedEntry.latest,
            )
            .order_by(PostedEntry.version),
        ):
            found[row.entry_ref] = decode_entry(row.record)
    return found


def load_entry(session: Session, agreement: bytes, side: Side, ref: str) -> EntryView:
    """Return one entry; NotFound ENTRY_UNKNOWN."""
    rows = session.scalars(
        select(PostedEntry)
        .where(
            PostedEntry.agreement == agreement,
            PostedEntry.side == side,
            PostedEntry.entry_ref == ref,
        )
        .order_by(PostedEntry.version, PostedEntry.repeat.desc()),
    ).all()
    queued = session.scalar(
        select(QueuedRecord)
        .where(
            QueuedRecord.agreement == agreement,
            QueuedRecord.side == side,
            QueuedRecord.entry_ref == ref,
        )
        .order_by(QueuedRecord.version.desc()),
    )
    if not rows and queued is None:
        raise NotFound(
            "ENTRY_UNKNOWN",
            f"the {side.word}'s book holds no entry {ref!r}",
            help="it may stand in a batch this node cannot open; see the ledger page",
        )
    latest = rows[-1] if rows else None
    posting = _posting(session, latest) if latest else None
    record = latest.record if latest else queued.record if queued else b""
    return EntryView(
        entry=decode_entry(record),
        side=side,
        queue_state=queued.state if queued else None,
        posting=posting,
        origin=_origin(session, agreement, side, ref),
        destination=_destination(session, agreement, side, ref),
        readers=_readers(session, agreement, side, posting.epoch) if posting else (),
        versions=tuple(sorted({row.version for row in rows})),
        provable_window=_provable(session, agreement, posting) if posting else None,
    )


def _provable(session: Session, agreement: bytes, posting: Posting) -> int | None:
    """Return the first agreed window whose signed report covers the batch."""
    return session.scalar(
        select(func.min(AgreedResult.window)).where(
            AgreedResult.agreement == agreement,
            AgreedResult.window >= posting.window,
        ),
    )


def _posting(session: Session, row: PostedEntry) -> Posting | None:
    batch = session.get(Batch, (row.agreement, row.side, row.seq))
    if batch is None:
        return None
    return Posting(
        batch.seq,
        row.leaf,
        batch.window,
        batch.epoch,
        batch.state,
        batch.commitment,
        batch.head,
        batch.tx_hash,
        batch.block_number,
        batch.block_time_s,
    )


def _origin(session: Session, agreement: bytes, side: Side, ref: str) -> Origin | None:
    row = session.execute(
        select(QueuedRecord.line, ImportedFile)
        .join(ImportedFile, ImportedFile.id == QueuedRecord.file_id)
        .where(
            QueuedRecord.agreement == agreement,
            QueuedRecord.side == side,
            QueuedRecord.entry_ref == ref,
            QueuedRecord.line.is_not(None),
        )
        .order_by(QueuedRecord.version.desc())
        .limit(1),
    ).first()
    if row is None:
        return None
    line, file = row
    # Asked for above: an entry that came from a program has no line.
    assert line is not None, "the query leaves lines out that are null"
    return Origin(file.name, file.file_sha256, file.format, line, file.imported_at_ms)


def _destination(session: Session, agreement: bytes, side: Side, ref: str) -> Destination | None:
    found = last_went(session, agreement, side, ref)
    if found is None:
        return None
    run, went = found
    broken = None
    if went.broken is not None:
        broken = session.scalar(
            select(RunBreak).where(RunBreak.run_id == run.id, RunBreak.number == went.broken)
        )
    return Destination(
        run.window,
        run.kind == "PROOF",
        went.group,
        broken.break_key if broken else None,
        broken.kind if broken else None,
    )


def _readers(session: Session, agreement: bytes, side: Side, epoch: int) -> tuple[int, ...]:
    wraps = session.scalar(
        select(EpochKey.wraps).where(
            EpochKey.agreement == agreement,
            EpochKey.side == side,
            EpochKey.epoch == epoch,
        ),
    )
    return tuple(int(item["recipient"]) for item in wraps or ())


@dataclass(frozen=True, slots=True)
class EntryRow:
    """One line of a list of entries."""

    entry: Entry
    side: Side
    seq: int
    window: int


def list_entries(
    session: Session,
    agreement: bytes,
    window: int,
    *,
    side: Side,
    after: str | None = None,
    limit: int = PAGE,
) -> tuple[tuple[EntryRow, ...], str | None]:
    """Return a window's entries in stream order and the cursor of the next page."""
    query = (
        select(PostedEntry)
        .where(
            PostedEntry.agreement == agreement,
            PostedEntry.side == side,
            PostedEntry.window == window,
            PostedEntry.repeat.is_(False),
        )
        .order_by(PostedEntry.seq, PostedEntry.leaf)
        .limit(limit + 1)
    )
    start = decode_cursor(after, (int, int))
    if start is not None:
        seq, leaf = (int(part) for part in start)
        query = query.where(
            (PostedEntry.seq > seq) | ((PostedEntry.seq == seq) & (PostedEntry.leaf > leaf)),
        )
    rows = session.scalars(query).all()
    shown = tuple(
        EntryRow(decode_entry(row.record), side, row.seq, row.window) for row in rows[:limit]
    )
    more = encode_cursor(rows[limit - 1].seq, rows[limit - 1].leaf) if len(rows) > limit else None
    return shown, more


def batch_times(
    session: Session,
    agreement: bytes,
    side: Side,
    refs: Iterable[str],
) -> Mapping[str, tuple[int, int]]:
    """Return per ref (seq, block time in s) of its first posting."""
    found: dict[str, tuple[int, int]] = {}
    for ref, seq, at_s in session.execute(
        select(PostedEntry.entry_ref, func.min(Batch.seq), func.min(Batch.block_time_s))
        .join(
            Batch,
            (Batch.agreement == PostedEntry.agreement)
            & (Batch.side == PostedEntry.side)
            & (Batch.seq == PostedEntry.seq),
        )
        .where(
            PostedEntry.agreement == agreement,
            PostedEntry.side == side,
            PostedEntry.entry_ref.in_(list(refs)[:IN_LIMIT]),
        )
        .group_by(PostedEntry.entry_ref),
    ):
        found[ref] = (seq, at_s)
    return found
