"""What this member does for the people themselves: certifies, shows, disputes, relays, exports.

Certificates, evidence and answers are signed by the APPROVER. The audit log says that something
was asked and answered, by a nonce or an entry; never by or about whom.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.agreements import member_name
from node.blacklist import changes_of, phase_now, require_dispute, require_entry
from node.errors import Conflict, NotFound
from node.listings import Owned, open_listing
from node.screening.asking import About, PersonAnswer, PersonRequest, sign_person_answer
from node.screening.attesting import FRESH_S, Counter, admit, certify
from node.screening.consents import consent_key
from node.screening.envelope import LISTING_TYPE, Envelope, read_envelope
from node.screening.evidence import Evidence, UsedConsent, sign_evidence
from node.screening.identifiers import Identifier
from node.screening.listing_consents import listing_consent
from node.screening.receipts import Receipt, read_receipt
from node.screening.states import Phase
from node.services.screening.agreeing import revocation_of
from node.services.screening.disputing import DisputeActs
from node.services.screening.reading import verified
from node.tables import AuditRow, ListedEntry, OwnListing, OwnLookup, RecordedConsent
from reconcile.model import ProtocolError, Where

#: A certificate is for as long as a document is looked at again.
CERTIFICATE_DAYS: Final = 365
ANSWERED: Final = "answer person"
DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request that may be answered, and whom it concerns."""

    asked: PersonRequest
    identifier: Identifier


