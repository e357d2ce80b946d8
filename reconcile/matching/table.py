"""The engine's one table: both sides' open entries with their normalised keys, as Arrow.

| column | type | meaning |
|---|---|---|
| `id` | int64 | 2 x the entry's place in its side's table + side; never decides anything |
| `side` | int8 | 0 servicer, 1 owner |
| `entry_ref` | string | unique on its side |
| `currency` | string | ISO 4217 |
| `signed` | int64 | minor units, IN + and OUT -, whatever the status |
| `bday`, `vday` | int32 | booking and value date, days since 1970 (none: the booking date) |
| `vord` | int32 | the value date in business days common to both calendars |
| `occ` | int64 | occurred_at in milliseconds, 0 where unknown |
| `moving` | bool | the status moves the balance |
| `free` | bool | not held by a decision: passes may use it |

Keys (`key_columns`) stand beside them: `k0` ..., one text column for each distinct rule of
`KeyColumns`; null never matches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from reconcile.entries import EntryTable
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
# A bare number would send Arrow looking for libraries that are not there, at every call.
_OUT = pa.scalar(int(Direction.OUT), pa.int8())
_NO_MOMENT = pa.scalar(0, pa.int64())
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


def check_carriers(columns: KeyColumns) -> None:
    """Raise InputError TERMS_CARRIER for a key whose word carries no reference."""
    pairs = [pair for keys in columns.names for pair in keys]
    for word in sorted({word for pair in pairs for word in (pair.servicer, pair.owner)}):
        if word not in _FIELD_CARRIERS and word not in CARRIER_BY_WORD:
            raise InputError(
                "TERMS_CARRIER",
                f"{word!r} carries no reference",
                where=Where(field="keys"),
                help="use " + ", ".join([*CARRIER_BY_WORD, *_FIELD_CARRIERS]),
            )


def carrier_text(entry: Entry, word: str) -> str | None:
    """Return what one carrier of one entry holds."""
    if word in _FIELD_CARRIERS:
        text: str | None = getattr(entry, word)
        return text
    return entry.reference(CARRIER_BY_WORD[word])


def key_columns(
    entries: EntryTable, side: Side, names: Mapping[tuple[KeyPair, ...], str]
) -> dict[str, pa.Array]:
    """Return the named key columns of one side's entries."""
    made: dict[KeyPair, pa.Array] = {}
    columns = {}
    for keys, name in names.items():
        for pair in keys:
            if pair not in made:
                texts = entries.column(pair.carrier(side))
                made[pair] = normalise_column(texts, pair.normalise, pair.min_length)
        columns[name] = _joined([made[pair] for pair in keys])
    return columns


def _joined(parts: Sequence[pa.Array]) -> pa.Array:
    """Return several carriers as one key, with their lengths, so that no two joins collide."""
    if len(parts) == 1:
        return parts[0]
    if any(part.null_count == len(part) for part in parts):
        return pa.nulls(len(parts[0]), pa.string())
    pieces = []
    for part in parts:
        pieces += [pc.cast(pc.utf8_length(part), pa.string()), part]
    return pc.binary_join_element_wise(*pieces, ":", null_handling="emit_null")


def value_day(entry: Entry) -> int:
    """Return the value date; a missing one is the booking date."""
    return entry.booking_date if entry.value_date is None else entry.value_date


def side_table(
    entries: EntryTable, side: Side, ordinal: Callable[[int], int], held: frozenset[str]
) -> pa.RecordBatch:
    """Return one side's rows without keys; `ordinal` counts business days of both calendars."""
    count = len(entries)
    refs, bday = entries.column("entry_ref"), entries.column("booking_date")
    vday = pc.coalesce(entries.column("value_date"), bday)
    free = pa.repeat(pa.scalar(True), count)
    if held:
        free = pc.invert(pc.is_in(refs, value_set=pa.array(sorted(held), pa.string())))
    return pa.record_batch(
        {
            "id": pa.arange(int(side), 2 * count + side, 2),
            "side": pa.repeat(pa.scalar(int(side), pa.int8()), count),
            "entry_ref": refs,
            "currency": entries.column("currency"),
            "signed": signed_column(entries),
            "bday": bday,
            "vday": vday,
            "vord": _ordinals(vday, ordinal),
            "occ": pc.coalesce(entries.column("occurred_at"), _NO_MOMENT),
            "moving": moving_column(entries),
            "free": free,
        }
    )


def signed_column(entries: EntryTable) -> pa.Array:
    """Return the amounts with their signs, IN + and OUT -, whatever the status."""
    amount = entries.column("amount_minor")
    return pc.if_else(pc.equal(entries.column("direction"), _OUT), pc.negate(amount), amount)


def moving_column(entries: EntryTable) -> pa.Array:
    """Return which entries move the balance."""
    return pc.is_in(entries.column("status"), value_set=_MOVES)


def _ordinals(days: pa.Array, ordinal: Callable[[int], int]) -> pa.Array:
    """Return each day's ordinal; a book has few different days."""
    different = pc.unique(days)
    if len(different) == 1:
        return pa.repeat(pa.scalar(ordinal(different[0].as_py()), pa.int32()), len(days))
    ordinals = pa.array([ordinal(day) for day in different.to_pylist()], pa.int32())
    return ordinals.take(pc.index_in(days, value_set=different))
