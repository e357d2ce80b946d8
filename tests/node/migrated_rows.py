"""Rows that stand in tables which later migrations make anew; for SQLite and for PostgreSQL."""

from __future__ import annotations

from typing import Any, Final

from alembic import command
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, Table, inspect, select

from node.db import Database, migration_config
from node.tables import Base

BEFORE: Final = "0016"
WORD: Final = b"\x01" * 32
ROWS: Final[dict[str, dict[str, Any]]] = {
    "root_challenges": {
        "version": 1,
        "member": 2,
        "revision": 1,
        "entry": WORD,
        "tx_hash": WORD,
        "block_time_s": 5,
        "block_number": 6,
        "log_index": 7,
    },
    "releases": {
        "ticket": 1,
        "entry": WORD,
        "reader": 2,
        "consent": WORD,
        "recipient": WORD,
        "package": b"sealed",
        "receipt": b"signed",
        "released_at_ms": 3,
    },
}


def check_rows_survive(database: Database) -> None:
    """Move an empty database up, down and up again: rows stay, and every key is the mapped one."""
    _move(database, BEFORE)
    with database.engine.begin() as connection:
        for name, row in ROWS.items():
            table = Table(name, MetaData(), autoload_with=connection)
            connection.execute(table.insert().values(row))
    for revision in ("head", BEFORE, "head"):
        _move(database, revision)
        with database.engine.begin() as connection:
            for name, row in ROWS.items():
                table = Table(name, MetaData(), autoload_with=connection)
                (found,) = connection.execute(select(table)).mappings()
                assert dict(found) == row
    with database.engine.connect() as connection:
        for table in Base.metadata.sorted_tables:
            keyed = inspect(connection).get_pk_constraint(table.name)
            mapped = [column.name for column in table.primary_key]
            assert (table.name, keyed["constrained_columns"]) == (table.name, mapped)


def _move(database: Database, revision: str) -> None:
    with database.engine.begin() as connection:
        at = MigrationContext.configure(connection).get_current_revision() or ""
        moved = command.downgrade if revision == BEFORE and at > BEFORE else command.upgrade
        moved(migration_config(connection), revision)
