"""Two mirrored books as columns: what a store hands to a run, of any size, the same every time.

One entry in 500 is missing at the owner and one has another amount there; the owner's book comes in
another order. The refs of the servicer ascend, as they do in a statement.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from reconcile.entries import SCHEMA

BREAK_EVERY = 500
DAY = 20_776

# Drawn from the row's number by a hash: alike in every run of one DuckDB.
SERVICER = """
SELECT 'NTRY' || lpad(i::VARCHAR, 12, '0') AS entry_ref, 0 AS version,
       (hash(i, 1) % 2)::TINYINT AS direction, (1 + hash(i, 2) % 9999999)::BIGINT AS amount_minor,
       'CNY' AS currency, {day} AS booking_date, {day} AS value_date, 0 AS status,
       false AS is_reversal, '示范客户' || (hash(i, 3) % 5000) AS counterparty_name,
       '9900' || lpad((hash(i, 4) % 1000000000000)::VARCHAR, 12, '0') AS counterparty_account,
       'invoice ' || (hash(i, 5) % 1000000) AS remittance,
       'E2E' || lpad((hash(i, 6) % 1000000000000000)::VARCHAR, 15, '0') AS end_to_end_id,
       'SR' || lpad((hash(i, 7) % 10000000000000)::VARCHAR, 13, '0') AS servicer_ref
FROM range({rows}) t(i) ORDER BY i
"""
OWNER = """
SELECT * EXCLUDE (servicer_ref) REPLACE (
         'BOOK' || substr(entry_ref, 5) AS entry_ref,
         amount_minor + (number % {every} = 1)::INT AS amount_minor)
FROM (SELECT *, substr(entry_ref, 5)::BIGINT AS number FROM servicer)
WHERE number % {every} <> 0 ORDER BY hash(number)
"""


def write_books(rows: int, folder: Path) -> None:
    """Write `servicer.parquet` and `owner.parquet` of about `rows` entries each."""
    with duckdb.connect() as con:
        con.execute(f"CREATE TABLE servicer AS {SERVICER.format(rows=rows, day=DAY)}")
        _write(con, "SELECT * FROM servicer", folder / "servicer.parquet")
        _write(con, OWNER.format(every=BREAK_EVERY), folder / "owner.parquet")


def _write(con: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    table = con.sql(query).to_arrow_table()
    held = [
        pa.field(name, SCHEMA.field(name).type) for name in table.column_names if name != "number"
    ]
    pq.write_table(table.select([field.name for field in held]).cast(pa.schema(held)), path)
