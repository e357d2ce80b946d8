"""What posting shows: imports, the queue's depth, entries with where they came from and went."""

from __future__ import annotations

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from node.agreements import final_block
from node.runs import last_went
from node.services.posting.queue import QUEUED
from node.services.posting.views import EntryView, ImportView, QueueDepth
from node.tables import (
    Batch,
    ImportedFile,
    PostedEntry,
    QueuedRecord,
    RunBreak,
    SealedPayload,
)
from reconcile.commitment.records import decode_record
from reconcile.model import Contradiction, Entry, Side, UsageError

FINAL = "FINAL"
SEEN = "POSTED"


def import_views(session: Session, agreement: bytes | None) -> tuple[ImportView, ...]:
    """Return imported files, newest first."""
    query = select(ImportedFile).order_by(ImportedFile.id.desc())
    if agreement is not None:
        query = query.where(ImportedFile.agreement == agreement)
    return tuple(
        ImportView(
            file_id=row.id,
            name=row.name,
            file_sha256=row.file_sha256,
            side=Side(row.side),
            format=row.format,
            profile=row.profile,
            provable=row.provable,
            entries=row.entry_count,
            imported_at_ms=row.imported_at_ms,
            contradictions=tuple(
                msgspec.convert(item, Contradiction) for item in row.contradictions
            ),
        )
        for row in session.execute(query).scalars()
    )


def depth(session: Session, agreement: bytes | None) -> QueueDepth:
    """Count what waits, in one agreement or in all."""
    records = select(func.count(QueuedRecord.id), func.min(QueuedRecord.queued_at_ms)).where(
        QueuedRecord.state == QUEUED
    )
    batches = select(func.count(SealedPayload.id)).where(SealedPayload.state == "READY")
    if agreement is not None:
        records = records.where(QueuedRecord.agreement == agreement)
        batches = batches.where(SealedPayload.agreement == agreement)
    count, oldest = session.execute(records).one()
    return QueueDepth(
        int(count),
        None if oldest is None else int(oldest),
        int(session.execute(batches).scalar_one()),
    )


def entry_view(session: Session, agreement: bytes, side: Side, entry_ref: str) -> EntryView:
    """Return the version of an entry that counts, posted or waiting; `UsageError` ENTRY_UNKNOWN."""
    posted = session.execute(
        select(PostedEntry)
        .where(
            PostedEntry.agreement == agreement,
            PostedEntry.side == int(side),
            PostedEntry.entry_ref == entry_ref,
            PostedEntry.repeat.is_(False),
        )
        .order_by(PostedEntry.version.desc())
        .limit(1)
    ).scalar_one_or_none()
    if posted is not None:
        return posted_view(session, posted)
    waiting = session.execute(
        select(QueuedRecord)
        .where(
            QueuedRecord.agreement == agreement,
            QueuedRecord.side == int(side),
            QueuedRecord.entry_ref == entry_ref,
        )
        .order_by(QueuedRecord.version.desc())
        .limit(1)
    ).scalar_one_or_none()
    if waiting is None:
        raise UsageError(
            "ENTRY_UNKNOWN",
            f"the {side.word} has no entry {entry_ref!r} here",
            help="references are told apart by upper and lower case",
        )
    return _waiting_view(session, waiting)


def entry_views(
    session: Session,
    agreement: bytes,
    side: Side,
    *,
    window: int | None,
    after: str,
    limit: int,
) -> tuple[EntryView, ...]:
    """Return posted entries of a side in order of reference, from behind `after`."""
    query = (
        select(PostedEntry)
        .where(
            PostedEntry.agreement == agreement,
            PostedEntry.side == int(side),
            PostedEntry.latest.is_(True),
            PostedEntry.entry_ref > after,
        )
        .order_by(PostedEntry.entry_ref)
        .limit(limit)
    )
    if window is not None:
        query = query.where(PostedEntry.window == window)
    return tuple(posted_view(session, row) for row in session.execute(query).scalars())


def posted_view(session: Session, row: PostedEntry) -> EntryView:
    """Return a posted entry with its batch, source line and place in the latest run."""
    entry = decode_record(row.record)
    assert isinstance(entry, Entry)
    batch = session.get(Batch, (row.agreement, row.side, row.seq))
    file, line = _source(session, row.agreement, row.side, row.entry_ref, row.version)
    group, break_key = _membership(session, row.agreement, row.side, row.entry_ref)
    return EntryView(
        entry=entry,
        side=Side(row.side),
        window=row.window,
        seq=row.seq,
        leaf=row.leaf,
        batch_state=FINAL if row.block_number <= final_block(session) else SEEN,
        tx_hash=None if batch is None else batch.tx_hash,
        file=file,
        line=line,
        group_number=group,
        break_key=break_key,
    )


def _waiting_view(session: Session, row: QueuedRecord) -> EntryView:
    entry = decode_record(row.record)
    assert isinstance(entry, Entry)
    file, line = _source(session, row.agreement, row.side, entry.entry_ref, entry.version)
    return EntryView(
        entry=entry,
        side=Side(row.side),
        window=row.window,
        seq=row.seq,
        leaf=None,
        batch_state=row.state,
        tx_hash=None,
        file=file,
        line=line,
        group_number=None,
        break_key=None,
    )


def _source(
    session: Session, agreement: bytes, side: int, entry_ref: str, version: int
) -> tuple[str | None, int | None]:
    found = session.execute(
        select(ImportedFile.name, QueuedRecord.line)
        .join(ImportedFile, ImportedFile.id == QueuedRecord.file_id)
        .where(
            QueuedRecord.agreement == agreement,
            QueuedRecord.side == side,
            QueuedRecord.entry_ref == entry_ref,
            QueuedRecord.version == version,
        )
    ).first()
    return (None, None) if found is None else (found[0], found[1])


def _membership(
    session: Session, agreement: bytes, side: int, entry_ref: str
) -> tuple[int | None, bytes | None]:
    """Return the group number and break key of the latest run that knows the entry."""
    found = last_went(session, agreement, Side(side), entry_ref)
    if found is None:
        return None, None
    run, went = found
    if went.broken is None:
        return went.group, None
    key = session.execute(
        select(RunBreak.break_key).where(RunBreak.run_id == run.id, RunBreak.number == went.broken)
    ).scalar_one_or_none()
    return went.group, key
