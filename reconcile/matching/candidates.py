# ruff: noqa: S608 - the SQL's names come from this package, its values never from text
"""Candidates of a step, counted without ever listing all pairs (rules 1 and 3).

A candidate is a pair of one key and currency, near enough in dates and amount, whose references do
not contradict each other. Rows that may be candidates share a *cell*: key, currency, amount and
those references that both of them hold. For each combination of held references that the other
side knows, a row enters one cell; inside a cell a window frame counts what is near. So n rows
cost a few sorts, never n x n, and ten million equal amounts stay harmless.

The same cells give connected components: joining each row with the nearest of the other side
before and after it joins everything that any chain of candidates joins (relation and order are
both along one line).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from reconcile.matching.store import Store
from reconcile.model import InputError, Where

MAX_CELLS: Final = 100_000_000
SOURCE_COLUMNS: Final = "cid, side, k, currency, part, variant, vord, signed, down, up, mask"


@dataclass(frozen=True)
class Step:
    """One step of one pass, as the SQL needs it.

    `band`: amounts lie in a band (tolerant step) instead of being equal in `part`. `carriers`:
    columns whose valid, different values forbid a candidate; with `fallback` each is asked only
    where the one before it is missing on a side.
    """

    key: str | None
    distance: int
    band: bool
    carriers: tuple[str, ...]
    fallback: bool = False

    @property
    def cells(self) -> str:
        """Return the columns of a cell."""
        held = "".join(f", v{i}" for i in range(len(self.carriers)))
        day = ", day" if self.band else ""
        return f"k, currency, part, variant, mask_s, mask_o{held}{day}"

    @property
    def line(self) -> str:
        """Return the columns that say where in its cell a row stands, and how far it sees."""
        return "signed, down, up" if self.band else "vord"

    @property
    def frame(self) -> str:
        """Return the window of a row: its cell, and in it what is near.

        The ORDER BY of a RANGE frame bounds the frame; it chooses nothing, so it needs no ties.
        """
        if self.band:
            order = "signed RANGE BETWEEN down PRECEDING AND up FOLLOWING"
        else:
            order = f"vord RANGE BETWEEN {self.distance} PRECEDING AND {self.distance} FOLLOWING"
        return f"(PARTITION BY {self.cells} ORDER BY {order})"


def mask_sql(carriers: Sequence[str]) -> str:
    """Return the bit set of carriers a row holds."""
    bits = [f"CASE WHEN {name} IS NULL THEN 0 ELSE {1 << i} END" for i, name in enumerate(carriers)]
    return " + ".join(bits) or "0"


def _spread(step: Step, source: str, extra: str) -> str:
    """Return each row once per cell it belongs to.

    In a band the servicer's rows are repeated for each of the owner's days in reach, so that the
    frame is left to the amounts.
    """
    held = "".join(
        f", CASE WHEN {_asked(step, i)} THEN r.{name} END AS v{i}"
        for i, name in enumerate(step.carriers)
    )
    day = ", CASE WHEN r.side = 0 THEN d.vord ELSE r.vord END AS day" if step.band else ""
    days = (
        f"""LEFT JOIN (SELECT DISTINCT vord FROM {source} WHERE side = 1) d
        ON r.side = 0 AND d.vord BETWEEN r.vord - {step.distance} AND r.vord + {step.distance}"""
        if step.band
        else ""
    )
    return f"""
    SELECT r.cid, r.side, r.k, r.currency, r.part, r.variant, r.vord, r.signed, r.down, r.up,
           CASE r.side WHEN 0 THEN r.mask ELSE m.mask END AS mask_s,
           CASE r.side WHEN 0 THEN m.mask ELSE r.mask END AS mask_o{held}{day}{extra}
    FROM {source} r
    JOIN (SELECT DISTINCT side, mask FROM {source}) m ON m.side <> r.side
    {days}"""


def _asked(step: Step, place: int) -> str:
    """Return the predicate: both masks hold this carrier, and it is its turn."""
    both = "(r.mask & m.mask & {}) <> 0"
    if not step.fallback or place == 0:
        return both.format(1 << place)
    return f"{both.format(1 << place)} AND NOT ({_asked(step, place - 1)})"


def related_sql(step: Step, s: str, o: str) -> str:
    """Return the predicate: rows `s` and `o` are candidates of each other."""
    parts = [
        f"{s}.side = 0 AND {o}.side = 1",
        f"{s}.k = {o}.k AND {s}.currency = {o}.currency AND {s}.part = {o}.part",
        f"{s}.variant = {o}.variant AND abs({s}.vord - {o}.vord) <= {step.distance}",
    ]
    if step.band:
        parts.append(f"{o}.signed BETWEEN {s}.signed - {s}.down AND {s}.signed + {s}.up")
    same = [f"coalesce({s}.{name} = {o}.{name}, {{}})" for name in step.carriers]
    if step.fallback:
        # coalesce(account equal, name equal, true): the first that both sides hold decides.
        nested = "true"
        for name in reversed(step.carriers):
            nested = f"coalesce({s}.{name} = {o}.{name}, {nested})"
        parts.append(nested)
    else:
        parts += [text.format("true") for text in same]
    return " AND ".join(parts)


def count_candidates(store: Store, step: Step, source: str, barred: str, result: str) -> int:
    """Write (cid, side, n, total) for every row with a candidate: how many, and their ids' sum.

    Returns the number of rows written. Raises InputError CANDIDATES_EXPLODE.

    With one candidate the sum is its id. `barred` lists pairs of cids that do not count.
    """
    _require_bounded(store, source)
    frame = step.frame
    # Rows of one cell that stand on one point of the line are one row of the window, else a
    # million alike would each walk over a million; and FILTER inside it would walk always.
    return store.create(f"""
    CREATE OR REPLACE TABLE {result} AS
    WITH wide AS ({_spread(step, source, "")}),
    alike AS (
      SELECT {step.cells}, side, {step.line}, count(*) AS c, sum(cid) AS t, list(cid) AS cids
      FROM wide GROUP BY {step.cells}, side, {step.line}),
    near AS (
      SELECT cids, side,
        CASE side WHEN 0 THEN sum(CASE side WHEN 1 THEN c ELSE 0 END) OVER w
                  ELSE sum(CASE side WHEN 0 THEN c ELSE 0 END) OVER w END AS n,
        CASE side WHEN 0 THEN sum(CASE side WHEN 1 THEN t ELSE 0 END) OVER w
                  ELSE sum(CASE side WHEN 0 THEN t ELSE 0 END) OVER w END AS total
      FROM alike WINDOW w AS {frame}),
    forbidden AS (
      SELECT s.cid AS s, o.cid AS o FROM {barred} b
      JOIN {source} s ON s.cid = b.s JOIN {source} o ON o.cid = b.o
      WHERE {related_sql(step, "s", "o")}),
    counted AS (
      SELECT unnest(cids) AS cid, side, n, total FROM near WHERE n > 0
      UNION ALL SELECT s, 0, -1, -o FROM forbidden
      UNION ALL SELECT o, 1, -1, -s FROM forbidden)
    SELECT cid, side, sum(n) AS n, sum(total) AS total
    FROM counted GROUP BY cid, side HAVING sum(n) > 0
    """)


def _require_bounded(store: Store, source: str) -> None:
    """Refuse what would spread over too many cells: counted, so that every machine refuses alike.

    A row enters a cell for each combination of references that the other side's rows hold.
    """
    cells = store.con.execute(f"""
    WITH held AS (SELECT side, mask, count(*) AS n FROM {source} GROUP BY side, mask)
    SELECT coalesce(sum(a.n), 0) FROM held a JOIN held b ON a.side <> b.side
    """).fetchall()[0][0]
    if cells > MAX_CELLS:
        raise InputError(
            "CANDIDATES_EXPLODE",
            f"a pass that compares references would compare {int(cells):,} combinations, "
            f"over {MAX_CELLS:,}",
            where=Where(field="passes"),
            help="give the passes without `always` a key that tells payments apart, or the "
            "`always` passes fewer carriers",
        )


def sole_pairs(store: Store, counts: str, result: str) -> int:
    """Write (s, o): the cids that are each other's only candidate; return how many."""
    return store.create(f"""
    CREATE OR REPLACE TABLE {result} AS
    SELECT s.cid AS s, o.cid AS o
    FROM {counts} s JOIN {counts} o ON s.total = o.cid AND o.total = s.cid
    WHERE s.side = 0 AND o.side = 1 AND s.n = 1 AND o.n = 1
    """)


