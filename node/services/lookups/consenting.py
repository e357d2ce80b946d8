"""Own lookups before they are asked: identifier, blind and element, sealed; consent, recorded."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, replace

import msgspec
from eth_utils.crypto import keccak
from sqlalchemy.orm import Session

from node.crypto.eip712 import Domain
from node.crypto.oprf import modes
from node.crypto.oprf.group import Scalar
from node.crypto.oprf.modes import Blinded, Mode
from node.errors import Conflict, NotFound
from node.kept_receipts import FORGOTTEN, unknown_lookup
from node.keyring import KeyRing
from node.screening.consent_files import ConsentFile, read_consent_file, write_consent_file
from node.screening.consents import (
    SALT_BYTES,
    Consent,
    Level,
    Purpose,
    Scope,
    SignedConsent,
    person_commitment,
)
from node.screening.identifiers import Identifier, IdType
from node.tables import OwnLookup
from reconcile.model import ZERO32, InputError, ProtocolError, UsageError, Where

PREPARED = "PREPARED"
CONSENTED = "CONSENTED"
DONE = "DONE"
#: What a member says of a lookup of which it destroyed whom it concerned.
LOOKUP_ERASED = "LOOKUP_ERASED"


class _Person(msgspec.Struct, array_like=True):
    id_type: IdType
    id_value: str
    salt: bytes
    blind: bytes


class _Consent(msgspec.Struct, array_like=True):
    file: bytes
    secret: bytes


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a lookup concerns, in clear."""

    identifier: Identifier
    salt: bytes
    blinded: Blinded

    def __repr__(self) -> str:
        """Show the type, never the person."""
        return f"Subject({self.identifier.type})"


@dataclass(frozen=True, slots=True)
class Terms:
    """What a lookup is for, how far it goes, and when it may take place (Unix seconds)."""

    purpose: Purpose
    scope: Scope
    valid_from_s: int
    valid_to_s: int


def prepare(
    session: Session,
    ring: KeyRing,
    identifier: Identifier,
    terms: Terms,
    *,
    now_ms: int,
    blind: bytes | None = None,
    salt: bytes | None = None,
) -> OwnLookup:
    """Keep a new lookup; its element is made here, so that a wallet can recompute it.

    `blind` and `salt` are given where the person made them (a query about herself). Raises
    `UsageError` PURPOSE_UNKNOWN for a consent to be listed.
    """
    if terms.purpose is Purpose.LISTING:
        raise UsageError(
            "PURPOSE_UNKNOWN",
            "nobody is looked up on a consent to be listed",
            help="say what the lookup is for; such a consent goes with `list --consent-file`",
        )
    drawn = None if blind is None else Scalar(blind)
    made = modes.blind(Mode.VOPRF, identifier.prf_input, scalar=drawn)
    row = OwnLookup(
        state=PREPARED,
        purpose=int(terms.purpose),
        scope=int(terms.scope),
        valid_from_s=terms.valid_from_s,
        valid_to_s=terms.valid_to_s,
        person=b"",
        element=made.element,
        made_at_ms=now_ms,
    )
    session.add(row)
    session.flush()
    secret = _Person(
        identifier.type,
        identifier.value,
        salt or secrets.token_bytes(SALT_BYTES),
        bytes(made.blind),
    )
    row.person = ring.seal_bytes(msgspec.msgpack.encode(secret), _label(b"person", row.id))
    session.flush()
    return row


def require_lookup(session: Session, lookup: int) -> OwnLookup:
    """Return a lookup's row; `NotFound` LOOKUP_UNKNOWN."""
    row = session.get(OwnLookup, lookup)
    if row is None:
        raise unknown_lookup(lookup)
    return row


def subject_of(ring: KeyRing, row: OwnLookup) -> Subject:
    """Return whom a lookup concerns.

    Raises `ProtocolError` VAULT_NOT_OPENED, `NotFound` LOOKUP_ERASED.
    """
    opened = _person_of(ring, row)
    identifier = Identifier(opened.id_type, opened.id_value)
    blinded = modes.blind(Mode.VOPRF, identifier.prf_input, scalar=Scalar(opened.blind))
    return Subject(identifier, opened.salt, blinded)


def identifier_of(ring: KeyRing, row: OwnLookup) -> Identifier:
    """Return whom a lookup concerns, without its element; raises as `subject_of`."""
    opened = _person_of(ring, row)
    return Identifier(opened.id_type, opened.id_value)


def _person_of(ring: KeyRing, row: OwnLookup) -> _Person:
    if not row.person:
        raise _erased(row)
    return msgspec.msgpack.decode(
        ring.open_bytes(row.person, _label(b"person", row.id)), type=_Person
    )


def _erased(row: OwnLookup) -> NotFound:
    return NotFound(
        LOOKUP_ERASED,
        f"whom lookup {row.id} concerned was destroyed: an entry that it found was erased",
        help="`kanhe blacklist lookups` shows when; look her up anew",
    )


