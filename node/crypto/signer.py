"""Signing with secp256k1: the protocol that a key store or an HSM implements, and recovery.

Signatures are 65 bytes, r ‖ s ‖ v with v 27 or 28, and s in the lower half of the order: a high s
is the same signature in a second form, and the contracts refuse it (EIP-2, appendix F of the yellow
paper).
"""

from __future__ import annotations

import functools
import secrets
from collections.abc import Callable
from typing import Final, Protocol

from coincurve import PrivateKey, PublicKey
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from reconcile.model import InputError, ProtocolError

CURVE_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
HALF_ORDER: Final = CURVE_ORDER // 2
SIGNATURE_BYTES: Final = 65
DIGEST_BYTES: Final = 32
V_OFFSET: Final = 27
ADDRESS_BYTES: Final = 20
KNOWN_ADDRESSES: Final = 4_096


class Signer(Protocol):
    """One signing key, wherever it lives."""

    @property
    def address(self) -> str:
        """Return the checksummed address (EIP-55)."""
        ...

    def sign_digest(self, digest: bytes) -> bytes:
        """Return r ‖ s ‖ v, 65 bytes, of a 32-byte digest."""
        ...


class LocalSigner:
    """A key in this process's memory, signing with libsecp256k1 (deterministic nonces, RFC 6979).

    The nonce follows from key and digest: a cloned or restored machine signs the same digest with
    the same bytes and never two digests with one nonce.
    """

    def __init__(self, secret: bytes) -> None:
        """Take the 32-byte private key; raises `InputError` KEY_MALFORMED."""
        if len(secret) != DIGEST_BYTES or not 0 < int.from_bytes(secret, "big") < CURVE_ORDER:
            raise InputError(
                "KEY_MALFORMED",
                "the private key is no number below the order of secp256k1 in 32 bytes",
                help="Make a new key with `kanhe init`.",
            )
        self._key = PrivateKey(secret)
        self._address = address_of(self._key.public_key.format(compressed=False))

    @staticmethod
    def generate(randomness: Callable[[int], bytes] = secrets.token_bytes) -> LocalSigner:
        """Make a new key; a draw outside the curve's order is drawn again."""
        while True:
            secret = randomness(DIGEST_BYTES)
            if 0 < int.from_bytes(secret, "big") < CURVE_ORDER:
                return LocalSigner(secret)

    @property
    def address(self) -> str:
        """Return the checksummed address (EIP-55)."""
        return self._address

    @property
    def secret(self) -> bytes:
        """Return the private key, for the key store alone."""
        return bytes(self._key.secret)

    def __repr__(self) -> str:
        """Show the address, never the key."""
        return f"LocalSigner({self._address})"

    def sign_digest(self, digest: bytes) -> bytes:
        """Return r ‖ s ‖ v, 65 bytes, s in the lower half."""
        assert len(digest) == DIGEST_BYTES, "a digest is 32 bytes"
        raw: bytes = self._key.sign_recoverable(digest, hasher=None)
        assert int.from_bytes(raw[32:64], "big") <= HALF_ORDER, "libsecp256k1 signs with a low s"
        return raw[:64] + bytes([V_OFFSET + raw[64]])


def address_of(public_key: bytes) -> str:
    """Return the checksummed address of an uncompressed public key (0x04 ‖ x ‖ y, 65 bytes)."""
    return _checksummed(keccak(public_key[1:])[-ADDRESS_BYTES:])


@functools.lru_cache(maxsize=KNOWN_ADDRESSES)
def _checksummed(address: bytes) -> str:
    """Return EIP-55's form; it costs a hash, and a network's keys are few."""
    return to_checksum_address(address)


def recover_address(digest: bytes, signature: bytes) -> str:
    """Return the checksummed address that signed `digest`.

    Raises `ProtocolError` SIGNATURE_MALFORMED: another length, v other than 27 or 28, a high s, or
    numbers that no signature has. Every signature has exactly one accepted form.
    """
    if len(signature) != SIGNATURE_BYTES or signature[64] not in {V_OFFSET, V_OFFSET + 1}:
        raise _malformed("is not 65 bytes that end in 27 or 28")
    if int.from_bytes(signature[32:64], "big") > HALF_ORDER:
        raise _malformed("has a high s, the second form of a signature")
    raw = signature[:64] + bytes([signature[64] - V_OFFSET])
    try:
        key = PublicKey.from_signature_and_message(raw, digest, hasher=None)
    except Exception:  # noqa: BLE001 - coincurve raises bare Exception for numbers off the curve
        raise _malformed("belongs to no key") from None
    return address_of(key.format(compressed=False))


def _malformed(says: str) -> ProtocolError:
    return ProtocolError(
        "SIGNATURE_MALFORMED",
        f"the signature {says}",
        help="Ask the signer to sign again.",
    )
