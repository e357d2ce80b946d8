"""The engine's one table: both sides' open entries with their normalised keys, as Arrow.

| column | type | meaning |
|---|---|---|
| `side` | int8 | 0 servicer, 1 owner |
| `pos` | int32 | the entry's place in its side's list; never decides anything |
| `entry_ref` | string | unique on its side |
| `currency` | string | ISO 4217 |
| `signed` | int64 | minor units, IN + and OUT -, whatever the status |
| `bday`, `vday` | int32 | booking and value date, days since 1970 (none: the booking date) |
| `vord` | int32 | the value date in business days common to both calendars |
| `occ` | int64 | occurred_at in milliseconds, 0 where unknown |
| `moving` | bool | the status moves the balance |
| `free` | bool | not held by a decision: passes may use it |
| `k0` ... | string | keys, one column for each distinct rule of `KeyColumns`; null never matches |
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

import pyarrow as pa
import pyarrow.compute as pc

from reconcile.matching.normalise import normalise_column
from reconcile.model import (
    CARRIER_BY_WORD,
    MOVING_STATUSES,
    Direction,
    Entry,
    InputError,
    Side,
    Where,
)
from reconcile.terms import KeyPair, MatchPass

_MOVES = pa.array(sorted(int(status) for status in MOVING_STATUSES), pa.int8())
_FIELD_CARRIERS = ("remittance", "counterparty_name", "counterparty_account", "group_ref")


@dataclass
class KeyColumns:
    """Names one column for each distinct tuple of key pairs, so that passes share them."""

    names: dict[tuple[KeyPair, ...], str] = field(default_factory=dict)

    def of(self, keys: Sequence[KeyPair]) -> str | None:
        """Return the column of these keys together, None for a pass without keys."""
        if not keys:
            return None
        return self.names.setdefault(tuple(keys), f"k{len(self.names)}")

    def of_pass(self, match_pass: MatchPass) -> str | None:
        """Return the key column of a pass."""
        return self.of(match_pass.keys)


def carrier_columns(entries: Sequence[Entry], words: Iterable[str]) -> dict[str, pa.Array]:
    """Return each carrier's texts by its word, in the order of the entries."""
    columns: dict[str, pa.Array] = {}
    numbers: dict[str, int] = {}
    for word in words:
        if word in _FIELD_CARRIERS:
            columns[word] = pa.array(map(attrgetter(word), entries), pa.string())
        elif word in CARRIER_BY_WORD:
            numbers[word] = CARRIER_BY_WORD[word].value
        else:
            raise InputError(
                "TERMS_CARRIER",
                f"{word!r} carries no reference",
                where=Where(field="keys"),
                help="use " + ", ".join([*CARRIER_BY_WORD, *_FIELD_CARRIERS]),
            )
    columns |= _reference_columns(entries, numbers)
    return columns


def _reference_columns(entries: Sequence[Entry], numbers: Mapping[str, int]) -> dict[str, pa.Array]:
    """Return the columns of reference carriers."""
    if not numbers:
        return {}
    unasked: list[str | None] = [None] * len(entries)
    texts = {number: unasked.copy() for number in numbers.values()}
    column_of = texts.get
    for place, references in enumerate(map(attrgetter("references"), entries)):
        for number, text in references:
            column_of(number, unasked)[place] = text
    return {word: pa.array(texts[number], pa.string()) for word, number in numbers.items()}


def carrier_text(entry: Entry, word: str) -> str | None:
    """Return what one carrier of one entry holds."""
    if word in _FIELD_CARRIERS:
        text: str | None = getattr(entry, word)
        return text
    return entry.reference(CARRIER_BY_WORD[word])


def _words(columns: KeyColumns, side: Side) -> list[str]:
    words = {
        pair.servicer if side is Side.SERVICER else pair.owner
        for keys in columns.names
        for pair in keys
    }
    return sorted(words)


def _key_column(keys: tuple[KeyPair, ...], side: Side, texts: dict[str, pa.Array]) -> pa.Array:
    """Return one key column; several carriers join with their lengths, so no two joins collide."""
    parts = [
        normalise_column(texts[pair.carrier(side)], pair.normalise, pair.min_length)
        for pair in keys
    ]
    if len(parts) == 1:
        return parts[0]
    pieces = []
    for part in parts:
        pieces += [pc.cast(pc.utf8_length(part), pa.string()), part]
    return pc.binary_join_element_wise(*pieces, ":", null_handling="emit_null")


def value_day(entry: Entry) -> int:
    """Return the value date; a missing one is the booking date."""
    return entry.booking_date if entry.value_date is None else entry.value_date


def side_table(
    entries: Sequence[Entry],
    side: Side,
    columns: KeyColumns,
    ordinal: Callable[[int], int],
    held: frozenset[str],
) -> pa.Table:
    """Return one side's rows; `ordinal` counts business days common to both calendars."""
    count = len(entries)

    def taken(name: str, kind: pa.DataType) -> pa.Array:
        return pa.array(map(attrgetter(name), entries), kind)

    refs = taken("entry_ref", pa.string())
    bday = taken("booking_date", pa.int32())
    vday = pc.coalesce(taken("value_date", pa.int32()), bday)
    amount = taken("amount_minor", pa.int64())
    out = pc.equal(taken("direction", pa.int8()), int(Direction.OUT))
    texts = carrier_columns(entries, _words(columns, side))
    data: dict[str, pa.Array] = {
        "side": pa.repeat(pa.scalar(int(side), pa.int8()), count),
        "pos": pa.array(range(count), pa.int32()),
        "entry_ref": refs,
        "currency": taken("currency", pa.string()),
        "signed": pc.if_else(out, pc.negate(amount), amount),
        "bday": bday,
        "vday": vday,
        "vord": _ordinals(vday, ordinal),
        "occ": pc.coalesce(taken("occurred_at", pa.int64()), pa.scalar(0, pa.int64())),
        "moving": pc.is_in(taken("status", pa.int8()), value_set=_MOVES),
        "free": pc.invert(pc.is_in(refs, value_set=pa.array(sorted(held), pa.string()))),
    }
    for keys, name in columns.names.items():
        data[name] = _key_column(keys, side, texts)
    return pa.table(data)


def _ordinals(days: pa.Array, ordinal: Callable[[int], int]) -> pa.Array:
    """Return each day's ordinal; a book has few different days."""
    different = pc.unique(days)
    ordinals = pa.array([ordinal(day) for day in different.to_pylist()], pa.int32())
    return ordinals.take(pc.index_in(days, value_set=different))
