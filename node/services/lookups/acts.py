"""Consents and tickets of a reader: signed, recorded, revoked, bought."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from cryptography import x509
from sqlalchemy.orm import Session

from node.blacklist import now_of
from node.doors import Doors
from node.index_reading import Ask, LiveRoot
from node.lookup_calls import LookupCalls
from node.screening.asking import ConsentRequest, sign_consent_request
from node.screening.consent_files import ConsentFile, read_consent_file, read_revocation_file
from node.screening.consents import Purpose, Scope, SignedConsent, consent_key
from node.screening.identifiers import Identifier
from node.screening.roots import SignedHeader
from node.services.lookups.buying import buy, free_tickets
from node.services.lookups.consenting import (
    Terms,
    institutions_consent,
    keep_consent,
    new_consent_file,
    prepare,
    require_lookup,
    revocation_of,
    subject_of,
)
from node.tables import OwnLookup, RecordedConsent
from reconcile.model import ProtocolError, UsageError, Where

#: Threads that ask nodes; one lookup asks t of them at once.
ASKERS: Final = 8
NONCE_BYTES: Final = 32


class ConsentActs:
    """What comes before a lookup."""

    def __init__(
        self, doors: Doors, ask: Ask, *, authorities: Callable[[], Sequence[x509.Certificate]]
    ) -> None:
        """Take how a member's node is asked (this one's own included)."""
        self._doors = doors
        self._ask = ask
        self._authorities = authorities
        self._calls = LookupCalls(doors.identity)
        self._pool = ThreadPoolExecutor(ASKERS, thread_name_prefix="lookup")
        self._ring = doors.identity.keys.ring
        self._headers: dict[tuple[int, LiveRoot], SignedHeader] = {}

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def chain_time_s(self) -> int:
        """Return the newest block's time, which consents and tickets go by."""
        with self._doors.reading() as session:
            return now_of(session).time_s

    # ------------------------------------------------------------------------ consents
    def prepare(
        self,
        identifier: Identifier,
        terms: Terms,
        *,
        blind: bytes | None = None,
        salt: bytes | None = None,
        actor: str = "node",
    ) -> int:
        """Prepare a lookup and return its number; nobody is asked, nothing is recorded."""
        self._doors.identity.place.require_blacklist()
        with self._doors.writing() as session:
            now_ms = self._doors.identity.clock()
            row = prepare(
                session, self._ring, identifier, terms, now_ms=now_ms, blind=blind, salt=salt
            )
            self._doors.act(session, actor, "lookup-prepare", str(row.id))
            return row.id

    def consent_request(self, lookup: int, *, name: str) -> bytes:
        """Return what the person's wallet signs: her element is recomputed there."""
        with self._doors.reading() as session:
            row = require_lookup(session, lookup)
            subject, terms = subject_of(self._ring, row), _terms(row)
            member = self._doors.identity.require_member(session)
        domain = self._doors.identity.place.lookups_domain
        asked = ConsentRequest(
            domain,
            member,
            name,
            terms.purpose,
            terms.scope,
            terms.valid_from_s,
            terms.valid_to_s,
            bytes(subject.blinded.blind),
            subject.blinded.element,
        )
        return sign_consent_request(asked, self._doors.identity.keys.approver)

    def consent_by_institution(self, lookup: int, *, actor: str = "node") -> bytes:
        """Sign a consent of level 1 and record it; return its digest.

        Raises `Conflict` CONSENT_IN_USE once the lookup's ticket is bound.
        """
        keys, place = self._doors.identity.keys, self._doors.identity.place
        with self._doors.writing() as session:
            row = require_lookup(session, lookup)
            member = self._doors.identity.require_member(session)
            subject = subject_of(self._ring, row)
            consent = institutions_consent(
                subject, _terms(row), member, nonce=secrets.token_bytes(NONCE_BYTES)
            )
            signature = keys.approver.sign_digest(consent.digest(place.lookups_domain))
            signed = SignedConsent(consent, subject.salt, signature)
            file, secret = new_consent_file(place.lookups_domain, signed)
            if keep_consent(self._ring, row, file, subject, secret=secret):
                self._record(session, file, actor)
            return file.digest

    def take_consent(self, lookup: int, data: bytes, *, actor: str = "node") -> bytes:
        """Take a consent that a person or authority signed, and record it; return its digest.

        The one that a lookup went out under is answered without change. Raises `InputError`
        PROOF_MALFORMED, CONSENT_OTHER_LOOKUP, `ProtocolError` CONSENT_FOREIGN, `Conflict`
        CONSENT_IN_USE.
        """
        file = read_consent_file(data)
        with self._doors.writing() as session:
            row = require_lookup(session, lookup)
            self._require_ours(session, file)
            if keep_consent(self._ring, row, file, subject_of(self._ring, row)):
                self._record(session, file, actor)
            return file.digest

    def record_consent(self, data: bytes, *, actor: str = "node") -> bytes:
        """Record a person's consent that no prepared lookup waits for, as one to evidence.

        Returns its digest. Raises `InputError` PROOF_MALFORMED, `ProtocolError` CONSENT_FOREIGN.
        """
        file = read_consent_file(data)
        with self._doors.writing() as session:
            self._require_ours(session, file)
            self._record(session, file, actor)
            return file.digest

    def _require_ours(self, session: Session, file: ConsentFile) -> None:
        identity = self._doors.identity
        identity.place.require_blacklist()
        other = file.domain != identity.place.lookups_domain
        if other or file.signed.consent.reader != identity.require_member(session):
            raise ProtocolError(
                "CONSENT_FOREIGN",
                "the consent is for another reader or network",
                where=Where(field="reader"),
                help="ask the person for a consent to this institution",
            )

    def _record(self, session: Session, file: ConsentFile, actor: str) -> None:
        consent = file.signed.consent
        self._calls.record_consent(
            session, file.digest, int(consent.level), consent.valid_to_s, file.revocation_hash
        )
        self._doors.act(
            session, actor, "consent-record", file.digest.hex(), level=str(int(consent.level))
        )

    def revoke(self, lookup: int, *, actor: str = "node") -> bytes:
        """Revoke a consent that this node holds the secret of; return its digest.

        Raises `UsageError` SECRET_MISSING where the person keeps it.
        """
        with self._doors.writing() as session:
            row = require_lookup(session, lookup)
            secret = revocation_of(self._ring, row)
            if not secret or row.digest is None:
                raise UsageError(
                    "SECRET_MISSING",
                    "the secret that revokes this consent is the person's",
                    help="relay the revocation that she hands over",
                )
            reader = self._doors.identity.require_member(session)
            self._calls.revoke_consent(session, reader, row.digest, secret)
            self._doors.act(session, actor, "consent-revoke", row.digest.hex())
            return row.digest

    def relay_revocation(self, data: bytes, *, actor: str = "node") -> bytes:
        """Relay a revocation that a person handed over, of whichever reader's consent.

        The ledger compares the secret with what was recorded. Raises `InputError` PROOF_MALFORMED,
        `ProtocolError` CONSENT_FOREIGN, CONSENT_UNKNOWN.
        """
        file = read_revocation_file(data)
        self._doors.identity.place.require_blacklist()
        with self._doors.writing() as session:
            if file.domain != self._doors.identity.place.lookups_domain:
                raise ProtocolError("CONSENT_FOREIGN", "the revocation is of another network")
            recorded = session.get(RecordedConsent, consent_key(file.reader, file.consent))
            if recorded is None:
                raise ProtocolError(
                    "CONSENT_UNKNOWN",
                    f"member {file.reader} recorded no such consent",
                    where=Where(field="consent"),
                    help="let the node read up to the head, then relay it again",
                )
            if recorded.revoked_block is None:
                self._calls.revoke_consent(session, file.reader, file.consent, file.secret)
            self._doors.act(session, actor, "consent-revoke", file.consent.hex())
            return file.consent

    # ------------------------------------------------------------------------ tickets
    def buy_tickets(self, count: int, *, kind: str = "LOOKUP", actor: str = "node") -> None:
        """Burn points for numbered tickets; raises `UsageError` TICKETS_COUNT, POINTS_SHORT."""
        with self._doors.writing() as session:
            member = self._doors.identity.require_member(session)
            buy(session, self._calls, member, kind, count)
            self._doors.act(session, actor, "tickets", kind, count=str(count))

    def tickets(self, *, kind: str = "LOOKUP", limit: int = 10_000) -> list[int]:
        """Return the free tickets of a kind."""
        with self._doors.reading() as session:
            member = self._doors.identity.require_member(session)
            return free_tickets(session, member, kind, limit)


def _terms(row: OwnLookup) -> Terms:
    return Terms(Purpose(row.purpose), Scope(row.scope), row.valid_from_s, row.valid_to_s)
