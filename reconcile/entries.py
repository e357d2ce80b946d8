"""A side's entries as columns; a single `Entry` is made only where somebody asks for one.

A column is named like the field of `Entry` that it holds; instead of `references` there is one
column for each carrier, by its word. What an entry leaves out is null. `EntryTable.of` takes
Python entries, `from_records` their MessagePack bytes, `from_arrow` the columns that a store or an
importer holds, `to_arrow` gives them. Whatever a table was made of, it reads as the sequence of
its entries, and each column is made once, when it is first read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter, eq
from typing import Any, Final, overload

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from reconcile.model import (
    CARRIER_BY_WORD,
    MAX_AMOUNT_MINOR,
    Carrier,
    Direction,
    Entry,
    EntryStatus,
    InputError,
    Where,
)

_TEXT: Final = pa.string()
_DAY: Final = pa.int32()
_MINOR: Final = pa.int64()
_FIELDS: Final[Mapping[str, pa.DataType]] = {
    "entry_ref": _TEXT,
    "version": pa.int32(),
    "direction": pa.int8(),
    "amount_minor": _MINOR,
    "currency": _TEXT,
    "booking_date": _DAY,
    "value_date": _DAY,
    "settlement_date": _DAY,
    "session": pa.int8(),
    "business_type": _TEXT,
    "status": pa.int8(),
    "is_reversal": pa.bool_(),
    "kind": _TEXT,
    "counterparty_name": _TEXT,
    "counterparty_account": _TEXT,
    "remittance": _TEXT,
    "fee_minor": _MINOR,
    "group_ref": _TEXT,
    "reversal_of": _TEXT,
    "occurred_at": pa.int64(),
    "documents": pa.list_(pa.struct([("type", _TEXT), ("sha256", pa.binary())])),
}
_REQUIRED: Final = frozenset(
    {"entry_ref", "version", "direction", "amount_minor", "currency", "booking_date", "status"}
    | {"is_reversal"}
)
SCHEMA: Final = pa.schema(
    [pa.field(name, kind, nullable=name not in _REQUIRED) for name, kind in _FIELDS.items()]
    + [pa.field(word, _TEXT) for word in CARRIER_BY_WORD]
)
# What numbers may be, first and last; the others are any.
_RANGES: Final = {"direction": (0, 1), "status": (0, 5), "amount_minor": (0, MAX_AMOUNT_MINOR)}
_DIRECTIONS: Final = tuple(Direction)
_STATUSES: Final = tuple(EntryStatus)
_REFERENCES: Final = attrgetter("references")
# So many rows at a time become entries in a walk over all of them.
BLOCK_ROWS: Final = 16_384

_decode: Final = msgspec.msgpack.Decoder(Entry).decode


class EntryTable(Sequence[Entry], ABC):
    """An immutable sequence of entries that is read by columns; equal to one of equal entries."""

    def __init__(self, length: int) -> None:
        """Take the number of rows; `of`, `from_records` and `from_arrow` make tables."""
        self._length = length
        self._columns: dict[str, pa.Array] = {}

    @staticmethod
    def of(entries: Sequence[Entry]) -> EntryTable:
        """Return the table of a sequence of entries; a table is its own."""
        return entries if isinstance(entries, EntryTable) else _Listed(entries)

    @staticmethod
    def from_records(records: Iterable[bytes]) -> EntryTable:
        """Return the table of entry records whose bytes were checked when they were opened."""
        return _Listed([_decode(record) for record in records])

    @staticmethod
    def from_arrow(table: pa.Table) -> EntryTable:
        """Return the table over columns of `SCHEMA`; those that may be null may be missing.

        Raises InputError ENTRIES_COLUMN.
        """
        for name in sorted(_REQUIRED - set(table.column_names)):
            raise _refuse(name, "is missing, but every entry has it")
        return _Stored(table.num_rows, {name: _checked(table, name) for name in table.column_names})

    def to_arrow(self) -> pa.Table:
        """Return all columns, in the order of `SCHEMA`."""
        return pa.table([self.column(name) for name in SCHEMA.names], schema=SCHEMA)

    def column(self, name: str) -> pa.Array:
        """Return one column."""
        if name not in self._columns:
            self._columns[name] = self._read(name)
        return self._columns[name]

    def has_read(self, name: str) -> bool:
        """Say whether a column is there already."""
        return name in self._columns

    def take(self, places: pa.Array) -> EntryTable:
        """Return the rows at these places, in that order."""
        return _Taken(self, places)

    def followed_by(self, more: Sequence[Entry]) -> EntryTable:
        """Return this table with more entries behind it."""
        if not len(more):
            return self
        return _Joined(self, EntryTable.of(more)) if len(self) else EntryTable.of(more)

    def grown(self, more: Sequence[Entry]) -> EntryTable:
        """Return this table with a few entries behind it; of a column only theirs is read anew.

        Only a table of Python entries keeps its columns; of another one they are read again.
        """
        return self.followed_by(more)

    def refs_from(self, start: int) -> list[str]:
        """Return the refs from a place on."""
        refs: list[str] = self.column("entry_ref")[start:].to_pylist()
        return refs

    def places_of(self, refs: Iterable[str]) -> dict[str, int]:
        """Return where those of a few refs stand that the table holds; one look for all of them."""
        column = self.column("entry_ref")
        found = places_where(pc.is_in(column, value_set=pa.array(sorted(refs), _TEXT)))
        return dict(zip(column.take(found).to_pylist(), found.to_pylist(), strict=True))

    @abstractmethod
    def _read(self, name: str) -> pa.Array: ...

    @abstractmethod
    def at(self, places: Sequence[int]) -> list[Entry]:
        """Return the entries at these places."""

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, place: int) -> Entry: ...
    @overload
    def __getitem__(self, place: slice) -> EntryTable: ...
    def __getitem__(self, place: int | slice) -> Entry | EntryTable:
        """Return one entry, or the table of some."""
        places = range(self._length)[place]
        if isinstance(places, range):
            return self.take(pa.array(places, pa.int64()))
        return self.at((places,))[0]

    def __iter__(self) -> Iterator[Entry]:
        for start in range(0, self._length, BLOCK_ROWS):
            yield from self.at(range(start, min(start + BLOCK_ROWS, self._length)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return self is other or (len(self) == len(other) and all(map(eq, self, other)))

    # Equal to tuples and lists, of which one has another hash and the other none.
    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<EntryTable of {self._length} entries>"


class _Listed(EntryTable):
    """A table over Python entries."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        super().__init__(len(entries))
        self._entries = entries
        # Columns of the first entries, that were read before the last ones came.
        self._earlier: dict[str, pa.Array] = {}

    def _read(self, name: str) -> pa.Array:
        early = self._earlier.pop(name, None)
        if early is not None:
            return pa.concat_arrays([early, _Listed(self._entries[len(early) :]).column(name)])
        if name not in _FIELDS:
            held = _carrier_columns(self._entries)
            self._columns |= {word: held[word] for word in held if word not in self._earlier}
            return held[name]
        values = list(map(attrgetter(name), self._entries))
        if name == "documents":
            values = [[{"type": t, "sha256": d} for t, d in held] or None for held in values]
        kind = _FIELDS[name]
        if name == "currency" and values and values.count(values[0]) == len(values):
            return pa.repeat(pa.scalar(values[0], kind), len(values))
        return pa.array(values, kind)

    def grown(self, more: Sequence[Entry]) -> EntryTable:
        if not more:
            return self
        both = _Listed([*self._entries, *more])
        # Copies of both: a run of another thread may read more columns of this table meanwhile.
        both._earlier = dict(self._earlier) | dict(self._columns)
        return both

    def refs_from(self, start: int) -> list[str]:
        # The very texts that the entries hold: made anew each would take its room again.
        return [entry.entry_ref for entry in self._entries[start:]]

    def at(self, places: Sequence[int]) -> list[Entry]:
        return list(map(self._entries.__getitem__, places))

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)


