"""Groups as columns: a million of them in one run, each made an object only when it is read.

| column | type | meaning |
|---|---|---|
| `pass` | dictionary of string | the pass, or `decision`, `booking`, `write_off` |
| `servicer`, `owner` | list of string | refs, sorted as UTF-8 bytes |
| `currency` | string | ISO 4217 |
| `residual_minor` | decimal(38, 0) | servicer's signed sum - owner's: int64 may be too small |

The order is canonical: by the servicer's refs, then the owner's. A ref stands in one group only,
so the first ref decides, and groups without the servicer's refs go before all others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import repeat
from operator import eq
from pathlib import Path
from typing import Final, overload

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from reconcile.entries import places_where
from reconcile.model import MatchGroup, Side

REFS: Final = pa.list_(pa.string())
WIDE: Final = pa.decimal128(38, 0)
SCHEMA: Final = pa.schema(
    [
        ("pass", pa.dictionary(pa.int32(), pa.string())),
        ("servicer", REFS),
        ("owner", REFS),
        ("currency", pa.string()),
        ("residual_minor", WIDE),
    ]
)
BLOCK_GROUPS: Final = 16_384

Row = tuple[str, tuple[str, ...], tuple[str, ...], str, int]


class Groups(Sequence[MatchGroup]):
    """Groups in canonical order; equal to any sequence of equal groups."""

    def __init__(self, table: pa.Table) -> None:
        """Take rows of `SCHEMA` in canonical order; `of`, `pairs` and `merged` make them."""
        self._table = table.combine_chunks()

    @staticmethod
    def of(groups: Iterable[MatchGroup]) -> Groups:
        """Return a few groups as columns, whatever their order."""
        ordered = sorted(groups, key=lambda group: (group.servicer, group.owner))
        return Groups(
            pa.table(
                [
                    pa.array([item.pass_name for item in ordered], SCHEMA.field("pass").type),
                    pa.array([item.servicer for item in ordered], REFS),
                    pa.array([item.owner for item in ordered], REFS),
                    pa.array([item.currency for item in ordered], pa.string()),
                    pa.array([item.residual_minor for item in ordered], WIDE),
                ],
                schema=SCHEMA,
            )
        )

    @staticmethod
    def pairs(
        passes: pa.DictionaryArray,
        servicer: pa.Array,
        owner: pa.Array,
        currency: pa.Array,
        residual_minor: pa.Array,
    ) -> Groups:
        """Return 1:1 groups, given by columns in any order."""
        columns = [passes, servicer, owner, currency, residual_minor]
        if not ascending(servicer):
            order = pc.sort_indices(servicer)
            columns = [column.take(order) for column in columns]
        ends = pa.arange(0, len(servicer) + 1).cast(pa.int32())
        columns[1:3] = [pa.ListArray.from_arrays(ends, refs) for refs in columns[1:3]]
        return Groups(pa.table(columns, schema=SCHEMA))

    def merged(self, few: Groups) -> Groups:
        """Return these, which hold refs of both sides, and a few other groups together."""
        if not len(few) or not len(self):
            return few if len(few) else self
        firsts = pc.list_element(self._table["servicer"].combine_chunks(), 0)
        wanted = pa.array([group.servicer[0] if group.servicer else "" for group in few])
        places = pc.add(pc.search_sorted(firsts, wanted).cast(pa.int64()), pa.arange(0, len(few)))
        total = len(self) + len(few)
        ours = pc.is_null(pc.inverse_permutation(places, max_index=total - 1))
        before = pc.subtract(pc.cumulative_sum(ours.cast(pa.int64())), 1)
        behind = pc.subtract(pc.add(pa.arange(0, total), len(self) - 1), before)
        tables = pa.concat_tables([self._table, few.to_arrow()]).unify_dictionaries()
        return Groups(tables.combine_chunks().take(pc.if_else(ours, before, behind)))

    def to_arrow(self) -> pa.Table:
        """Return all columns."""
        return self._table

    def write_parquet(self, path: Path) -> None:
        """Write all columns to a Parquet file."""
        # A ref is unlike all others: a dictionary of them or their range would help no reader.
        few_values = ["pass", "currency", "residual_minor"]
        pq.write_table(
            self._table,
            path,
            compression="zstd",
            use_dictionary=few_values,
            write_statistics=few_values,
        )

    def refs(self, side: Side) -> pa.Array:
        """Return all refs of one side that groups hold."""
        return self._table[side.word].combine_chunks().flatten()

    def numbers(self, side: Side) -> Iterator[tuple[str, int]]:
        """Return all refs of one side that groups hold, each with its group's number."""
        parents = pc.list_parent_indices(self._table[side.word].combine_chunks())
        return zip(self.refs(side).to_pylist(), parents.to_pylist(), strict=True)

    def made_by(self, passes: Collection[str]) -> list[MatchGroup]:
        """Return the groups of a few passes, by their names."""
        wanted = pa.array(sorted(passes), pa.string())
        found = pc.is_in(self._table["pass"].cast(pa.string()), value_set=wanted)
        return self._at(places_where(found).to_pylist())

    def holding(self, side: Side, refs: Iterable[str]) -> dict[str, MatchGroup]:
        """Return those of a few refs that groups hold, each with its group."""
        lists = self._table[side.word].combine_chunks()
        flat = lists.flatten()
        found = places_where(pc.is_in(flat, value_set=pa.array(list(refs), pa.string())))
        numbers = pc.list_parent_indices(lists).take(found).to_pylist()
        return dict(zip(flat.take(found).to_pylist(), self._at(numbers), strict=True))

    def open_residuals(self) -> list[MatchGroup]:
        """Return the groups whose sums differ."""
        differ = pc.not_equal(self._table["residual_minor"], pa.scalar(0, WIDE))
        return self._at(places_where(differ).to_pylist())

    def rows(self, start: int, stop: int) -> Iterator[Row]:
        """Return the values of some groups, in their order."""
        return _rows(self._table.slice(start, stop - start))

    def _at(self, numbers: Sequence[int]) -> list[MatchGroup]:
        return [MatchGroup(*row) for row in _rows(self._table.take(pa.array(numbers, pa.int64())))]

    def __len__(self) -> int:
        return int(self._table.num_rows)

    @overload
    def __getitem__(self, place: int) -> MatchGroup: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[MatchGroup]: ...
    def __getitem__(self, place: int | slice) -> MatchGroup | Sequence[MatchGroup]:
        """Return one group, or some."""
        places = range(len(self))[place]
        if not isinstance(places, range):
            return self._at((places,))[0]
        if places.step != 1:
            return self._at(places)
        return [MatchGroup(*row) for row in self.rows(places.start, places.stop)]

    def __iter__(self) -> Iterator[MatchGroup]:
        for start in range(0, len(self), BLOCK_GROUPS):
            for row in self.rows(start, start + BLOCK_GROUPS):
                yield MatchGroup(*row)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(map(eq, self, other))

    # Equal to tuples and lists, of which one has another hash and the other none.
    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Groups: {len(self)}>"


