"""Custody (blacklist.md, "Messages" 6): t custodians release evidence when its uploader is silent.

    Manifest   what an uploader signs of one custody: who holds it, commitments to the shares,
               SHA-256 of the encrypted detail, the address whose key only the entry's record gives
    detail     AES-256-GCM of the documents under a key that follows from a random scalar, zero
               nonce: one message a key
    share      f(index) of a polynomial over the group's scalars whose constant is that scalar,
               sealed by HPKE to its custodian, and later to the reader

Feldman's commitments stand in the manifest: a custodian holds its share against them when it takes
it, a reader when it gets it, so whoever gave a wrong one is named by what it signed itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from node.crypto.eip712 import Domain
from node.crypto.oprf import group, shamir
from node.crypto.oprf.group import Element, Scalar
from node.crypto.oprf.shamir import Polynomial
from node.crypto.signer import CURVE_ORDER, LocalSigner, Signer
from node.screening.envelope import CUSTODY_TYPE, sign_envelope
from node.screening.messages import network_json, read_message, read_network
from reconcile.canonical import canonical_json
from reconcile.commitment.fields import (
    address_text,
    as_hex,
    list_of,
    malformed,
    read_address,
    read_hex,
    read_number,
)
from reconcile.model import ProtocolError, Where

#: Below two custodians somebody alone could read what others hold for the uploader.
MIN_THRESHOLD: Final = 2
#: The largest evidence of a listing, its framing and tag.
MAX_DETAIL_BYTES: Final = (8 << 20) + 4_096
MAX_DOCUMENTS: Final = 32
_TAG: Final = b"kanhe/custody/1"
_CLAIM: Final = b"kanhe/custody-claim/1"
_ZERO_NONCE: Final = bytes(12)
#: 128 bits more than the order needs, so that the remainder is as good as uniform.
_WIDE_KEY_BYTES: Final = 48
_MAX32: Final = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Manifest:
    """One custody of one entry; `generation` counts an entry's custodies from 1.

    `detail` is SHA-256 of the encrypted detail, `claim` the address (20 bytes) that signs requests
    beside the reader, `consent` the digest under which what the listing rests on is recorded.
    """

    domain: Domain
    entry: bytes
    uploader: int
    generation: int
    custodians: tuple[int, ...]
    threshold: int
    commitments: tuple[Element, ...]
    detail: bytes
    claim: bytes
    consent: bytes

    @property
    def place(self) -> bytes:
        """Return what binds detail and shares to this custody, of fixed width."""
        network = self.domain.chain_id.to_bytes(32, "big") + self.domain.contract
        return _TAG + network + self.entry + self.generation.to_bytes(4, "big")

    def index_of(self, member: int) -> int:
        """Return a custodian's index from 1; `ProtocolError` CUSTODY_FOREIGN for another member."""
        if member not in self.custodians:
            raise _refuse("CUSTODY_FOREIGN", f"does not name member {member} as a custodian")
        return self.custodians.index(member) + 1


def claim_key(salt: bytes, entry: bytes) -> LocalSigner:
    """Return the key that follows from a listing's salt: who opened the entry's record has it."""
    derived = HKDF(SHA256(), length=_WIDE_KEY_BYTES, salt=None, info=_CLAIM + entry).derive(salt)
    number = int.from_bytes(derived, "big") % (CURVE_ORDER - 1) + 1
    return LocalSigner(number.to_bytes(32, "big"))


# ------------------------------------------------------------------------------- making
def begin(threshold: int) -> Polynomial:
    """Return the polynomial of a new custody; its constant is the secret."""
    assert threshold >= MIN_THRESHOLD, "nobody alone opens a detail"
    return shamir.random_polynomial(threshold - 1)


def seal_detail(documents: Sequence[bytes], secret: Scalar, place: bytes) -> bytes:
    """Return the encrypted detail; the same documents and secret give the same bytes."""
    plain = msgspec.msgpack.encode(list(documents))
    return AESGCM(_detail_key(secret, place)).encrypt(_ZERO_NONCE, plain, place)


