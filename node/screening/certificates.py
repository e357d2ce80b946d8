"""KYC certificates: a member states that a key belongs to the person it identified."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

from node.crypto.signer import Signer
from node.screening.envelope import KYC_TYPE, read_envelope, sign_envelope
from node.screening.file_kinds import require_kind
from reconcile.canonical import canonical_json
from reconcile.commitment.fields import as_hex
from reconcile.model import ProtocolError, Where

_MAX_MEMBER: Final = 2**32 - 1
_MAX_TIME_S: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class KycCertificate:
    """Which member says that `key` (an address) is of the person committed to, and until when."""

    issuer: int
    key: str
    person: bytes
    valid_from_s: int
    valid_to_s: int


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    issuer: str
    key: str
    person: str
    valid_from_s: str
    valid_to_s: str


def sign_certificate(certificate: KycCertificate, signer: Signer) -> bytes:
    """Return the envelope that carries a certificate."""
    return sign_envelope(KYC_TYPE, _payload(certificate), [signer]).to_json()


def read_certificate(data: bytes) -> tuple[KycCertificate, tuple[str, ...]]:
    """Return a certificate and who signed it; whether they may is the caller's question.

    Raises an envelope's errors and `ProtocolError` CERTIFICATE_MALFORMED.
    """
    require_kind(data, KYC_TYPE)
    envelope = read_envelope(data)
    if envelope.type != KYC_TYPE:
        raise _malformed()
    try:
        body = msgspec.json.decode(envelope.payload, type=_Body)
        found = KycCertificate(
            _number(body.issuer, _MAX_MEMBER),
            body.key,
            as_hex(body.person, "person", 32),
            _number(body.valid_from_s, _MAX_TIME_S),
            _number(body.valid_to_s, _MAX_TIME_S),
        )
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError):
        raise _malformed() from None
    if _payload(found) != envelope.payload:
        raise _malformed()
    return found, envelope.signers()


def _payload(certificate: KycCertificate) -> bytes:
    return canonical_json(
        {
            "issuer": str(certificate.issuer),
            "key": certificate.key,
            "person": certificate.person.hex(),
            "valid_from_s": str(certificate.valid_from_s),
            "valid_to_s": str(certificate.valid_to_s),
        }
    )


def _number(text: str, most: int) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > most:
        raise ValueError("no number")
    return int(text)


def _malformed() -> ProtocolError:
    return ProtocolError(
        "CERTIFICATE_MALFORMED",
        "the file is no KYC certificate in its one form",
        where=Where(field="certificate"),
        help="Ask the member that identified the person to certify the key again.",
    )
