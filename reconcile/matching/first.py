"""The first step on whole columns: of many entries most are settled by one aggregate.

In the exact step of an `always` pass almost every block (one key, currency and signed amount)
holds one entry a side. These pair whatever else there is (rule 2), so one aggregate over a 64-bit
hash of the block finds them: a hash that two rows share, one a side, is looked at again by its
columns, and any other is left to the engine. So the hash decides nothing but how much is left.
Of few rows a dictionary finds them sooner than the engine begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from reconcile.entries import places_where

Pair = tuple[pa.Array, pa.Array]

# Of fewer rows a dictionary finds the pairs before a database is open.
FEW_ROWS: Final = 20_000

# A row's place + 1, the owner's shifted: the exclusive or of one a side holds both.
_SHIFT: Final = 32
_LOW: Final = (1 << _SHIFT) - 1
_BLOCKS: Final = """
SELECT n, pair FROM (
  SELECT count(*) AS n, bit_xor(place) AS pair
  FROM (SELECT * FROM servicer UNION ALL SELECT * FROM owner) WHERE k IS NOT NULL
  GROUP BY hash(k, currency, signed))
WHERE n > 1
"""


@dataclass(frozen=True)
class Found:
    """Pairs by the places of both sides; `tied`: blocks of more entries are left."""

    servicer: pa.Array
    owner: pa.Array
    tied: bool


def single_blocks(
    sides: Sequence[pa.RecordBatch], keys: Sequence[pa.Array], distance: int, threads: int | None
) -> Found:
    """Return the pairs of blocks with one entry a side, within the distance of value dates.

    `sides`: `side_table`s; only free, balance-moving entries with a key take part.
    """
    if sum(table.num_rows for table in sides) <= FEW_ROWS:
        return _few_blocks(sides, keys, distance)
    codes = _currency_codes(sides)
    rows = [
        pa.record_batch({"k": _usable(table, key), "currency": code, "signed": table["signed"]})
        for table, key, code in zip(sides, keys, codes, strict=True)
    ]
    with duckdb.connect(":memory:") as con:
        if threads is not None:
            con.execute(f"SET threads = {int(threads)}")
        for shift, name, table in zip((0, _SHIFT), ("servicer", "owner"), rows, strict=True):
            place = pc.shift_left(pa.arange(1, table.num_rows + 1), pa.scalar(shift, pa.int64()))
            con.register(name, pa.Table.from_batches([table.append_column("place", place)]))
        table = con.sql(_BLOCKS).to_arrow_table()
    counts, pairs = (table[name].combine_chunks() for name in ("n", "pair"))
    of_two = pc.equal(counts, pa.scalar(2, pa.int64()))
    both = pairs.filter(of_two)
    low = pc.bit_wise_and(both, pa.scalar(_LOW, pa.int64()))
    high = pc.shift_right(both, pa.scalar(_SHIFT, pa.int64()))
    one_a_side = pc.and_(pc.greater(low, _ZERO), pc.greater(high, _ZERO))
    places = [pc.subtract(item.filter(one_a_side), _ONE) for item in (low, high)]
    # In the servicer's order: what is read of that side is read from front to back.
    turn = pc.inverse_permutation(places[0], max_index=sides[0].num_rows - 1).drop_null()
    places = [item.take(turn) for item in places]
    fits = _agree(rows, sides, places, distance)
    return Found(
        places[0].filter(fits), places[1].filter(fits), tied=pc.all(of_two).as_py() is False
    )


def _few_blocks(sides: Sequence[pa.RecordBatch], keys: Sequence[pa.Array], distance: int) -> Found:
    blocks: dict[tuple[str, str, int], tuple[list[int], list[int]]] = {}
    for side, (table, key) in enumerate(zip(sides, keys, strict=True)):
        columns = [_usable(table, key), table["currency"], table["signed"]]
        rows = zip(*(column.to_pylist() for column in columns), strict=True)
        for place, (text, currency, signed) in enumerate(rows):
            if text is not None:
                blocks.setdefault((text, currency, signed), ([], []))[side].append(place)
    days = [table["vord"].to_pylist() for table in sides]
    found, tied = [], False
    for mine, theirs in blocks.values():
        if len(mine) + len(theirs) > 2:  # noqa: PLR2004 - one of each side
            tied = True
        elif mine and theirs and abs(days[0][mine[0]] - days[1][theirs[0]]) <= distance:
            found.append((mine[0], theirs[0]))
    found.sort()
    servicer, owner = (pa.array([pair[side] for pair in found], pa.int64()) for side in (0, 1))
    return Found(servicer, owner, tied=tied)


_ZERO: Final = pa.scalar(0, pa.int64())
_ONE: Final = pa.scalar(1, pa.int64())


def _usable(table: pa.RecordBatch, key: pa.Array) -> pa.Array:
    """Return the keys of the rows that a pass may use."""
    usable = pc.and_(table["moving"], table["free"])
    return key if pc.all(usable).as_py() else pc.if_else(usable, key, pa.scalar(None, pa.string()))


def _currency_codes(sides: Sequence[pa.RecordBatch]) -> list[pa.Array]:
    """Return small numbers that stand for the currencies, the same on both sides."""
    names = pa.concat_arrays([pc.unique(table["currency"]) for table in sides])
    return [pc.index_in(table["currency"], value_set=names.unique()) for table in sides]


def _agree(
    rows: Sequence[pa.RecordBatch],
    sides: Sequence[pa.RecordBatch],
    places: Sequence[pa.Array],
    distance: int,
) -> pa.Array:
    """Say of each two rows whether they are one block and near enough."""
    alike = [
        pc.equal(*(table[name].take(at) for table, at in zip(rows, places, strict=True)))
        for name in ("k", "currency", "signed")
    ]
    days = (table["vord"].take(at) for table, at in zip(sides, places, strict=True))
    near = pc.less_equal(pc.abs(pc.subtract(*days)), pa.scalar(distance, pa.int32()))
    return pc.and_(pc.and_(alike[0], alike[1]), pc.and_(alike[2], near))


def unsettled(count: int, places: pa.Array) -> pa.Array:
    """Return the places below `count` that are none of these."""
    held = pc.inverse_permutation(places, max_index=count - 1)
    return places_where(pc.is_null(held))
