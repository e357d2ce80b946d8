"""After a change below final: what was done is not done any more, and is sent again unchanged.

Own transactions above the fork are gone from the chain, so their nonces are free again; the very
same bytes fill them in the same order and have the same effects. Run once an operator has closed
the incident, and at every start, since a restart may have come in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import and_, exists, select, update
from sqlalchemy.orm import Session

from node.outbox.intents import DONE, READY, SIGNED
from node.outbox.settling import HELD_RECORD, POSTED, SEALED_RECORD
from node.tables import Batch, Intent, QueuedRecord, SealedPayload, Transaction

_FINISHED: Final = ("FINAL", "REVERTED")


def revive(session: Session, nonces: Mapping[bytes, int]) -> int:
    """Bring finished work back that the chain lacks; `nonces` are its counts now, by key."""
    revived = 0
    for address, counted in nonces.items():
        lost = session.scalars(
            select(Transaction).where(
                Transaction.address == address,
                Transaction.state.in_(_FINISHED),
                Transaction.nonce >= counted,
            )
        ).all()
        for transaction in lost:
            transaction.state, transaction.sent_at_ms = "SENT", 0
            transaction.block_number = transaction.block_hash = None
            session.execute(
                update(Intent)
                .where(Intent.tx_hash == transaction.tx_hash, Intent.state == DONE)
                .values(state=SIGNED, done_at_ms=None)
            )
        revived += len(lost)
    if revived:
        _unpost(session)
    session.flush()
    return revived


def _unpost(session: Session) -> None:
    """Make posted payloads ready again whose batch is not on the ledger."""
    stands = exists().where(
        and_(
            Batch.agreement == SealedPayload.agreement,
            Batch.side == SealedPayload.side,
            Batch.seq == SealedPayload.seq,
        )
    )
    for payload in session.scalars(
        select(SealedPayload).where(SealedPayload.state == POSTED, ~stands)
    ).all():
        payload.state = READY
        session.execute(
            update(QueuedRecord)
            .where(
                QueuedRecord.agreement == payload.agreement,
                QueuedRecord.side == payload.side,
                QueuedRecord.state.in_((POSTED, HELD_RECORD)),
                QueuedRecord.seq == payload.seq,
            )
            .values(state=SEALED_RECORD)
        )
