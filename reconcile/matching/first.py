"""The first step on whole columns: of many entries most are settled by one join.

In the exact step of an `always` pass almost every block (one key, currency and signed amount)
holds one entry a side. These pair whatever else there is (rule 2), so one join finds them: a row of
it whose two entries stand in no other row is such a block, and any other is left to the engine.
Of few rows a dictionary finds them sooner than the engine begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from reconcile.entries import places_where, sole_value
from reconcile.model import Side

# Of fewer rows a dictionary finds the pairs before a database is open.
FEW_ROWS: Final = 20_000
_NAMES: Final = tuple(side.word for side in Side)

_ALL: Final = "{name}"
# Where the product is too large: of each side only the blocks with one entry.
_SINGLE: Final = """(
SELECT k, currency, signed, max(place) AS place, max(vord) AS vord FROM {name}
WHERE k IS NOT NULL GROUP BY k, currency, signed HAVING count(*) = 1)"""
_PAIRS: Final = """
SELECT s.place AS servicer, o.place AS owner, abs(s.vord - o.vord) <= {distance} AS near
FROM {servicer} s JOIN {owner} o
ON s.k = o.k AND s.signed = o.signed AND s.currency = o.currency LIMIT {limit}
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
    with duckdb.connect(":memory:") as con:
        con.execute("SET preserve_insertion_order = false")
        if threads is not None:
            con.execute(f"SET threads = {int(threads)}")
        for name, table, key, code in zip(_NAMES, sides, keys, codes, strict=True):
            rows = {"k": _usable(table, key), "currency": code, "signed": table["signed"]}
            rows |= {"vord": table["vord"], "place": pa.arange(0, table.num_rows)}
            con.register(name, pa.table(rows))
        # A block of many entries a side would join into their product: so many rows, no more.
        limit = sum(table.num_rows for table in sides)
        joined = _join(con, _ALL, distance, limit + 1)
        crowded = joined.num_rows > limit
        if crowded:
            joined = _join(con, _SINGLE, distance, limit)
    near = joined["near"].combine_chunks()
    places = [joined[name].combine_chunks() for name in _NAMES]
    alone = [_alone(at, table.num_rows) for at, table in zip(places, sides, strict=True)]
    tied = crowded or any(mask is not None for mask in alone)
    for mask in alone:
        near = near if mask is None else pc.and_(near, mask)
    places = [at.filter(near) for at in places]
    # In the servicer's order: what is read of that side is read from front to back.
    turn = pc.inverse_permutation(places[0], max_index=sides[0].num_rows - 1).drop_null()
    return Found(places[0].take(turn), places[1].take(turn), tied=tied)


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


def _join(con: duckdb.DuckDBPyConnection, rows: str, distance: int, limit: int) -> pa.Table:
    sides = {name: rows.format(name=name) for name in _NAMES}
    return con.sql(_PAIRS.format(**sides, distance=distance, limit=limit)).to_arrow_table()


def _alone(places: pa.Array, count: int) -> pa.Array | None:
    """Say which of these places below `count` stand here once, None where all do."""
    last = pc.inverse_permutation(places, max_index=count - 1)
    if count - last.null_count == len(places):
        return None
    again = pc.not_equal(last.take(places), pa.arange(0, len(places)).cast(last.type))
    return pc.invert(pc.is_in(places, value_set=places.filter(again).unique()))


def _usable(table: pa.RecordBatch, key: pa.Array) -> pa.Array:
    """Return the keys of the rows that a pass may use."""
    usable = pc.and_(table["moving"], table["free"])
    return key if pc.all(usable).as_py() else pc.if_else(usable, key, pa.scalar(None, pa.string()))


def _currency_codes(sides: Sequence[pa.RecordBatch]) -> list[pa.Array]:
    """Return small numbers that stand for the currencies, the same on both sides."""
    first = sole_value(sides[0]["currency"])
    if first is not None and first == sole_value(sides[1]["currency"]):
        return [pa.repeat(pa.scalar(0, pa.int8()), table.num_rows) for table in sides]
    names = pa.concat_arrays([pc.unique(table["currency"]) for table in sides])
    return [pc.index_in(table["currency"], value_set=names.unique()) for table in sides]


def unsettled(count: int, places: pa.Array) -> pa.Array:
    """Return the places below `count` that are none of these."""
    held = pc.inverse_permutation(places, max_index=count - 1)
    return places_where(pc.is_null(held))
