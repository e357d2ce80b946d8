"""Terms travel sealed to the parties' and observers' general sealing keys.

sealedTerms = MessagePack [1, [[member, generation, HPKE(key)] …], nonce, AES-256-GCM(zstd(terms))].
The terms' hash stands in the open on the ledger and is the additional data, so that what opens is
what both approvers signed. The agreement's id hashes these bytes, so it cannot stand in them.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from node.crypto.frame import expand
from node.crypto.keys import SealingKey, SealingPublicKey
from node.identity import Place
from reconcile.model import ProtocolError

FORMAT: Final = 1
KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
MAX_TERMS_BYTES: Final = 1_048_576
TAG: Final = b"kanhe/terms/1"


@dataclass(frozen=True, slots=True)
class Recipient:
    """A member's general sealing key of one generation."""

    member: int
    generation: int
    public: SealingPublicKey


class _Sealed(msgspec.Struct, frozen=True, array_like=True):
    format: int
    wraps: tuple[tuple[int, int, bytes], ...]
    nonce: bytes
    body: bytes


def seal_terms(terms: bytes, recipients: Sequence[Recipient], place: Place) -> bytes:
    """Return terms (canonical JSON) sealed to every recipient."""
    digest = hashlib.sha256(terms).digest()
    packed = zstandard.ZstdCompressor(level=9).compress(terms)
    data = TAG + digest
    key, nonce = _key_and_nonce(packed, data)
    wraps = tuple(
        (
            item.member,
            item.generation,
            item.public.seal(key, _info(place, digest, item.member, item.generation)),
        )
        for item in sorted(recipients, key=lambda item: item.member)
    )
    body = AESGCM(key).encrypt(nonce, packed, data)
    return msgspec.msgpack.encode(_Sealed(FORMAT, wraps, nonce, body))


def open_terms(
    sealed: bytes,
    terms_hash: bytes,
    member: int,
    keys: Mapping[int, SealingKey],
    place: Place,
) -> bytes:
    """Return the terms in clear; `keys` are this member's general sealing keys by generation.

    Raises `ProtocolError` TERMS_NOT_OPENED.
    """
    try:
        read = msgspec.msgpack.decode(sealed, type=_Sealed)
    except msgspec.MsgspecError:
        raise _refused("are not in a form this release knows") from None
    if read.format != FORMAT:
        raise _refused(f"are in form {read.format}, this release knows {FORMAT}")
    mine = [(gen, wrap) for who, gen, wrap in read.wraps if who == member and gen in keys]
    if not mine:
        raise _refused("are not sealed to a key this node holds")
    generation, wrap = mine[0]
    key = keys[generation].open(wrap, _info(place, terms_hash, member, generation))
    try:
        packed = AESGCM(key).decrypt(read.nonce, read.body, TAG + terms_hash)
        terms = expand(packed, MAX_TERMS_BYTES)
    except (InvalidTag, ValueError):
        raise _refused("do not open") from None
    except ProtocolError as error:
        raise _refused(f"do not expand: {error.message}") from None
    if hashlib.sha256(terms).digest() != terms_hash:
        raise _refused("open, but are not those whose hash stands on the ledger")
    return terms


def _key_and_nonce(packed: bytes, data: bytes) -> tuple[bytes, bytes]:
    """Return a key and nonce that repeat for the very same message only.

    As in a batch (ledger.md, "Payload"): a cloned or restored machine repeats its random bytes,
    but what is encrypted goes into the key as well.
    """
    fresh = os.urandom(KEY_BYTES)
    made = hmac.digest(fresh, data + hashlib.sha256(packed).digest(), "sha512")
    return made[:KEY_BYTES], made[KEY_BYTES : KEY_BYTES + NONCE_BYTES]


def _info(place: Place, digest: bytes, member: int, generation: int) -> bytes:
    numbers = member.to_bytes(4, "big") + generation.to_bytes(4, "big")
    return TAG + place.chain_id.to_bytes(32, "big") + place.ledger + digest + numbers


def _refused(says: str) -> ProtocolError:
    return ProtocolError(
        "TERMS_NOT_OPENED",
        f"the sealed terms {says}",
        help="ask the other side to propose them again, sealed to the newest general key",
    )
