"""Messages between a person and a member, each a signed envelope in its one form.

    KycRequest      a person's key towards a member, to be certified once she is identified
    ConsentRequest  a reader asks for her consent to one lookup: purpose, scope, time, element
    PersonRequest   she asks to see her entries or receipts, or to have an entry disputed
    PersonAnswer    what a member answers: a receipt of the lookup, evidence, receipts

A consent request carries the blind, so that her wallet recomputes the element B that it signs. Her
own requests carry her identifier: they go to a member that knows it, over TLS or by hand.
"""

from __future__ import annotations

import base64
import binascii
import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from node.crypto.eip712 import Domain
from node.crypto.signer import Signer
from node.screening.consents import Purpose, Scope, SignedConsent
from node.screening.envelope import (
    CONSENT_REQUEST_TYPE,
    KYC_REQUEST_TYPE,
    PERSON_ANSWER_TYPE,
    PERSON_REQUEST_TYPE,
    read_envelope,
    sign_envelope,
)
from node.screening.file_kinds import require_kind
from node.screening.identifiers import IdType
from node.screening.messages import network_json, read_network
from node.screening.receipts import consent_json, read_consent
from reconcile.canonical import canonical_json
from reconcile.commitment.fields import (
    list_of,
    malformed,
    map_of,
    read_hex,
    read_number,
    read_object,
)

MAX_ITEMS: Final = 1_000
MAX_GROUNDS: Final = 4_096
_MAX32: Final = 2**32 - 1
_MAX64: Final = 2**64 - 1
_MAX256: Final = 2**256 - 1
_MAX_SCOPE: Final = 7
_MAX_BYTES: Final = 1 << 24


class About(enum.StrEnum):
    """What a person asks for."""

    ENTRIES = "ENTRIES"
    RECEIPTS = "RECEIPTS"
    DISPUTE = "DISPUTE"


@dataclass(frozen=True, slots=True)
class KycRequest:
    """A person's key and commitment towards `member`; whoever identified her knows the rest."""

    domain: Domain
    member: int
    id_type: IdType
    person: bytes
    salt: bytes


@dataclass(frozen=True, slots=True)
class ConsentRequest:
    """What a reader asks consent for; `element` is B, `blind` the scalar that made it."""

    domain: Domain
    reader: int
    reader_name: str
    purpose: Purpose
    scope: Scope
    valid_from_s: int
    valid_to_s: int
    blind: bytes
    element: bytes


@dataclass(frozen=True, slots=True)
class PersonRequest:
    """A person's request to a member.

    `certificate` (a KYC envelope of that very member) says whose her key is. `consent` and `blind`
    let the member look her up: she signs for an element that she made, with a key that another
    member certified. `entry` and `grounds` are of a dispute.
    """

    domain: Domain
    member: int
    about: About
    asked_at_s: int
    nonce: bytes
    id_type: IdType
    id_value: str
    salt: bytes
    certificate: bytes
    consent: SignedConsent | None = None
    blind: bytes | None = None
    entry: bytes | None = None
    grounds: str = ""

    def __repr__(self) -> str:
        """Show what is asked, never by whom."""
        return f"PersonRequest({self.about}, member={self.member})"


@dataclass(frozen=True, slots=True)
class PersonAnswer:
    """A member's answer to the request of `nonce`: envelopes of receipts and of evidence.

    `looked_up_at_s` says when each receipt's lookup was made, in the receipts' order, or nothing.
    `revocations` are files that revoke what the shown entries rest on: whoever holds one can.
    """

    member: int
    nonce: bytes
    answered_at_s: int
    receipts: tuple[bytes, ...] = ()
    evidence: tuple[bytes, ...] = ()
    looked_up_at_s: tuple[int, ...] = ()
    revocations: tuple[bytes, ...] = ()

    def __repr__(self) -> str:
        """Show the sizes, never the person nor a secret."""
        return f"PersonAnswer(member={self.member}, evidence={len(self.evidence)})"


