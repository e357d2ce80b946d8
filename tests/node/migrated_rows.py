"""What migrations do to rows, and to the tables of a new database; for SQLite and PostgreSQL."""

from __future__ import annotations

from typing import Any, Final

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData, Table, inspect, select

from node.db import Database
from node.tables import Base
from node.tables.upgrading import migration_config, upgrade

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
    "sealed_records": {
        "entry": WORD,
        "key_epoch": 1,
        "loc": WORD,
        "record": b"sealed",
        "sealed_at_ms": 3,
    },
    "entry_tags": {
        "entry": WORD,
        "key_epoch": 1,
        "untagged_block": None,
        "untagged_log_index": None,
        "block_number": 6,
        "log_index": 7,
        "tx_hash": WORD,
        "block_time_s": 5,
    },
    "deposits": {
        "key_epoch": 1,
        "entry": WORD,
        "uploader": 2,
        "loc": WORD,
        "leaf": WORD,
        "hash": WORD,
        "record": b"sealed",
        "taken": True,
        "removed": False,
        "received_at_ms": 3,
    },
    "record_deliveries": {"key_epoch": 1, "entry": WORD, "replica": 2, "delivered_at_ms": 3},
    "own_attestations": {
        "entry": WORD,
        "ticket": 1,
        "uploader": 2,
        "verdict": "CONFIRMED",
        "envelope": b"signed",
        "recall_secret": b"sealed",
        "recipient": WORD,
        "made_at_ms": 3,
        "period": None,
    },
    "own_lookups": {
        "id": 1,
        "state": "DONE",
        "purpose": 1,
        "scope": 1,
        "valid_from_s": 2,
        "valid_to_s": 3,
        "person": b"sealed",
        "element": WORD,
        "digest": WORD,
        "consent": b"sealed",
        "ticket": 4,
        "key_epoch": 1,
        "outcome": "HIT",
        "level": 1,
        "receipt": b"sealed",
        "made_at_ms": 3,
        "done_at_ms": 3,
    },
}
#: What stands in columns that came later, of rows that had them not.
ADDED: Final[dict[str, dict[str, Any]]] = {
    "sealed_records": {"salt": bytes(32)},
    "entry_tags": {"record": bytes(32)},
    "deposits": {"salt": b""},
    "record_deliveries": {"signature": b""},
    "own_attestations": {"countersigned": None},
    # Which entries its receipt found is still to be read.
    "own_lookups": {
        "refusal": None,
        "kept": "UNREAD",
        "reduced": None,
        "destroyed_for": None,
        "destroyed_at_ms": None,
        "forget_from_s": None,
    },
}


# Everything PostgreSQL keeps of a table, but the place of a column among the others.
CATALOGUE: Final = (
    (
        "SELECT table_name, column_name, column_default, is_nullable, data_type, udt_name,"
        " character_maximum_length, collation_name, is_identity, is_generated"
        " FROM information_schema.columns WHERE table_schema = 'public'"
    ),
    "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    (
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE connamespace = 'public'::regnamespace"
    ),
    "SELECT tgrelid::regclass::text, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
    (
        "SELECT relname, relkind, relpersistence, reloptions::text FROM pg_class"
        " WHERE relnamespace = 'public'::regnamespace"
    ),
    "SELECT sequencename, data_type::text, start_value, increment_by, cycle FROM pg_sequences",
    "SELECT version_num FROM alembic_version",
)


def check_new_is_as_migrated(new: Database, migrated: Database) -> None:
    """Hold what an empty database is given at once against all migrations on another."""
    upgrade(new)
    _move(migrated, "head")
    found = []
    for database in (new, migrated):
        with database.engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, Base.metadata) == []
            names = set(inspect(connection).get_table_names())
            assert names - {"alembic_version"} == set(Base.metadata.tables)
            found.append(_catalogue(connection))
    assert len(found[0]) > len(Base.metadata.tables)
    assert found[0] == found[1]


def _catalogue(connection: Connection) -> list[str]:
    ask = connection.exec_driver_sql
    if connection.dialect.name != "sqlite":
        return sorted(str((words, tuple(row))) for words in CATALOGUE for row in ask(words))
    found = []
    for kind, name, words in ask("SELECT type, name, sql FROM sqlite_master"):
        parts = sorted(" ".join(part.split()) for part in (words or "").split(","))
        # A table made in one piece ends its last column where an added one would follow.
        found.append(str((kind, name, sorted(part.removesuffix(" )") for part in parts))))
        if kind == "table":
            found += [str((name, *row[1:])) for row in ask(f"PRAGMA table_xinfo({name})")]
            found += [str((name, *row)) for row in ask(f"PRAGMA foreign_key_list({name})")]
            found += [str((name, *row[1:])) for row in ask(f"PRAGMA index_list({name})")]
            found += [str(tuple(row)) for row in ask(f"PRAGMA table_list({name})")]
        elif kind == "index":
            found += [str((name, *row[2:])) for row in ask(f"PRAGMA index_info({name})")]
    for word in ("user_version", "application_id", "encoding", "auto_vacuum", "page_size"):
        found.append(str((word, ask(f"PRAGMA {word}").scalar_one())))
    found.append(str(ask("SELECT version_num FROM alembic_version").all()))
    return sorted(found)


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
                later = ADDED.get(name, {}) if revision == "head" else {}
                assert dict(found) == row | later
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
