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

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from reconcile.matching.normalise import normalise_column
from reconcile.model import (
    CARRIER_BY_WORD,
    MOVING_STATUSES,
    Entry,
    EntryStatus,
    InputError,
    Side,
    Where,
)
from reconcile.terms import KeyPair, MatchPass

# Indexed by status: a set of enum members would hash their names for every entry.
_MOVES = tuple(status in MOVING_STATUSES for status in EntryStatus)
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


def carrier_texts(entries: Sequence[Entry], words: Iterable[str]) -> dict[str, list[str | None]]:
    """Return each carrier's texts by its word, in the order of the entries."""
    texts: dict[str, list[str | None]] = {}
    by_number: dict[int, list[str | None]] = {}
    for word in words:
        if word in _FIELD_CARRIERS:
            texts[word] = [getattr(entry, word) for entry in entries]
        elif word in CARRIER_BY_WORD:
            column: list[str | None] = [None] * len(entries)
            texts[word] = by_number[CARRIER_BY_WORD[word]] = column
        else:
            raise InputError(
                "TERMS_CARRIER",
                f"{word!r} carries no reference",
                where=Where(field="keys"),
                help="use " + ", ".join([*CARRIER_BY_WORD, *_FIELD_CARRIERS]),
            )
    if by_number:
        for place, entry in enumerate(entries):
            for number, text in entry.references:
                found = by_number.get(number)
                if found is not None:
                    found[place] = text
    return texts


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


def _key_values(
    keys: tuple[KeyPair, ...], side: Side, texts: dict[str, list[str | None]]
) -> list[str | None]:
    """Return one key column; several carriers join with their lengths, so no two joins collide."""
    parts = []
    for pair in keys:
        word = pair.servicer if side is Side.SERVICER else pair.owner
        parts.append(normalise_column(texts[word], pair.normalise, pair.min_length))
    if len(parts) == 1:
        return parts[0]
    return [
        None
        if any(value is None for value in row)
        else "".join(f"{len(value)}:{value}" for value in row if value is not None)
        for row in zip(*parts, strict=True)
    ]


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
    vdays = [value_day(entry) for entry in entries]
    ordinals = {day: ordinal(day) for day in set(vdays)}
    refs = [entry.entry_ref for entry in entries]
    free = [ref not in held for ref in refs] if held else [True] * count
    texts = carrier_texts(entries, _words(columns, side))
    data: dict[str, pa.Array] = {
        "side": pa.array([int(side)] * count, pa.int8()),
        "pos": pa.array(range(count), pa.int32()),
        "entry_ref": pa.array(refs, pa.string()),
        "currency": pa.array([entry.currency for entry in entries], pa.string()),
        "signed": pa.array(
            [-e.amount_minor if e.direction else e.amount_minor for e in entries], pa.int64()
        ),
        "bday": pa.array([entry.booking_date for entry in entries], pa.int32()),
        "vday": pa.array(vdays, pa.int32()),
        "vord": pa.array([ordinals[day] for day in vdays], pa.int32()),
        "occ": pa.array([entry.occurred_at or 0 for entry in entries], pa.int64()),
        "moving": pa.array([_MOVES[entry.status] for entry in entries], pa.bool_()),
        "free": pa.array(free, pa.bool_()),
    }
    for keys, name in columns.names.items():
        data[name] = pa.array(_key_values(keys, side, texts), pa.string())
    return pa.table(data)
