"""What a listing rests on, on the ledger: recorded with its ticket, revoked on the person's word.

The consent's record goes ahead of the ticket, in the same SQL transaction and the same lane: the
ledger never shows an entry whose consent is still to come. What stands after a crash, by line:
before the commit neither; after it both, asked for. A ticket that is refused leaves a record that
no entry names: posted again, the entry has another salt and with it another record. A record that
stands already (this copy of the node is older than what it sent) is refused as CONSENT_KNOWN, and
the ledger's own row says that it stands.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from eth_utils.crypto import keccak
from sqlalchemy.orm import Session

from node.blacklist import Now, recorded_consent, state_of
from node.crypto.eip712 import Domain
from node.errors import Conflict, NotAllowed
from node.keyring import KeyRing
from node.listings import (
    fingerprint_of,
    open_listing,
    resting_of,
    resting_on,
    signed_by,
    statement_of,
)
from node.lookup_calls import LookupCalls, revoke_subject
from node.screening.consent_files import RevocationFile, write_revocation_file
from node.screening.consents import Level, check_listing_consent
from node.screening.identifiers import Identifier
from node.screening.listing_consents import (
    consent_ends_s,
    listing_consent,
    signed_consent_in,
)
from node.screening.listings import Listing, unpack_listing
from node.screening.states import OVER
from node.services.screening.base import Base
from node.tables import ListedEntry, OwnListing
from reconcile.model import InputError, ProtocolError, UsageError, Where

REVOKED: Final = "LISTING_CONSENT_REVOKED"
USED: Final = "LISTING_CONSENT_USED"


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a listing is recorded to rest on: the level, and what the person signed herself.

    `agreed` is her signed consent, empty for another document; `revocation_hash` is then hers.
    """

    level: Level = Level.INSTITUTION
    agreed: bytes = b""
    revocation_hash: bytes | None = None


class AgreeingActs(Base):
    """Consents of own listings."""

    def revoke_listing_consent(self, entry: bytes, *, actor: str = "node") -> bytes:
        """Revoke what an own listing rests on, on the person's word; return the consent's digest.

        The entry stands as it is: who looks her up is shown that its consent is revoked, and its
        evidence is released no more. Raises `NotFound` LISTING_NOT_OURS, LISTING_ERASED, `Conflict`
        CONSENT_UNRECORDED, `UsageError` SECRET_MISSING where the person keeps the secret.
        """
        with self._writing() as session:
            member = self._identity.require_member(session)
            owned = open_listing(session, self._ring, entry)
            if owned.agreed:
                raise UsageError(
                    "SECRET_MISSING",
                    "the person signed this consent herself: the secret that revokes it is hers",
                    help="relay the revocation that she hands over: `kanhe person revoke`",
                )
            digest = listing_consent(owned.opened.listing, owned.opened.salt)
            recorded = recorded_consent(session, member, digest)
            if recorded is None:
                raise Conflict(
                    "CONSENT_UNRECORDED",
                    f"no consent of entry {entry.hex()[:16]}… stands on the ledger",
                    help="wait until it does, or where it was listed before consents were recorded:"
                    " take the entry back, or correct it (--supersedes), which records one",
                )
            if recorded.revoked_block is None:
                secret = revocation_secret(self._ring, digest)
                self._consents.revoke_consent(session, member, digest, secret)
            self._act(session, actor, "listing-consent-revoke", entry.hex())
            return digest

    @property
    def _consents(self) -> LookupCalls:
        return LookupCalls(self._identity)

    def _agreement(
        self, session: Session, agreed: bytes, listing: Listing, who: Identifier, now: Now
    ) -> Agreement:
        """Return what a document amounts to; one that she signed for something else is refused.

        Raises `InputError` PROOF_MALFORMED, LISTING_OTHER_CONSENT, `ProtocolError` CONSENT_*.
        """
        file = signed_consent_in(agreed) if agreed else None
        if file is None:
            return Agreement()
        if hashlib.sha256(agreed).digest() != listing.consent:
            raise InputError(
                "LISTING_OTHER_CONSENT",
                "the statement names another consent than the one given",
                where=Where(field="consent"),
                help="give the consent's file alone; its hash follows from it",
            )
        domain = self._identity.place.lookups_domain
        if file.domain != domain:
            raise ProtocolError(
                "CONSENT_FOREIGN",
                "the consent is for another network",
                where=Where(field="consent"),
                help="ask the person for a consent to be listed here",
            )
        effect = check_listing_consent(
            file.signed, listing.uploader, who, domain, self._trust(session), at_s=now.time_s
        )
        return Agreement(effect.level, agreed, file.revocation_hash)

    def _record_consent(
        self, session: Session, listing: Listing, salt: bytes, found: Agreement
    ) -> None:
        digest = listing_consent(listing, salt)
        hashed = found.revocation_hash or keccak(revocation_secret(self._ring, digest))
        self._consents.record_consent(
            session, digest, int(found.level), consent_ends_s(listing), hashed
        )

    def _require_unused(
        self, session: Session, found: Agreement, listing: Listing, who: Identifier, now: Now
    ) -> None:
        """Refuse to rest a further entry on what the person signed for one: LISTING_CONSENT_USED.

        The ledger shows a consent's hash with each record: two of them tell everybody that their
        entries are one person's, and the secret that revokes the one revokes the other by anybody.
        Let through is what says as much by itself: a correction, and the same again under another
        id where the ticket was refused.
        """
        if found.revocation_hash is None:
            return
        told = {listing.entry_id, *_corrected(session, listing.supersedes)}
        fingerprint = fingerprint_of(self._ring, who, listing)
        for own in signed_by(session, found.revocation_hash):
            if own.entry in told or self._gives_way(session, own, told, fingerprint, now):
                continue
            raise Conflict(
                USED,
                f"entry {own.entry.hex()[:16]}… rests on this consent, which the person signed",
                where=Where(field="consent"),
                help="let her sign one for this entry too: `kanhe blacklist ask --purpose LISTING`;"
                " if that entry is not hers, somebody used her consent's revocation hash",
            )

    def _gives_way(
        self,
        session: Session,
        own: OwnListing,
        told: AbstractSet[bytes],
        fingerprint: bytes,
        now: Now,
    ) -> bool:
        """Say whether an own listing came to nothing, and what is listed now is its like."""
        row = session.get(ListedEntry, own.entry)
        if row is not None:
            return row.supersedes in told and state_of(session, row, now) in OVER
        refused = self._calls.refusal(session, self._calls.list_subject(own.entry)) is not None
        if not refused or own.statement is None:
            return False
        return own.fingerprint == fingerprint or unpack_listing(own.statement).supersedes in told

    def _require_unrevoked(
        self, session: Session, listing: Listing, who: Identifier, earlier: Iterable[bytes]
    ) -> None:
        """Refuse to rest a listing on what the person revoked: LISTING_CONSENT_REVOKED.

        Whatever it is about, and whether the entry for which she revoked it was posted or not.
        `earlier` are own entries about the same matter, or the one that is corrected.
        """
        same = [
            entry
            for entry in earlier
            if (said := statement_of(session, entry)) is not None
            and said[0].consent == listing.consent
        ]
        resting = resting_of(self._ring, who, listing.consent)
        for entry in dict.fromkeys((*same, *resting_on(session, resting))):
            if is_revoked(session, entry) or self._is_revoking(session, entry):
                raise Conflict(
                    REVOKED,
                    f"the person revoked this consent for entry {entry.hex()[:16]}…",
                    where=Where(field="consent"),
                    help="ask her again: a new listing rests on what she agrees to now",
                )

    def _is_revoking(self, session: Session, entry: bytes) -> bool:
        """Say whether this node was asked to revoke what an own entry rests on."""
        own = session.get(OwnListing, entry)
        if own is None or own.consent is None:
            return False
        subject = revoke_subject(self._identity.require_member(session), own.consent)
        return self._consents.waits(session, subject)


