"""The database: migrations equal the tables, writers wait, errors say what to do."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import event, inspect, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DataError
from sqlalchemy.schema import CreateIndex, CreateTable

from node.db import Database, open_database, translated
from node.errors import DatabaseError
from node.tables import Base, Cursor, NodeFact, derived_tables
from node.tables.tip import tip_of
from node.tables.upgrading import migration_config, newest_revision, upgrade
from reconcile.model import UsageError
from tests.node.migrated_rows import check_new_is_as_migrated, check_rows_survive


def test_migrations_equal_the_tables(tmp_path: Path) -> None:
    """All migrations, and what a new database is given at once, are the mapped tables alike."""
    new, migrated = (open_database(f"sqlite:///{tmp_path / name}") for name in ("a.db", "b.db"))
    check_new_is_as_migrated(new, migrated)
    upgrade(migrated)
    new.close()
    migrated.close()


def test_the_newest_migration_is_alembics_head(tmp_path: Path) -> None:
    """Files are numbered as the revisions in them."""
    database = open_database(f"sqlite:///{tmp_path / 'a.db'}")
    with database.engine.connect() as connection:
        script = ScriptDirectory.from_config(migration_config(connection))
        assert newest_revision() == script.get_current_head()
    for revision in script.walk_revisions():
        assert Path(revision.path).name.startswith(f"{revision.revision}_")
    database.close()


def test_a_new_database_is_made_whole_or_not_at_all(tmp_path: Path) -> None:
    """A statement that fails, wherever it stands, leaves an empty database to be made again."""
    database = open_database(f"sqlite:///{tmp_path / 'a.db'}")
    left = [0]

    def fail(*_words: object) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt

    event.listen(database.engine, "before_cursor_execute", fail)
    for place in (1, 3, 50, 150, 200):
        left[0] = place
        with pytest.raises(KeyboardInterrupt):
            upgrade(database)
        with database.engine.connect() as connection:
            assert inspect(connection).get_table_names() == []
    upgrade(database)
    with database.engine.connect() as connection:
        assert set(Base.metadata.tables) < set(inspect(connection).get_table_names())
    database.close()


def test_two_who_open_a_new_database_make_it_once(tmp_path: Path) -> None:
    """Each sees it empty; the second waits and finds it made."""
    opened = [open_database(f"sqlite:///{tmp_path / 'a.db'}") for _ in range(4)]
    barrier, failed = threading.Barrier(len(opened)), []

    def make(database: Database) -> None:
        barrier.wait()
        try:
            upgrade(database)
        except Exception as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=make, args=(database,)) for database in opened]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    with opened[0].engine.connect() as connection:
        words = "SELECT version_num FROM alembic_version"
        assert connection.exec_driver_sql(words).scalars().all() == [newest_revision()]
    for database in opened:
        database.close()


def test_rows_survive_a_table_made_anew(tmp_path: Path) -> None:
    """A table under another key keeps its rows, up and down; every key is the mapped one."""
    database = open_database(f"sqlite:///{tmp_path / 'b.db'}")
    check_rows_survive(database)
    database.close()


def test_postgresql_takes_every_table_and_index() -> None:
    """Every table and index compiles for PostgreSQL, with names within its 63 bytes."""
    for table in Base.metadata.sorted_tables:
        words = str(CreateTable(table).compile(dialect=postgresql.dialect()))
        assert "BLOB" not in words
        for index in table.indexes:
            assert str(CreateIndex(index).compile(dialect=postgresql.dialect()))
            assert len(str(index.name)) <= 63
        for constraint in table.constraints:
            assert len(str(constraint.name or "")) <= 63


def test_every_table_and_its_class_says_what_it_is() -> None:
    """A mapped class without a docstring cannot be understood by whoever reads a database."""
    for mapper in Base.registry.mappers:
        assert mapper.class_.__doc__, mapper.class_.__name__


def test_the_tip_is_what_the_cursor_says(database: Database) -> None:
    """Nothing before the first block; then the row's own values, by name."""
    with database.writing.begin() as session:
        assert tip_of(session) is None
        numbers = {"chain_id": 1, "deployed_block": 2, "block_number": 3, "head_block": 4}
        numbers |= {"head_time_s": 5, "final_block": 6, "seen_at_ms": 7}
        addresses = {"registry_address": bytes(20), "ledger_address": bytes(20)}
        session.add(Cursor(id=1, block_hash=b"\x08" * 32, **numbers, **addresses))
    with database.reading() as session:
        tip, row = tip_of(session), session.get_one(Cursor, 1)
        assert tip is not None
        assert tip._asdict() == {name: getattr(row, name) for name in tip._fields}


