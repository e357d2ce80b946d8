"""Sealing: a batch becomes a payload that only the holders of its epoch key can open.

Payload (ledger.md, "Bytes"), 2,048, 8,192, 32,768 or 120,000 bytes in all:

    suite, 1 byte ‖ salt, 32 bytes ‖ AES-256-GCM(frame) with its tag, zero nonce

    salt      HMAC-SHA-256(epoch key, 32 random bytes ‖ SHA-256(frame))
    keys      HKDF-SHA-256(epoch key, salt, "kanhe/batch/1" ‖ agreement ‖ side ‖ seq), 64 bytes:
              AES key ‖ salt key
    salts     the AES-256-CTR keystream under the salt key, 16 bytes a leaf
    AAD       suite ‖ chain id ‖ contract ‖ agreement ‖ side ‖ seq ‖ window ‖ epoch ‖ commitment

Why the zero nonce is safe: every payload has its own AES key, because the salt depends on the very
bytes that are encrypted. A cloned machine that repeats its random bytes repeats a key only for an
equal frame in an equal place, and then the whole payload is the same bytes. What is hashed into
the salt is the frame, not the records, since another compression of equal records is another
AES-GCM message.

Why AES-GCM not being key-committing does not matter: the epoch key is committed to on the ledger,
and opening recomputes the commitment from the plaintext and from salts that come from that key. Two
readers who accept a payload have the same records or a collision of SHA-256.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from node.crypto.frame import (
    MAX_COMPRESSED_BYTES,
    PAYLOAD_SIZES,
    SALT_BYTES,
    SUITE_BYTES,
    compress,
    pack_frame,
    unpack_frame,
)
from reconcile.commitment.header import MAX_RECORDS, PlainBatch
from reconcile.commitment.heads import BatchPlace, commit
from reconcile.commitment.plain import read_items, split_items
from reconcile.model import InputError, ProtocolError, Record

SUITE: Final = 1  # 2 is reserved for SM2/SM3/SM4
KEY_BYTES: Final = 32
LEAF_SALT_BYTES: Final = 16
BATCH_TAG: Final = b"kanhe/batch/1"
ZERO_NONCE: Final = bytes(12)


@dataclass(frozen=True, slots=True)
class SealedBatch:
    """What is posted, and the key that discloses single salts; it never leaves its side."""

    payload: bytes = field(repr=False)
    commitment: bytes
    salt_key: bytes = field(repr=False)

    @property
    def payload_hash(self) -> bytes:
        """Return SHA-256(payload), as the head chain takes it."""
        return hashlib.sha256(self.payload).digest()


@dataclass(frozen=True, slots=True)
class OpenedBatch:
    """A payload that opened and keeps its commitment: header, records and their bytes."""

    plain: PlainBatch
    salt_key: bytes = field(repr=False)

    def salt(self, index: int) -> bytes:
        """Return the salt of leaf `index`, 16 bytes: disclosing it opens that leaf alone."""
        return leaf_salts(self.salt_key, index + 1)[-LEAF_SALT_BYTES:]


def seal_batch(
    plain: PlainBatch,
    epoch_key: bytes,
    place: BatchPlace,
    *,
    compression: str = "zstd",
    randomness: Callable[[int], bytes] = secrets.token_bytes,
) -> SealedBatch:
    """Seal a batch for its place in the stream.

    Raises `InputError` PAYLOAD_TOO_LARGE. The header must name the same agreement, side, seq and
    window as `place`: that is the caller's own mistake and an assertion.
    """
    header = plain.header
    assert (header.agreement, header.side, header.seq, header.window) == (
        place.stream.agreement,
        place.stream.side,
        place.seq,
        place.window,
    ), "the header names its own place"
    frame = pack_frame(plain.plaintext, compression)
    salt = _payload_salt(epoch_key, frame, randomness(SALT_BYTES))
    aes_key, salt_key = _batch_keys(epoch_key, salt, place)
    commitment = commit(leaf_salts(salt_key, len(plain.items)), plain.items)
    body = AESGCM(aes_key).encrypt(ZERO_NONCE, frame, _additional(place, commitment))
    payload = SUITE.to_bytes(SUITE_BYTES, "big") + salt + body
    assert len(payload) in PAYLOAD_SIZES, "a payload has one of four sizes"
    return SealedBatch(payload, commitment, salt_key)


def open_batch(
    payload: bytes, epoch_key: bytes, place: BatchPlace, commitment: bytes
) -> OpenedBatch:
    """Open a payload and check everything that its own bytes say.

    Raises `ProtocolError` whose code is a `reconcile.commitment.validity.Reason`: PAYLOAD_SIZE,
    SUITE_UNKNOWN, NOT_OPENED, FRAME_*, PLAINTEXT_*, COMMITMENT_MISMATCH, HEADER_MALFORMED or
    RECORD_*. Whether the batch counts is `judge_batch`'s question.
    """
    if len(payload) not in PAYLOAD_SIZES:
        raise _refused("PAYLOAD_SIZE", f"has {len(payload)} bytes, which is none of the four sizes")
    if payload[0] != SUITE:
        raise _refused("SUITE_UNKNOWN", f"names suite {payload[0]}, this release knows {SUITE}")
    salt = payload[SUITE_BYTES : SUITE_BYTES + SALT_BYTES]
    aes_key, salt_key = _batch_keys(epoch_key, salt, place)
    try:
        frame = AESGCM(aes_key).decrypt(
            ZERO_NONCE, payload[SUITE_BYTES + SALT_BYTES :], _additional(place, commitment)
        )
    except InvalidTag:
        raise _refused("NOT_OPENED", "does not open with the epoch's key in this place") from None
    plaintext = unpack_frame(frame)
    items = split_items(plaintext)
    if not hmac.compare_digest(commit(leaf_salts(salt_key, len(items)), items), commitment):
        raise _refused("COMMITMENT_MISMATCH", "holds other records than its commitment says")
    return OpenedBatch(read_items(items, plaintext), salt_key)


def leaf_salts(salt_key: bytes, count: int) -> bytes:
    """Return the salts of the first `count` leaves, 16 bytes each, one after the other."""
    stream = Cipher(algorithms.AES256(salt_key), modes.CTR(bytes(16))).encryptor()
    return stream.update(bytes(LEAF_SALT_BYTES * count))


def fit_batch(
    records: Sequence[Record],
    build: Callable[[Sequence[Record]], PlainBatch],
    *,
    compression: str = "zstd",
) -> PlainBatch:
    """Return the batch of the longest found prefix of `records` that fits one payload.

    `build` makes the batch of a prefix; the caller goes on behind `plain.header.count`. At least
    one record is tried, so a single one that does not fit raises what `build` or `seal_batch`
    raises. The prefix is found by measuring, in a few rounds, and is a little short of the limit
    where records are uneven.
    """
    count = min(len(records), MAX_RECORDS)
    while True:
        try:
            plain = build(records[:count])
            size = len(compress(plain.plaintext, compression))
        except InputError as error:
            if count <= 1 or error.code != "BATCH_TOO_LARGE":
                raise
            count //= 2
            continue
        if size <= MAX_COMPRESSED_BYTES or count <= 1:
            return plain
        count = max(1, min(count - 1, count * MAX_COMPRESSED_BYTES * 63 // (size * 64)))


def _payload_salt(epoch_key: bytes, frame: bytes, random: bytes) -> bytes:
    assert len(random) == SALT_BYTES, "32 random bytes"
    message = random + hashlib.sha256(frame).digest()
    return hmac.digest(epoch_key, message, "sha256")


def _batch_keys(epoch_key: bytes, salt: bytes, place: BatchPlace) -> tuple[bytes, bytes]:
    assert len(epoch_key) == KEY_BYTES, "an epoch key is 32 bytes"
    info = (
        BATCH_TAG
        + place.stream.agreement
        + int(place.stream.side).to_bytes(1, "big")
        + place.seq.to_bytes(8, "big")
    )
    keys = HKDF(algorithm=SHA256(), length=2 * KEY_BYTES, salt=salt, info=info).derive(epoch_key)
    return keys[:KEY_BYTES], keys[KEY_BYTES:]


def _additional(place: BatchPlace, commitment: bytes) -> bytes:
    return SUITE.to_bytes(SUITE_BYTES, "big") + place.stream.place + place.numbers + commitment


def _refused(code: str, says: str) -> ProtocolError:
    return ProtocolError(
        code,
        f"the payload {says}",
        help="The batch counts as not posted; its entries may be posted again.",
    )
