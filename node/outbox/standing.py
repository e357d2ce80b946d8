"""What of the queue stands on the ledger already: after a restore, or beside another copy.

Equal bytes are posted. Other bytes under the same reference and version never can be: they are
held, so that a person sees them before anything is sealed (ledger.md, "Identity").
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, select, update
from sqlalchemy.orm import Session

from node.outbox.settling import HELD_RECORD, POSTED, QUEUED
from node.tables import (
    Incident,
    PostedDecision,
    PostedEntry,
    PostedSectionDigest,
    QueuedRecord,
)
from reconcile.commitment.validity import Reason

REFUSED: Final = "OWN_RECORDS_REFUSED"
IDS_AT_ONCE: Final = 1_000
SHOWN: Final = 64
Waits = tuple[ColumnElement[bool], ...]
OTHERS: Final = (("DECISION", PostedDecision), ("SECTION_DIGEST", PostedSectionDigest))


def mark_standing(session: Session, final_block: int, now_ms: int) -> int:
    """Mark queued records whose very bytes stand in a valid final batch of ours as posted.

    An entry whose reference and version stand there with other bytes is held, with an incident.
    Returns how many records moved.
    """
    places = session.execute(
        # One look at the queue; all that follows goes by its index.
        select(QueuedRecord.agreement, QueuedRecord.side)
        .where(QueuedRecord.state == QUEUED)
        .distinct()
    ).all()
    return sum(
        _mark_side(session, agreement, side, final_block, now_ms) for agreement, side in places
    )


def _mark_side(session: Session, agreement: bytes, side: int, final_block: int, now_ms: int) -> int:
    waiting = (
        QueuedRecord.agreement == agreement,
        QueuedRecord.side == side,
        QueuedRecord.state == QUEUED,
    )
    found = _entries(session, waiting, final_block)
    same = {row_id for row_id, _, equal in found if equal}
    other = {row_id: seq for row_id, seq, equal in found if not equal and row_id not in same}
    same |= _decisions_and_digests(session, waiting, final_block)
    _set(session, same, state=POSTED)
    for seq in sorted(set(other.values())):
        ids = sorted(row_id for row_id, at in other.items() if at == seq)
        says = f"other bytes of this entry's version stand in batch {seq} of the ledger"
        reason = f"{Reason.VERSION_CONFLICT}: {says}"
        _set(session, ids, state=HELD_RECORD, held_reason=reason)
        _report(session, agreement, side, seq, ids, now_ms)
    return len(same) + len(other)


def _entries(session: Session, waiting: Waits, final_block: int) -> list[tuple[int, int, bool]]:
    """Return (row, batch, bytes are equal) of queued entries whose version stands."""
    rows = session.execute(
        select(QueuedRecord.id, PostedEntry.seq, PostedEntry.record == QueuedRecord.record)
        .join(
            PostedEntry,
            and_(
                PostedEntry.agreement == QueuedRecord.agreement,
                PostedEntry.side == QueuedRecord.side,
                PostedEntry.entry_ref == QueuedRecord.entry_ref,
                PostedEntry.version == QueuedRecord.version,
                PostedEntry.block_number <= final_block,
            ),
        )
        .where(*waiting)
        .order_by(QueuedRecord.id, PostedEntry.seq)
    )
    return [(row_id, seq, bool(equal)) for row_id, seq, equal in rows]


def _decisions_and_digests(session: Session, waiting: Waits, final_block: int) -> set[int]:
    """Return queued records without a reference whose bytes stand: equal ones are never two."""
    found: set[int] = set()
    for word, table in OTHERS:
        found |= set(
            session.scalars(
                select(QueuedRecord.id)
                .join(
                    table,
                    and_(
                        table.agreement == QueuedRecord.agreement,
                        table.side == QueuedRecord.side,
                        table.record == QueuedRecord.record,
                        table.block_number <= final_block,
                    ),
                )
                .where(*waiting, QueuedRecord.record_type == word)
            )
        )
    return found


def _set(session: Session, ids: Iterable[int], **values: Any) -> None:  # noqa: ANN401 - columns
    ordered = sorted(ids)
    for start in range(0, len(ordered), IDS_AT_ONCE):
        session.execute(
            update(QueuedRecord)
            .where(QueuedRecord.id.in_(ordered[start : start + IDS_AT_ONCE]))
            .values(**values)
        )


def _report(
    session: Session, agreement: bytes, side: int, seq: int, ids: Sequence[int], now_ms: int
) -> None:
    session.add(
        Incident(
            kind=REFUSED,
            fingerprint=f"{REFUSED}/{agreement.hex()}/{side}/standing/{seq}/{ids[0]}/{now_ms}",
            agreement=agreement,
            side=side,
            says=f"{len(ids):,} queued records of ours stand with other bytes in batch {seq}, "
            "which another copy of this node posted; they were not sent: `kanhe outbox list` shows "
            "them, `kanhe outbox discard` gives up those that are wrong.",
            evidence={"batch": str(seq), "rows": [str(item) for item in ids[:SHOWN]]},
            stops_signing=False,
            opened_at_ms=now_ms,
        )
    )
