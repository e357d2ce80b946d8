"""Typed, signed envelopes in the manner of DSSE (dead simple signing envelope, v1).

What is signed is PAE(type, payload), so a signature under one type never counts for another. One
JSON form: canonical, base64 without a choice, signatures in order of their signer.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from node.crypto.signer import Signer, recover_address
from reconcile.canonical import canonical_json
from reconcile.model import InputError, ProtocolError, Where

LISTING_TYPE: Final = "application/vnd.kanhe.listing.v1"
KYC_TYPE: Final = "application/vnd.kanhe.kyc.v1"
RECEIPT_TYPE: Final = "application/vnd.kanhe.receipt.v1"
REDUCED_RECEIPT_TYPE: Final = "application/vnd.kanhe.reduced-receipt.v1"
EVIDENCE_TYPE: Final = "application/vnd.kanhe.evidence.v1"
KYC_REQUEST_TYPE: Final = "application/vnd.kanhe.kyc-request.v1"
CONSENT_REQUEST_TYPE: Final = "application/vnd.kanhe.consent-request.v1"
PERSON_REQUEST_TYPE: Final = "application/vnd.kanhe.person-request.v1"
PERSON_ANSWER_TYPE: Final = "application/vnd.kanhe.person-answer.v1"
DELETION_TYPE: Final = "application/vnd.kanhe.deletion.v1"
DETAIL_REQUEST_TYPE: Final = "application/vnd.kanhe.detail-request.v1"
RELEASE_TYPE: Final = "application/vnd.kanhe.release.v1"
ATTESTATION_TYPE: Final = "application/vnd.kanhe.attestation.v1"
CUSTODY_TYPE: Final = "application/vnd.kanhe.custody.v1"
CUSTODY_REQUEST_TYPE: Final = "application/vnd.kanhe.custody-request.v1"
CUSTODY_RELEASE_TYPE: Final = "application/vnd.kanhe.custody-release.v1"
#: A receipt with the largest bucket, in hexadecimal and base64, fits.
MAX_ENVELOPE_BYTES: Final = 1 << 24
MAX_SIGNATURES: Final = 64


@dataclass(frozen=True, slots=True)
class Envelope:
    """A payload of one type and its signatures, 65 bytes each."""

    type: str
    payload: bytes
    signatures: tuple[bytes, ...]

    @property
    def digest(self) -> bytes:
        """Return what each signature signs."""
        return envelope_digest(self.type, self.payload)

    def signers(self) -> tuple[str, ...]:
        """Return the signing addresses; raises `ProtocolError` SIGNATURE_MALFORMED."""
        digest = self.digest
        return tuple(recover_address(digest, signature) for signature in self.signatures)

    def require(self, type: str, signer: str) -> bytes:  # noqa: A002 - the field's name
        """Return the payload if it has this type and this signer's signature.

        Raises `ProtocolError` ENVELOPE_TYPE or ENVELOPE_SIGNER.
        """
        if self.type != type:
            raise _refuse("ENVELOPE_TYPE", f"the envelope holds {self.type}, not {type}", "type")
        if signer not in self.signers():
            raise _refuse("ENVELOPE_SIGNER", f"{signer} did not sign this", "signatures")
        return self.payload

    def to_json(self) -> bytes:
        """Return the envelope's one JSON form."""
        body: dict[str, object] = {
            "payloadType": self.type,
            "payload": _text(self.payload),
            "signatures": [
                {"keyid": signer, "sig": _text(signature)}
                for signer, signature in zip(self.signers(), self.signatures, strict=True)
            ],
        }
        return canonical_json(body)


class _Signature(msgspec.Struct, forbid_unknown_fields=True):
    keyid: str
    sig: str


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    payload: str
    payloadType: str  # noqa: N815 - DSSE's own name
    signatures: list[_Signature]


def is_envelope(data: bytes) -> bool:
    """Say whether a file begins as every envelope in its one form does."""
    return data.startswith(b'{"payload":"')


def envelope_digest(type: str, payload: bytes) -> bytes:  # noqa: A002 - the field's name
    """Return SHA-256(PAE(type, payload)); PAE = "DSSEv1" SP len SP type SP len SP payload."""
    name = type.encode("ascii")
    head = b"DSSEv1 %d %s %d " % (len(name), name, len(payload))
    return hashlib.sha256(head + payload).digest()


def sign_envelope(type: str, payload: bytes, signers: Sequence[Signer]) -> Envelope:  # noqa: A002 - the field's name
    """Return a signed envelope, signatures in ascending order of address."""
    digest = envelope_digest(type, payload)
    ordered = sorted(signers, key=lambda signer: signer.address.lower())
    return Envelope(type, payload, tuple(signer.sign_digest(digest) for signer in ordered))


def read_envelope(data: bytes) -> Envelope:
    """Read the one JSON form of an envelope.

    Raises `InputError` ENVELOPE_MALFORMED for any other bytes, `ProtocolError` ENVELOPE_SIGNER
    where a key id is not who signed.
    """
    if len(data) > MAX_ENVELOPE_BYTES:
        raise _malformed(f"is larger than {MAX_ENVELOPE_BYTES:,} bytes")
    try:
        body = msgspec.json.decode(data, type=_Body)
        signatures = tuple(base64.b64decode(item.sig, validate=True) for item in body.signatures)
        payload = base64.b64decode(body.payload, validate=True)
    except (msgspec.DecodeError, binascii.Error, ValueError):
        raise _malformed("is no envelope") from None
    if not 1 <= len(signatures) <= MAX_SIGNATURES or not body.payloadType.isascii():
        raise _malformed("has no signature, too many, or no type")
    found = Envelope(body.payloadType, payload, signatures)
    signers = found.signers()
    if signers != tuple(item.keyid for item in body.signatures):
        raise _refuse("ENVELOPE_SIGNER", "a key id is not the signer's address", "signatures")
    lowered = [signer.lower() for signer in signers]
    if lowered != sorted(set(lowered)) or found.to_json() != data:
        raise _malformed("is not in its one form")
    return found


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _malformed(says: str) -> InputError:
    return InputError(
        "ENVELOPE_MALFORMED",
        f"the file {says}",
        where=Where(field="envelope"),
        help="Ask for the envelope again; nothing of it was taken as signed.",
    )


def _refuse(code: str, message: str, field: str) -> ProtocolError:
    return ProtocolError(
        code,
        message,
        where=Where(field=field),
        help="Ask the one who should have signed for it again.",
    )
