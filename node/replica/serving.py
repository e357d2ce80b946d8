"""A version that is served: whole buckets with their paths, each checked before it leaves."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Final

from node.replica.building import HEADER, LEAVES, ROWS, STARTS, bucket_at, sealed_json
from node.replica.segments import damaged
from node.screening.index import BucketProof, IndexHeader, bucket_leaf
from reconcile.commitment.tree import HASH_BYTES, node_hash
from reconcile.model import ProtocolError, Where

_START_BYTES: Final = 8


class Version:
    """An open version; it stays readable when its folder is removed. Close it when done."""

    def __init__(self, folder: Path) -> None:
        """Open a version; raises `OutsideError` REPLICA_DAMAGED where its tree is not the root's.

        The rows are checked bucket by bucket when they are served.
        """
        self.header, self.through = read_header(folder)
        try:
            leaves = (folder / LEAVES).read_bytes()
            starts = (folder / STARTS).read_bytes()
            self._rows = (folder / ROWS).open("rb")
        except OSError:
            raise damaged(folder) from None
        self._starts = [
            int.from_bytes(starts[at : at + _START_BYTES], "big")
            for at in range(0, len(starts), _START_BYTES)
        ]
        self._levels = _levels(
            [leaves[at : at + HASH_BYTES] for at in range(0, len(leaves), HASH_BYTES)]
        )
        buckets = 1 << self.header.bits
        sizes = [after - start for start, after in pairwise(self._starts)]
        whole = len(self._levels[0]) == buckets == len(sizes) and sum(sizes) == (
            self.header.leaf_count
        )
        fits = whole and self._starts[0] == 0 <= min(sizes) and max(sizes) == self.header.largest
        if not fits or self._levels[-1][0] != self.header.tree_root:
            self.close()
            raise damaged(folder)
        self._folder = folder

    def prove(self, number: int) -> BucketProof:
        """Return a bucket, padded, with its path.

        Raises `ProtocolError` BUCKET_UNKNOWN, and `OutsideError` REPLICA_DAMAGED where the disk
        does not give what was built: a replica never serves a bucket that its own root refuses.
        """
        if not 0 <= number < 1 << self.header.bits:
            raise ProtocolError(
                "BUCKET_UNKNOWN",
                f"there are {1 << self.header.bits} buckets, numbered from 0",
                where=Where(field="bucket"),
                help="Take the number from the first bits of loc, as many as the header says.",
            )
        try:
            encoded = bucket_at(self._rows, number, self._starts).encode(self.header.largest)
        except (OSError, AssertionError):
            raise damaged(self._folder) from None
        if bucket_leaf(encoded) != self._levels[0][number]:
            raise damaged(self._folder)
        path = tuple(level[(number >> up) ^ 1] for up, level in enumerate(self._levels[:-1]))
        return BucketProof(self.header, encoded, path)

    def close(self) -> None:
        """Close the file."""
        self._rows.close()


def read_header(folder: Path) -> tuple[IndexHeader, int]:
    """Return a version's header and its last batch; raises `OutsideError` REPLICA_DAMAGED."""
    try:
        data = (folder / HEADER).read_bytes()
        body = json.loads(data.split(b"\n")[0])
        if sealed_json(body) != data:
            raise damaged(folder)
        through = int(body.pop("through"))
        body["tree_root"] = bytes.fromhex(body["tree_root"])
        return IndexHeader(**body), through
    except (OSError, ValueError, KeyError, TypeError):
        raise damaged(folder) from None


def _levels(leaves: list[bytes]) -> list[list[bytes]]:
    """Return the whole tree, leaves first: there are a power of two of them, so no odd ones."""
    levels = [leaves]
    while len(levels[-1]) > 1:
        below = levels[-1]
        pairs = zip(below[::2], below[1::2], strict=False)
        levels.append([node_hash(left, right) for left, right in pairs])
    return levels
