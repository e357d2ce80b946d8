"""Numbered tickets: which are free, and the call that burns points for more."""

from __future__ import annotations

from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from node.blacklist import account_of
from node.lookup_calls import LookupCalls
from node.screening.points import LOOKUP_PRICE
from node.tables import OwnLookup, TicketRange
from reconcile.counting import counted
from reconcile.model import ProtocolError, UsageError, Where

#: The contract's order of kinds (IPoints.TicketKind).
KINDS: Final = {"LOOKUP": 0, "DETAIL": 1, "OWN_RECORD": 2}
MAX_BOUGHT: Final = 2_000


def free_tickets(session: Session, member: int, kind: str, limit: int) -> list[int]:
    """Return tickets of a kind that were bought and are bound to no lookup, oldest first."""
    used = set(session.scalars(select(OwnLookup.ticket).where(OwnLookup.ticket.is_not(None))).all())
    found: list[int] = []
    ranges = session.scalars(
        select(TicketRange)
        .where(TicketRange.member == member, TicketRange.kind == kind)
        .order_by(TicketRange.first)
    )
    for row in ranges:
        for ticket in range(row.first, row.first + row.count):
            if ticket not in used:
                found.append(ticket)
                if len(found) == limit:
                    return found
    return found


def buy(session: Session, calls: LookupCalls, member: int, kind: str, count: int) -> int | None:
    """Ask for tickets; None where the same purchase waits already.

    Raises `UsageError` TICKETS_COUNT, POINTS_SHORT.
    """
    if not 1 <= count <= MAX_BOUGHT:
        raise UsageError("TICKETS_COUNT", f"1 to {MAX_BOUGHT} tickets are bought at once")
    price = LOOKUP_PRICE * count if kind == "LOOKUP" else 0
    free = account_of(session, member).free
    if free < price:
        raise UsageError(
            "POINTS_SHORT",
            f"{counted(count, 'ticket')} for {price / 1e6:g} points, {free / 1e6:g} are free",
            help="each day brings an allowance; see `kanhe blacklist points`",
        )
    bought = session.scalar(
        select(func.count()).select_from(TicketRange).where(TicketRange.member == member)
    )
    return calls.buy_tickets(session, KINDS[kind], count, (bought or 0) + 1)


def bind_ticket(session: Session, row: OwnLookup, member: int, kind: str) -> int:
    """Bind a free ticket to a lookup before anybody is asked; raises TICKETS_NONE."""
    if row.ticket is not None:
        return row.ticket
    free = free_tickets(session, member, kind, 1)
    if not free:
        raise ProtocolError(
            "TICKETS_NONE",
            f"no ticket of kind {kind} is free",
            where=Where(field="ticket"),
            help="buy some with `kanhe blacklist tickets`, and let the ledger have the call",
        )
    row.ticket = free[0]
    session.flush()
    return free[0]