class _Stored(EntryTable):
    """A table over Arrow columns; a column that holds nothing is left out."""

    def __init__(self, length: int, held: Mapping[str, pa.ChunkedArray]) -> None:
        super().__init__(length)
        self._held = {name: item for name, item in held.items() if item.null_count < length}

    def _read(self, name: str) -> pa.Array:
        found = self._held.get(name)
        if found is None:
            return pa.nulls(len(self), SCHEMA.field(name).type)
        # Of one chunk there is nothing to combine, and combining would copy it.
        return found.chunk(0) if found.num_chunks == 1 else found.combine_chunks()

    def at(self, places: Sequence[int]) -> list[Entry]:
        taken = pa.array(places, pa.int64())
        return _made({name: self.column(name).take(taken) for name in self._held}, len(taken))


class _Taken(EntryTable):
    """Some rows of a table."""

    def __init__(self, base: EntryTable, places: pa.Array) -> None:
        super().__init__(len(places))
        self._base = base
        self._places = places
        self._made: _Listed | None = None

    def _read(self, name: str) -> pa.Array:
        if isinstance(self._base, _Listed) and not self._base.has_read(name):
            # A column of all its entries would be made for the sake of these few.
            if self._made is None:
                self._made = _Listed(list(self))
            return self._made.column(name)
        return self._base.column(name).take(self._places)

    def at(self, places: Sequence[int]) -> list[Entry]:
        return self._base.at(self._places.take(pa.array(places, pa.int64())).to_pylist())


