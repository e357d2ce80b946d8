"""A version: all rows of a key epoch up to a batch, merged, counted, hashed into a tree.

Rows are read and written one after the other. In memory stand four bytes a row (where it belongs),
the largest bucket, and the tree. A version is a folder that is
renamed into place when everything in it is synced.
"""

from __future__ import annotations

import hashlib
import json
import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, Final

from node.replica.rows import (
    ROW_BYTES,
    record_of,
    settle,
    split_rows,
)
from node.replica.segments import write_rows
from node.screening.index import (
    MAX_BUCKET_RECORDS,
    Bucket,
    IndexHeader,
    bucket_bits,
    bucket_leaf,
)
from reconcile.commitment.tree import merkle_root
from reconcile.model import ProtocolError, Where

ROWS: Final = "rows.dat"
LEAVES: Final = "leaves.dat"
STARTS: Final = "starts.dat"
HEADER: Final = "header.json"
_PREFIX_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class Cut:
    """Which version is built: the ledger's words, and its count of indexed entries there."""

    key_epoch: int
    version: int
    cut_block: int
    leaf_count: int


@dataclass(frozen=True, slots=True)
class Built:
    """A version that was built: its header and the last batch in it."""

    header: IndexHeader
    through: int


def build(folder: Path, rows: Iterable[bytes], cut: Cut, through: int) -> Built:
    """Write a version into an empty folder, synced.

    Raises `ProtocolError` INDEX_COUNT_DIFFERS where the ledger counts other entries, and
    INDEX_BUCKET_FULL; `OutsideError` REPLICA_DAMAGED from the rows.
    """
    prefixes = array("I")
    path = folder / ROWS
    write_rows(path, _watched(settle(rows), prefixes))
    count = len(prefixes)
    if count != cut.leaf_count:
        raise _count_differs(cut, count)
    bits = bucket_bits(count)
    starts = _starts(prefixes, bits)
    del prefixes
    largest = max(after - start for start, after in pairwise(starts))
    if largest > MAX_BUCKET_RECORDS:
        raise ProtocolError(
            "INDEX_BUCKET_FULL",
            f"a bucket holds {largest} records, {MAX_BUCKET_RECORDS} are the most",
            where=Where(field="index"),
            help="Somebody sends records to one place: see which member's they are.",
        )
    with path.open("rb") as file:
        leaves = [
            bucket_leaf(bucket_at(file, number, starts).encode(largest))
            for number in range(1 << bits)
        ]
    header = IndexHeader(
        cut.key_epoch, cut.version, cut.cut_block, bits, count, largest, merkle_root(leaves)
    )
    _write(folder / LEAVES, b"".join(leaves))
    _write(folder / STARTS, b"".join(start.to_bytes(8, "big") for start in starts))
    body = {**asdict(header), "tree_root": header.tree_root.hex(), "through": through}
    _write(folder / HEADER, sealed_json(body))
    return Built(header, through)


def bucket_at(file: BinaryIO, number: int, starts: Sequence[int]) -> Bucket:
    """Read a bucket's records; `pread` leaves the file's position to other threads."""
    first, after = starts[number], starts[number + 1]
    data = os.pread(file.fileno(), (after - first) * ROW_BYTES, first * ROW_BYTES)
    # Records begin with their version byte and leaf, and are served in order of their leaves.
    return Bucket(number, tuple(sorted(record_of(row) for row in split_rows(data))))


def _starts(prefixes: array[int], bits: int) -> list[int]:
    """Return the first row of each bucket, and the count of all rows last."""
    shift = 8 * _PREFIX_BYTES - bits
    counts = [0] * (1 << bits)
    for prefix in prefixes:
        counts[prefix >> shift] += 1
    starts = [0]
    for found in counts:
        starts.append(starts[-1] + found)
    return starts


def _watched(rows: Iterable[bytes], prefixes: array[int]) -> Iterator[bytes]:
    """Yield rows, and remember the first bytes of where each belongs."""
    for row in rows:
        prefixes.append(int.from_bytes(row[:_PREFIX_BYTES], "big"))
        yield row


def sealed_json(body: dict[str, object]) -> bytes:
    """Return JSON and, on a line of its own, SHA-256 over it."""
    data = json.dumps(body).encode()
    return data + b"\n" + hashlib.sha256(data).hexdigest().encode()


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _count_differs(cut: Cut, count: int) -> ProtocolError:
    return ProtocolError(
        "INDEX_COUNT_DIFFERS",
        f"the ledger counts {cut.leaf_count} entries at block {cut.cut_block}, the replica {count}",
        where=Where(field="leaf_count"),
        help="Records have not come yet, or were not taken out: ask their uploaders; the version "
        "before is served on.",
    )
