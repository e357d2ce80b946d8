"""A person's query about herself: her own element and consent, a free ticket, and past receipts."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session, undefer

from node.kept_receipts import receipt_label
from node.screening.asking import PersonRequest
from node.screening.consents import Purpose
from node.screening.identifiers import Identifier
from node.services.lookups.acts import ConsentActs
from node.services.lookups.buying import buy, free_tickets
from node.services.lookups.consenting import (
    Terms,
    identifier_of,
    keep_consent,
    new_consent_file,
    prepare,
    subject_of,
)
from node.tables import OwnLookup
from reconcile.model import UsageError

OWN_RECORD = "OWN_RECORD"
MAX_RECEIPTS = 1_000


class OwnRecordActs(ConsentActs):
    """What a member does for a person who asks about herself, free of charge."""

    def prepare_own(
        self, asked: PersonRequest, identifier: Identifier, *, actor: str = "node"
    ) -> int:
        """Prepare her lookup with the blind and the consent that she made; return its number.

        The consent is recorded and a ticket asked for, if none is free: the lookup follows once the
        ledger has both. The same request gives the same lookup. Raises `UsageError`
        PERSON_ASKS_WHAT where it is no request about entries, `InputError` CONSENT_OTHER_LOOKUP.
        """
        if asked.consent is None or asked.blind is None:
            raise UsageError("PERSON_ASKS_WHAT", "the request brings no consent to a lookup")
        doors, consent = self._doors, asked.consent.consent
        domain = doors.identity.place.lookups_domain
        terms = Terms(Purpose.OWN_RECORD, consent.scope, consent.valid_from_s, consent.valid_to_s)
        with doors.writing() as session:
            member = doors.identity.require_member(session)
            known = select(OwnLookup).where(OwnLookup.digest == consent.digest(domain))
            before = session.scalar(known)
            if before is not None:
                # Another person's lookup may have taken the ticket that was free.
                self._see_to_ticket(session, before, member)
                return before.id
            row = prepare(
                session,
                self._ring,
                identifier,
                terms,
                now_ms=doors.identity.clock(),
                blind=asked.blind,
                salt=asked.salt,
            )
            # The person did not say how she revokes it: it is over within the hour.
            file, secret = new_consent_file(domain, asked.consent)
            keep_consent(self._ring, row, file, subject_of(self._ring, row), secret=secret)
            self._record(session, file, actor)
            self._see_to_ticket(session, row, member)
            return row.id

    def _see_to_ticket(self, session: Session, row: OwnLookup, member: int) -> None:
        """Ask for a free ticket where none is left for a lookup; a repeated call asks once."""
        if row.ticket is None and not free_tickets(session, member, OWN_RECORD, 1):
            buy(session, self._calls, member, OWN_RECORD, 1)

    def receipts_about(self, identifier: Identifier) -> tuple[bytes, ...]:
        """Return the receipts of this member's lookups of a person, newest first.

        Those that were destroyed because an entry was erased are none any more. Whom a lookup
        concerned is sealed row by row: nothing finds a person but opening each.
        """
        with self._doors.reading() as session:
            rows = session.scalars(
                select(OwnLookup)
                .where(OwnLookup.receipt.is_not(None))
                .order_by(OwnLookup.id.desc())
                .options(undefer(OwnLookup.receipt))
            )
            found = []
            for row in rows:
                if identifier_of(self._ring, row) == identifier:
                    assert row.receipt is not None, "chosen by it"
                    found.append(self._ring.open_bytes(row.receipt, receipt_label(row.id)))
                if len(found) == MAX_RECEIPTS:
                    break
            return tuple(found)
