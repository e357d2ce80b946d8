"""The data plane: batches, the records of valid ones, closings, attestations, agreed results.

Kept totals (`stream_states`, `window_totals`) move with every row, so that no page counts; after a
rewind they are computed again for the sides it touched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, cast

from sqlalchemy import Table, delete, func, insert, select, update
from sqlalchemy.orm import Session

from node.chain.codec import BatchPosted, Contracts, RawLog
from node.db import bulk_insert
from node.projections.reading import INVALID, SEALED, VALID, BatchReader, Reading, header_json
from node.tables import (
    REBUILDS,
    Batch,
    Closing,
    NodeFact,
    PostedDecision,
    PostedEntry,
    PostedSectionDigest,
    StreamState,
    WindowTotals,
)
from reconcile.commitment.heads import head0, next_head
from reconcile.model import (
    MOVING_STATUSES,
    Decision,
    Direction,
    Entry,
    SectionDigest,
    Side,
)

STREAM_BROKEN: Final = "STREAM_BROKEN"
RECORD_TABLES: Final[tuple[type[PostedEntry | PostedDecision | PostedSectionDigest], ...]] = (
    PostedEntry,
    PostedDecision,
    PostedSectionDigest,
)
Key = tuple[bytes, int]


def stream_of(session: Session, contracts: Contracts, agreement: bytes, side: int) -> StreamState:
    """Return a side's kept state, made at the zero head where there is none."""
    found = session.get(StreamState, (agreement, side))
    if found is not None:
        return found
    stream = StreamState(
        agreement=agreement,
        side=side,
        last_seq=0,
        head=head0(contracts.chain_id, contracts.ledger, agreement, Side(side)),
        entry_count=0,
        batch_count=0,
        invalid_count=0,
        sealed_count=0,
        contiguous=True,
    )
    session.add(stream)
    return stream


def chained_head(batch: BatchPosted, prev_head: bytes) -> bytes:
    """Return the head that must stand after this batch."""
    payload_hash = hashlib.sha256(batch.payload).digest()
    return next_head(
        prev_head, batch.seq, batch.window, batch.epoch, batch.commitment, payload_hash
    )


def break_of(stream: StreamState, batch: BatchPosted) -> str | None:
    """Say what is wrong with a side's stream at this batch: SEQUENCE_GAP, HEAD_DIFFERS or None."""
    if batch.seq != stream.last_seq + 1:
        return "SEQUENCE_GAP"
    return None if chained_head(batch, stream.head) == batch.head else "HEAD_DIFFERS"


def add_batch(
    session: Session,
    stream: StreamState,
    batch: BatchPosted,
    log: RawLog,
    time_s: int,
    *,
    broken: str | None,
    read: BatchReader,
) -> Batch:
    """Write a batch's row and, where it is valid, its records."""
    row = Batch(
        agreement=batch.agreement,
        side=batch.side,
        seq=batch.seq,
        window=batch.window,
        epoch=batch.epoch,
        commitment=batch.commitment,
        prev_head=stream.head,
        head=batch.head,
        payload=batch.payload,
        payload_bytes=len(batch.payload),
        tx_hash=log.tx_hash,
        block_time_s=time_s,
        block_number=log.block_number,
        log_index=log.log_index,
        state=SEALED,
        entry_count=0,
        repeat_count=0,
        decision_count=0,
    )
    stream.last_seq = batch.seq
    stream.head = batch.head
    stream.batch_count += 1
    stream.contiguous = stream.contiguous and broken is None
    stream.posted_window = max(batch.window, stream.posted_window or 0)
    stream.last_posted_at_s = time_s
    session.add(row)
    reading = Reading(INVALID, STREAM_BROKEN) if broken else read(session, batch)
    write_reading(session, stream, row, reading)
    return row


