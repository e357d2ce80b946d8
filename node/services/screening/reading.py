"""Statements of other members, learned from what was signed: a receipt of a lookup."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.keyholders import held_key, holds_key
from node.listings import know_statement
from node.screening.consents import Trust
from node.screening.envelope import read_envelope
from node.screening.receipts import read_receipt
from node.screening.verifying import Verdict, verify_receipt
from node.services.screening.base import Base
from node.tables import TicketRange
from reconcile.model import ProtocolError

RECEIPT: Final = "RECEIPT"


class ReadingActs(Base):
    """Keeping what others signed, so that its entries can be traced."""

    def read_receipt(self, data: bytes, *, allow_test: bool = True) -> tuple[bytes, ...]:
        """Verify a lookup's receipt and keep the statements it holds; return their entries.

        Raises what `verify_receipt` refuses, `ProtocolError` TICKET_UNKNOWN.
        """
        with self._writing() as session:
            verdict = verified(session, data, allow_test=allow_test)
            for record in verdict.records:
                know_statement(
                    session, self._ring, record, source=RECEIPT, now_ms=self._identity.clock()
                )
            return tuple(record.listing.entry_id for record in verdict.records)


def verified(session: Session, data: bytes, *, allow_test: bool = True) -> Verdict:
    """Return what a receipt proves, by the keys of this registry; its refusals come through."""
    receipt = read_receipt(read_envelope(data).payload)
    # Tickets are bought ahead: the lookup came after the ticket and within the consent.
    at_s = max(_bought_at(session, receipt.ticket), receipt.consent.consent.valid_from_s)
    trust = Trust(
        lambda member, key: holds_key(session, member, key),
        was_key_of=lambda member, key: held_key(session, member, key),
    )
    return verify_receipt(data, trust=trust, at_s=at_s, allow_test=allow_test)


def _bought_at(session: Session, ticket: int) -> int:
    """Return when a ticket was bought: from then on its lookup was made."""
    found = select(TicketRange).where(TicketRange.first <= ticket)
    row = session.scalars(found.order_by(TicketRange.first.desc()).limit(1)).first()
    if row is None or ticket >= row.first + row.count:
        raise ProtocolError(
            "TICKET_UNKNOWN",
            f"nobody bought ticket {ticket} on this ledger",
            help="let the node read up to the head; a receipt of another network proves nothing",
        )
    return row.block_time_s
