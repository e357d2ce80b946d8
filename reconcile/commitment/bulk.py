"""Records by the thousand: the checks of `records`, field by field instead of record by record.

A field is judged over all records at once, several times as fast. This shortcut only ever says
"all are good"; which record is bad, and why, is then found by `records` one by one, so that the
answer to a bad record is the same whichever way it came.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise
from operator import attrgetter, itemgetter
from typing import Final

import msgspec

from reconcile.commitment.records import (
    CARRIERS,
    CONTROL,
    CURRENCY,
    ENTRY_TEXTS,
    MAX_DAY,
    MAX_RECORD_BYTES,
    MAX_SESSION,
    MAX_TIME_MS,
    MAX_VERSION,
    decode_record,
    encode_record,
    record_problem,
)
from reconcile.model import MAX_AMOUNT_MINOR, MAX_REF_LENGTH, Entry, Record

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Record).decode
_carrier: Final = itemgetter(0)
_text: Final = itemgetter(1)
# Field → the least and the greatest it may be, where it is present.
_RANGES: Final = (
    ("version", 0, MAX_VERSION),
    ("amount_minor", 0, MAX_AMOUNT_MINOR),
    ("booking_date", 0, MAX_DAY),
    ("value_date", 0, MAX_DAY),
    ("settlement_date", 0, MAX_DAY),
    ("session", 0, MAX_SESSION),
    ("fee_minor", -MAX_AMOUNT_MINOR, MAX_AMOUNT_MINOR),
    ("occurred_at", 0, MAX_TIME_MS),
)


def encode_records(records: Sequence[Record]) -> Iterator[bytes]:
    """Yield the canonical bytes of each record; raises what `encode_record` raises, in its turn."""
    return map(_encode_good if all_good(records) else encode_record, records)


def _encode_good(record: Record) -> bytes:
    data = _encode(record)
    return data if len(data) <= MAX_RECORD_BYTES else encode_record(record)


def decode_records(items: Sequence[bytes]) -> list[Record]:
    """Return the record that each item is, exactly; raises what `decode_record` raises."""
    if max(map(len, items), default=0) <= MAX_RECORD_BYTES:
        try:
            records: list[Record] = list(map(_decode, items))
            canonical = list(map(_encode, records)) == list(items)
        except (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError):
            canonical = False
        if canonical and all_good(records):
            return records
    return list(map(decode_record, items))


def all_good(records: Sequence[Record]) -> bool:
    """Say whether no record breaks a limit: `record_problem` is None for each."""
    entries = [record for record in records if isinstance(record, Entry)]
    if len(entries) < len(records):
        others = (record for record in records if not isinstance(record, Entry))
        if any(record_problem(record) for record in others):
            return False
    return not entries or (_numbers_good(entries) and _texts_good(entries))


def _numbers_good(entries: Sequence[Entry]) -> bool:
    for name, least, greatest in _RANGES:
        found = set(map(attrgetter(name), entries))
        found.discard(None)
        if found and not least <= min(found) <= max(found) <= greatest:
            return False
    return all(map(CURRENCY.fullmatch, set(map(attrgetter("currency"), entries))))


def _texts_good(entries: Sequence[Entry]) -> bool:
    # Those with documents are few, and have more to check than texts.
    if any(record_problem(entry) for entry in entries if entry.documents):
        return False
    references = [entry.references for entry in entries if entry.references]
    orders = {tuple(map(_carrier, item)) for item in references}
    if not all(map(_carriers_good, orders)):
        return False
    texts = set(map(attrgetter("entry_ref"), entries))
    texts.update(map(_text, chain.from_iterable(references)))
    if not _good(texts, MAX_REF_LENGTH):
        return False
    for name, limit in ENTRY_TEXTS:
        found = set(map(attrgetter(name), entries))
        found.discard(None)
        if not _good(found, limit):
            return False
    return True


def _carriers_good(order: Sequence[int]) -> bool:
    """Say whether carriers are known and in ascending order, each once."""
    return CARRIERS.issuperset(order) and all(left < right for left, right in pairwise(order))


def _good(texts: Iterable[str], limit: int) -> bool:
    lengths = set(map(len, texts))
    if not lengths:
        return True
    if min(lengths) < 1 or max(lengths) > limit:
        return False
    joined = "".join(texts)
    # A control character and a lone surrogate are not printable; some letters are not either.
    if joined.isprintable():
        return True
    try:
        joined.encode()
    except UnicodeEncodeError:
        return False
    return CONTROL.search(joined) is None