class _Joined(EntryTable):
    """Two tables, one behind the other."""

    def __init__(self, first: EntryTable, second: EntryTable) -> None:
        super().__init__(len(first) + len(second))
        self._parts = (first, second)

    def _read(self, name: str) -> pa.Array:
        return pa.concat_arrays([part.column(name) for part in self._parts])

    def refs_from(self, start: int) -> list[str]:
        first, second = self._parts
        early = first.refs_from(start) if start < len(first) else []
        return early + second.refs_from(max(start - len(first), 0))

    def at(self, places: Sequence[int]) -> list[Entry]:
        first, second = self._parts
        limit = len(first)
        early = iter(first.at([place for place in places if place < limit]))
        late = iter(second.at([place - limit for place in places if place >= limit]))
        return [next(early if place < limit else late) for place in places]


def places_where(rows: pa.Array) -> pa.Array:
    """Return the places where a column of booleans says yes, as int64."""
    return pc.indices_nonzero(rows).cast(pa.int64())


def total_turn(entries: EntryTable) -> pa.Array:
    """Return the places of one side's entries in rule 2's total order."""
    # Arrow compares text as UTF-8 bytes, which is the order of Python's.
    moments = pc.coalesce(entries.column("occurred_at"), pa.scalar(0, pa.int64()))
    columns = [entries.column("booking_date"), moments, entries.column("entry_ref")]
    names = ["day", "moment", "ref"]
    return pc.sort_indices(
        pa.record_batch(columns, names), sort_keys=[(name, "ascending") for name in names]
    )


def sole_value(column: pa.Array) -> pa.Scalar | None:
    """Return the value that all rows of a column hold, None where they differ or lack one."""
    if not len(column) or column.null_count:
        return None
    return column[0] if pc.all(pc.equal(column, column[0])).as_py() else None


def _carrier_columns(entries: Sequence[Entry]) -> dict[str, pa.Array]:
    """Return every carrier's texts; an entry's first reference of a carrier counts."""
    texts: dict[int, list[str | None]] = {}
    for place, references in enumerate(map(_REFERENCES, entries)):
        for number, text in references:
            if number not in texts:
                texts[number] = [None] * len(entries)
            if texts[number][place] is None:
                texts[number][place] = text
    empty = pa.nulls(len(entries), _TEXT)
    return {
        word: pa.array(texts[carrier], _TEXT) if carrier in texts else empty
        for word, carrier in CARRIER_BY_WORD.items()
    }


def _made(held: Mapping[str, pa.Array], count: int) -> list[Entry]:
    """Return the entries that some rows of columns are."""
    fields: dict[str, list[Any]] = {}
    for name, column in held.items():
        if name in _FIELDS:
            values = column.to_pylist()
            if name == "direction":
                values = [_DIRECTIONS[value] for value in values]
            elif name == "status":
                values = [_STATUSES[value] for value in values]
            elif name == "documents":
                values = [tuple((d["type"], d["sha256"]) for d in item or ()) for item in values]
            fields[name] = values
    fields["references"] = _references(held, count)
    fields.setdefault("documents", [()] * count)
    nothing = [None] * count
    rows = zip(*(fields.get(name, nothing) for name in Entry.__struct_fields__), strict=True)
    return [Entry(*row) for row in rows]


def _references(held: Mapping[str, pa.Array], count: int) -> list[tuple[tuple[int, str], ...]]:
    """Return each row's references, by ascending carrier."""
    found: list[list[tuple[int, str]]] = [[] for _ in range(count)]
    for carrier in Carrier:
        column = held.get(carrier.word)
        for place, text in enumerate(() if column is None else column.to_pylist()):
            if text is not None:
                found[place].append((int(carrier), text))
    return [tuple(item) for item in found]


def _checked(table: pa.Table, name: str) -> pa.ChunkedArray:
    """Return one column in the type it has here."""
    if name not in SCHEMA.names or table.column_names.count(name) > 1:
        raise _refuse(name, "stands twice" if name in SCHEMA.names else "is none of an entry")
    try:
        column = table[name].cast(SCHEMA.field(name).type)
    except pa.ArrowException as error:
        raise _refuse(name, f"does not read as {SCHEMA.field(name).type}: {error}") from error
    if name in _REQUIRED and column.null_count:
        raise _refuse(name, "is null somewhere, but every entry has it")
    first, last = _RANGES.get(name, (None, None))
    found = pc.min_max(column).as_py() if first is not None and len(column) else None
    if found is not None and not first <= found["min"] <= found["max"] <= last:
        raise _refuse(name, f"is not between {first} and {last}")
    return column


def _refuse(name: str, why: str) -> InputError:
    return InputError(
        "ENTRIES_COLUMN",
        f"column {name!r} {why}",
        where=Where(field=name),
        help="give the columns of reconcile.entries.SCHEMA, each name once",
    )
