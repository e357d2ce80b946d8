# ruff: noqa: S608 - the SQL's names come from this package, its values never from text
"""The engine's tables in DuckDB: who is open, who is used, who belongs to whom.

| table | rows |
|---|---|
| `entry` | every open entry of both sides: the Arrow table itself |
| `rest` | the free, balance-moving entries that no group holds yet |
| `remain` | these and the free ones that move nothing: what near misses may use |
| `pair` | confirmed one-to-one groups: pass, kind of step, s, o (ids) |
| `barred` | pairs of ids whose set a decision rejected |

`id` is 2 x a row's place in its side's table + side: a name that decides nothing. Wherever an
order matters it is the total order (booking_date, occurred_at or 0, entry_ref as UTF-8 bytes,
side), which only the few rows that need it are sorted by.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, Self

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from reconcile.matching.steps import SideKeys, alive_keys

_REST: Final = "SELECT * FROM entry WHERE moving AND free"
_ASIDE: Final = "SELECT * FROM entry WHERE free AND NOT moving"

_TABLES: Final = """
CREATE TABLE pair (pass INTEGER, kind INTEGER, s BIGINT, o BIGINT);
CREATE TABLE barred (s BIGINT, o BIGINT);
"""

FEW_ROWS: Final = 50_000
# Up to so many rows left, Python says sooner than SQL that no key stands on both sides.
GLANCE_ROWS: Final = 2_000
# Opening a database costs more than a small run; between runs an idle one holds nothing.
MAX_IDLE: Final = 4
_IDLE: Final[list[tuple[int, duckdb.DuckDBPyConnection]]] = []

Glance = tuple[tuple[str, ...], list[tuple[Any, ...]]]


def _is_key(name: str) -> bool:
    return name[0] == "k" and name[1:].isdigit()


def _open(threads: int | None) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect(":memory:")
    con.execute("SET preserve_insertion_order = false")
    if threads is not None:
        con.execute(f"SET threads = {int(threads)}")
    return con


def _idle() -> duckdb.DuckDBPyConnection:
    """Return an empty single-threaded database; one of another process is never used."""
    while True:
        try:
            process, con = _IDLE.pop()
        except IndexError:
            # Asking first whether one is left would let another thread take it in between.
            return _open(1)
        if process == os.getpid():
            return con


def count_different(column: pa.Array, threads: int | None) -> int:
    """Return how many values differ, at least: values of one hash count once."""
    with _open(threads) as con:
        con.register("one", pa.table({"value": column}))
        return int(con.sql("SELECT count(DISTINCT hash(value)) FROM one").fetchall()[0][0])


class Store:
    """One in-memory database for one run; nothing of it outlives the run.

    `counts`: how many rows of `rest` each side has left. A small run works in one transaction of
    an idle database, which is rolled back at its end.
    """

    def __init__(
        self,
        servicer: pa.RecordBatch,
        owner: pa.RecordBatch,
        keys: SideKeys,
        *,
        threads: int | None = None,
    ) -> None:
        """Take both sides' rows and keys; the number of threads never changes a result."""
        few = servicer.num_rows + owner.num_rows < FEW_ROWS
        self._reused = few and threads in {None, 1}
        self.con = _idle() if self._reused else _open(threads or (1 if few else None))
        if self._reused:
            self.con.execute("BEGIN")
        self.alive = alive_keys(keys)
        usable = [pc.and_(table["moving"], table["free"]) for table in (servicer, owner)]
        self.counts = [int(pc.sum(column).as_py() or 0) for column in usable]
        free = [int(pc.sum(table["free"]).as_py() or 0) for table in (servicer, owner)]
        self.aside = [free[side] - self.counts[side] for side in (0, 1)]
        self._seen: dict[str, Glance] = {}
        self._remains = False
        both = [
            pa.record_batch([*rows.columns, *columns.values()], [*rows.schema.names, *columns])
            for rows, columns in zip((servicer, owner), keys, strict=True)
        ]
        self.con.register("entry", pa.Table.from_batches(both))
        # Until something is settled the rest is all there is: no need to copy it.
        self._rest_is_view = not few
        self.con.execute(f"CREATE {'VIEW' if self._rest_is_view else 'TABLE'} rest AS {_REST}")
        self.con.execute(_TABLES)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._reused or error is not None or len(_IDLE) >= MAX_IDLE:
            self.con.close()
            return
        self.con.execute("ROLLBACK")
        self.con.unregister("entry")
        _IDLE.append((os.getpid(), self.con))

    def create(self, sql: str) -> int:
        """Run a CREATE TABLE … AS; return how many rows the table has."""
        return int(self.con.execute(sql).fetchall()[0][0])

    def remain(self) -> None:
        """Write the table `remain` once: what near misses may use, moving the balance or not."""
        if self._remains:
            return
        self._remains = True
        more = f" UNION ALL {_ASIDE}" if any(self.aside) else ""
        self.con.execute(f"CREATE OR REPLACE TABLE remain AS SELECT * FROM rest{more}")

    def may_share(self, table: str, *columns: str) -> bool:
        """Say whether rows of both sides may agree in these columns; a no is certain.

        `table` is `rest` or `remain`; the balance-moving rows of `remain` are its own business.
        """
        if any(_is_key(name) and name not in self.alive for name in columns):
            return False
        more = self.aside if table == "remain" else (0, 0)
        servicer, owner = (self.counts[side] + more[side] for side in (0, 1))
        if not servicer or not owner:
            return False
        if servicer + owner > GLANCE_ROWS:
            return True
        names, rows = self._glance(table)
        places = [names.index(name) for name in columns]
        found: tuple[set[tuple[object, ...]], set[tuple[object, ...]]] = (set(), set())
        for row in rows:
            held = tuple(row[place] for place in places)
            if None not in held:
                found[row[0]].add(held)
        return not found[0].isdisjoint(found[1])

    def _glance(self, table: str) -> Glance:
        """Return what few rows are left, read once until something is taken from them."""
        if table not in self._seen:
            names = ("side", "currency", "signed", *sorted(self.alive))
            rows = self.con.execute(f"SELECT {', '.join(names)} FROM {table}").fetchall()
            self._seen[table] = (names, rows)
        return self._seen[table]

    def ids(self, query: str) -> list[int]:
        """Return the first column of a query as integers."""
        return [int(row[0]) for row in self.con.execute(query).fetchall()]

    def columns(self, query: str) -> list[pa.Array]:
        """Return a query's columns."""
        table = self.con.sql(query).to_arrow_table()
        return [column.combine_chunks() for column in table.columns]

    def put(self, table: str, columns: dict[str, Sequence[int]]) -> None:
        """Create or replace a table of big integers."""
        arrow = pa.table({name: pa.array(ids, pa.int64()) for name, ids in columns.items()})
        self.con.register("incoming", arrow)
        self.con.execute(f"CREATE OR REPLACE TABLE {table} AS SELECT * FROM incoming")
        self.con.unregister("incoming")

    def _replace_rest(self, query: str) -> None:
        if self._rest_is_view:
            self.con.execute(f"CREATE TABLE rest_left AS {query}; DROP VIEW rest")
            self.con.execute("ALTER TABLE rest_left RENAME TO rest")
            self._rest_is_view = False
        else:
            self.con.execute(f"CREATE OR REPLACE TABLE rest AS {query}")
        self._seen.clear()

    def _remove_used(self, used: str) -> None:
        """Take the rows of a query over ids out of `rest`."""
        self._replace_rest(f"SELECT * FROM rest ANTI JOIN ({used}) USING (id)")

    def settle(self, pass_number: int, found: str, count: int, kind: int = 0) -> int:
        """Confirm the `count` (s, o) rows of a table as groups of a pass; return the count."""
        if count:
            self.con.execute(
                f"INSERT INTO pair SELECT {int(pass_number)}, {int(kind)}, s, o FROM {found}"
            )
            self.counts = [left - count for left in self.counts]
            self._remove_used(f"SELECT s AS id FROM {found} UNION ALL SELECT o FROM {found}")
        return count

    def settle_ids(self, ids: Sequence[int]) -> None:
        """Take these ids out of `rest`; their groups are kept elsewhere."""
        for entry_id in ids:
            self.counts[entry_id & 1] -= 1
        self.put("gone", {"id": ids})
        self._remove_used("SELECT id FROM gone")

    def take_remaining(self, ids: Sequence[int]) -> None:
        """Take these ids out of `remain`."""
        if not ids:
            return
        self.put("gone", {"id": ids})
        self.con.execute(
            "CREATE OR REPLACE TABLE remain AS SELECT * FROM remain ANTI JOIN gone USING (id)"
        )
        self._seen.pop("remain", None)