# ------------------------------------------------------------------ writing
def sign_kyc_request(asked: KycRequest, signer: Signer) -> bytes:
    """Return the envelope; its signature shows that the key is hers."""
    body = {
        **network_json(asked.domain),
        "member": str(asked.member),
        "id_type": str(asked.id_type),
        "person": asked.person.hex(),
        "salt": asked.salt.hex(),
    }
    return sign_envelope(KYC_REQUEST_TYPE, canonical_json(body), [signer]).to_json()


def sign_consent_request(asked: ConsentRequest, signer: Signer) -> bytes:
    """Return the envelope, signed by the reader."""
    body = {
        **network_json(asked.domain),
        "reader": str(asked.reader),
        "reader_name": asked.reader_name,
        "purpose": str(int(asked.purpose)),
        "scope": str(int(asked.scope)),
        "valid_from_s": str(asked.valid_from_s),
        "valid_to_s": str(asked.valid_to_s),
        "blind": asked.blind.hex(),
        "element": asked.element.hex(),
    }
    return sign_envelope(CONSENT_REQUEST_TYPE, canonical_json(body), [signer]).to_json()


def sign_person_request(asked: PersonRequest, signer: Signer) -> bytes:
    """Return the envelope, signed by the person's key."""
    return sign_envelope(PERSON_REQUEST_TYPE, _person_payload(asked), [signer]).to_json()


def sign_person_answer(answer: PersonAnswer, signer: Signer) -> bytes:
    """Return the envelope, signed by the member."""
    body: dict[str, object] = {
        "member": str(answer.member),
        "nonce": answer.nonce.hex(),
        "answered_at_s": str(answer.answered_at_s),
        "receipts": [_text(item) for item in answer.receipts],
        "evidence": [_text(item) for item in answer.evidence],
    }
    if answer.looked_up_at_s:
        body["looked_up_at_s"] = [str(at_s) for at_s in answer.looked_up_at_s]
    if answer.revocations:
        body["revocations"] = [_text(item) for item in answer.revocations]
    return sign_envelope(PERSON_ANSWER_TYPE, canonical_json(body), [signer]).to_json()


def _person_payload(asked: PersonRequest) -> bytes:
    return canonical_json(
        {
            **network_json(asked.domain),
            "member": str(asked.member),
            "about": str(asked.about),
            "asked_at_s": str(asked.asked_at_s),
            "nonce": asked.nonce.hex(),
            "id_type": str(asked.id_type),
            "id": asked.id_value,
            "salt": asked.salt.hex(),
            "certificate": _text(asked.certificate),
            "consent": None if asked.consent is None else consent_json(asked.consent),
            "blind": None if asked.blind is None else asked.blind.hex(),
            "entry": None if asked.entry is None else asked.entry.hex(),
            "grounds": asked.grounds,
        }
    )


# ------------------------------------------------------------------ reading
def read_kyc_request(data: bytes) -> tuple[KycRequest, str]:
    """Return a request and the key that signed it; raises an envelope's errors, PROOF_MALFORMED."""
    body, signer = _open(data, KYC_REQUEST_TYPE)
    asked = KycRequest(
        read_network(body),
        read_number(body, "member", _MAX32),
        _id_type(body),
        read_hex(body, "person", 32),
        read_hex(body, "salt", 32),
    )
    return asked, signer


def read_consent_request(data: bytes) -> tuple[ConsentRequest, str]:
    """Return a request and the reader's key; raises an envelope's errors, PROOF_MALFORMED."""
    body, signer = _open(data, CONSENT_REQUEST_TYPE)
    try:
        purpose = Purpose(read_number(body, "purpose", 255))
    except ValueError:
        raise malformed("purpose", "is unknown") from None
    asked = ConsentRequest(
        read_network(body),
        read_number(body, "reader", _MAX32),
        _string(body, "reader_name", 200),
        purpose,
        Scope(read_number(body, "scope", _MAX_SCOPE)),
        read_number(body, "valid_from_s", _MAX64),
        read_number(body, "valid_to_s", _MAX64),
        read_hex(body, "blind", 32),
        read_hex(body, "element", 32),
    )
    return asked, signer


