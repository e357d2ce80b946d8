"""A TLS certificate bound to a member: its key is named in a statement that a registry key signed.

The certificate is self-signed and carries the statement (an envelope, type below) in an extension
of its own. Whoever pins it, and whoever answers to it, checks that the statement is about this very
key, on this network, and signed by a key that the member holds now.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from node.crypto.signer import Signer
from node.screening.envelope import read_envelope, sign_envelope
from reconcile.canonical import canonical_json
from reconcile.commitment.fields import address_text
from reconcile.model import KanheError, ProtocolError, Where

TLS_TYPE: Final = "application/vnd.kanhe.tls.v1"
#: An arc of its own under 2.25 (ITU-T X.667: a UUID as object identifier), so nobody registers it.
STATEMENT_OID: Final = x509.ObjectIdentifier("2.25.277614890123904517839270196843215708464")
VALID_DAYS: Final = 365
#: Clocks of two machines differ a little.
BACKDATED_MIN: Final = 5
_MAX_MEMBER: Final = 2**32 - 1
IsKeyOf = Callable[[int, str], bool]


@dataclass(frozen=True, slots=True)
class Network:
    """Which network a statement is about: the chain and its registry (20 bytes)."""

    chain_id: int
    registry: bytes


@dataclass(frozen=True, slots=True)
class Statement:
    """What a certificate says: the member, and which key of its registry signed that."""

    member: int
    signer: str


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    chain_id: str
    key: str
    member: str
    registry: str


def make_certificate(
    key: ec.EllipticCurvePrivateKey,
    *,
    member: int,
    network: Network,
    signer: Signer,
    now_s: int,
    days: int = VALID_DAYS,
) -> x509.Certificate:
    """Return a certificate of `key` whose statement `signer`, a registry key of the member, signs.

    One certificate serves both ways: a node is called and calls.
    """
    payload = _payload(network, member, _key_hash(key.public_key()))
    statement = sign_envelope(TLS_TYPE, payload, [signer]).to_json()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"kanhe member {member}")])
    begins = dt.datetime.fromtimestamp(now_s, dt.UTC) - dt.timedelta(minutes=BACKDATED_MIN)
    uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        .add_extension(x509.UnrecognizedExtension(STATEMENT_OID, statement), critical=False)
        .sign(key, SHA256())
    )


@functools.lru_cache(maxsize=1_024)
def read_statement(certificate: x509.Certificate, network: Network) -> Statement:
    """Return what a certificate says, once its statement is about this key and network.

    Raises `ProtocolError` PEER_CERTIFICATE_MALFORMED or PEER_CERTIFICATE_FOREIGN. Whether the
    signer is the member's key is `require_member`'s question.
    """
    try:
        extension = certificate.extensions.get_extension_for_oid(STATEMENT_OID).value
        assert isinstance(extension, x509.UnrecognizedExtension), "no library knows this extension"
        envelope = read_envelope(extension.value)
        body = msgspec.json.decode(envelope.payload, type=_Body)
        member = int(body.member)
    except (x509.ExtensionNotFound, ValueError, msgspec.DecodeError, KanheError):
        raise _refuse("PEER_CERTIFICATE_MALFORMED", "carries no statement of a member") from None
    (signer, *more) = envelope.signers()
    key = _key_hash(certificate.public_key())
    if envelope.type != TLS_TYPE or more or not 1 <= member <= _MAX_MEMBER:
        raise _refuse("PEER_CERTIFICATE_MALFORMED", "carries another statement than a TLS key's")
    if body.key != key.hex():
        raise _refuse("PEER_CERTIFICATE_FOREIGN", "carries the statement of another key")
    if envelope.payload != _payload(network, member, key):
        raise _refuse("PEER_CERTIFICATE_FOREIGN", "is of another network")
    return Statement(member, signer)


def require_member(
    certificate: x509.Certificate, network: Network, is_key_of: IsKeyOf, now_s: int
) -> int:
    """Return the member whose certificate this is, now.

    Raises what `read_statement` raises, PEER_CERTIFICATE_EXPIRED, or PEER_CERTIFICATE_UNSIGNED:
    the key that signed the statement is not (or no longer) an active member's.
    """
    statement = read_statement(certificate, network)
    require_valid(certificate, now_s)
    if not is_key_of(statement.member, statement.signer):
        raise _refuse(
            "PEER_CERTIFICATE_UNSIGNED",
            f"says member {statement.member}, but {statement.signer} is no key of that member now",
        )
    return statement.member


def require_valid(certificate: x509.Certificate, now_s: int) -> None:
    """Refuse a certificate out of its time: `ProtocolError` PEER_CERTIFICATE_EXPIRED."""
    now = dt.datetime.fromtimestamp(now_s, dt.UTC)
    ends = certificate.not_valid_after_utc
    if now > ends:
        raise _refuse("PEER_CERTIFICATE_EXPIRED", f"ended at {ends:%Y-%m-%d %H:%M} UTC")
    begins = certificate.not_valid_before_utc
    if now < begins:
        raise _refuse("PEER_CERTIFICATE_EXPIRED", f"begins at {begins:%Y-%m-%d %H:%M} UTC")


def read_der(data: bytes) -> x509.Certificate:
    """Read a certificate's DER; raises `ProtocolError` PEER_CERTIFICATE_MALFORMED."""
    try:
        return x509.load_der_x509_certificate(data)
    except ValueError:
        raise _refuse("PEER_CERTIFICATE_MALFORMED", "does not decode") from None


def read_pem(data: bytes) -> tuple[x509.Certificate, ...]:
    """Read one or more certificates in PEM; raises `ProtocolError` PEER_CERTIFICATE_MALFORMED."""
    try:
        return tuple(x509.load_pem_x509_certificates(data))
    except ValueError:
        raise _refuse("PEER_CERTIFICATE_MALFORMED", "is no certificate in PEM") from None


def write_pem(certificate: x509.Certificate) -> str:
    """Return a certificate as PEM text."""
    return certificate.public_bytes(Encoding.PEM).decode("ascii")


def certificate_facts(certificate: x509.Certificate) -> dict[str, str]:
    """Return by what people tell a certificate: its SHA-256 and until when it counts."""
    return {
        "fingerprint": certificate.fingerprint(SHA256()).hex(),
        "ends": f"{certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC",
    }


def _key_hash(key: object) -> bytes:
    """Return SHA-256 of the key's SubjectPublicKeyInfo; only P-256 is made and taken."""
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise _refuse("PEER_CERTIFICATE_MALFORMED", "has another key than one on P-256")
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).digest()


def _payload(network: Network, member: int, key: bytes) -> bytes:
    return canonical_json(
        {
            "chain_id": str(network.chain_id),
            "key": key.hex(),
            "member": str(member),
            "registry": address_text(network.registry),
        }
    )


def _refuse(code: str, says: str) -> ProtocolError:
    return ProtocolError(
        code,
        f"the certificate {says}",
        where=Where(field="certificate"),
        help="Ask that member for its present certificate (`kanhe peer show`) and pin it.",
    )