def ascending(texts: pa.Array) -> bool:
    """Say whether each text is greater than the one before, in the order of UTF-8 bytes."""
    return pc.all(pc.less(texts[:-1], texts[1:])).as_py() is not False


def _rows(table: pa.Table) -> Iterator[Row]:
    servicer, owner = (_tuples(table[side.word].combine_chunks()) for side in Side)
    return zip(
        table["pass"].cast(pa.string()).to_pylist(),
        servicer,
        owner,
        table["currency"].to_pylist(),
        _integers(table["residual_minor"]),
        strict=True,
    )


def _integers(minor: pa.ChunkedArray) -> Iterable[int]:
    """Return decimals as integers; mostly all are 0, and a decimal object costs more than a row."""
    if pc.any(pc.not_equal(minor, pa.scalar(0, WIDE))).as_py():
        return map(int, minor.to_pylist())
    return repeat(0, len(minor))


def _tuples(lists: pa.ListArray) -> Iterable[tuple[str, ...]]:
    """Return lists as tuples; where each holds one text, `zip` makes them."""
    texts = lists.flatten()
    if len(texts) == len(lists) and pc.all(pc.equal(pc.list_value_length(lists), 1)).as_py():
        return zip(texts.to_pylist())
    return map(tuple, lists.to_pylist())
