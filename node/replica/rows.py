"""A row: loc ‖ record ‖ number ‖ sender ‖ operation, 1,045 bytes, in order of loc and leaf.

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
KEY_BYTES: Final = LOC_BYTES + len(VERSION) + LEAF_BYTES
_NUMBER_AT: Final = LOC_BYTES + RECORD_BYTES
_SENDER_AT: Final = _NUMBER_AT + 8
_OPERATION_AT: Final = _SENDER_AT + 4
ROW_BYTES: Final = _OPERATION_AT + 1
_ADD: Final = b"\x01"
_REMOVE: Final = b"\x00"
MAX_MEMBER: Final = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Sent:
    """A record that an uploader sends, and the 32 bytes that say where it belongs."""

    loc: bytes
    record: bytes


@dataclass(frozen=True, slots=True)
class Removal:
    """A record that its uploader takes out, by where it belongs and its leaf."""

    loc: bytes
    leaf: bytes


def make_row(item: Sent | Removal, number: int, sender: int) -> bytes:
    """Return the row of an item; raises `ProtocolError` REPLICA_RECORD."""
    if not 1 <= sender <= MAX_MEMBER:
        raise _refuse("the sender is no member's number")
    if isinstance(item, Sent):
        record, operation = item.record, _ADD
    else:
        record, operation = (VERSION + item.leaf).ljust(RECORD_BYTES, b"\x00"), _REMOVE
        if len(item.leaf) != LEAF_BYTES:
            raise _refuse("a leaf is 32 bytes")
    if len(item.loc) != LOC_BYTES or len(record) != RECORD_BYTES or record[:1] != VERSION:
        raise _refuse("a record is 1,000 bytes of version 1, with the 32 bytes where it belongs")
    return item.loc + record + number.to_bytes(8, "big") + sender.to_bytes(4, "big") + operation


def record_of(row: bytes) -> bytes:
    """Return the record."""
    return row[LOC_BYTES:_NUMBER_AT]


def leaf_of(row: bytes) -> bytes:
    """Return the leaf."""
    return record_leaf(record_of(row))


def number_of(row: bytes) -> bytes:
    """Return the 8 bytes that say when the row came, in order of all rows."""
    return row[_NUMBER_AT:_SENDER_AT]


def sender_of(row: bytes) -> int:
    """Return the member that sent it."""
    return int.from_bytes(row[_SENDER_AT:_OPERATION_AT], "big")


@dataclass(frozen=True, slots=True)
class Conflict:
    """A row that does not count: its leaf is another member's, or the removal's target is none."""

    sender: int
    leaf: bytes


def settle(rows: Iterable[bytes], conflicts: list[Conflict]) -> Iterator[bytes]:
    """Yield the rows that stand, of rows in order of loc and leaf.

    Whoever sent a leaf first holds it: only it replaces or removes the record. Anybody who reads a
    bucket knows its leaves, so without this rule any reader could put a record out of the index.
    """
    for _, group in groupby(rows, key=_key):
        standing: bytes | None = None
        same = list(group)
        for row in sorted(same, key=number_of) if len(same) > 1 else same:
            adds = row[_OPERATION_AT:] == _ADD
            if adds if standing is None else sender_of(standing) == sender_of(row):
                standing = row if adds else None
            else:
                conflicts.append(Conflict(sender_of(row), leaf_of(row)))
        if standing is not None:
            yield standing


def split_rows(data: bytes) -> Sequence[bytes]:
    """Return the rows of some bytes."""
    return [data[at : at + ROW_BYTES] for at in range(0, len(data), ROW_BYTES)]


def _key(row: bytes) -> bytes:
    return row[:KEY_BYTES]


def _refuse(says: str) -> ProtocolError:
    return ProtocolError(
        "REPLICA_RECORD", says, where=Where(field="record"), help="Seal the entry again."
    )
