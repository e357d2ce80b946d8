"""The exact step of an `always` pass (rule 2): equal keys and signed amounts of one currency.

Almost every block holds one entry a side: one aggregate settles them all. Only blocks with more
are numbered: k-th with k-th inside equal booking dates, then inside equal value dates; what is
left of them is walked. Ten million identical entries cost one sort.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Final

from reconcile.matching.store import Store
from reconcile.matching.walk import Row, walk

# `near` in all of them: the value dates lie within the distance, and no decision barred the pair.
_BLOCK: Final = """
CREATE OR REPLACE TABLE block AS
SELECT k, currency, signed,
       count(*) FILTER (WHERE side = 0) AS s_count, count(*) FILTER (WHERE side = 1) AS o_count,
       min(id) FILTER (WHERE side = 0) AS s, min(id) FILTER (WHERE side = 1) AS o,
       min(vord) FILTER (WHERE side = 0) AS s_vord, min(vord) FILTER (WHERE side = 1) AS o_vord
FROM (SELECT *, {key} AS k FROM rest WHERE {key} IS NOT NULL)
GROUP BY k, currency, signed
HAVING s_count > 0 AND o_count > 0
"""

_SINGLE: Final = """
CREATE OR REPLACE TABLE found AS
SELECT s, o FROM block
WHERE s_count = 1 AND o_count = 1 AND abs(s_vord - o_vord) <= {distance}
  AND NOT EXISTS (SELECT 1 FROM barred b WHERE b.s = block.s AND b.o = block.o)
"""

_TIED: Final = """
CREATE OR REPLACE TABLE tied AS
SELECT r.id, r.side, r.bday, r.occ, r.entry_ref, r.vday, r.vord, b.block_id
FROM rest r JOIN (SELECT row_number() OVER (ORDER BY s, o) AS block_id, * FROM block
                  WHERE s_count + o_count > 2) b
  ON {join} AND r.currency = b.currency AND r.signed = b.signed
"""

_KTH: Final = """
CREATE OR REPLACE TABLE kth AS
WITH numbered AS (
  SELECT id, side, block_id, {day} AS day, vord,
         row_number() OVER (PARTITION BY block_id, side, {day}
                            ORDER BY bday, occ, entry_ref, side) AS k
  FROM tied)
SELECT s.id AS s, o.id AS o
FROM numbered s JOIN numbered o
  ON s.block_id = o.block_id AND s.day = o.day AND s.k = o.k AND s.side = 0 AND o.side = 1
WHERE {near}
  AND NOT EXISTS (SELECT 1 FROM barred b WHERE b.s = s.id AND b.o = o.id)
"""

_DROP_PAIRED: Final = "DELETE FROM tied WHERE id IN (SELECT s FROM kth UNION ALL SELECT o FROM kth)"

_LEFT: Final = """
SELECT block_id, side, id, bday, occ, entry_ref, vord FROM tied
WHERE block_id IN (SELECT block_id FROM tied GROUP BY block_id
                   HAVING min(side) = 0 AND max(side) = 1)
ORDER BY block_id, bday, occ, entry_ref, side
"""


def settle_exact(store: Store, pass_number: int, key: str | None, distance: int) -> int:
    """Confirm what rule 2 pairs in this pass; return the number of groups."""
    if not store.may_share("rest", *([key] if key else []), "currency", "signed"):
        return 0
    blocks = store.create(_BLOCK.format(key=key or "0"))
    single = store.create(_SINGLE.format(distance=int(distance)))
    confirmed = store.settle(pass_number, "found", single)
    if single == blocks:
        return confirmed
    join = f"r.{key} = b.k" if key else "true"
    tied = store.create(_TIED.format(join=join))
    for found, count in pair_tied(store, distance, tied):
        confirmed += store.settle(pass_number, found, count)
    return confirmed


def pair_tied(store: Store, distance: int | None, tied: int) -> Iterator[tuple[str, int]]:
    """Pair the `tied` rows of that table by rule 2, in three parts.

    Yields after each the name of a table (s, o) and its count, where there is any. `distance`
    None leaves the value dates out.
    """
    near = "true" if distance is None else f"abs(s.vord - o.vord) <= {int(distance)}"
    for day in ("bday", "vday"):
        if tied == 0:
            return
        count = store.create(_KTH.format(day=day, near=near))
        if count:
            yield "kth", count
            store.con.execute(_DROP_PAIRED)
            tied -= 2 * count
    if tied:
        pairs = _walk_left(store, distance)
        store.put("walked", {"s": [s for s, _ in pairs], "o": [o for _, o in pairs]})
        yield "walked", len(pairs)


def _walk_left(store: Store, distance: int | None) -> list[tuple[int, int]]:
    """Walk what the two numbered rounds left in `tied`."""
    rows = store.con.execute(_LEFT).fetchall()
    barred = frozenset(store.con.execute("SELECT s, o FROM barred").fetchall())
    pairs: list[tuple[int, int]] = []
    for _, block in groupby(rows, key=lambda row: row[0]):
        sides: tuple[list[Row], list[Row]] = ([], [])
        for _, side, entry_id, *order, vord in block:
            sides[side].append((entry_id, tuple(order), vord))
        pairs += walk(*sides, distance, lambda s, o: (s, o) in barred)
    return pairs
