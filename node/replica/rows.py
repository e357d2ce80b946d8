"""A row: loc ‖ record ‖ number ‖ entry ‖ operation, 1,073 bytes, in order of loc and leaf.

The record begins with its version byte and leaf, so rows sort as bytes: no key is cut out of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from node.screening.index import record_leaf
from node.screening.records import LEAF_BYTES, RECORD_BYTES, VERSION
from reconcile.model import ProtocolError, Where

LOC_BYTES: Final = 32
ENTRY_BYTES: Final = 32
KEY_BYTES: Final = LOC_BYTES + len(VERSION) + LEAF_BYTES
_NUMBER_AT: Final = LOC_BYTES + RECORD_BYTES
_ENTRY_AT: Final = _NUMBER_AT + 8
_OPERATION_AT: Final = _ENTRY_AT + ENTRY_BYTES
ROW_BYTES: Final = _OPERATION_AT + 1
_ADD: Final = b"\x01"
_REMOVE: Final = b"\x00"


@dataclass(frozen=True, slots=True)
class Sent:
    """An entry's record, and the 32 bytes that say where it belongs."""

    entry: bytes
    loc: bytes
    record: bytes


@dataclass(frozen=True, slots=True)
class Removal:
    """An entry's record that leaves the index, by where it belongs and its leaf."""

    entry: bytes
    loc: bytes
    leaf: bytes


def make_row(item: Sent | Removal, number: int) -> bytes:
    """Return the row of an item; raises `ProtocolError` REPLICA_RECORD."""
    if isinstance(item, Sent):
        record, operation = item.record, _ADD
    else:
        record, operation = (VERSION + item.leaf).ljust(RECORD_BYTES, b"\x00"), _REMOVE
        if len(item.leaf) != LEAF_BYTES:
            raise _refuse("a leaf is 32 bytes")
    if len(item.loc) != LOC_BYTES or len(record) != RECORD_BYTES or record[:1] != VERSION:
        raise _refuse("a record is 1,000 bytes of version 1, with the 32 bytes where it belongs")
    if len(item.entry) != ENTRY_BYTES:
        raise _refuse("an entry is 32 bytes")
    return item.loc + record + number.to_bytes(8, "big") + item.entry + operation


def record_of(row: bytes) -> bytes:
    """Return the record."""
    return row[LOC_BYTES:_NUMBER_AT]


def leaf_of(row: bytes) -> bytes:
    """Return the leaf."""
    return record_leaf(record_of(row))


def settle(rows: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the rows that stand, of rows in order of loc and leaf.

    Of each entry the last row counts. Whoever reads a bucket can show its leaves again; a row of
    another entry neither replaces nor removes a record.
    """
    for _, group in groupby(rows, key=_key):
        same = list(group)
        if len(same) == 1:
            if same[0][_OPERATION_AT:] == _ADD:
                yield same[0]
            continue
        last: dict[bytes, bytes] = {}
        for row in sorted(same, key=_number_of):
            last[row[_ENTRY_AT:_OPERATION_AT]] = row
        yield from sorted(row for row in last.values() if row[_OPERATION_AT:] == _ADD)


def split_rows(data: bytes) -> Sequence[bytes]:
    """Return the rows of some bytes."""
    return [data[at : at + ROW_BYTES] for at in range(0, len(data), ROW_BYTES)]


def _key(row: bytes) -> bytes:
    return row[:KEY_BYTES]


def _number_of(row: bytes) -> bytes:
    """Return the 8 bytes that say when the row came, in order of all rows."""
    return row[_NUMBER_AT:_ENTRY_AT]


def _refuse(says: str) -> ProtocolError:
    return ProtocolError(
        "REPLICA_RECORD", says, where=Where(field="record"), help="Seal the entry again."
    )