def forget_person(ring: KeyRing, row: OwnLookup) -> None:
    """Destroy whom a lookup concerned, and its consent but for the secret that revokes it.

    The consent's salt would open the person's commitment to whoever tries identifiers out. Inside
    `overwriting`.
    """
    row.person = b""
    if row.consent is not None:
        secret = revocation_of(ring, row)
        packed = msgspec.msgpack.encode(_Consent(b"", secret))
        row.consent = ring.seal_bytes(packed, _label(b"consent", row.id)) if secret else None
    row.kept = FORGOTTEN


def institutions_consent(subject: Subject, terms: Terms, reader: int, *, nonce: bytes) -> Consent:
    """Return a consent of level 1, which the institution signs; the element is bound at its use."""
    return Consent(
        reader,
        terms.purpose,
        terms.scope,
        terms.valid_from_s,
        terms.valid_to_s,
        nonce,
        person_commitment(subject.identifier, subject.salt),
        ZERO32,
        Level.INSTITUTION,
    )


def keep_consent(
    ring: KeyRing, row: OwnLookup, file: ConsentFile, subject: Subject, *, secret: bytes = b""
) -> bool:
    """Keep the consent of a lookup, and say whether it is to be recorded.

    From the ticket on it is what an audit asks for: that very one changes nothing but, until the
    lookup is done, its certificate; another is refused. Raises `Conflict` CONSENT_IN_USE,
    `InputError` CONSENT_OTHER_LOOKUP: what is not of this lookup is refused before it is recorded,
    another reader's checks find the rest.
    """
    if row.ticket is not None:
        _keep_in_use(ring, row, file)
        return False
    consent, element = file.signed.consent, hashlib.sha256(row.element).digest()
    fits = {
        "purpose": int(consent.purpose) == row.purpose,
        "scope": not row.scope & ~int(consent.scope),
        "person": consent.person == person_commitment(subject.identifier, file.signed.salt),
        "blinded": consent.level is not Level.PERSON or consent.blinded == element,
    }
    for field, holds in fits.items():
        if not holds:
            raise InputError(
                "CONSENT_OTHER_LOOKUP",
                f"the consent's {field} is not this lookup's",
                where=Where(field=field),
                help="ask the person to consent to the request of this very lookup",
            )
    _seal(ring, row, file, secret)
    row.digest, row.state = file.digest, CONSENTED
    row.valid_to_s = consent.valid_to_s
    return True


def _seal(ring: KeyRing, row: OwnLookup, file: ConsentFile, secret: bytes) -> None:
    packed = msgspec.msgpack.encode(_Consent(write_consent_file(file), secret))
    row.consent = ring.seal_bytes(packed, _label(b"consent", row.id))


def _keep_in_use(ring: KeyRing, row: OwnLookup, file: ConsentFile) -> None:
    """Refuse another consent; before the lookup is done the same one may be certified anew.

    Neither what was logged nor what is audited covers the certificate. The secret stays.
    """
    # The ticket is bound in the transaction that signs for the evaluation. Whatever became of the
    # asking, nodes may have logged it under the consent that was there.
    kept, secret = consent_of(ring, row)
    if kept == file:
        return
    anew = replace(kept, signed=replace(kept.signed, certificate=file.signed.certificate))
    if row.state == DONE or anew != file:
        raise Conflict(
            "CONSENT_IN_USE",
            f"lookup {row.id} went out with ticket {row.ticket} under the consent that it has",
            where=Where(field="consent"),
            help="an audit asks for that one; prepare a new lookup for another consent",
        )
    _seal(ring, row, file, secret)


def consent_of(ring: KeyRing, row: OwnLookup) -> tuple[ConsentFile, bytes]:
    """Return a lookup's consent, and the secret that revokes it, empty where it is the person's.

    Raises `ProtocolError` CONSENT_MISSING, `NotFound` LOOKUP_ERASED.
    """
    opened = _consent_of(ring, row)
    if not opened.file:
        raise _erased(row)
    return read_consent_file(opened.file), opened.secret


def revocation_of(ring: KeyRing, row: OwnLookup) -> bytes:
    """Return the secret that revokes a lookup's consent, empty where it is the person's.

    It is kept when the consent is destroyed. Raises `ProtocolError` CONSENT_MISSING.
    """
    return _consent_of(ring, row).secret


def _consent_of(ring: KeyRing, row: OwnLookup) -> _Consent:
    if row.consent is None:
        if row.kept == FORGOTTEN:
            raise _erased(row)
        raise ProtocolError(
            "CONSENT_MISSING",
            f"lookup {row.id} has no consent",
            help="record one: `kanhe blacklist consent`",
        )
    return msgspec.msgpack.decode(
        ring.open_bytes(row.consent, _label(b"consent", row.id)), type=_Consent
    )


def new_consent_file(domain: Domain, signed: SignedConsent) -> tuple[ConsentFile, bytes]:
    """Return a consent's file and the fresh secret whose hash is recorded with it."""
    secret = secrets.token_bytes(SALT_BYTES)
    return ConsentFile(domain, signed, keccak(secret)), secret


def _label(what: bytes, lookup: int) -> bytes:
    return b"lookup/" + what + b"/" + lookup.to_bytes(8, "big")
