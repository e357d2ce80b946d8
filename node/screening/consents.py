"""Consent: who may look up whom, why, how far, until when, and who says so (blacklist.md, 2).

Level 1 is signed by the reader's institution, 2 by a certificate of a certification authority, 3 by
the person's own key, which a member other than the reader must have certified; otherwise it counts,
and is shown, as level 1. At level 3 the person signs the very blinded element that may be
evaluated: that is what "enforced" means. At levels 1 and 2 the reader commits to the element before
the evaluation, one consent for one element. That an element is of the consenting person is audited
at every level, never proven by the signature alone.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509
from eth_utils.crypto import keccak

from node.crypto.eip712 import Domain, Fields
from node.crypto.oprf.group import framed
from node.crypto.signer import recover_address
from node.screening.authorities import first_second_of, verify_authority
from node.screening.certificates import KycCertificate, read_certificate
from node.screening.identifiers import Identifier
from reconcile.model import ZERO32, KanheError, ProtocolError, Where

CONSENT_FIELDS: Final[Fields] = (
    ("uint32", "reader"),
    ("uint8", "purpose"),
    ("uint8", "scope"),
    ("uint64", "validFrom_s"),
    ("uint64", "validTo_s"),
    ("bytes32", "nonce"),
    ("bytes32", "person"),
    ("bytes32", "blinded"),
    ("uint8", "level"),
)
EVALUATION_FIELDS: Final[Fields] = (
    ("uint64", "ticket"),
    ("bytes32", "blinded"),
    ("bytes32", "consent"),
    ("uint32", "keyEpoch"),
)
SALT_BYTES: Final = 32
#: A consent is for one business with one institution; who needs longer asks again.
MAX_VALIDITY_S: Final = 366 * 86_400
IsKeyOf = Callable[[int, str], bool]


def consent_key(reader: int, digest: bytes) -> bytes:
    """Return the name of a reader's record of a consent: keccak256(abi.encode(reader, digest)).

    The ledger keeps a record a reader and digest: who sees a digest on its way there and records it
    first takes nothing from the reader that it was given to.
    """
    return keccak(reader.to_bytes(32, "big") + digest)


class Purpose(enum.IntEnum):
    """What the lookup is for."""

    CREDIT = 1
    ACCOUNT = 2
    GUARANTEE = 3
    MONITORING = 4
    MERCHANT = 5
    OWN_RECORD = 6
    # Being listed by the reader: no lookup is for it.
    LISTING = 7


class Scope(enum.IntFlag):
    """How far it goes: whether there is an entry, what it says, what stands behind it."""

    HIT = 1
    RECORD = 2
    EVIDENCE = 4


class Level(enum.IntEnum):
    """Who signed."""

    INSTITUTION = 1
    AUTHORITY = 2
    PERSON = 3


@dataclass(frozen=True, slots=True)
class Consent:
    """The fields that are signed; `blinded` is SHA-256 of B at level 3 and zeros below."""

    reader: int
    purpose: Purpose
    scope: Scope
    valid_from_s: int
    valid_to_s: int
    nonce: bytes
    person: bytes
    blinded: bytes
    level: Level

    def digest(self, domain: Domain) -> bytes:
        """Return what is signed, and the consent's name on the ledger."""
        values = (
            self.reader,
            int(self.purpose),
            int(self.scope),
            self.valid_from_s,
            self.valid_to_s,
            self.nonce,
            self.person,
            self.blinded,
            int(self.level),
        )
        return domain.digest_of("Consent", CONSENT_FIELDS, values)


@dataclass(frozen=True, slots=True)
class SignedConsent:
    """A consent, the salt of its commitment to the person, its signature and a certificate.

    `certificate` is empty at level 1, X.509 (DER) at level 2, a KYC envelope at level 3 or empty.
    """

    consent: Consent
    salt: bytes
    signature: bytes
    certificate: bytes = b""

    def __repr__(self) -> str:
        """Show level and reader, never the salt."""
        return f"SignedConsent(level={self.consent.level}, reader={self.consent.reader})"


