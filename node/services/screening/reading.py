"""Statements of other members, learned from what was signed: a receipt of a lookup."""

from __future__ import annotations

from typing import Final

from sqlalchemy.orm import Session

from node.blacklist import Now, now_of
from node.listings import know_statement
from node.receipt_checks import ledger_of, ticket_of
from node.screening.consents import Trust, consent_key
from node.screening.envelope import read_envelope
from node.screening.receipts import read_receipt
from node.screening.verifying import Verdict, verify_receipt
from node.services.screening.base import Base
from node.tables import RecordedConsent
from reconcile.model import ProtocolError

RECEIPT: Final = "RECEIPT"


class ReadingActs(Base):
    """Keeping what others signed, so that its entries can be traced."""

    def read_receipt(
        self, data: bytes, *, holding: bytes | None = None, allow_test: bool = True
    ) -> tuple[bytes, ...]:
        """Verify a lookup's receipt and keep the statements it holds; return their entries.

        Raises what `verify_receipt` refuses, RECEIPT_ROOT and RECEIPT_COMMITTEE by this node's
        rows among it, `ProtocolError` TICKET_UNKNOWN, ENTRY_NOT_IN_RECEIPT where it should be
        `holding` an entry and does not.
        """
        with self._writing() as session:
            verdict = verified(session, data, self._trust(session), allow_test=allow_test)
            if holding is not None:
                require_found(verdict, holding)
            self._held_more(session)
            for record in verdict.records:
                know_statement(
                    session, self._ring, record, source=RECEIPT, now_ms=self._identity.clock()
                )
            return tuple(record.listing.entry_id for record in verdict.records)


def require_found(verdict: Verdict, entry: bytes) -> None:
    """Refuse a receipt whose lookup did not find an entry: ENTRY_NOT_IN_RECEIPT."""
    # Not the receipt's list of entries: a false record may name one beside true ones.
    if all(record.listing.entry_id != entry for record in verdict.records):
        raise ProtocolError(
            "ENTRY_NOT_IN_RECEIPT",
            "the lookup of this receipt did not find this entry",
            help="give the receipt of the lookup that did",
        )


def verified(session: Session, data: bytes, trust: Trust, *, allow_test: bool = True) -> Verdict:
    """Return what a receipt proves, by this node's rows; its refusals come through."""
    receipt = read_receipt(read_envelope(data).payload)
    bought = ticket_of(session, receipt)
    consent = receipt.consent.consent
    recorded = session.get(
        RecordedConsent, consent_key(consent.reader, consent.digest(receipt.domain))
    )
    # Tickets are bought and consents recorded ahead: the lookup came after, within the consent.
    since = Now(bought.block_number, bought.block_time_s)
    if recorded is not None and recorded.block_number > since.block:
        since = Now(recorded.block_number, recorded.block_time_s)
    return verify_receipt(
        data,
        trust=trust,
        at_s=max(since.time_s, consent.valid_from_s),
        ledger=ledger_of(session, since, now_of(session)),
        allow_test=allow_test,
    )
