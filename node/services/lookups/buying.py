"""Numbered tickets: which are free, and the call that burns points for more."""

from __future__ import annotations

import itertools
from typing import Final

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from node.blacklist import account_of, now_of
from node.keyholders import require_full
from node.lookup_calls import LookupCalls
from node.screening.points import LOOKUP_PRICE, MEMBER_DAILY_OWN_RECORDS
from node.screening.states import DAY_S
from node.tables import OwnLookup, TicketRange
from reconcile.counting import counted
from reconcile.model import ProtocolError, UsageError, Where

#: The contract's order of kinds (IPoints.TicketKind).
OWN_RECORD: Final = "OWN_RECORD"
KINDS: Final = {"LOOKUP": 0, "DETAIL": 1, OWN_RECORD: 2}
MAX_BOUGHT: Final = 2_000
_BOUND: Final = (
    select(func.count(OwnLookup.ticket.distinct()))
    .where(OwnLookup.ticket.between(TicketRange.first, TicketRange.first + TicketRange.count - 1))
    .correlate(TicketRange)
    .scalar_subquery()
)
# Purchases that are used up are passed over in the database: in time they are nearly all.
_WITH_FREE: Final = (
    select(TicketRange.first, TicketRange.count)
    .where(
        TicketRange.member == bindparam("member"),
        TicketRange.kind == bindparam("kind"),
        TicketRange.count > _BOUND,
    )
    .order_by(TicketRange.first)
)
_USED: Final = select(OwnLookup.ticket).where(
    OwnLookup.ticket.between(bindparam("first"), bindparam("last"))
)


def free_tickets(session: Session, member: int, kind: str, limit: int) -> list[int]:
    """Return tickets of a kind that were bought and are bound to no lookup, oldest first."""
    found: list[int] = []
    for first, count in session.execute(_WITH_FREE, {"member": member, "kind": kind}):
        used = set(session.scalars(_USED, {"first": first, "last": first + count - 1}))
        free = (ticket for ticket in range(first, first + count) if ticket not in used)
        found.extend(itertools.islice(free, limit - len(found)))
        if len(found) == limit:
            break
    return found


def buy(session: Session, calls: LookupCalls, member: int, kind: str, count: int) -> int | None:
    """Ask for tickets; None where the same purchase waits already.

    Raises `UsageError` TICKETS_COUNT, POINTS_SHORT, OWN_RECORDS_SPENT, `NotAllowed`
    NOT_FULL_MEMBER.
    """
    require_full(session, member)
    if not 1 <= count <= MAX_BOUGHT:
        raise UsageError("TICKETS_COUNT", f"1 to {MAX_BOUGHT} tickets are bought at once")
    price = LOOKUP_PRICE * count if kind == "LOOKUP" else 0
    free = account_of(session, member).free
    if free < price:
        raise UsageError(
            "POINTS_SHORT",
            f"{counted(count, 'ticket')} for {price / 1e6:g} points, {free / 1e6:g} are free",
            help="each day brings an allowance: `kanhe blacklist points --claim` takes it",
        )
    if kind == OWN_RECORD:
        _require_own_records(session, member, count)
    bought = session.scalar(
        select(func.count()).select_from(TicketRange).where(TicketRange.member == member)
    )
    return calls.buy_tickets(session, KINDS[kind], count, (bought or 0) + 1)


def _require_own_records(session: Session, member: int, count: int) -> None:
    """Free tickets are capped by themselves; the contract refuses what is over its day's."""
    today = now_of(session).time_s // DAY_S
    bought = select(func.coalesce(func.sum(TicketRange.count), 0)).where(
        TicketRange.member == member, TicketRange.kind == OWN_RECORD, TicketRange.day == today
    )
    left = MEMBER_DAILY_OWN_RECORDS - (session.scalar(bought) or 0)
    if count > left:
        raise UsageError(
            "OWN_RECORDS_SPENT",
            f"{counted(count, 'ticket')} for people's own records, {max(left, 0)} are left today",
            help="use the free ones that were bought before, or buy again tomorrow (UTC)",
        )


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
    return free[0]
