"""Which sides have anything to seal, asked once a turn for all agreements."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import exists, literal, or_, select, union_all
from sqlalchemy.orm import Session

from node.agreements import ACTIVE, ENDING
from node.services.posting.queue import QUEUED
from node.services.posting.watermark import sides_marked
from node.tables import Agreement, QueuedRecord, StatedBalance
from reconcile.model import Side


def _sides() -> Any:  # noqa: ANN401 - a statement, built once
    sides = union_all(*(select(literal(int(side)).label("side")) for side in Side)).subquery()
    # An index each: of a large import only the first row is looked at.
    queued = exists().where(
        QueuedRecord.agreement == Agreement.agreement,
        QueuedRecord.side == sides.c.side,
        QueuedRecord.state == QUEUED,
        QueuedRecord.seq.is_(None),
    )
    stated = exists().where(
        StatedBalance.agreement == Agreement.agreement,
        StatedBalance.side == sides.c.side,
        StatedBalance.seq.is_(None),
    )
    return (
        select(Agreement.agreement, sides.c.side)
        .select_from(Agreement)
        .join(sides, literal(value=True))
        .where(Agreement.state.in_((ACTIVE, ENDING)), or_(queued, stated))
    )


_SIDES: Final = _sides()
_OPEN: Final = select(Agreement.agreement).where(Agreement.state.in_((ACTIVE, ENDING)))


def sides_waiting(session: Session) -> frozenset[tuple[bytes, Side]]:
    """Return (agreement, side) where records, balances or a watermark wait for a batch."""
    found = [(agreement, Side(side)) for agreement, side in session.execute(_SIDES)]
    # A generator: nothing is asked before there is any watermark.
    sides = ((agreement, side) for agreement in _open_agreements(session) for side in Side)
    return frozenset(itertools.chain(found, sides_marked(session, sides)))


def _open_agreements(session: Session) -> Iterator[bytes]:
    yield from session.scalars(_OPEN)