def open_detail(detail: bytes, secret: Scalar, place: bytes) -> tuple[bytes, ...]:
    """Return the documents; raises `ProtocolError` CUSTODY_DETAIL_FALSE."""
    try:
        plain = AESGCM(_detail_key(secret, place)).decrypt(_ZERO_NONCE, detail, place)
        return tuple(msgspec.msgpack.decode(plain, type=list[bytes]))
    except (InvalidTag, msgspec.DecodeError):
        raise _refuse("CUSTODY_DETAIL_FALSE", "opens to no documents with its shares") from None


def detail_hash(detail: bytes) -> bytes:
    """Return what a manifest says of an encrypted detail."""
    return hashlib.sha256(detail).digest()


def is_share(manifest: Manifest, index: int, share: bytes) -> bool:
    """Say whether a share is the one that the manifest's commitments give for an index."""
    try:
        found = group.scale_base(group.scalar(share, "share"))
    except (ProtocolError, RuntimeError):
        return False
    return found == shamir.committed_share(manifest.commitments, index)


def recover_secret(shares: Mapping[int, bytes]) -> Scalar:
    """Return the secret of exactly t shares, by index; each was held against its commitment."""
    return shamir.recover({index: Scalar(share) for index, share in shares.items()})


def share_info(manifest: Manifest, *, receiver: int, ticket: int = 0) -> bytes:
    """Bind a sealed share to its place and receiver; a ticket where it goes to a reader."""
    return manifest.place + receiver.to_bytes(4, "big") + ticket.to_bytes(8, "big")


def _detail_key(secret: Scalar, place: bytes) -> bytes:
    return HKDF(SHA256(), length=32, salt=None, info=place).derive(secret)


# ------------------------------------------------------------------------------- the manifest
def write_manifest(manifest: Manifest, signer: Signer) -> bytes:
    """Return the signed envelope of a manifest."""
    body = {
        **network_json(manifest.domain),
        "entry": manifest.entry.hex(),
        "uploader": str(manifest.uploader),
        "generation": str(manifest.generation),
        "custodians": [str(member) for member in manifest.custodians],
        "threshold": str(manifest.threshold),
        "commitments": [item.hex() for item in manifest.commitments],
        "detail": manifest.detail.hex(),
        "claim": address_text(manifest.claim),
        "consent": manifest.consent.hex(),
    }
    return sign_envelope(CUSTODY_TYPE, canonical_json(body), [signer]).to_json()


def read_manifest(data: bytes) -> tuple[Manifest, tuple[str, ...]]:
    """Return a manifest and who signed it.

    Raises the envelope's errors, PROOF_MALFORMED, OPRF_COMMITTEE_SHAPE, OPRF_ELEMENT_MALFORMED.
    """
    body, signers = read_message(data, CUSTODY_TYPE)
    custodians = tuple(_member(item) for item in list_of(body, "custodians", shamir.MAX_NODES))
    threshold = read_number(body, "threshold", shamir.MAX_NODES)
    shamir.require_shape(threshold, len(custodians))
    commitments = tuple(
        group.element(as_hex(item, "commitments", 32), "commitments")
        for item in list_of(body, "commitments", threshold)
    )
    ordered = list(custodians) == sorted(set(custodians))
    if threshold < MIN_THRESHOLD or len(commitments) != threshold or not ordered:
        raise malformed("custody", "has too few commitments, or custodians out of order")
    found = Manifest(
        read_network(body),
        read_hex(body, "entry", 32),
        read_number(body, "uploader", _MAX32),
        read_number(body, "generation", _MAX32),
        custodians,
        threshold,
        commitments,
        read_hex(body, "detail", 32),
        read_address(body, "claim", 20),
        read_hex(body, "consent", 32),
    )
    return found, signers


def _member(item: object) -> int:
    return read_number({"custodians": item}, "custodians", _MAX32)


def _refuse(code: str, says: str) -> ProtocolError:
    return ProtocolError(
        code,
        f"the custody {says}",
        where=Where(field="custody"),
        help="Nothing of it was kept; ask the other custodians, or the uploader.",
    )
