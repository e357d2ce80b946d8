# ruff: noqa: S608 - the SQL's names come from this package, its values never from text
"""The engine's tables in DuckDB: who is open, who is used, who belongs to whom.

| table | rows |
|---|---|
| `entry` | every open entry of both sides, a view of the Arrow tables |
| `rest` | the free, balance-moving entries that no group holds yet |
| `pair` | confirmed one-to-one groups: pass, kind of step, s, o (ids) |
| `barred` | pairs of ids whose set a decision rejected |

`id` is a row's place, 2 x its place on its side + side: a name that decides nothing. Wherever an
order matters it is the total order (booking_date, occurred_at or 0, entry_ref as UTF-8 bytes,
side), which only the few rows that need it are sorted by.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Final, Self

import duckdb
import pyarrow as pa

_ENTRY: Final = """
CREATE VIEW entry AS
SELECT pos::BIGINT * 2 + side AS id, *
FROM (SELECT * FROM servicer_rows UNION ALL SELECT * FROM owner_rows)
"""

_REST: Final = "CREATE TABLE rest AS SELECT * FROM entry WHERE moving AND free"

_TABLES: Final = """
CREATE TABLE pair (pass INTEGER, kind INTEGER, s BIGINT, o BIGINT);
CREATE TABLE barred (s BIGINT, o BIGINT);
"""

FEW_ROWS: Final = 50_000


def _integers(column: pa.ChunkedArray) -> list[int]:
    """Return a column without nulls through its buffers: no object per value in between."""
    values: list[int] = []
    for chunk in column.cast(pa.int64()).chunks:
        whole = memoryview(chunk.buffers()[1]).cast("q")
        values += whole[chunk.offset : chunk.offset + len(chunk)].tolist()
    return values


def _is_key(name: str) -> bool:
    return name[0] == "k" and name[1:].isdigit()


class Store:
    """One in-memory database for one run; nothing of it outlives the run."""

    def __init__(self, *, threads: int | None = None) -> None:
        """Open an empty database; the number of threads never changes a result."""
        self.con = duckdb.connect(":memory:")
        self.con.execute("SET preserve_insertion_order = false")
        self.alive: frozenset[str] = frozenset()
        self._threads = threads

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.con.close()

    def load(self, servicer: pa.Table, owner: pa.Table) -> None:
        """Take both sides' rows; they stay registered as long as the store is open."""
        few = servicer.num_rows + owner.num_rows < FEW_ROWS
        threads = self._threads or (1 if few else None)
        if threads is not None:
            self.con.execute(f"SET threads = {int(threads)}")
        self.con.register("servicer_rows", servicer)
        self.con.register("owner_rows", owner)
        self.con.execute(_ENTRY)
        self.con.execute(_REST)
        self.con.execute(_TABLES)
        self.alive = self._alive([name for name in servicer.column_names if _is_key(name)])

    def _alive(self, names: Sequence[str]) -> frozenset[str]:
        """Return the key columns that hold a value on both sides: no other ever matches."""
        if not names:
            return frozenset()
        counts = ", ".join(
            f"count({name}) FILTER (WHERE side = {side})" for name in names for side in (0, 1)
        )
        row = self.con.execute(f"SELECT {counts} FROM entry").fetchall()[0]
        return frozenset(
            name for place, name in enumerate(names) if row[2 * place] and row[2 * place + 1]
        )

    def count(self, table: str) -> int:
        """Return the number of rows of a table."""
        rows = self.con.execute(f"SELECT count(*) FROM {table}").fetchall()
        return int(rows[0][0])

    def ids(self, query: str) -> list[int]:
        """Return the first column of a query as integers."""
        return [int(row[0]) for row in self.con.execute(query).fetchall()]

    def columns(self, query: str) -> list[list[int]]:
        """Return a query's columns of integers, fast also for millions of rows."""
        table = self.con.sql(query).to_arrow_table()
        return [_integers(table.column(place)) for place in range(table.num_columns)]

    def put_texts(self, table: str, texts: Sequence[str]) -> None:
        """Create or replace a table of one text column."""
        self.con.register("incoming", pa.table({"text": pa.array(texts, pa.string())}))
        self.con.execute(f"CREATE OR REPLACE TABLE {table} AS SELECT * FROM incoming")
        self.con.unregister("incoming")

    def restart(self) -> None:
        """Forget every group: all free, balance-moving entries are open again."""
        self.con.execute("DROP TABLE rest; DROP TABLE pair; DROP TABLE barred")
        self.con.execute(_REST)
        self.con.execute(_TABLES)

    def put(self, table: str, columns: dict[str, Sequence[int]]) -> None:
        """Create or replace a table of big integers."""
        arrow = pa.table({name: pa.array(ids, pa.int64()) for name, ids in columns.items()})
        self.con.register("incoming", arrow)
        self.con.execute(f"CREATE OR REPLACE TABLE {table} AS SELECT * FROM incoming")
        self.con.unregister("incoming")

    def remove_used(self, used: str) -> None:
        """Take the rows of a query over ids out of `rest`."""
        self.con.execute(
            f"CREATE OR REPLACE TABLE rest AS SELECT * FROM rest ANTI JOIN ({used}) USING (id)"
        )

    def settle(self, pass_number: int, found: str, kind: int = 0) -> int:
        """Confirm the (s, o) rows of a table as groups of a pass; return how many."""
        count = self.count(found)
        if count:
            self.con.execute(
                f"INSERT INTO pair SELECT {int(pass_number)}, {int(kind)}, s, o FROM {found}"
            )
            self.remove_used(f"SELECT s AS id FROM {found} UNION ALL SELECT o FROM {found}")
        return count

    def settle_ids(self, ids: Iterable[int]) -> None:
        """Take these ids out of `rest`; their groups are kept elsewhere."""
        self.put("gone", {"id": list(ids)})
        self.remove_used("SELECT id FROM gone")
