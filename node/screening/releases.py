"""Detail and attestation (blacklist.md, "Messages" 6 and 7): what travels between two members.

    DetailRequest   a reader asks for the evidence behind an entry; it carries the consent, and
                    opens what its ticket was bought for
    Release         the uploader's answer, sealed to the reader's general key by HPKE, with a
                    signed receipt that says what was released to whom
    Attestation     a reader confirms a hit, or says that it was false or stale

Each release and attestation names its reader in a later recall by a secret that only the two hold.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from node.crypto.eip712 import Domain
from node.crypto.keys import SealingKey, SealingPublicKey
from node.crypto.signer import Signer
from node.screening.consents import SignedConsent
from node.screening.envelope import (
    ATTESTATION_TYPE,
    DETAIL_REQUEST_TYPE,
    RELEASE_TYPE,
    sign_envelope,
)
from node.screening.listings import pack_listing, unpack_listing
from node.screening.messages import network_json, read_message, read_network
from node.screening.receipts import consent_json, read_consent
from node.screening.records import OpenedRecord
from reconcile.canonical import canonical_json
from reconcile.commitment.fields import (
    as_hex,
    list_of,
    malformed,
    map_of,
    read_hex,
    read_number,
)
from reconcile.model import ProtocolError, Where

FORMAT: Final = 1
MAX_DOCUMENTS: Final = 32
#: A release in its JSON and the largest evidence, with room.
MAX_PACKAGE_BYTES: Final = 16 << 20
_TAG: Final = b"kanhe/release/1"
_MAX32: Final = 2**32 - 1
_MAX64: Final = 2**64 - 1
_MAX256: Final = 2**256 - 1


class HitVerdict(enum.StrEnum):
    """What a reader says of a hit, once it has looked closer."""

    CONFIRMED = "CONFIRMED"
    FALSE_POSITIVE = "FALSE_POSITIVE"
    STALE = "STALE"


@dataclass(frozen=True, slots=True)
class DetailRequest:
    """Who asks for which entry's evidence, with which ticket and consent.

    `element` is the blinded element of the lookup that found the entry; with `salt` the entry is
    the use that the ticket was bought for.
    """

    domain: Domain
    entry: bytes
    reader: int
    ticket: int
    salt: bytes
    element: bytes
    consent: SignedConsent


@dataclass(frozen=True, slots=True)
class ReleaseReceipt:
    """What an uploader signs: released to whom, on which consent; documents by their leaf hashes.

    `recipient` is keccak256(abi.encode(entry, secret)) of the secret inside the package.
    """

    domain: Domain
    entry: bytes
    uploader: int
    reader: int
    ticket: int
    consent: bytes
    recipient: bytes
    documents: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Released:
    """What a package holds: the record, the evidence, the secret of a recall, the signed receipt.

    `receipt_envelope` is the receipt as it was signed, `signers` who did.
    """

    opened: OpenedRecord
    documents: tuple[bytes, ...]
    secret: bytes
    receipt: ReleaseReceipt
    receipt_envelope: bytes
    signers: tuple[str, ...]

    def __repr__(self) -> str:
        """Show which entry it is, nothing of its content."""
        return f"Released({self.receipt.entry.hex()})"


@dataclass(frozen=True, slots=True)
class Attestation:
    """What a reader says of one entry that its lookup found."""

    domain: Domain
    entry: bytes
    uploader: int
    reader: int
    ticket: int
    verdict: HitVerdict
    recipient: bytes


class _Package(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    format: int
    generation: int
    sealed: bytes
    receipt: bytes


class _Inside(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    listing: bytes
    salt: bytes
    signature: bytes
    documents: list[bytes]
    secret: bytes


# ------------------------------------------------------------------------------- requests
def ticket_use(entry: bytes, salt: bytes) -> bytes:
    """Return what a DETAIL ticket for an entry is bought with; both are 32 bytes."""
    return hashlib.sha256(b"kanhe/detail-use/1" + entry + salt).digest()


def write_request(request: DetailRequest, signer: Signer) -> bytes:
    """Return the signed envelope of a request."""
    body = {
        **network_json(request.domain),
        "entry": request.entry.hex(),
        "reader": str(request.reader),
        "ticket": str(request.ticket),
        "salt": request.salt.hex(),
        "element": request.element.hex(),
        "consent": consent_json(request.consent),
    }
    return sign_envelope(DETAIL_REQUEST_TYPE, canonical_json(body), [signer]).to_json()


def read_request(data: bytes) -> tuple[DetailRequest, tuple[str, ...]]:
    """Return a request and who signed it; raises the envelope's errors, PROOF_MALFORMED."""
    body, signers = read_message(data, DETAIL_REQUEST_TYPE)
    found = DetailRequest(
        read_network(body),
        read_hex(body, "entry", 32),
        read_number(body, "reader", _MAX32),
        read_number(body, "ticket", _MAX64),
        read_hex(body, "salt", 32),
        read_hex(body, "element", 32),
        read_consent(map_of(body, "consent")),
    )
    return found, signers


