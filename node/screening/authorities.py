"""Consents of level 2: signed with the key of an X.509 certificate that an authority issued.

The digest that the person's software signed is the consent's EIP-712 digest. ECDSA over the NIST
curves and RSA (PKCS #1 v1.5) are verified, both with SHA-256; SM2 certificates are refused by name.

The certificate must be one that signs for somebody: an authority also certifies web servers, a
reader's own among them, and other authorities. That its subject is the consenting person is what
the authority's practice says; nothing here holds the one against the other.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID

from reconcile.model import ProtocolError, Where

#: Uses of a machine's key: whoever serves or calls with it consents to nothing for a person.
_CONNECTIONS: Final = {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}


def verify_authority(
    der: bytes,
    digest: bytes,
    signature: bytes,
    authorities: Sequence[x509.Certificate],
    now_s: int,
) -> None:
    """Refuse unless `digest` is signed by a certificate that one of `authorities` issued directly.

    Raises `ProtocolError` CONSENT_CERTIFICATE (malformed, expired, unknown issuer, for another
    use than signing, an algorithm that is not verified here) or CONSENT_SIGNATURE.
    """
    try:
        found = x509.load_der_x509_certificate(der)
        key = found.public_key()
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
        raise _refuse("CONSENT_CERTIFICATE", "is no X.509 certificate with a known key") from None
    try:
        now = dt.datetime.fromtimestamp(now_s, dt.UTC)
    except (OverflowError, ValueError, OSError):
        # Offline the consent's own beginning is the time: its maker's number, up to 64 bits.
        raise _refuse("CONSENT_CERTIFICATE", "is not valid at a time without a date") from None
    if not found.not_valid_before_utc <= now <= found.not_valid_after_utc:
        raise _refuse("CONSENT_CERTIFICATE", "is not valid at this time")
    if not any(_issued(found, authority, now) for authority in authorities):
        raise _refuse("CONSENT_CERTIFICATE", "was issued by no authority that is trusted here")
    _require_signing(found)
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, digest, ec.ECDSA(SHA256()))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, digest, padding.PKCS1v15(), SHA256())
        else:
            raise _refuse("CONSENT_CERTIFICATE", "has a key that is not verified here")
    except InvalidSignature:
        raise _refuse("CONSENT_SIGNATURE", "did not sign this consent") from None


def first_second_of(der: bytes) -> int:
    """Return when an X.509 certificate begins (Unix, s); `ProtocolError` CONSENT_CERTIFICATE."""
    try:
        begins = x509.load_der_x509_certificate(der).not_valid_before_utc
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
        raise _refuse("CONSENT_CERTIFICATE", "is no X.509 certificate with a known key") from None
    return math.ceil(begins.timestamp())


def _require_signing(found: x509.Certificate) -> None:
    """Refuse a certificate for another use than the signature of whoever it is about."""
    try:
        extensions = found.extensions
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        raise _refuse("CONSENT_CERTIFICATE", "has extensions that do not read") from None
    kinds = {type(one.value): one.value for one in extensions}
    usage, basic = kinds.get(x509.KeyUsage), kinds.get(x509.BasicConstraints)
    others = kinds.get(x509.ExtendedKeyUsage)
    if not isinstance(usage, x509.KeyUsage):
        raise _refuse("CONSENT_CERTIFICATE", "does not say that its key signs (keyUsage)")
    if (isinstance(basic, x509.BasicConstraints) and basic.ca) or usage.key_cert_sign:
        raise _refuse("CONSENT_CERTIFICATE", "is an authority's own, not a person's")
    if not (usage.digital_signature or usage.content_commitment):
        raise _refuse(
            "CONSENT_CERTIFICATE", "is not for signatures (digitalSignature or nonRepudiation)"
        )
    if isinstance(others, x509.ExtendedKeyUsage) and _CONNECTIONS & set(others):
        raise _refuse("CONSENT_CERTIFICATE", "is for TLS connections, not for a person's signature")


def _issued(found: x509.Certificate, authority: x509.Certificate, now: dt.datetime) -> bool:
    if not authority.not_valid_before_utc <= now <= authority.not_valid_after_utc:
        return False
    try:
        found.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def _refuse(code: str, says: str) -> ProtocolError:
    return ProtocolError(
        code,
        f"the certificate {says}",
        where=Where(field="certificate"),
        help="Ask the person for a consent signed with a certificate that is accepted here.",
    )
