"""The vault: small secrets in the database, encrypted under a key that lies in the key store.

Epoch and sealing keys are many and come and go; a key file with its slow derivation each would make
a start take minutes. Their rows are sealed like a batch: a key of its own from a salt that depends
on the secret, so that a cloned machine repeats bytes but never a key for two messages.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from reconcile.model import ProtocolError

VAULT_KEY_BYTES: Final = 32
VAULT_FORMAT: Final = 1
VAULT_TAG: Final = b"kanhe/vault/1"
_SALT_BYTES: Final = 32
# No salt of a sealed secret is zeros.
_FINGERPRINT_SALT: Final = bytes(32)


class Vault:
    """Seals secrets for rest; `label` says which row a secret belongs to and is authenticated."""

    def __init__(self, key: bytes) -> None:
        """Take the 32-byte key of the key store's VAULT file."""
        assert len(key) == VAULT_KEY_BYTES, "a vault key is 32 bytes"
        self._key = key

    def seal(
        self,
        secret: bytes,
        label: bytes,
        randomness: Callable[[int], bytes] = secrets.token_bytes,
    ) -> bytes:
        """Return format, 1 byte ‖ salt, 32 bytes ‖ ciphertext with its tag."""
        seed = randomness(_SALT_BYTES) + hashlib.sha256(label + b"\x00" + secret).digest()
        salt = hmac.digest(self._key, seed, "sha256")
        body = AESGCM(self._key_for(salt)).encrypt(bytes(12), secret, VAULT_TAG + label)
        return bytes([VAULT_FORMAT]) + salt + body

    def open(self, sealed: bytes, label: bytes) -> bytes:
        """Return the secret; raises `ProtocolError` VAULT_NOT_OPENED."""
        salt, body = sealed[1 : 1 + _SALT_BYTES], sealed[1 + _SALT_BYTES :]
        if sealed[:1] != bytes([VAULT_FORMAT]) or len(salt) != _SALT_BYTES:
            raise _not_opened()
        try:
            return AESGCM(self._key_for(salt)).decrypt(bytes(12), body, VAULT_TAG + label)
        except InvalidTag:
            raise _not_opened() from None

    def fingerprint(self, data: bytes) -> bytes:
        """Return HMAC-SHA-256 of `data` under a key of this vault, to tell equal data at rest."""
        return hmac.digest(self._key_for(_FINGERPRINT_SALT), data, "sha256")

    def _key_for(self, salt: bytes) -> bytes:
        return HKDF(algorithm=SHA256(), length=32, salt=salt, info=VAULT_TAG).derive(self._key)


def _not_opened() -> ProtocolError:
    return ProtocolError(
        "VAULT_NOT_OPENED",
        "a stored secret does not open: it was changed, moved, or made by another vault",
        help="Restore database and key store from the same backup.",
    )
