"""Which entries share a block: the hashes of every entry's blocks, and the way back from a hash.

A block is what one step of a pass looks at by itself. Two blocks of one hash only make what is
looked at larger, so a hash decides nothing. An entry is named by its id, 2 x its place + side; it
costs eight bytes a column and sixteen more for each block that it is in.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from reconcile.matching.engine import ALWAYS, NEVER, Plan
from reconcile.model import Side

# Behind the sorted hashes stand those that came since, in a dictionary; at so many they are sorted
# in, or when they are a quarter of all there is.
MAX_LATER: Final = 50_000
_NONE: Final = pa.scalar(0, pa.int64())


class Blocks:
    """The blocks of both sides' entries, in columns; 0 stands for no block."""

    def __init__(self, width: int) -> None:
        """Take how many blocks an entry may be in."""
        self._columns = tuple([array("q") for _ in range(width)] for _ in Side)
        self._named = tuple([0] * width for _ in Side)
        self._hashes = pa.array([], pa.int64())
        self._ids = array("q")
        self._later: dict[int, list[int]] = {}
        self._later_count = 0

    def append(self, side: Side, columns: Sequence[array[int]]) -> None:
        """Take the blocks of a side's next entries: one column each, 0 for none."""
        start = len(self._columns[side][0]) if self._columns[side] else 0
        for number, column in enumerate(columns):
            self._columns[side][number].extend(column)
            named = len(column) - column.count(0)
            self._named[side][number] += named
            self._later_count += named
        if self._later_count > max(MAX_LATER, len(self._ids) // 4):
            self._sort()
            return
        for column in columns:
            for place, number in enumerate(column, start):
                if number:
                    self._later.setdefault(number, []).append(2 * place + side)

    def reach(
        self,
        seeds: Iterable[int],
        columns: range,
        admits: Callable[[int], bool],
        tied: Callable[[int], Iterable[int]],
    ) -> set[int]:
        """Return these ids and all that blocks of some columns lead to, through admitted ids.

        `tied`: what belongs to an id besides.
        """
        known = set(seeds)
        fresh = known
        asked: set[int] = set()
        while fresh:
            blocks = {
                self._columns[item & 1][number][item >> 1] for item in fresh for number in columns
            }
            blocks -= asked
            asked |= blocks
            found = set(self._holding(blocks - {0}))
            for item in fresh:
                found.update(tied(item))
            fresh = set(filter(admits, found - known))
            known |= fresh
        return known

    def _holding(self, blocks: set[int]) -> Iterable[int]:
        """Yield the ids that are in one of these blocks."""
        for number in blocks & self._later.keys() if self._later else ():
            yield from self._later[number]
        if not len(self._ids) or not blocks:
            return
        wanted = pa.array(sorted(blocks), pa.int64())
        first, last = (
            pc.search_sorted(self._hashes, wanted, side=side).to_pylist()
            for side in ("left", "right")
        )
        for start, stop in zip(first, last, strict=True):
            if start < stop:
                yield from self._ids[start:stop]

    def _sort(self) -> None:
        """Sort all hashes there are, so that nothing is left behind them."""
        hashes, ids = [], []
        for side in Side:
            for held, count in zip(self._columns[side], self._named[side], strict=True):
                if not count:
                    continue
                column = pa.Array.from_buffers(
                    pa.int64(), len(held), [None, pa.py_buffer(held.tobytes())]
                )
                named = pc.not_equal(column, _NONE)
                hashes.append(column.filter(named))
                places = pa.arange(int(side), 2 * len(held) + side, 2)
                ids.append(places.filter(named))
        together = pa.concat_arrays(hashes)
        order = pc.sort_indices(together)
        self._hashes = together.take(order)
        sorted_ids = pa.concat_arrays(ids).take(order)
        self._ids = array("q")
        self._ids.frombytes(memoryview(sorted_ids.buffers()[1])[: 8 * len(sorted_ids)])
        self._later, self._later_count = {}, 0


# ------------------------------------------------------------------------------- hashing
@dataclass(frozen=True, slots=True)
class Block:
    """What entries of one block have in common: a pass's key, currency and signed amount.

    `anything`: the key alone, whatever else an entry says and whether or not it moves the balance.
    """

    number: int
    key: str | None
    amount: bool
    anything: bool = False


def confirming_blocks(plans: Iterable[Plan]) -> list[Block]:
    """Return what confirming steps compare."""
    return [_block(plan) for plan in plans if plan.rule.confirm != NEVER]


def left_blocks(plans: Iterable[Plan]) -> list[Block]:
    """Return under what remaining entries are proposed, or are near misses (rule 8)."""
    left = [
        Block(-plan.number, plan.key, amount=False, anything=True)
        if plan.rule.confirm == ALWAYS and plan.key is not None
        else _block(plan)
        for plan in plans
    ]
    return [*left, Block(0, None, amount=True)]


def _block(plan: Plan) -> Block:
    amount = not (plan.loose_kinds or plan.grouped or plan.searched)
    return Block(plan.number, plan.key, amount)


def block_hashes(
    blocks: Iterable[Block], table: pa.RecordBatch, keys: Mapping[str, pa.Array]
) -> list[array[int]]:
    """Return each block's hashes of some rows, 0 where a row is not in one.

    `table`: a `side_table`; `keys`: its key columns. The hashes are of this process alone.
    """
    currency, signed = (table[name].to_pylist() for name in ("currency", "signed"))
    moving = table["moving"].to_pylist()
    texts = {
        name: None if column.null_count == len(column) else column.to_pylist()
        for name, column in keys.items()
    }
    anywhere = [""] * table.num_rows
    found: list[array[int]] = []
    for block in blocks:
        held = anywhere if block.key is None else texts[block.key]
        n = block.number
        if held is None:
            hashes: Iterable[int] = repeat(0, table.num_rows)
        elif block.anything:
            hashes = (0 if k is None else hash((n, k)) or 1 for k in held)
        elif block.amount:
            rows = zip(held, currency, signed, moving, strict=True)
            hashes = [hash((n, k, c, v)) or 1 if m and k is not None else 0 for k, c, v, m in rows]
        else:
            pairs = zip(held, currency, moving, strict=True)
            hashes = [hash((n, k, c)) or 1 if m and k is not None else 0 for k, c, m in pairs]
        found.append(array("q", hashes))
    return found
