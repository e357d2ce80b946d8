"""Incidents of held records close when nothing of theirs is held any more.

Whatever took the records out of holding counts: a release, two people who gave them up, or the same
reference that was imported anew.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.services.posting.closing import closed_over_nothing
from node.services.posting.judging import HELD, REFUSED
from node.tables import Incident, QueuedRecord
from reconcile.model import Side

KINDS: Final = ("OWN_BATCH_INVALID", REFUSED)
CAME_AGAIN: Final = "what was held came again and is queued"


def settle_incidents(
    session: Session,
    agreement: bytes,
    side: Side,
    seqs: Collection[int | None] | None,
    *,
    words: str,
    now_ms: int,
    person_id: int | None = None,
) -> int:
    """Close the incidents of these batches (None: all; a batch never sent has seq None).

    Those of closings behind which nothing is held go too. Returns how many were closed.
    """
    left = _seqs_held(session, agreement, side)
    open_ones = session.scalars(
        select(Incident).where(
            Incident.kind.in_(KINDS),
            Incident.agreement == agreement,
            Incident.side == int(side),
            Incident.closed_at_ms.is_(None),
        )
    ).all()
    done = [row for row in open_ones if row.seq not in left and (seqs is None or row.seq in seqs)]
    done += closed_over_nothing(session, agreement, side)
    for row in done:
        row.closed_at_ms, row.closed_by, row.closed_reason = now_ms, person_id, words
    return len(done)


def _seqs_held(session: Session, agreement: bytes, side: Side) -> frozenset[int | None]:
    return frozenset(
        session.scalars(
            select(QueuedRecord.seq)
            .where(
                QueuedRecord.agreement == agreement,
                QueuedRecord.side == int(side),
                QueuedRecord.state == HELD,
            )
            .distinct()
        )
    )
