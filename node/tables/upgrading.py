"""Bring a database's tables up to date: new ones as they are mapped, older ones by migrations.

Alembic is loaded only where something is to be migrated: its environment costs more than a start.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Column, Connection, MetaData, String, Table, insert, inspect, select
from sqlalchemy.engine import make_url
from sqlalchemy.schema import CreateIndex, CreateTable, DDLElement, PrimaryKeyConstraint

from node.db import Database, translated
from node.tables.base import Base

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS: Final = Path(__file__).resolve().parent.parent / "migrations"
# As Alembic makes it (`MigrationContext`).
_VERSION: Final = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


def upgrade(database: Database) -> None:
    """Bring the tables up to date, in one transaction; nothing is written where they are.

    Raises `DatabaseError` DATABASE_*.
    """
    with translated(), database.reading.kw["bind"].connect() as connection:
        # Read first: a command beside a running node must not wait to write nothing.
        known = inspect(connection).has_table(_VERSION.name)
        if known and connection.scalar(select(_VERSION.c.version_num)) == newest_revision():
            return
    with translated(), database.engine.begin() as connection:
        # Asked again: another process may have been first.
        if inspect(connection).get_table_names():
            from alembic import command

            command.upgrade(migration_config(connection), "head")
            return
        for words in _statements(connection.engine.url.drivername):
            connection.exec_driver_sql(words)
        connection.execute(insert(_VERSION).values(version_num=newest_revision()))


@functools.cache
def newest_revision() -> str:
    """Return the newest migration's number; its file's name begins with it."""
    return max(path.name.partition("_")[0] for path in MIGRATIONS.glob("versions/*_*.py"))


def migration_config(connection: Connection) -> Config:
    """Return Alembic's configuration bound to a connection."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


@functools.cache
def _statements(driver: str) -> list[str]:
    """Return what makes every table and index."""
    dialect = make_url(f"{driver}://").get_dialect()()
    tables = [*Base.metadata.sorted_tables, _VERSION]
    indexes = [index for table in tables for index in table.indexes]
    made: list[DDLElement] = [*map(CreateTable, tables), *map(CreateIndex, indexes)]
    return [str(words.compile(dialect=dialect)) for words in made]