def read_person_request(data: bytes) -> tuple[PersonRequest, str]:
    """Return a request and the key that signed it; `attesting.py` says whether it may be answered.

    Raises an envelope's errors and `InputError` PROOF_MALFORMED.
    """
    body, signer = _open(data, PERSON_REQUEST_TYPE)
    try:
        about = About(_string(body, "about", 16))
    except ValueError:
        raise malformed("about", "is unknown") from None
    asked = PersonRequest(
        read_network(body),
        read_number(body, "member", _MAX32),
        about,
        read_number(body, "asked_at_s", _MAX64),
        read_hex(body, "nonce", 32),
        _id_type(body),
        _string(body, "id", 64),
        read_hex(body, "salt", 32),
        _bytes(body.get("certificate"), "certificate"),
        None if body.get("consent") is None else read_consent(map_of(body, "consent")),
        None if body.get("blind") is None else read_hex(body, "blind", 32),
        None if body.get("entry") is None else read_hex(body, "entry", 32),
        _string(body, "grounds", MAX_GROUNDS),
    )
    return asked, signer


def read_person_answer(data: bytes) -> tuple[PersonAnswer, str]:
    """Return an answer and the key that signed it; raises an envelope's errors, PROOF_MALFORMED."""
    body, signer = _open(data, PERSON_ANSWER_TYPE)
    answer = PersonAnswer(
        read_number(body, "member", _MAX32),
        read_hex(body, "nonce", 32),
        read_number(body, "answered_at_s", _MAX64),
        tuple(_bytes(item, "receipts") for item in list_of(body, "receipts", MAX_ITEMS)),
        tuple(_bytes(item, "evidence") for item in list_of(body, "evidence", MAX_ITEMS)),
        _times(body),
        _revocations(body),
    )
    if answer.looked_up_at_s and len(answer.looked_up_at_s) != len(answer.receipts):
        raise malformed("looked_up_at_s", "is not one time a receipt")
    return answer, signer


def _times(body: Mapping[str, object]) -> tuple[int, ...]:
    if "looked_up_at_s" not in body:
        return ()
    items = list_of(body, "looked_up_at_s", MAX_ITEMS)
    return tuple(read_number({"looked_up_at_s": item}, "looked_up_at_s", _MAX64) for item in items)


def _revocations(body: Mapping[str, object]) -> tuple[bytes, ...]:
    if "revocations" not in body:
        return ()
    items = list_of(body, "revocations", MAX_ITEMS)
    return tuple(_bytes(item, "revocations") for item in items)


def _open(data: bytes, kind: str) -> tuple[Mapping[str, object], str]:
    require_kind(data, kind)
    envelope = read_envelope(data)
    signers = envelope.signers()
    if envelope.type != kind or len(signers) != 1:
        raise malformed("envelope", f"is not one signer's {kind}")
    body = read_object(envelope.payload, "payload")
    if canonical_json(body) != envelope.payload:
        raise malformed("payload", "is not in its one form")
    return body, signers[0]


def _id_type(body: Mapping[str, object]) -> IdType:
    try:
        return IdType(_string(body, "id_type", 16))
    except ValueError:
        raise malformed("id_type", "is unknown") from None


def _string(body: Mapping[str, object], field: str, most: int) -> str:
    text = body.get(field)
    if not isinstance(text, str) or len(text) > most:
        raise malformed(field, f"is no text of at most {most} characters")
    return text


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _bytes(text: object, field: str) -> bytes:
    if not isinstance(text, str) or len(text) > 2 * _MAX_BYTES:
        raise malformed(field, "is no text in base64")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise malformed(field, "is no base64") from None
