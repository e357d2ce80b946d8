"""Own batches on the ledger: we learn our own posting the way we learn the counterparty's.

A payload is posted when the follower has seen its batch final, with our head. A batch of our side
that is not ours (an older copy of this node posted it) withdraws our payload of that number and all
later ones: their records go back to the queue, less those that stand in it.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from node.outbox.intents import DONE, READY, REFUSED, SIGNED, WAITING, refuse
from node.tables import (
    Batch,
    Incident,
    Intent,
    QueuedRecord,
    SealedPayload,
    StatedBalance,
)
from node.tables.tip import tip_of

POSTED: Final = "POSTED"
WITHDRAWN: Final = "WITHDRAWN"
QUEUED: Final = "QUEUED"
SEALED_RECORD: Final = "SEALED"
HELD_RECORD: Final = "HELD"
VALID: Final = "VALID"


def settle(session: Session, now_ms: int) -> int:
    """Bring payloads, records and intents in line with the final ledger; return how many moved."""
    cursor = tip_of(session)
    if cursor is None:
        return 0
    moved = 0
    ready = select(SealedPayload).where(SealedPayload.state == READY)
    for payload in session.scalars(ready.order_by(SealedPayload.id)).all():
        if payload.state != READY:
            continue
        batch = session.get(Batch, (payload.agreement, payload.side, payload.seq))
        if batch is None or batch.block_number > cursor.final_block or batch.state == "SEALED":
            continue
        moved += 1
        if batch.head == payload.head:
            _posted(session, payload, batch, now_ms)
        else:
            withdraw(session, payload.agreement, payload.side, payload.seq, "SEQUENCE_TAKEN")
    return moved


def _posted(session: Session, payload: SealedPayload, batch: Batch, now_ms: int) -> None:
    payload.state = POSTED
    verdict: dict[str, str | None] = {"state": POSTED}
    if batch.state != VALID:
        verdict = {"state": HELD_RECORD, "held_reason": batch.reason}
    session.execute(
        update(QueuedRecord)
        .where(*_of(payload), QueuedRecord.state.in_((SEALED_RECORD, HELD_RECORD)))
        .values(**verdict)
        .execution_options(synchronize_session=False)
    )
    for intent in _post_intents(session, payload.agreement, payload.side, payload.seq):
        intent.state, intent.tx_hash = DONE, batch.tx_hash
        intent.done_at_ms = now_ms
        intent.error = intent.error_code = None
    if batch.state != VALID:
        _report_invalid(session, batch, now_ms)
    session.flush()


def _of(payload: SealedPayload) -> tuple[ColumnElement[bool], ...]:
    return (
        QueuedRecord.agreement == payload.agreement,
        QueuedRecord.side == payload.side,
        QueuedRecord.seq == payload.seq,
    )


def _post_intents(session: Session, agreement: bytes, side: int, seq: int) -> list[Intent]:
    return list(
        session.scalars(
            select(Intent).where(
                Intent.call == "post",
                Intent.agreement == agreement,
                Intent.side == side,
                Intent.seq == seq,
                Intent.state != REFUSED,
            )
        )
    )


def _report_invalid(session: Session, batch: Batch, now_ms: int) -> None:
    """Open an incident, once for a batch: a rewind may settle it again."""
    place = f"{batch.agreement.hex()}/{batch.side}/{batch.seq}"
    fingerprint = f"OWN_BATCH_INVALID/{place}/{batch.head.hex()}"
    if session.scalar(select(Incident.id).where(Incident.fingerprint == fingerprint)) is not None:
        return
    session.add(
        Incident(
            kind="OWN_BATCH_INVALID",
            fingerprint=fingerprint,
            agreement=batch.agreement,
            side=batch.side,
            seq=batch.seq,
            block_number=batch.block_number,
            says=f"our own batch {batch.seq} does not count: {batch.reason}. Its records are held: "
            "`kanhe outbox list` shows them, `kanhe outbox release` posts them again.",
            evidence={"reason": batch.reason, "tx": batch.tx_hash.hex()},
            stops_signing=False,
            opened_at_ms=now_ms,
        )
    )


def withdraw(session: Session, agreement: bytes, side: int, from_seq: int, code: str) -> int:
    """Take back every unposted payload from `from_seq` on; return how many.

    Records and balances wait again, in their order; intents are refused, closings among them, since
    they name a number and head that will not be.
    """
    payloads = session.scalars(
        select(SealedPayload).where(
            SealedPayload.agreement == agreement,
            SealedPayload.side == side,
            SealedPayload.seq >= from_seq,
            SealedPayload.state == READY,
        )
    ).all()
    for payload in payloads:
        payload.state = WITHDRAWN
    session.execute(
        update(QueuedRecord)
        .where(
            QueuedRecord.agreement == agreement,
            QueuedRecord.side == side,
            QueuedRecord.seq >= from_seq,
            QueuedRecord.state == SEALED_RECORD,
        )
        .values(state=QUEUED, seq=None)
    )
    session.execute(
        update(StatedBalance)
        .where(
            StatedBalance.agreement == agreement,
            StatedBalance.side == side,
            StatedBalance.seq >= from_seq,
        )
        .values(seq=None)
    )
    intents = session.scalars(
        select(Intent).where(
            Intent.agreement == agreement,
            Intent.side == side,
            Intent.call.in_(("post", "closeWindow")),
            Intent.seq >= from_seq,
            Intent.state.in_((WAITING, SIGNED, "HELD")),
        )
    ).all()
    for intent in intents:
        refuse(session, intent, code, "its batch was withdrawn and will be sealed again")
    session.flush()
    return len(payloads)