def write_reading(session: Session, stream: StreamState, row: Batch, reading: Reading) -> None:
    """Put what a batch turned out to be into its row, its records and the kept totals."""
    row.state, row.reason = reading.state, reading.reason
    row.header = None if reading.header is None else header_json(reading.header)
    if reading.state == SEALED:
        stream.sealed_count += 1
    elif reading.state == INVALID:
        stream.invalid_count += 1
    if reading.state != VALID:
        session.flush()
        return
    assert reading.header is not None, "a valid batch has a header"
    row.complete_until_ms = reading.header.complete_until
    row.generation = reading.header.generation
    row.entry_count = sum(
        isinstance(record, Entry) and leaf not in reading.repeats
        for leaf, record in enumerate(reading.records, start=1)
    )
    row.repeat_count = len(reading.repeats)
    row.decision_count = sum(isinstance(record, Decision) for record in reading.records)
    stream.entry_count += row.entry_count
    if row.complete_until_ms is not None:
        stream.complete_until_ms = max(row.complete_until_ms, stream.complete_until_ms or 0)
    session.flush()
    _insert_records(session, row, reading)
    _add_totals(session, row, _totals(reading))


# ------------------------------------------------------------------------------------ records
def _insert_records(session: Session, row: Batch, reading: Reading) -> None:
    place = {
        "agreement": row.agreement,
        "side": row.side,
        "seq": row.seq,
        "window": row.window,
        "block_number": row.block_number,
        "log_index": row.log_index,
    }
    newest = _newest_versions(reading)
    rows: dict[type, list[dict[str, Any]]] = {table: [] for table in RECORD_TABLES}
    pairs = zip(reading.records, reading.items, strict=True)
    for leaf, (record, data) in enumerate(pairs, start=1):
        base = place | {"leaf": leaf, "record": data}
        if isinstance(record, Entry):
            repeat = leaf in reading.repeats
            latest = not repeat and newest[record.entry_ref] == record.version
            values = _entry(record) | {"repeat": repeat, "latest": latest}
            rows[PostedEntry].append(base | values)
        elif isinstance(record, Decision):
            rows[PostedDecision].append(base | _decision(record))
        else:
            rows[PostedSectionDigest].append(base | _section_digest(record))
    amended = [ref for ref, version in newest.items() if version > 0]
    for start in range(0, len(amended), 500):
        session.execute(
            update(PostedEntry)
            .where(
                PostedEntry.agreement == row.agreement,
                PostedEntry.side == row.side,
                PostedEntry.entry_ref.in_(amended[start : start + 500]),
            )
            .values(latest=False)
        )
    for table, found in rows.items():
        if found and table is PostedEntry:
            bulk_insert(session, cast("Table", PostedEntry.__table__), found)
        elif found:
            session.execute(insert(table), found)


def _newest_versions(reading: Reading) -> dict[str, int]:
    newest: dict[str, int] = {}
    for leaf, record in enumerate(reading.records, start=1):
        if isinstance(record, Entry) and leaf not in reading.repeats:
            newest[record.entry_ref] = max(record.version, newest.get(record.entry_ref, 0))
    return newest


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "entry_ref": entry.entry_ref,
        "version": entry.version,
        "direction": int(entry.direction),
        "amount_minor": entry.amount_minor,
        "currency": entry.currency,
        "booking_date": entry.booking_date,
        "status": int(entry.status),
    }


def _decision(decision: Decision) -> dict[str, Any]:
    return {
        "subject": decision.subject,
        "previous": decision.previous,
        "verdict": decision.verdict,
        "servicer": list(decision.servicer),
        "owner": list(decision.owner),
        "decider": decision.decider,
    }


def _section_digest(digest: SectionDigest) -> dict[str, Any]:
    return {
        "of_window": digest.window,
        "report_digest": digest.report_digest,
        "sections": [[name, value.hex()] for name, value in digest.sections],
    }


# ------------------------------------------------------------------------------------ totals
def _totals(reading: Reading) -> dict[str, list[int]]:
    """Return per currency: entries, IN and OUT that move balances; repeats left out."""
    sums: dict[str, list[int]] = {}
    for leaf, record in enumerate(reading.records, start=1):
        if isinstance(record, Entry) and leaf not in reading.repeats:
            _count(sums, record.currency, record.direction, record.amount_minor, record.moving)
    return sums


def _count(
    sums: dict[str, list[int]], currency: str, direction: int, minor: int, moving: bool
) -> None:
    row = sums.setdefault(currency, [0, 0, 0])
    row[0] += 1
    if moving:
        row[1 if direction == Direction.IN else 2] += minor


