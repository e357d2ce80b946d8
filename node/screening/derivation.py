"""What follows from T, the PRF's output of an identifier, and from a person's seed.

All labels are followed by fields of fixed width, so no two inputs of HKDF are the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from node.crypto.oprf.modes import OUTPUT_BYTES
from node.crypto.signer import CURVE_ORDER, LocalSigner

KEY_BYTES: Final = 32
ENTRY_ID_BYTES: Final = 32
SEED_BYTES: Final = 32
#: 128 bits more than the order needs, so that the remainder is as good as uniform.
_WIDE_KEY_BYTES: Final = 48


@dataclass(frozen=True, slots=True)
class Tag:
    """T in one key epoch; `repr` shows the epoch alone."""

    output: bytes
    key_epoch: int

    def __post_init__(self) -> None:
        """Hold the sizes."""
        assert len(self.output) == OUTPUT_BYTES, "T is the PRF's output, 64 bytes"

    def __repr__(self) -> str:
        """Show the epoch, never T."""
        return f"Tag(key_epoch={self.key_epoch})"

    @property
    def loc(self) -> bytes:
        """Return the 32 bytes whose first bits are the bucket."""
        return self._derive(b"loc")

    @property
    def label_key(self) -> bytes:
        """Return K_label, under which the keys of this person's entries are wrapped."""
        return self._derive(b"label")

    def leaf(self, entry_id: bytes) -> bytes:
        """Return the leaf of one entry: two entries of one person show no equal leaves."""
        assert len(entry_id) == ENTRY_ID_BYTES, "an entry id is 32 bytes"
        return self._derive(b"leaf", entry_id)

    def _derive(self, label: bytes, rest: bytes = b"") -> bytes:
        info = label + self.key_epoch.to_bytes(4, "big") + rest
        return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(self.output)


def person_key(seed: bytes, chain_id: int, member: int) -> LocalSigner:
    """Return a person's key towards one member: HKDF(seed, "kanhe/person/1" ‖ chain id ‖ member).

    Members cannot link the keys that one person uses with each of them.
    """
    assert len(seed) == SEED_BYTES, "a seed is 32 bytes"
    info = b"kanhe/person/1" + _towards(chain_id, member)
    wide = HKDF(algorithm=SHA256(), length=_WIDE_KEY_BYTES, salt=None, info=info).derive(seed)
    number = int.from_bytes(wide, "big") % (CURVE_ORDER - 1) + 1
    return LocalSigner(number.to_bytes(KEY_BYTES, "big"))


def person_salt(seed: bytes, chain_id: int, member: int) -> bytes:
    """Return the salt of a person's commitment to her identifier towards one member."""
    return _secret(seed, b"kanhe/person/salt/1" + _towards(chain_id, member))


def person_nonce(seed: bytes, asked: bytes) -> bytes:
    """Return the nonce of what a person signs: the same request gives the same signature."""
    assert len(asked) == KEY_BYTES, "a request is named by 32 bytes"
    return _secret(seed, b"kanhe/person/nonce/1" + asked)


def revocation_secret(seed: bytes, consent: bytes) -> bytes:
    """Return the secret that revokes a consent: a wallet has it again from its seed alone."""
    assert len(consent) == KEY_BYTES, "a consent is named by 32 bytes"
    return _secret(seed, b"kanhe/person/revoke/1" + consent)


def _towards(chain_id: int, member: int) -> bytes:
    return chain_id.to_bytes(32, "big") + member.to_bytes(4, "big")


def _secret(seed: bytes, info: bytes) -> bytes:
    assert len(seed) == SEED_BYTES, "a seed is 32 bytes"
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(seed)