def test_derived_tables_refer_to_no_local_table() -> None:
    """Dropping what a replay rebuilds can break no foreign key."""
    derived = set(derived_tables())
    assert len(derived) > 15
    for table in Base.metadata.sorted_tables:
        for key in table.foreign_keys:
            assert key.column.table not in derived


def test_leaving_a_session_without_commit_changes_nothing(database: Database) -> None:
    """An error inside a unit of work leaves no row."""

    def fail() -> None:
        with database.writing.begin() as session:
            session.add(NodeFact(name="x", value=1))
            session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with database.reading() as session:
        assert session.scalars(select(NodeFact)).all() == []


def test_two_writers_wait_for_each_other(database: Database) -> None:
    """Read-then-write in two threads loses no update."""

    def add(times: int) -> None:
        for _ in range(times):
            with database.writing.begin() as session:
                fact = session.get(NodeFact, "count") or NodeFact(name="count", value=0)
                fact.value += 1
                session.add(fact)

    threads = [threading.Thread(target=add, args=(25,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.reading() as session:
        assert session.get_one(NodeFact, "count").value == 100


def test_a_reader_sees_one_snapshot_while_a_writer_works(database: Database) -> None:
    """A page built from several queries never mixes two states, and waits for nobody."""
    with database.reading() as reader:
        assert reader.scalars(select(NodeFact)).all() == []
        with database.writing.begin() as writer:
            writer.add(NodeFact(name="x", value=1))
        assert reader.scalars(select(NodeFact)).all() == []


def test_an_address_nobody_can_open_is_said(tmp_path: Path) -> None:
    """Bad addresses and unwritable folders give a code and what to do."""
    with pytest.raises(DatabaseError) as refused:
        open_database("nonsense://x")
    assert refused.value.code == "DATABASE_ADDRESS"
    (tmp_path / "file").write_text("not a database, but long enough to look like one" * 20)
    with pytest.raises(DatabaseError) as refused:
        open_database(f"sqlite:///{tmp_path / 'file'}")
    assert refused.value.code == "DATABASE_DAMAGED"
    with pytest.raises(DatabaseError) as refused:
        open_database(f"sqlite:///{tmp_path / 'file' / 'below.db'}")
    assert refused.value.code == "DATABASE_UNREACHABLE"


def test_a_full_disk_is_said_and_nothing_is_half_kept(tmp_path: Path) -> None:
    """When SQLite cannot grow, the transaction is refused whole with DATABASE_FULL."""
    database = open_database(f"sqlite:///{tmp_path / 'small.db'}")
    upgrade(database)
    with database.engine.connect() as connection:
        pages = connection.execute(text("PRAGMA page_count")).scalar_one()

    def fill() -> None:
        with translated(), database.writing.begin() as session:
            session.execute(text(f"PRAGMA max_page_count = {pages + 1}"))
            session.add(NodeFact(name="small", value=1))
            session.add(NodeFact(name="large", value="x" * 1_000_000))

    with pytest.raises(DatabaseError) as refused:
        fill()
    assert refused.value.code == "DATABASE_FULL"
    with database.reading() as session:
        assert session.scalars(select(NodeFact)).all() == []
    database.close()


def test_a_value_that_the_database_does_not_take_is_the_value_s_fault() -> None:
    """PostgreSQL takes no NUL in a text: other work goes on, so the database is not away."""
    with pytest.raises(UsageError) as refused, translated():
        raise DataError("INSERT", {}, ValueError("text fields cannot contain NUL"))
    assert refused.value.code == "VALUE_NOT_STORED"
    assert "NUL" in refused.value.message