def _add_totals(session: Session, row: Batch, sums: Mapping[str, Sequence[int]]) -> None:
    for currency, (count, in_minor, out_minor) in sums.items():
        key = (row.agreement, row.side, row.window, currency)
        kept = session.get(WindowTotals, key) or WindowTotals(
            agreement=row.agreement,
            side=row.side,
            window=row.window,
            currency=currency,
            entry_count=0,
            in_minor="0",
            out_minor="0",
        )
        kept.entry_count += count
        kept.in_minor = str(int(kept.in_minor) + in_minor)
        kept.out_minor = str(int(kept.out_minor) + out_minor)
        kept.last_seq = row.seq
        session.add(kept)


def rebuild_stream(session: Session, contracts: Contracts, agreement: bytes, side: int) -> None:
    """Compute a side's kept state and totals again from its rows."""
    session.flush()
    of_side = (StreamState.agreement == agreement, StreamState.side == side)
    session.execute(delete(StreamState).where(*of_side))
    session.execute(
        delete(WindowTotals).where(WindowTotals.agreement == agreement, WindowTotals.side == side)
    )
    session.expire_all()
    stream = stream_of(session, contracts, agreement, side)
    mine = (Batch.agreement == agreement, Batch.side == side)
    for batch in session.scalars(select(Batch).where(*mine).order_by(Batch.seq)):
        gap = batch.seq != stream.last_seq + 1 or batch.reason == STREAM_BROKEN
        stream.contiguous = stream.contiguous and not gap
        stream.last_seq, stream.head = batch.seq, batch.head
        stream.batch_count += 1
        stream.posted_window = max(batch.window, stream.posted_window or 0)
        stream.last_posted_at_s = batch.block_time_s
        stream.entry_count += batch.entry_count
        stream.sealed_count += batch.state == SEALED
        stream.invalid_count += batch.state == INVALID
        if batch.complete_until_ms is not None:
            stream.complete_until_ms = max(batch.complete_until_ms, stream.complete_until_ms or 0)
    last = session.scalars(
        select(Closing)
        .where(Closing.agreement == agreement, Closing.side == side)
        .order_by(Closing.window.desc())
        .limit(1)
    ).first()
    if last is not None:
        close_stream(stream, last)
    _recount(session, agreement, side)


def _recount(session: Session, agreement: bytes, side: int) -> None:
    """Add the totals up again; amounts are summed in Python, where no sum overflows."""
    columns = (
        PostedEntry.seq,
        PostedEntry.window,
        PostedEntry.currency,
        PostedEntry.direction,
        PostedEntry.amount_minor,
        PostedEntry.status,
    )
    found = session.execute(
        select(*columns)
        .where(
            PostedEntry.agreement == agreement,
            PostedEntry.side == side,
            PostedEntry.repeat.is_(False),
        )
        .order_by(PostedEntry.seq)
    )
    windows: dict[int, tuple[int, dict[str, list[int]]]] = {}
    for seq, window, currency, direction, minor, status in found:
        sums = windows.get(window, (seq, {}))[1]
        _count(sums, currency, direction, minor, status in MOVING_STATUSES)
        windows[window] = (seq, sums)
    for window, (seq, sums) in windows.items():
        place = Batch(agreement=agreement, side=side, seq=seq, window=window)
        _add_totals(session, place, sums)


def note_rebuild(session: Session) -> None:
    """Count that derived rows were taken back, in the transaction that does so."""
    fact = session.get(NodeFact, REBUILDS)
    if fact is None:
        session.add(NodeFact(name=REBUILDS, value="1"))
    else:
        fact.value = str(int(fact.value) + 1)


def mark_latest(session: Session, agreement: bytes, side: int, refs: Iterable[str]) -> None:
    """Mark the highest version of each ref again, after others were deleted."""
    for ref in refs:
        mine = (
            PostedEntry.agreement == agreement,
            PostedEntry.side == side,
            PostedEntry.entry_ref == ref,
            PostedEntry.repeat.is_(False),
        )
        highest = select(func.max(PostedEntry.version)).where(*mine).scalar_subquery()
        session.execute(
            update(PostedEntry).where(*mine).values(latest=PostedEntry.version == highest)
        )


def close_stream(stream: StreamState, closing: Closing) -> None:
    """Note a side's last closed window."""
    stream.closed_window = closing.window
    stream.closed_seq = closing.last_seq
    stream.closed_head = closing.head
