"""Segments: a batch of rows as one file, written aside, synced and renamed before it is promised.

A segment is its rows in order and, last, SHA-256 over them. Its name says which batches it holds:
several small ones are merged into one, and a file whose batches another one holds is a leftover of
a crash between writing the merged one and deleting its parts.
"""

from __future__ import annotations

import contextlib
import hashlib
import heapq
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from node.crypto.files import disk_error, make_private_directory
from node.replica.rows import ROW_BYTES, split_rows
from reconcile.model import OutsideError, UsageError, Where

#: So many rows are sorted in memory at once, some 17 MB.
MAX_BATCH: Final = 16_384
MAX_FAN_IN: Final = 64
CHUNK_ROWS: Final = 64
_DIGEST_BYTES: Final = 32
_SUFFIX: Final = ".seg"
_ASIDE: Final = ".aside"


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """A file with the rows of batches `first` to `last`."""

    first: int
    last: int
    path: Path


def segments_of(folder: Path) -> list[Segment]:
    """Return the segments in order, without those that a merged one holds."""
    found = []
    for path in folder.glob(f"*{_SUFFIX}"):
        first, last = path.stem.split("-")
        found.append(Segment(int(first), int(last), path))
    # The widest first, so that its parts come behind it.
    found.sort(key=lambda one: (one.first, -one.last))
    kept: list[Segment] = []
    for one in found:
        if not kept or one.last > kept[-1].last:
            kept.append(one)
    return kept


def write_segment(folder: Path, first: int, last: int, rows: Iterable[bytes]) -> Segment:
    """Write rows that are in order; a crash leaves either the whole segment or none.

    Raises `OutsideError` DISK_WRITE.
    """
    make_private_directory(folder)
    path = folder / f"{first:012d}-{last:012d}{_SUFFIX}"
    aside = path.with_suffix(_ASIDE)
    try:
        write_rows(aside, rows)
        aside.replace(path)
        sync_directory(folder)
    except OSError as error:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)
        raise disk_error(path, error) from None
    return Segment(first, last, path)


def write_rows(path: Path, rows: Iterable[bytes]) -> None:
    """Write rows and their SHA-256, synced."""
    digest = hashlib.sha256()
    with path.open("wb", buffering=1 << 20) as file:
        for row in rows:
            digest.update(row)
            file.write(row)
        file.write(digest.digest())
        file.flush()
        os.fsync(file.fileno())


def read_rows(path: Path) -> Iterator[bytes]:
    """Yield the rows of a file; raises `OutsideError` REPLICA_DAMAGED once its hash is known."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            left = path.stat().st_size - _DIGEST_BYTES
            if left < 0 or left % ROW_BYTES:
                raise damaged(path)
            while left:
                data = file.read(min(left, CHUNK_ROWS * ROW_BYTES))
                if not data:
                    raise damaged(path)
                left -= len(data)
                digest.update(data)
                yield from split_rows(data)
            if file.read() != digest.digest():
                raise damaged(path)
    except OSError as error:
        raise disk_error(path, error) from None


def merged(parts: Sequence[Iterator[bytes]]) -> Iterator[bytes]:
    """Yield the rows of all parts in order."""
    return heapq.merge(*parts)


def consolidate(folder: Path, through: int) -> list[Segment]:
    """Merge segments up to a batch until no more than `MAX_FAN_IN` are left, and return them.

    Nothing is settled here: what a row replaces may stand in a version. Raises `UsageError`
    REPLICA_BATCHES_MERGED where an earlier version was built of more batches.
    """
    found = segments_of(folder)
    for path in folder.glob(f"*{_ASIDE}"):
        path.unlink()
    kept = {one.path for one in found}
    for path in folder.glob(f"*{_SUFFIX}"):
        if path not in kept:
            path.unlink()
    spanning = [one for one in found if one.first <= through < one.last]
    if spanning:
        raise UsageError(
            "REPLICA_BATCHES_MERGED",
            f"batches {spanning[0].first} to {spanning[0].last} are one by now",
            help="build through the last of them",
        )
    found = [one for one in found if one.last <= through]
    while len(found) > MAX_FAN_IN:
        parts = found[:MAX_FAN_IN]
        rows = merged([read_rows(one.path) for one in parts])
        whole = write_segment(folder, parts[0].first, parts[-1].last, rows)
        for one in parts:
            one.path.unlink()
        found = [whole, *found[MAX_FAN_IN:]]
    return found


def sync_directory(folder: Path) -> None:
    """Sync a folder, so that a renamed file is found after a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def damaged(path: Path) -> OutsideError:
    """Return the refusal for a file that is not what was written."""
    return OutsideError(
        "REPLICA_DAMAGED",
        f"{path.name} is not what was written",
        where=Where(file=str(path)),
        help="Restore it from a backup, or fetch the key epoch's records from the uploaders again.",
    )
