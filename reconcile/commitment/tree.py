"""The Merkle tree of RFC 6962, section 2.1: SHA-256, no padding leaves.

A *leaf* here is always the 32-byte leaf hash, SHA-256(0x00 ‖ data); an inner node is
SHA-256(0x01 ‖ left ‖ right). The two prefixes keep a node from passing as a leaf.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

HASH_BYTES: Final = 32
LEAF_PREFIX: Final = b"\x00"
NODE_PREFIX: Final = b"\x01"
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
# A tree of 2**64 - 1 leaves is 64 levels deep; no proof is longer.
MAX_PATH_LENGTH: Final = 64


def leaf_hash(data: bytes) -> bytes:
    """Return SHA-256(0x00 ‖ data), 32 bytes."""
    return hashlib.sha256(LEAF_PREFIX + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return SHA-256(0x01 ‖ left ‖ right), 32 bytes."""
    return hashlib.sha256(NODE_PREFIX + left + right).digest()


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """Return the Merkle tree hash over leaf *hashes* (make them with `leaf_hash`).

    No leaves give SHA-256 of nothing, one leaf gives itself. Joining neighbours level by level and
    carrying an odd last one upwards is the same tree as RFC 6962's split at the largest power of
    two below n.
    """
    assert all(len(leaf) == HASH_BYTES for leaf in leaves), "leaves are 32-byte leaf hashes"
    if not leaves:
        return EMPTY_ROOT
    level = list(leaves)
    while len(level) > 1:
        level = _parents(level)
    return level[0]


def inclusion_path(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Return the audit path of leaf `index`, lowest sibling first (RFC 6962, 2.1.1)."""
    assert 0 <= index < len(leaves), "the index names a leaf"
    level = list(leaves)
    path: list[bytes] = []
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        level = _parents(level)
        index >>= 1
    return tuple(path)


def root_from_path(leaf: bytes, index: int, count: int, path: Sequence[bytes]) -> bytes | None:
    """Return the root that `path` leads to, or None where the path cannot be one of this tree.

    The length of the path is fixed by (index, count): a shorter or longer one is refused, so a
    proof has one form only (RFC 9162, 2.1.3.2).
    """
    if not 0 <= index < count or len(path) > MAX_PATH_LENGTH or len(leaf) != HASH_BYTES:
        return None
    node, last = leaf, count - 1
    siblings = iter(path)
    while last:
        if index & 1 or index < last:
            sibling = next(siblings, None)
            if sibling is None or len(sibling) != HASH_BYTES:
                return None
            node = node_hash(sibling, node) if index & 1 else node_hash(node, sibling)
        index >>= 1
        last >>= 1
    return node if next(siblings, None) is None else None


def verify_inclusion(
    leaf: bytes, index: int, count: int, path: Sequence[bytes], root: bytes
) -> bool:
    """Say whether `path` proves that `leaf` is number `index` of `count` under `root`."""
    found = root_from_path(leaf, index, count, path)
    return found is not None and hmac.compare_digest(found, root)


def _parents(level: list[bytes]) -> list[bytes]:
    sha256, prefix = hashlib.sha256, NODE_PREFIX
    parents = [
        sha256(prefix + left + right).digest()
        for left, right in zip(level[::2], level[1::2], strict=False)
    ]
    if len(level) % 2:
        parents.append(level[-1])
    return parents