class FacingActs(DisputeActs):
    """A member towards the people it knows."""

    def certify_person(
        self,
        request: bytes,
        identifier: Identifier,
        *,
        days: int = CERTIFICATE_DAYS,
        actor: str = "node",
    ) -> bytes:
        """Return a certificate of a person's key, once she was identified by her document.

        Raises an envelope's errors, `ProtocolError` KYC_FOREIGN, KYC_OTHER_PERSON.
        """
        with self._writing() as session:
            member = self._identity.require_member(session)
            now_s = self._clock_s()
            made = certify(
                request,
                identifier,
                self._identity.keys.approver,
                member=member,
                domain=self._identity.place.lookups_domain,
                valid_from_s=now_s - DAY_S,
                valid_to_s=now_s + days * DAY_S,
            )
            self._act(session, actor, "certify person", str(member))
            return made

    def evidence_of(
        self,
        entry: bytes,
        *,
        notice: bytes | None = None,
        consent: bytes | None = None,
        receipts: Sequence[bytes] = (),
        actor: str = "node",
    ) -> bytes:
        """Return the evidence bundle of an entry, for the person, a court or the regulator.

        Another member's entry is told from the receipt of a lookup that found it; the consents of
        enclosed receipts stand in the bundle with what the ledger recorded of them. Raises
        `NotFound` ENTRY_UNKNOWN, LISTING_NOT_OURS, LISTING_ERASED, and what a receipt is refused
        for.
        """
        with self._writing() as session:
            made = self._evidence(session, entry, notice=notice, consent=consent, receipts=receipts)
            self._act(session, actor, "export evidence", entry.hex())
            return made

    def admit_person(self, request: bytes, *, allow_test: bool = False) -> Admitted:
        """Return a person's own request that may be answered; raises what `admit` refuses."""
        with self._reading() as session:
            asked, identifier = admit(request, self._counter(session, allow_test=allow_test))
            return Admitted(asked, identifier)

    def answer_person(
        self, admitted: Admitted, *, receipts: Sequence[bytes] = (), actor: str = "node"
    ) -> bytes:
        """Answer a request, once: her entries' evidence, her receipts, or her dispute raised.

        With the evidence goes what revokes the consent that each entry rests on. `receipts` are
        those of her own lookup, or of lookups of her, by the lookup service. Where another raised
        a dispute about the entry, its answer is contested for her. Raises `Conflict` ASKED_TWICE
        and, for a dispute, what `open_dispute` or `contest` refuses.
        """
        asked = admitted.asked
        if asked.about is About.DISPUTE:
            assert asked.entry is not None, "admitted with its entry"
            self._dispute_for(asked.entry, asked.grounds, actor)
        evidence: tuple[bytes, ...] = ()
        revocations: tuple[bytes, ...] = ()
        with self._writing() as session:
            # Looked for again in the transaction that answers: two callers do not answer one.
            if self._was_seen(session, asked.nonce):
                raise Conflict("ASKED_TWICE", "the request was answered before")
            if asked.about is About.ENTRIES:
                own = self._entries_about(session, admitted.identifier)
                evidence = tuple(self._evidence(session, entry) for entry in own)
                revocations = tuple(self._revocations(session, own))
            self._act(session, actor, ANSWERED, asked.nonce.hex(), about=str(asked.about))
            member = self._identity.require_member(session)
            answer = PersonAnswer(
                member,
                asked.nonce,
                self._clock_s(),
                tuple(receipts),
                evidence,
                _times_of(session, receipts),
                revocations,
            )
            return sign_person_answer(answer, self._identity.keys.approver)

    def who_asks(self) -> tuple[int, str]:
        """Return this member's number and the name that it is known by here."""
        with self._reading() as session:
            member = self._identity.require_member(session)
            return member, member_name(session, member)

    # ------------------------------------------------------------------------- inside
    def _dispute_for(self, entry: bytes, grounds: str, actor: str) -> None:
        """Raise a person's dispute, or take the answer of one that is open to the panel."""
        with self._reading() as session:
            number = require_entry(session, entry).dispute
            answered = number is not None and (
                phase_now(session, require_dispute(session, number), self._now(session))
                is Phase.ANSWERED
            )
        if number is not None and answered:
            self.contest(number, by_person=True, grounds=grounds, actor=actor)
        else:
            self.open_dispute(entry, grounds, by_person=True, actor=actor)

    def _counter(self, session: Session, *, allow_test: bool) -> Counter:
        return Counter(
            self._identity.require_member(session),
            self._identity.place.lookups_domain,
            self._clock_s(),
            self._trust(session),
            lambda nonce: self._was_seen(session, nonce),
            allow_test,
        )

    def _was_seen(self, session: Session, nonce: bytes) -> bool:
        """Say whether a request was answered; older ones are refused for their time."""
        since_ms = self._identity.clock() - 3_000 * FRESH_S
        found = select(AuditRow.id).where(
            AuditRow.act == ANSWERED,
            AuditRow.subject == nonce.hex(),
            AuditRow.at_ms >= since_ms,
        )
        return session.scalar(found.limit(1)) is not None

    def _clock_s(self) -> int:
        return self._identity.clock() // 1_000

    def _evidence(
        self,
        session: Session,
        entry: bytes,
        *,
        notice: bytes | None = None,
        consent: bytes | None = None,
        receipts: Sequence[bytes] = (),
    ) -> bytes:
        require_entry(session, entry)
        owned, now = self._owned(session, entry, receipts), self._now(session)
        opened, place = owned.opened, self._identity.place
        signed = Envelope(LISTING_TYPE, opened.listing.payload, (opened.signature,))
        used = [self._used(session, _receipt(data)) for data in receipts]
        consents = tuple(one for one in used if one is not None)
        given = [one.signed.consent for one in consents]
        records = [(one.reader, one.digest(place.lookups_domain)) for one in given]
        records.append((opened.listing.uploader, listing_consent(opened.listing, opened.salt)))
        bundle = Evidence(
            chain_id=place.chain_id,
            blacklist=place.blacklist,
            lookups=place.lookups,
            exporter=self._identity.require_member(session),
            as_of_block=now.block,
            as_of_s=now.time_s,
            id_type=owned.identifier.type,
            id_value=owned.identifier.value,
            salt=opened.salt,
            statement=signed.to_json(),
            notice=notice,
            # What she signed herself is kept; of another document its exporter has the file.
            consent=consent or owned.agreed or None,
            evidence=owned.documents,
            changes=changes_of(session, entry, records),
            consents=consents,
            receipts=tuple(receipts),
        )
        return sign_evidence(bundle, self._identity.keys.approver)

    def _owned(self, session: Session, entry: bytes, receipts: Sequence[bytes]) -> Owned:
        """Return an own listing, or what a receipt shows of another member's."""
        try:
            return open_listing(session, self._ring, entry)
        except NotFound as error:
            if error.code != "LISTING_NOT_OURS":
                raise
            for data in receipts:
                verdict = verified(session, data, self._trust(session))
                for record in verdict.records:
                    if record.listing.entry_id == entry:
                        return Owned(verdict.identifier, record, ())
            raise

    def _used(self, session: Session, receipt: Receipt) -> UsedConsent | None:
        """Return a receipt's consent as the ledger has it; None where it was not recorded."""
        consent = receipt.consent.consent
        digest = consent.digest(self._identity.place.lookups_domain)
        row = session.get(RecordedConsent, consent_key(consent.reader, digest))
        if row is None:
            return None
        # It was used after it was recorded; the ledger keeps no time of a lookup.
        used_at_s = max(row.block_time_s, consent.valid_from_s)
        return UsedConsent(receipt.consent, receipt.batch[receipt.position], used_at_s)

    def _revocations(self, session: Session, entries: Sequence[bytes]) -> Iterator[bytes]:
        """Yield what revokes the consents of own entries, for the person to hand to anybody."""
        domain = self._identity.place.lookups_domain
        for entry in entries:
            found = revocation_of(session, self._ring, domain, entry)
            if found is not None:
                yield found

    def _entries_about(self, session: Session, identifier: Identifier) -> list[bytes]:
        """Return own entries about a person that stand on the ledger, oldest first.

        Identifiers are sealed one by one: nothing finds a person but opening each.
        """
        rows = select(OwnListing.entry).join(ListedEntry, ListedEntry.entry == OwnListing.entry)
        kept = rows.where(OwnListing.erased_at_ms.is_(None)).order_by(ListedEntry.block_number)
        return [
            entry
            for entry in session.scalars(kept).all()
            if open_listing(session, self._ring, entry).identifier == identifier
        ]


def _times_of(session: Session, receipts: Sequence[bytes]) -> tuple[int, ...]:
    """Return when each receipt's lookup was made here; nothing where one is not of this node."""
    tickets = [_receipt(data).ticket for data in receipts]
    found = select(OwnLookup.ticket, OwnLookup.done_at_ms).where(OwnLookup.ticket.in_(tickets))
    done = {ticket: at_ms for ticket, at_ms in session.execute(found) if at_ms is not None}
    if not all(ticket in done for ticket in tickets):
        return ()
    return tuple(done[ticket] // 1_000 for ticket in tickets)


def _receipt(data: bytes) -> Receipt:
    return read_receipt(read_envelope(data).payload)


def _refuse(code: str, field: str, message: str) -> ProtocolError:
    return ProtocolError(
        code, message, where=Where(field=field), help="Nothing was sent to the ledger."
    )
