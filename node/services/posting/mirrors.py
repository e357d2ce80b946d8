"""A book that is read from the wrong side is noticed before anything of it is posted.

The counterparty's entries of the same days stand on the ledger: where far more rows pair with the
opposite direction than with the same, one of the two files was read as the other side's. Once
posted that could only be reversed entry by entry.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.books import EXCHANGE, Book, Flows, flows_of, refuse_mirrored_flows
from node.tables import PostedEntry
from reconcile.model import MOVING_STATUSES, Direction, Side

# So many of the counterparty's rows tell; more would only slow the import of a large book.
SAMPLE: Final = 5_000
TURN: Final = "read it with --perspective ledger or --perspective statement"
THEIRS: Final = "if the counterparty's file is the wrong one, naming a --perspective takes yours"


def refuse_mirrored_import(session: Session, agreement: bytes, side: Side, book: Book) -> None:
    """Hold a book against what the other side posted; `InputError` DIRECTION_MIRRORED."""
    days = [entry.booking_date for entry in book.entries]
    if not days:
        return
    theirs = _posted(session, agreement, side.other, min(days), max(days))
    if theirs:
        advice = f"{TURN if book.turnable else EXCHANGE}; {THEIRS}"
        refuse_mirrored_flows(flows_of(book.entries), theirs, advice=advice)


def _posted(session: Session, agreement: bytes, side: Side, first: int, last: int) -> Flows:
    rows = session.execute(
        select(
            PostedEntry.booking_date,
            PostedEntry.currency,
            PostedEntry.direction,
            PostedEntry.amount_minor,
        )
        .where(
            PostedEntry.agreement == agreement,
            PostedEntry.side == int(side),
            PostedEntry.booking_date.between(first, last),
            PostedEntry.status.in_([int(status) for status in MOVING_STATUSES]),
            PostedEntry.amount_minor > 0,
            PostedEntry.latest.is_(True),
        )
        .limit(SAMPLE)
    )
    return Counter(
        (day, currency, minor if direction == Direction.IN else -minor)
        for day, currency, direction, minor in rows
    )
