"""Reading an opened plaintext: first as raw items (to re-hash), then as header and records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from reconcile.commitment.bulk import all_good
from reconcile.commitment.header import (
    MAX_PLAINTEXT_BYTES,
    MAX_RECORDS,
    BatchHeader,
    PlainBatch,
    header_problem,
    join_items,
)
from reconcile.commitment.records import MAX_RECORD_BYTES, decode_record
from reconcile.model import Decision, Entry, ProtocolError, Record, SectionDigest, Where

_split: Final = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_header: Final = msgspec.msgpack.Decoder(BatchHeader).decode
_all: Final = msgspec.msgpack.Decoder(list[BatchHeader | Entry | Decision | SectionDigest]).decode
_encode: Final = msgspec.msgpack.Encoder().encode


def split_items(plaintext: bytes) -> tuple[bytes, ...]:
    """Return the header's and the records' bytes, unread.

    Raises `ProtocolError` PLAINTEXT_TOO_LARGE, PLAINTEXT_MALFORMED or TOO_MANY_RECORDS.
    """
    if len(plaintext) > MAX_PLAINTEXT_BYTES:
        raise _refused("PLAINTEXT_TOO_LARGE", f"has {len(plaintext)} bytes")
    count = _array_count(plaintext)
    if count - 1 > MAX_RECORDS:
        raise _refused("TOO_MANY_RECORDS", f"has {count - 1} records, over {MAX_RECORDS}")
    try:
        items = tuple(bytes(item) for item in _split(plaintext))
    except (msgspec.MsgspecError, RecursionError) as error:
        raise _refused("PLAINTEXT_MALFORMED", f"is no array of records: {error}") from None
    if not items or join_items(items) != plaintext:
        raise _refused("PLAINTEXT_MALFORMED", "is not the array that its items make")
    return items


def _array_count(plaintext: bytes) -> int:
    """Return how many items the array announces, before one of them is made an object.

    Megabytes of one-byte items would otherwise become millions of objects. What is no array at all
    counts as 0 here and is refused by the decoder, a shorter form of the length by re-encoding.
    """
    first = plaintext[:1]
    if b"\x90" <= first <= b"\x9f":
        return first[0] & 0x0F
    width = {b"\xdc": 2, b"\xdd": 4}.get(first, 0)
    return int.from_bytes(plaintext[1 : 1 + width], "big")


def read_items(items: Sequence[bytes], plaintext: bytes) -> PlainBatch:
    """Read header and records, each canonical.

    Raises `ProtocolError` HEADER_MALFORMED or a RECORD_* code; `where.line` is the leaf's number.
    """
    header = read_header(items[0])
    at_once = _records_at_once(items, plaintext)
    if at_once is not None:
        return PlainBatch(header, at_once, tuple(items), plaintext)
    records = []
    for index, item in enumerate(items[1:], start=1):
        try:
            records.append(decode_record(item))
        except ProtocolError as error:
            error.where = Where(line=index, field=error.where.field)
            raise
    return PlainBatch(header, tuple(records), tuple(items), plaintext)


def _records_at_once(items: Sequence[bytes], plaintext: bytes) -> tuple[Record, ...] | None:
    """Read all records in one pass, three times as fast; None where one of them is bad.

    Whether a batch is bad, at which leaf and why is then found record by record, so that this
    shortcut never decides a reason.
    """
    try:
        header, *found = _all(plaintext)
        canonical = _encode([header, *found]) == plaintext
    except (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError):
        return None
    records = tuple(record for record in found if not isinstance(record, BatchHeader))
    if (
        not canonical
        or len(records) != len(items) - 1
        or max(map(len, items)) > MAX_RECORD_BYTES
        or not all_good(records)
    ):
        return None
    return records


def read_header(data: bytes) -> BatchHeader:
    """Return the header that `data` is, exactly; raises `ProtocolError` HEADER_MALFORMED."""
    try:
        header = _header(data)
        again = _encode(header)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError) as error:
        raise _refused("HEADER_MALFORMED", f"has a header that does not decode: {error}") from None
    if again != data:
        raise _refused("HEADER_MALFORMED", "has a header that does not re-encode to itself")
    problem = header_problem(header)
    if problem is not None:
        raise _refused("HEADER_MALFORMED", f"has a bad header: {problem.field} {problem.says}")
    return header


def _refused(code: str, says: str) -> ProtocolError:
    return ProtocolError(
        code, f"the batch {says}", help="The batch counts as not posted; its side posts it again."
    )
