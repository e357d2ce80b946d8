"""DETAIL tickets: each is bought for the evidence behind one entry, and opened to its uploader.

The ledger shows a salted hash of the entry. The salt follows from the vault, the entry and how many
were bought for it before: nothing is kept beside the ledger, and a restored node finds it again.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.blacklist import account_of, require_entry, ticket_range
from node.errors import NotAllowed
from node.keyring import KeyRing
from node.screening.points import DETAIL_PRICE, MICRO
from node.screening.releases import ticket_use
from node.services.screening.base import Base
from node.tables import TicketRange
from reconcile.model import UsageError

KIND = "DETAIL"


class TicketActs(Base):
    """Buying DETAIL tickets."""

    def buy_detail_ticket(self, entry: bytes, *, actor: str = "node") -> None:
        """Burn points for a ticket for an entry's evidence; one that waits is not asked for twice.

        Raises `NotFound` ENTRY_UNKNOWN, `UsageError` POINTS_SHORT.
        """
        with self._writing() as session:
            member = self._identity.require_member(session)
            require_entry(session, entry)
            number = len(bought_for(session, self._ring, member, entry))
            use = ticket_use(entry, _salt(self._ring, entry, number))
            if self._calls.pending(session, self._calls.detail_ticket_subject(use)):
                return
            free = account_of(session, member).free
            if free < DETAIL_PRICE:
                raise UsageError(
                    "POINTS_SHORT",
                    f"a detail takes {DETAIL_PRICE // MICRO} points, {free / MICRO:g} are free",
                    help="each day brings an allowance; see `kanhe blacklist points`",
                )
            self._calls.buy_detail_ticket(session, use)
            self._act(session, actor, "detail-ticket", entry.hex())

    def detail_tickets(self, entry: bytes) -> tuple[int, ...]:
        """Return the tickets that this member bought for an entry's evidence, oldest first."""
        with self._reading() as session:
            member = self._identity.require_member(session)
            return tuple(bought_for(session, self._ring, member, entry))


def bought_for(session: Session, ring: KeyRing, member: int, entry: bytes) -> dict[int, bytes]:
    """Return a member's own tickets for an entry with the salts that open them, oldest first."""
    found: dict[int, bytes] = {}
    while True:
        salt = _salt(ring, entry, len(found))
        row = session.scalars(
            select(TicketRange).where(
                TicketRange.member == member, TicketRange.use == ticket_use(entry, salt)
            )
        ).first()
        if row is None or row.first in found:
            return found
        found[row.first] = salt


def require_detail_ticket(
    session: Session, ticket: int, member: int, entry: bytes, salt: bytes
) -> None:
    """Refuse a ticket that this member did not buy for this entry's evidence.

    Raises `NotAllowed` TICKET_FOREIGN, TICKET_OTHER_ENTRY.
    """
    row = ticket_range(session, ticket)
    if row is None or (row.member, row.kind) != (member, KIND):
        raise NotAllowed(
            "TICKET_FOREIGN",
            f"ticket {ticket} is none of member {member}'s for a detail",
            help="buy one first: `kanhe blacklist detail ticket`",
        )
    if row.use != ticket_use(entry, salt):
        raise NotAllowed(
            "TICKET_OTHER_ENTRY",
            f"ticket {ticket} was bought for the evidence behind another entry",
            help="buy one for this entry: `kanhe blacklist detail ticket`",
        )


def _salt(ring: KeyRing, entry: bytes, number: int) -> bytes:
    return ring.fingerprint(b"detail-ticket/" + entry + number.to_bytes(4, "big"))