def _corrected(session: Session, entry: bytes | None) -> Iterator[bytes]:
    """Yield an entry that is to be corrected, and those that it corrects in turn."""
    while entry is not None:
        yield entry
        row = session.get(ListedEntry, entry)
        entry = None if row is None else row.supersedes


def revocation_secret(ring: KeyRing, digest: bytes) -> bytes:
    """Return the secret that revokes a consent which this node recorded for an own listing.

    It follows from the vault: nothing of it is kept, and a restored copy has it.
    """
    return ring.fingerprint(b"listing-consent/" + digest)


def revocation_of(session: Session, ring: KeyRing, domain: Domain, entry: bytes) -> bytes | None:
    """Return the file that revokes what an own entry rests on, for the person to hand to anybody.

    None where nothing is recorded, where it is revoked, and where the secret is hers already.
    Raises as `open_listing`.
    """
    owned = open_listing(session, ring, entry)
    listing = owned.opened.listing
    digest = listing_consent(listing, owned.opened.salt)
    recorded = recorded_consent(session, listing.uploader, digest)
    if owned.agreed or recorded is None or recorded.revoked_block is not None:
        return None
    secret = revocation_secret(ring, digest)
    return write_revocation_file(RevocationFile(domain, listing.uploader, digest, secret))


def is_revoked(session: Session, entry: bytes) -> bool:
    """Say whether what an own entry rests on is revoked."""
    own = session.get(OwnListing, entry)
    if own is None or own.consent is None or own.statement is None:
        return False
    # Its record goes ahead of the ticket, and stands where that was refused.
    recorded = recorded_consent(session, unpack_listing(own.statement).uploader, own.consent)
    return recorded is not None and recorded.revoked_block is not None


def revoked_detail(entry: bytes) -> NotAllowed:
    """Return the refusal to release what stands behind an entry whose consent is revoked."""
    return NotAllowed(
        REVOKED,
        f"the person revoked what entry {entry.hex()[:16]}… rests on: its evidence stays closed",
        help="the entry itself stands; `kanhe blacklist trace` shows the revocation",
    )