# ------------------------------------------------------------------------------- releases
def write_release(
    receipt: ReleaseReceipt,
    opened: OpenedRecord,
    documents: tuple[bytes, ...],
    secret: bytes,
    *,
    signer: Signer,
    reader_key: SealingPublicKey,
    generation: int,
) -> tuple[bytes, bytes]:
    """Return the package for the reader, and the signed receipt inside it."""
    signed = sign_envelope(RELEASE_TYPE, canonical_json(_receipt_json(receipt)), [signer]).to_json()
    inside = _Inside(
        pack_listing(opened.listing), opened.salt, opened.signature, list(documents), secret
    )
    sealed = reader_key.seal(msgspec.msgpack.encode(inside), _info(receipt, generation))
    return msgspec.msgpack.encode(_Package(FORMAT, generation, sealed, signed)), signed


def open_release(data: bytes, keys: Mapping[int, SealingKey]) -> Released:
    """Open a package with the reader's general sealing keys, by generation.

    Whose signatures these are, and whether the documents are those of the statement's root, is the
    caller's question. Raises `ProtocolError` RELEASE_MALFORMED, WRAP_NOT_OPENED, the envelope's
    errors and `InputError` PROOF_MALFORMED.
    """
    if len(data) > MAX_PACKAGE_BYTES:
        raise _refuse("is larger than a release can be")
    try:
        package = msgspec.msgpack.decode(data, type=_Package)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _refuse("is none") from None
    if package.format != FORMAT or package.generation not in keys:
        raise _refuse("is of another form, or sealed to a key that this node does not hold")
    body, signers = read_message(package.receipt, RELEASE_TYPE)
    receipt = _read_receipt(body)
    key = keys[package.generation]
    plain = key.open(package.sealed, _info(receipt, package.generation))
    try:
        inside = msgspec.msgpack.decode(plain, type=_Inside)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _refuse("opens to something else") from None
    opened = OpenedRecord(unpack_listing(inside.listing), inside.salt, inside.signature)
    if opened.listing.entry_id != receipt.entry:
        raise _refuse("holds another entry than its receipt says")
    documents = tuple(inside.documents)
    return Released(opened, documents, inside.secret, receipt, package.receipt, signers)


def _receipt_json(receipt: ReleaseReceipt) -> dict[str, object]:
    return {
        **network_json(receipt.domain),
        "entry": receipt.entry.hex(),
        "uploader": str(receipt.uploader),
        "reader": str(receipt.reader),
        "ticket": str(receipt.ticket),
        "consent": receipt.consent.hex(),
        "recipient": receipt.recipient.hex(),
        "documents": [item.hex() for item in receipt.documents],
    }


def _read_receipt(body: Mapping[str, object]) -> ReleaseReceipt:
    return ReleaseReceipt(
        read_network(body),
        read_hex(body, "entry", 32),
        read_number(body, "uploader", _MAX32),
        read_number(body, "reader", _MAX32),
        read_number(body, "ticket", _MAX64),
        read_hex(body, "consent", 32),
        read_hex(body, "recipient", 32),
        tuple(as_hex(item, "documents", 32) for item in list_of(body, "documents", MAX_DOCUMENTS)),
    )


def _info(receipt: ReleaseReceipt, generation: int) -> bytes:
    """Bind what is sealed to its place, so that it opens nowhere else."""
    numbers = receipt.ticket.to_bytes(8, "big") + receipt.reader.to_bytes(4, "big")
    place = receipt.domain.chain_id.to_bytes(32, "big") + receipt.domain.contract
    return _TAG + place + receipt.entry + numbers + generation.to_bytes(4, "big")


# ------------------------------------------------------------------------------- attestations
def write_attestation(attestation: Attestation, signer: Signer) -> bytes:
    """Return the signed envelope of an attestation."""
    body = {
        **network_json(attestation.domain),
        "entry": attestation.entry.hex(),
        "uploader": str(attestation.uploader),
        "reader": str(attestation.reader),
        "ticket": str(attestation.ticket),
        "verdict": str(attestation.verdict),
        "recipient": attestation.recipient.hex(),
    }
    return sign_envelope(ATTESTATION_TYPE, canonical_json(body), [signer]).to_json()


def read_attestation(data: bytes) -> tuple[Attestation, tuple[str, ...]]:
    """Return an attestation and who signed it; raises the envelope's errors, PROOF_MALFORMED."""
    body, signers = read_message(data, ATTESTATION_TYPE)
    word = body.get("verdict")
    if word not in set(HitVerdict):
        raise malformed("verdict", "is unknown")
    found = Attestation(
        read_network(body),
        read_hex(body, "entry", 32),
        read_number(body, "uploader", _MAX32),
        read_number(body, "reader", _MAX32),
        read_number(body, "ticket", _MAX64),
        HitVerdict(str(word)),
        read_hex(body, "recipient", 32),
    )
    return found, signers


def _refuse(says: str) -> ProtocolError:
    return ProtocolError(
        "RELEASE_MALFORMED",
        f"the release {says}",
        where=Where(field="release"),
        help="Ask the uploader to release it again; nothing of it was kept.",
    )