def component_edges(store: Store, step: Step, source: str, barred: str) -> list[tuple[int, int]]:
    """Return edges (s, o) that join exactly what the step's candidates join; O(n) of them.

    Rows that a decision forbids a partner list all their candidates instead: nearest neighbours
    would skip over the forbidden one.
    """
    special = f"(SELECT s AS cid FROM {barred} UNION SELECT o FROM {barred})"
    plain = f"(SELECT * FROM {source} ANTI JOIN {special} USING (cid))"
    order = "signed, cid" if step.band else "vord, cid"
    measure = "signed" if step.band else "vord"
    nearest = []
    for name, bounds in (
        ("before", "UNBOUNDED PRECEDING AND CURRENT ROW"),
        ("after", "CURRENT ROW AND UNBOUNDED FOLLOWING"),
    ):
        pick = "max" if name == "before" else "min"
        for side in (0, 1):
            nearest.append(  # noqa: PERF401 - a comprehension would hide the four windows
                f"{pick}(CASE side WHEN {side} THEN place END) OVER (PARTITION BY cell "
                f"ORDER BY place ROWS BETWEEN {bounds}) AS {name}_{side}"
            )
    near = (
        "CASE WHEN a.signed <= b.signed THEN b.signed - a.signed <= a.up "
        "ELSE a.signed - b.signed <= a.down END"
        if step.band
        else f"abs(a.{measure} - b.{measure}) <= {step.distance}"
    )
    store.con.execute(f"""
    CREATE OR REPLACE TABLE placed AS
    WITH wide AS ({_spread(step, plain, "")})
    SELECT *, row_number() OVER (ORDER BY cell, {order}, side) AS place
    FROM (SELECT *, dense_rank() OVER (ORDER BY {step.cells}) AS cell FROM wide)
    """)
    rows = store.con.execute(f"""
    WITH seen AS (SELECT *, {", ".join(nearest)} FROM placed),
    link AS (
      SELECT place, CASE side WHEN 0 THEN before_1 ELSE before_0 END AS other FROM seen
      UNION ALL
      SELECT place, CASE side WHEN 0 THEN after_1 ELSE after_0 END FROM seen)
    SELECT DISTINCT CASE a.side WHEN 0 THEN a.cid ELSE b.cid END AS s,
                    CASE a.side WHEN 0 THEN b.cid ELSE a.cid END AS o
    FROM link JOIN placed a ON a.place = link.place JOIN placed b ON b.place = link.other
    WHERE {near}
    UNION
    SELECT s.cid, o.cid
    FROM {source} s JOIN {source} o ON {related_sql(step, "s", "o")}
    WHERE (s.cid IN {special} OR o.cid IN {special})
      AND NOT EXISTS (SELECT 1 FROM {barred} b WHERE b.s = s.cid AND b.o = o.cid)
    """).fetchall()
    return [(int(s), int(o)) for s, o in rows]
