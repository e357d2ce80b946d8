"""What opening a batch needs: the epoch key, held or unwrapped now, and the rules that judge it."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.agreements import terms_at
from node.identity import Identity
from node.services.network.sealing_keys import unwrap
from node.tables import Agreement, Batch, EpochKey
from reconcile.commitment.validity import BatchRules
from reconcile.model import ProtocolError, Side


class Opening:
    """Finds keys and rules for the projections, the relay and the proofs; raises nothing."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    def epoch_key(self, session: Session, agreement: bytes, side: int, epoch: int) -> bytes | None:
        """Return an epoch key this node holds, or opens now from its wrap."""
        held = self._identity.keys.ring.epoch_key(session, agreement, side, epoch)
        if held is not None:
            return held
        row = session.get(EpochKey, (agreement, side, epoch))
        member = self._identity.member(session)
        if row is None or member is None:
            return None
        try:
            return unwrap(session, self._identity, member, agreement, Side(side), row)
        except ProtocolError:
            return None

    def opens_epoch(self, session: Session, agreement: bytes, side: int, epoch: int) -> bool:
        """Say whether this node can open a side's epoch."""
        return self.epoch_key(session, agreement, side, epoch) is not None

    def opens_now(self, session: Session, agreement: bytes, side: int) -> bool:
        """Say whether a side's first batch that was sealed to this node opens by now."""
        batch = session.execute(
            select(Batch.epoch, Batch.window)
            .where(Batch.agreement == agreement, Batch.side == side, Batch.state == "SEALED")
            .order_by(Batch.seq)
            .limit(1)
        ).first()
        return (
            batch is not None
            and self.rules(session, agreement, batch.window) is not None
            and self.epoch_key(session, agreement, side, batch.epoch) is not None
        )

    def rules(self, session: Session, agreement: bytes, window: int) -> BatchRules | None:
        """Return what the terms in force say about a batch, None while they are not open here."""
        row = session.get(Agreement, agreement)
        if row is None:
            return None
        try:
            terms = terms_at(session, agreement, window)
        except ProtocolError:
            return None
        represented = None if row.represented_side is None else Side(row.represented_side)
        return BatchRules(
            entry_format=str(terms.entry_format),
            currencies=frozenset(terms.currencies),
            represented=represented,
        )
