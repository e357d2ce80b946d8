"""Epoch keys, which open batches, and sealing keys, which open epoch keys.

An epoch key (32 random bytes) belongs to one side of one agreement. It is put on the ledger wrapped
by HPKE (RFC 9180, base mode) for every reader, to that reader's sealing key of a generation. The
KEM is ML-KEM-768 with X25519: whoever stores the chain today needs to break both, later, to read.
HPKE here takes no additional data, so the whole context goes into `info`: a wrap copied to another
agreement, side, epoch, recipient or chain does not open.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import (
    MLKEM768PrivateKey,
    MLKEM768PublicKey,
)
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

from reconcile.commitment.heads import Stream, epoch_key_commitment
from reconcile.model import ProtocolError

EPOCH_KEY_BYTES: Final = 32
MLKEM_SEED_BYTES: Final = 64
X25519_BYTES: Final = 32
SEALING_SECRET_BYTES: Final = MLKEM_SEED_BYTES + X25519_BYTES
MLKEM_PUBLIC_BYTES: Final = 1_184
SEALING_PUBLIC_BYTES: Final = MLKEM_PUBLIC_BYTES + X25519_BYTES
MAX_WRAP_BYTES: Final = 1_280

_SUITE: Final = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
Randomness = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class SealingPublicKey:
    """A published sealing key: ML-KEM-768 public key, 1,184 bytes ‖ X25519, 32 bytes."""

    data: bytes

    @staticmethod
    def parse(data: bytes) -> SealingPublicKey:
        """Read a key from the ledger; raises `ProtocolError` SEALING_KEY_MALFORMED."""
        key = SealingPublicKey(data)
        key.components()
        return key

    def components(self) -> MLKEM768X25519PublicKey:
        """Return the combined key that HPKE takes; raises `ProtocolError` SEALING_KEY_MALFORMED."""
        if len(self.data) != SEALING_PUBLIC_BYTES:
            raise _malformed(f"has {len(self.data)} bytes, {SEALING_PUBLIC_BYTES} are needed")
        try:
            return MLKEM768X25519PublicKey(
                MLKEM768PublicKey.from_public_bytes(self.data[:MLKEM_PUBLIC_BYTES]),
                X25519PublicKey.from_public_bytes(self.data[MLKEM_PUBLIC_BYTES:]),
            )
        except ValueError as error:
            raise _malformed(f"is no ML-KEM-768 + X25519 key: {error}") from None

    def seal(self, secret: bytes, info: bytes) -> bytes:
        """Return the HPKE bytes (encapsulation ‖ ciphertext) of a short secret or a document."""
        try:
            return _SUITE.encrypt(secret, self.components(), info=info)
        except ValueError as error:  # an X25519 point of low order
            raise _malformed(f"cannot be sealed to: {error}") from None


@dataclass(frozen=True, slots=True)
class SealingKey:
    """A private sealing key of one generation: ML-KEM seed, 64 bytes ‖ X25519, 32 bytes."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse another length; raises `ProtocolError` SEALING_KEY_MALFORMED."""
        if len(self.secret) != SEALING_SECRET_BYTES:
            raise _malformed(f"has {len(self.secret)} bytes, {SEALING_SECRET_BYTES} are needed")

    @staticmethod
    def generate(randomness: Randomness = secrets.token_bytes) -> SealingKey:
        """Make a new key from 96 random bytes."""
        return SealingKey(randomness(SEALING_SECRET_BYTES))

    @property
    def public(self) -> SealingPublicKey:
        """Return the public key, as `publishSealingKey` takes it."""
        mlkem, x25519 = self._components()
        return SealingPublicKey(
            mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
        )

    def open(self, sealed: bytes, info: bytes) -> bytes:
        """Return what was sealed to this key; raises `ProtocolError` WRAP_NOT_OPENED."""
        mlkem, x25519 = self._components()
        try:
            return _SUITE.decrypt(sealed, MLKEM768X25519PrivateKey(mlkem, x25519), info=info)
        except (InvalidTag, ValueError):
            raise ProtocolError(
                "WRAP_NOT_OPENED",
                "the sealed key does not open with this sealing key in this place",
                help="Reject the key on the ledger; its side publishes the next epoch.",
            ) from None

    def _components(self) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
        return (
            MLKEM768PrivateKey.from_seed_bytes(self.secret[:MLKEM_SEED_BYTES]),
            X25519PrivateKey.from_private_bytes(self.secret[MLKEM_SEED_BYTES:]),
        )


@dataclass(frozen=True, slots=True)
class EpochKey:
    """The key of one epoch of one side's stream."""

    stream: Stream
    epoch: int
    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Hold the length."""
        assert len(self.key) == EPOCH_KEY_BYTES, "an epoch key is 32 bytes"

    @staticmethod
    def generate(
        stream: Stream, epoch: int, randomness: Randomness = secrets.token_bytes
    ) -> EpochKey:
        """Make a new key for one epoch."""
        return EpochKey(stream, epoch, randomness(EPOCH_KEY_BYTES))

    @property
    def commitment(self) -> bytes:
        """Return what `publishKey` takes as `keyCommitment`."""
        return epoch_key_commitment(self.stream.agreement, self.stream.side, self.epoch, self.key)

    def wrap(self, recipient: int, generation: int, public: SealingPublicKey) -> bytes:
        """Return the key sealed to one reader's sealing key of one generation."""
        info = wrap_info(self.stream, self.epoch, recipient, generation)
        sealed = public.seal(self.key, info)
        assert len(sealed) <= MAX_WRAP_BYTES, "the ledger takes wraps of at most 1,280 bytes"
        return sealed

    @staticmethod
    def unwrap(
        stream: Stream,
        epoch: int,
        sealed: bytes,
        *,
        recipient: int,
        generation: int,
        key: SealingKey,
        commitment: bytes,
    ) -> EpochKey:
        """Open a wrap and hold it against the commitment on the ledger.

        Raises `ProtocolError` WRAP_NOT_OPENED (reject it: DOES_NOT_OPEN) or KEY_COMMITMENT
        (DOES_NOT_MATCH): a key that opens for one reader only must not be acknowledged.
        """
        opened = key.open(sealed, wrap_info(stream, epoch, recipient, generation))
        if len(opened) != EPOCH_KEY_BYTES or not hmac.compare_digest(
            epoch_key_commitment(stream.agreement, stream.side, epoch, opened), commitment
        ):
            raise ProtocolError(
                "KEY_COMMITMENT",
                "the sealed key opens, but it is not the key that the ledger commits to",
                help="Reject the key on the ledger; its side publishes the next epoch.",
            )
        return EpochKey(stream, epoch, opened)


def wrap_info(stream: Stream, epoch: int, recipient: int, generation: int) -> bytes:
    """Return chain id ‖ contract ‖ agreement ‖ side ‖ epoch ‖ recipient ‖ generation."""
    numbers = (epoch, recipient, generation)
    return stream.place + b"".join(number.to_bytes(4, "big") for number in numbers)


def _malformed(says: str) -> ProtocolError:
    return ProtocolError(
        "SEALING_KEY_MALFORMED",
        f"the sealing key {says}",
        help="Ask its member to publish a new generation.",
    )