@dataclass(frozen=True, slots=True)
class Use:
    """What a lookup does with a consent: by whom, why, how far, when, for which element.

    `bound_to` is SHA-256 of the element that this consent was used with before, if it was. Who
    evaluates sees no `identifier`.
    """

    reader: int
    purpose: Purpose
    scope: Scope
    now_s: int
    identifier: Identifier | None
    blinded: bytes
    bound_to: bytes | None = None
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom a verifier believes: members' keys by the registry, authorities' certificates.

    `was_key_of` says of a statement's signer whether it ever was a key of that member: a statement
    outlives the key that signed it. Where it is not given, keys of now alone count. `may_certify`
    says whose certificates of persons count: a full member's, since one bank sponsors participants
    by itself, the reader's own among them.
    """

    is_key_of: IsKeyOf
    authorities: Sequence[x509.Certificate] = ()
    was_key_of: IsKeyOf | None = None
    may_certify: Callable[[int], bool] = field(default=lambda _member: True)


@dataclass(frozen=True, slots=True)
class Effect:
    """What a consent amounts to: the level that counts, and whether the person signed this B."""

    level: Level
    enforced: bool


def person_commitment(identifier: Identifier, salt: bytes) -> bytes:
    """Return the salted commitment to an identifier that consents and certificates carry."""
    assert len(salt) == SALT_BYTES, "a salt is 32 bytes"
    return hashlib.sha256(b"kanhe/person-id/1" + salt + framed(identifier.prf_input)).digest()


def evaluation_digest(
    domain: Domain, *, ticket: int, blinded: bytes, consent: bytes, key_epoch: int
) -> bytes:
    """Return what a reader signs for an evaluation: two for one ticket prove its double use."""
    values = (ticket, hashlib.sha256(blinded).digest(), consent, key_epoch)
    return domain.digest_of("Evaluation", EVALUATION_FIELDS, values)


def check_consent(signed: SignedConsent, use: Use, domain: Domain, trust: Trust) -> Effect:
    """Return what a consent amounts to for a use, or refuse it.

    Checked in order, each a `ProtocolError`: CONSENT_MALFORMED, CONSENT_FOREIGN, CONSENT_PURPOSE,
    CONSENT_SCOPE, CONSENT_NOT_YET, CONSENT_EXPIRED, CONSENT_REVOKED, CONSENT_OTHER_PERSON,
    CONSENT_OTHER_ELEMENT, CONSENT_REPLAYED, then CONSENT_SIGNATURE or CONSENT_CERTIFICATE.
    """
    assert use.identifier is not None, "who does not see the person calls `check_blind_consent`"
    _require_lookup(signed.consent, use)
    _require_person(signed, use.identifier)
    _require_element(signed.consent, use)
    return _effect(signed, use, domain, trust)


def check_listing_consent(
    signed: SignedConsent,
    uploader: int,
    identifier: Identifier,
    domain: Domain,
    trust: Trust,
    *,
    at_s: int,
) -> Effect:
    """Return what a consent to being listed by `uploader` amounts to, or refuse it.

    `at_s` is when she is listed: the consent's time is that of the act, as a lookup's is. Nothing
    is evaluated on it, so the element that it names shows only that she was asked about herself.
    Raises as `check_consent`, but for the element.
    """
    use = Use(uploader, Purpose.LISTING, Scope(0), at_s, identifier, b"")
    _require_use(signed.consent, use)
    _require_person(signed, identifier)
    return _effect(signed, use, domain, trust)


def time_of_use(signed: SignedConsent) -> int:
    """Return the first second (Unix) at which a consent counted together with its certificate.

    Stands for the use's own time where only the nodes that evaluated know that: she is often
    certified after her consent's first second, and a certificate of which nothing reads changes
    nothing. Where the two never counted together it is a time at which one does not.
    """
    begins = signed.consent.valid_from_s
    if not signed.certificate:
        return begins
    try:
        if signed.consent.level is Level.AUTHORITY:
            return max(begins, first_second_of(signed.certificate))
        return max(begins, read_certificate(signed.certificate)[0].valid_from_s)
    except KanheError:
        return begins


def check_blind_consent(signed: SignedConsent, use: Use, domain: Domain, trust: Trust) -> Effect:
    """Return what a consent amounts to for one who evaluates without seeing whose it is.

    As `check_consent`, but for the person: the salt stays with the reader, and that the element is
    of the consenting person is audited. Raises CONSENT_MALFORMED where a salt was sent.
    """
    if signed.salt:
        raise _refuse("CONSENT_MALFORMED", "salt", "came with the salt that opens it")
    _require_lookup(signed.consent, use)
    _require_element(signed.consent, use)
    return _effect(signed, use, domain, trust)


def _require_person(signed: SignedConsent, identifier: Identifier) -> None:
    if len(signed.salt) != SALT_BYTES or (
        person_commitment(identifier, signed.salt) != signed.consent.person
    ):
        raise _refuse("CONSENT_OTHER_PERSON", "person", "is another person's")


def _require_lookup(consent: Consent, use: Use) -> None:
    if use.purpose is Purpose.LISTING:
        raise _refuse("CONSENT_PURPOSE", "purpose", "is to be listed: nobody is looked up on it")
    _require_use(consent, use)


def _require_use(consent: Consent, use: Use) -> None:
    _require_fields(consent)
    if consent.reader != use.reader:
        raise _refuse("CONSENT_FOREIGN", "reader", f"is for member {consent.reader}")
    if consent.purpose != use.purpose:
        raise _refuse("CONSENT_PURPOSE", "purpose", f"is for {consent.purpose.name}")
    if use.scope & ~consent.scope:
        raise _refuse("CONSENT_SCOPE", "scope", "does not reach that far")
    if use.now_s < consent.valid_from_s:
        raise _refuse("CONSENT_NOT_YET", "validFrom_s", "is not valid yet")
    if use.now_s > consent.valid_to_s:
        raise _refuse("CONSENT_EXPIRED", "validTo_s", "has expired")
    if use.revoked:
        raise _refuse("CONSENT_REVOKED", "revocation", "was revoked")


def _require_fields(consent: Consent) -> None:
    lengths = all(len(word) == len(ZERO32) for word in (consent.nonce, consent.person))
    period = 0 <= consent.valid_to_s - consent.valid_from_s <= MAX_VALIDITY_S
    own = consent.level is Level.PERSON
    if not lengths or len(consent.blinded) != len(ZERO32) or not period or not consent.scope:
        raise _refuse("CONSENT_MALFORMED", "fields", "has a field out of bounds")
    if own == (consent.blinded == ZERO32):
        raise _refuse("CONSENT_MALFORMED", "blinded", "names an element at level 3 and only there")


def _require_element(consent: Consent, use: Use) -> None:
    asked = hashlib.sha256(use.blinded).digest()
    if consent.level is Level.PERSON and consent.blinded != asked:
        raise _refuse("CONSENT_OTHER_ELEMENT", "blinded", "was signed for another element")
    if use.bound_to not in {None, asked}:
        raise _refuse("CONSENT_REPLAYED", "nonce", "was used with another element before")


def _effect(signed: SignedConsent, use: Use, domain: Domain, trust: Trust) -> Effect:
    digest = signed.consent.digest(domain)
    if signed.consent.level is Level.AUTHORITY:
        verify_authority(signed.certificate, digest, signed.signature, trust.authorities, use.now_s)
        return Effect(Level.AUTHORITY, enforced=False)
    signer = recover_address(digest, signed.signature)
    if signed.consent.level is Level.INSTITUTION:
        if not trust.is_key_of(signed.consent.reader, signer):
            raise _refuse("CONSENT_SIGNATURE", "signature", "is not signed by its institution")
        return Effect(Level.INSTITUTION, enforced=False)
    if not signed.certificate:
        # A key that nobody certified may be the reader's own: it says no more than the reader.
        return Effect(Level.INSTITUTION, enforced=False)
    found = _certificate(signed, signer, use, trust)
    if found.issuer == signed.consent.reader or not trust.may_certify(found.issuer):
        return Effect(Level.INSTITUTION, enforced=False)
    return Effect(Level.PERSON, enforced=True)


def _certificate(signed: SignedConsent, signer: str, use: Use, trust: Trust) -> KycCertificate:
    found, issuers = read_certificate(signed.certificate)
    if found.key != signer:
        raise _refuse("CONSENT_CERTIFICATE", "certificate", "is certified for another key")
    if found.person != signed.consent.person:
        raise _refuse("CONSENT_CERTIFICATE", "certificate", "is certified for another person")
    if not found.valid_from_s <= use.now_s <= found.valid_to_s:
        raise _refuse("CONSENT_CERTIFICATE", "certificate", "has a certificate that expired")
    if not any(trust.is_key_of(found.issuer, issuer) for issuer in issuers):
        raise _refuse("CONSENT_CERTIFICATE", "certificate", "is not certified by that member")
    return found


def _refuse(code: str, field: str, says: str) -> ProtocolError:
    return ProtocolError(
        code,
        f"the consent {says}",
        where=Where(field=field),
        help="Nothing was evaluated; ask the person for a consent for this lookup.",
    )
