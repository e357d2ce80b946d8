"""Leaves, commitments and the hash chain of a side's stream (ledger.md, "Bytes" and "Posting").

    leaf        SHA-256(0x00 ‖ salt, 16 bytes ‖ record bytes)        leaf 0 is the header
    commitment  SHA-256(0x02 ‖ count, uint64, header included ‖ root)
    head 0      SHA-256("kanhe/head/1" ‖ chain id, uint256 ‖ contract, 20 bytes ‖ agreement ‖ side)
    head'       SHA-256(head ‖ seq ‖ window ‖ epoch ‖ commitment ‖ SHA-256(payload))
    key         SHA-256("kanhe/epoch/1" ‖ agreement ‖ side ‖ epoch ‖ key)

side is a uint8, seq a uint64, window and epoch are uint32, all big-endian.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from reconcile.commitment.tree import HASH_BYTES, leaf_hash, merkle_root
from reconcile.model import Side

ADDRESS_BYTES: Final = 20
SALT_BYTES: Final = 16
HEAD_TAG: Final = b"kanhe/head/1"
EPOCH_TAG: Final = b"kanhe/epoch/1"
COMMITMENT_PREFIX: Final = b"\x02"
MAX_UINT32: Final = 2**32 - 1
MAX_UINT64: Final = 2**64 - 1
MAX_UINT256: Final = 2**256 - 1


@dataclass(frozen=True, slots=True)
class Stream:
    """One side of one agreement on one contract of one chain: what a key and a head belong to."""

    chain_id: int
    contract: bytes
    agreement: bytes
    side: Side

    def __post_init__(self) -> None:
        """Hold the widths: a short field would let two streams share one encoding."""
        assert 0 <= self.chain_id <= MAX_UINT256, "a chain id is a uint256"
        assert len(self.contract) == ADDRESS_BYTES, "a contract is 20 bytes"
        assert len(self.agreement) == HASH_BYTES, "an agreement is 32 bytes"

    @property
    def place(self) -> bytes:
        """Return chain id ‖ contract ‖ agreement ‖ side, 85 bytes."""
        return (
            self.chain_id.to_bytes(32, "big")
            + self.contract
            + self.agreement
            + int(self.side).to_bytes(1, "big")
        )

    @property
    def head0(self) -> bytes:
        """Return the head before the first batch."""
        return hashlib.sha256(HEAD_TAG + self.place).digest()


@dataclass(frozen=True, slots=True)
class BatchPlace:
    """Where a batch stands: its stream and the event fields that are known before sealing."""

    stream: Stream
    seq: int
    window: int
    epoch: int

    def __post_init__(self) -> None:
        """Hold the widths of the event's fields."""
        assert 1 <= self.seq <= MAX_UINT64, "seq is a uint64 from 1"
        assert 0 <= self.window <= MAX_UINT32, "window is a uint32"
        assert 0 <= self.epoch <= MAX_UINT32, "epoch is a uint32"

    @property
    def numbers(self) -> bytes:
        """Return seq ‖ window ‖ epoch, 16 bytes."""
        return (
            self.seq.to_bytes(8, "big")
            + self.window.to_bytes(4, "big")
            + self.epoch.to_bytes(4, "big")
        )


def head0(chain_id: int, contract: bytes, agreement: bytes, side: Side) -> bytes:
    """Return the head before a side's first batch, 32 bytes."""
    return Stream(chain_id, contract, agreement, side).head0


def next_head(
    head: bytes, seq: int, window: int, epoch: int, commitment: bytes, payload_hash: bytes
) -> bytes:
    """Return the head after a batch; `payload_hash` is SHA-256(payload)."""
    assert len(head) == len(commitment) == len(payload_hash) == HASH_BYTES, "hashes are 32 bytes"
    numbers = seq.to_bytes(8, "big") + window.to_bytes(4, "big") + epoch.to_bytes(4, "big")
    return hashlib.sha256(head + numbers + commitment + payload_hash).digest()


def salted_leaf(salt: bytes, data: bytes) -> bytes:
    """Return SHA-256(0x00 ‖ salt ‖ record bytes); the salt keeps a guess from being checked."""
    assert len(salt) == SALT_BYTES, "a salt is 16 bytes"
    return leaf_hash(salt + data)


def salted_leaves(salts: bytes, items: Sequence[bytes]) -> list[bytes]:
    """Return the leaf of each item; `salts` is 16 bytes an item, one after the other."""
    assert len(salts) == SALT_BYTES * len(items), "one salt an item"
    sha256 = hashlib.sha256
    return [
        sha256(b"\x00" + salts[at : at + SALT_BYTES] + item).digest()
        for at, item in zip(range(0, len(salts), SALT_BYTES), items, strict=True)
    ]


def commitment_of(count: int, root: bytes) -> bytes:
    """Return SHA-256(0x02 ‖ count as uint64 ‖ root); `count` includes the header."""
    return hashlib.sha256(COMMITMENT_PREFIX + count.to_bytes(8, "big") + root).digest()


def commit(salts: bytes, items: Sequence[bytes]) -> bytes:
    """Return the commitment of a batch: `items[0]` is the header, the rest its records."""
    return commitment_of(len(items), merkle_root(salted_leaves(salts, items)))


def epoch_key_commitment(agreement: bytes, side: Side, epoch: int, key: bytes) -> bytes:
    """Return the commitment that `publishKey` puts on the ledger, 32 bytes."""
    assert len(agreement) == HASH_BYTES, "an agreement is 32 bytes"
    return hashlib.sha256(
        EPOCH_TAG + agreement + int(side).to_bytes(1, "big") + epoch.to_bytes(4, "big") + key
    ).digest()
