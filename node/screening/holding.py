"""A sealed record that replicas hold: its salted hash, and the words by which they say so.

An entry is tagged with the signatures of t replicas over one record. So nothing is counted into the
index that cannot be built into it, and all replicas put the same record there: who has another one,
or none, asks the others for the one of the ledger's hash. The salt keeps the hash unopenable for
who never held the record, and for everybody once it is destroyed.
"""

from __future__ import annotations

import hashlib
from typing import Final

from node.crypto.eip712 import Domain, Fields

RECORD_FIELDS: Final[Fields] = (
    ("bytes32", "entry"),
    ("uint32", "keyEpoch"),
    ("bytes32", "record"),
)
SALT_BYTES: Final = 32


def record_hash(salt: bytes, loc: bytes, record: bytes) -> bytes:
    """Return SHA-256 over salt, the 32 bytes that say where a record belongs, and the record."""
    return hashlib.sha256(b"kanhe/record/1" + salt + loc + record).digest()


def held_digest(domain: Domain, entry: bytes, key_epoch: int, hashed: bytes) -> bytes:
    """Return what a replica signs: it holds this record of the entry (IBlacklist, RecordHeld)."""
    return domain.digest_of("RecordHeld", RECORD_FIELDS, (entry, key_epoch, hashed))
