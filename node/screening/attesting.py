"""A member's part towards a person: certifying her key, and whether to answer what she asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from node.crypto.eip712 import Domain
from node.crypto.oprf import group, modes
from node.crypto.oprf.modes import Mode
from node.crypto.signer import Signer
from node.screening.asking import About, PersonRequest, read_kyc_request, read_person_request
from node.screening.certificates import KycCertificate, read_certificate, sign_certificate
from node.screening.consents import Purpose, Trust, Use, check_consent, person_commitment
from node.screening.identifiers import Identifier, read_identifier
from reconcile.model import ProtocolError, Where

#: A request is answered once and soon: one that is found later is nobody's question any more.
FRESH_S: Final = 600


@dataclass(frozen=True, slots=True)
class Counter:
    """The member that is asked: its number, network, time, whom it believes, what it has seen."""

    member: int
    domain: Domain
    now_s: int
    trust: Trust
    was_seen: Callable[[bytes], bool]
    allow_test: bool = False


def certify(
    data: bytes,
    identifier: Identifier,
    signer: Signer,
    *,
    member: int,
    domain: Domain,
    valid_from_s: int,
    valid_to_s: int,
) -> bytes:
    """Return the certificate of a person's key, once `identifier` was read from her document.

    Raises what `read_kyc_request` raises, `ProtocolError` KYC_FOREIGN or KYC_OTHER_PERSON.
    """
    asked, key = read_kyc_request(data)
    if asked.member != member or asked.domain != domain:
        raise _refuse("KYC_FOREIGN", "member", "is for another member or network")
    if person_commitment(identifier, asked.salt) != asked.person:
        raise _refuse("KYC_OTHER_PERSON", "person", "is not of the person of this document")
    found = KycCertificate(member, key, asked.person, valid_from_s, valid_to_s)
    return sign_certificate(found, signer)


def admit(data: bytes, counter: Counter) -> tuple[PersonRequest, Identifier]:
    """Return a person's request that this member may answer, and whom it concerns.

    In order: PROOF_MALFORMED, then `ProtocolError` ASKED_ELSEWHERE, ASKED_LATE, ASKED_TWICE,
    ASKED_CERTIFICATE, ASKED_ISSUER, ASKED_OTHER_PERSON, ASKED_INCOMPLETE, a consent's refusal, or
    ASKED_CONSENT.
    """
    asked, key = read_person_request(data)
    if asked.member != counter.member or asked.domain != counter.domain:
        raise _refuse("ASKED_ELSEWHERE", "member", "is for another member or network")
    if abs(counter.now_s - asked.asked_at_s) > FRESH_S:
        raise _refuse("ASKED_LATE", "asked_at_s", "is not of the last ten minutes")
    if counter.was_seen(asked.nonce):
        raise _refuse("ASKED_TWICE", "nonce", "was answered before")
    identifier = read_identifier(asked.id_type, asked.id_value, allow_test=counter.allow_test)
    _require_certificate(asked, key, identifier, counter)
    if asked.about is About.DISPUTE:
        if asked.entry is None or not asked.grounds.strip():
            raise _refuse("ASKED_INCOMPLETE", "entry", "names no entry, or no grounds")
    elif asked.about is About.ENTRIES:
        _require_own_consent(asked, identifier, counter)
    return asked, identifier


def _require_certificate(
    asked: PersonRequest, key: str, identifier: Identifier, counter: Counter
) -> None:
    found, issuers = read_certificate(asked.certificate)
    known = any(counter.trust.is_key_of(found.issuer, issuer) for issuer in issuers)
    in_time = found.valid_from_s <= counter.now_s <= found.valid_to_s
    if found.key != key or not known or not in_time:
        raise _refuse("ASKED_CERTIFICATE", "certificate", "is signed by no key that is certified")
    if found.issuer != counter.member:
        # Who certifies an invented key for somebody would learn from others all about her.
        raise _refuse(
            "ASKED_ISSUER",
            "certificate",
            f"is of a key that member {found.issuer} certified, not this member",
            "Identify the person by her document and certify her key; nothing was looked up.",
        )
    if person_commitment(identifier, asked.salt) != found.person:
        raise _refuse("ASKED_OTHER_PERSON", "id", "names another person than its certificate")


def _require_own_consent(asked: PersonRequest, identifier: Identifier, counter: Counter) -> None:
    if asked.consent is None or asked.blind is None:
        raise _refuse("ASKED_INCOMPLETE", "consent", "has no consent to look the person up")
    scalar = group.scalar(asked.blind, "blind")
    if scalar == group.ZERO:
        raise _refuse("ASKED_INCOMPLETE", "blind", "has a blind that hides nothing")
    own = modes.blind(Mode.VOPRF, identifier.prf_input, scalar=scalar)
    scope = asked.consent.consent.scope
    use = Use(counter.member, Purpose.OWN_RECORD, scope, counter.now_s, identifier, own.element)
    if not check_consent(asked.consent, use, counter.domain, counter.trust).enforced:
        raise _refuse(
            "ASKED_CONSENT",
            "consent",
            "has a consent that no other member certified, so that it counts as this member's own",
            "Ask the person for a certificate of another member beside this member's.",
        )


def _refuse(
    code: str,
    field: str,
    says: str,
    remedy: str = "Ask the person to make it again for this member; nothing was looked up.",
) -> ProtocolError:
    return ProtocolError(code, f"the request {says}", where=Where(field=field), help=remedy)
