"""The ledger page: streams, outbox, lanes, quarantined batches, gaps and incidents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from node.tables import Adoption, Batch, Incident, Intent, NonceLane, StreamState, Transaction

PAGE: Final = 50
OPEN_STATES: Final = ("WAITING", "SIGNED", "HELD")
ALL_STATES: Final = ("WAITING", "SIGNED", "HELD", "REFUSED", "DONE")
COUNT_LIMIT: Final = 10_000


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One intent and its newest transaction."""

    intent: Intent
    transaction: Transaction | None


@dataclass(frozen=True, slots=True)
class LedgerView:
    """Everything on the ledger page but the strip."""

    streams: tuple[StreamState, ...]
    counts: tuple[tuple[str, int], ...]
    outbox: tuple[OutboxRow, ...]
    lanes: tuple[NonceLane, ...]
    adoptions: tuple[Adoption, ...]
    quarantined: tuple[Batch, ...]
    sealed: int
    incidents: tuple[Incident, ...]

    @property
    def gaps(self) -> tuple[StreamState, ...]:
        """Return the streams that do not hang together."""
        return tuple(row for row in self.streams if not row.contiguous)


def load_ledger(
    session: Session,
    agreements: Sequence[bytes],
    *,
    state: str | None = None,
) -> LedgerView:
    """Return the ledger page; `state` filters the outbox, by default what is not done."""
    streams = session.scalars(
        select(StreamState)
        .where(StreamState.agreement.in_(agreements))
        .order_by(StreamState.agreement, StreamState.side),
    ).all()
    return LedgerView(
        streams=tuple(streams),
        counts=tuple((word, _count(session, word)) for word in ALL_STATES),
        outbox=load_outbox(session, state),
        lanes=tuple(session.scalars(select(NonceLane).order_by(NonceLane.address))),
        adoptions=tuple(
            session.scalars(
                select(Adoption).where(Adoption.confirmed_at_ms.is_(None)).limit(PAGE),
            ),
        ),
        quarantined=tuple(
            session.scalars(
                select(Batch)
                .where(Batch.state == "INVALID")
                .order_by(Batch.block_number.desc(), Batch.log_index.desc())
                .limit(PAGE),
            ),
        ),
        sealed=sum(row.sealed_count for row in streams),
        incidents=tuple(
            session.scalars(
                select(Incident)
                .order_by(Incident.closed_at_ms.is_not(None), Incident.opened_at_ms.desc())
                .limit(PAGE),
            ),
        ),
    )


def _count(session: Session, state: str) -> int:
    rows = select(Intent.id).where(Intent.state == state).limit(COUNT_LIMIT).subquery()
    return int(session.scalar(select(func.count()).select_from(rows)) or 0)


def load_outbox(session: Session, state: str | None, limit: int = PAGE) -> tuple[OutboxRow, ...]:
    """Return the oldest open intents, or the newest of one state."""
    query = select(Intent).limit(limit)
    if state in ALL_STATES:
        query = query.where(Intent.state == state).order_by(Intent.id.desc())
    else:
        query = query.where(Intent.state.in_(OPEN_STATES)).order_by(Intent.id)
    intents = session.scalars(query).all()
    # A transaction may carry several intents (`postMany`): each names the one it is in.
    hashes = [row.tx_hash for row in intents if row.tx_hash is not None]
    sent = {
        tx.tx_hash: tx
        for tx in session.scalars(select(Transaction).where(Transaction.tx_hash.in_(hashes)))
    }
    return tuple(OutboxRow(row, sent.get(row.tx_hash or b"")) for row in intents)
