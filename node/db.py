"""The database of a node: SQLite in WAL mode, or PostgreSQL; the same tables and migrations.

`Database.writing` opens sessions whose transactions may write: on SQLite they begin IMMEDIATE, on
PostgreSQL under one lock, so that two writers wait for each other instead of failing half-way or
losing an update. `Database.reading` opens sessions that see one snapshot and never wait for a
writer.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import msgspec
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Dialect,
    Engine,
    Table,
    Text,
    cast,
    create_engine,
    event,
    func,
    literal,
    select,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DataError, DBAPIError, SQLAlchemyError
from sqlalchemy.orm import InstrumentedAttribute, Session, sessionmaker

from node.errors import DatabaseError
from node.snapshots import Facts, Readers, Writers
from reconcile.model import UsageError

BUSY_TIMEOUT_S: Final = 30.0
CACHE_KIB: Final = 65_536
# Names the writers' lock in PostgreSQL; it holds within one database.
WRITER_LOCK: Final = int.from_bytes(b"kanhe", "big")
_READ_ONLY: Final = "kanhe_reading"
_BUSY: Final = f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT_S * 1_000)}"


class Commits:
    """Counts what this process commits, and apart what people do outside of its node's turns."""

    def __init__(self) -> None:
        self.ever = 0
        self.of_others = 0
        self._lock = threading.Lock()
        self._turning: int | None = None

    @contextlib.contextmanager
    def of_turn(self) -> Iterator[None]:
        """Count nothing of this thread meanwhile."""
        self._turning = threading.get_ident()
        try:
            yield
        finally:
            self._turning = None

    def note(self, connection: Connection) -> None:
        """Hear of a commit (SQLAlchemy's engine event)."""
        reads = connection.get_execution_options().get(_READ_ONLY, False)
        if not reads:
            self.count()

    def count(self, _done: object = None) -> None:
        """Count a commit: as it begins, and once more when it is done.

        What is read between the two may lack it, and counts as older than the second.
        """
        # Two at once would count as one, which a turn between them would have seen already.
        with self._lock:
            self.ever += 1
            self.of_others += threading.get_ident() != self._turning


@dataclass(frozen=True)
class Database:
    """An open database; `close()` when done."""

    engine: Engine
    writing: sessionmaker[Session]
    reading: Readers
    commits: Commits
    facts: Facts

    def empty_log(self) -> bool:
        """Move SQLite's write-ahead log into the file and empty it; False while a reader holds it.

        Outside of any transaction. On a server there is nothing to do.
        """
        if self.engine.dialect.name != "sqlite":
            return True
        # Our own snapshot would hold it.
        self.reading.let_go()
        with translated():
            raw = self.engine.raw_connection()
            try:
                cursor = raw.cursor()
                # Whoever holds it is not waited for: it is tried again.
                cursor.execute("PRAGMA busy_timeout = 0")
                busy = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
                cursor.execute(_BUSY)
            finally:
                raw.close()
        return not busy

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def open_database(url: str) -> Database:
    """Open `url` (SQLAlchemy form). Raises `DatabaseError` DATABASE_*."""
    with translated():
        address = make_url(url)
        sqlite = address.get_backend_name() == "sqlite"
        options: dict[str, Any] = {
            "pool_pre_ping": not sqlite,
            "json_serializer": _json_text,
            "json_deserializer": msgspec.json.decode,
        }
        if sqlite:
            options["connect_args"] = {"timeout": BUSY_TIMEOUT_S, "check_same_thread": False}
            if address.database and address.database != ":memory:":
                Path(address.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(address, **options)
        if sqlite:
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
        else:
            event.listen(engine, "begin", _begin_postgresql)
        with engine.connect():
            pass
    commits = Commits()
    event.listen(engine, "commit", commits.note)
    facts = Facts()
    reading = Readers(engine.execution_options(**{_READ_ONLY: True}), commits, facts)
    return Database(engine, Writers(engine, facts, commits.count), reading, commits, facts)


def bulk_insert(session: Session, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert many rows by the driver itself, an order of magnitude faster than by the ORM.

    Every row names the same columns, and all that the table has no default of its own for.
    """
    session.flush()
    connection = session.connection()
    dialect = connection.dialect
    compiled = table.insert().values(dict.fromkeys(rows[0])).compile(dialect=dialect)
    order = compiled.positiontup
    names = list(rows[0]) if order is None else order
    columns = []
    for name in names:
        values = map(itemgetter(name), rows)
        process = _processor(table.columns[name], dialect)
        columns.append(values if process is None else map(process, values))
    parameters: list[Any] = list(zip(*columns, strict=True))
    if order is None:
        parameters = [dict(zip(names, values, strict=True)) for values in parameters]
    connection.exec_driver_sql(str(compiled), parameters)


def among(
    session: Session, column: InstrumentedAttribute[Any], texts: Sequence[str]
) -> ColumnElement[bool]:
    """Say that a text column is one of many texts, sent as a single JSON parameter.

    A parameter each would be rendered anew with every statement, at a cost per text that is higher
    than the look-up's.
    """
    listed = msgspec.json.encode(texts).decode()
    if session.get_bind().dialect.name == "sqlite":
        values = func.json_each(listed)
    else:
        values = func.json_array_elements_text(cast(literal(listed, Text), JSON))
    return column.in_(select(values.table_valued("value").c.value))


def _processor(column: Column[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    """Return what a column does to a value on its way to the driver, None for nothing."""
    # SQLite stores a boolean as the integer that Python's is already.
    if isinstance(column.type, Boolean):
        return None
    return column.type.dialect_impl(dialect).bind_processor(dialect)


def _json_text(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # The driver must not begin by itself: `_begin_sqlite` does.
    connection.isolation_level = None
    for words in (
        "PRAGMA journal_mode = WAL",
        # FULL: a transaction signed and committed must survive a power cut before it is sent.
        "PRAGMA synchronous = FULL",
        "PRAGMA foreign_keys = ON",
        _BUSY,
        f"PRAGMA cache_size = -{CACHE_KIB}",
        "PRAGMA temp_store = MEMORY",
    ):
        connection.execute(words)


def _begin_sqlite(connection: Connection) -> None:
    reading = connection.get_execution_options().get(_READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _begin_postgresql(connection: Connection) -> None:
    """Begin as SQLite does: one writer at a time, readers on a snapshot of their own.

    Services read and then write what follows from it (the audit log's last hash, the next nonce).
    Two of them at once would both read the old row; a lock of the whole transaction costs less than
    trying again everywhere, and a node has one relay and a few people.
    """
    if connection.get_execution_options().get(_READ_ONLY, False):
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        return
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{int(BUSY_TIMEOUT_S)}s'")
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITER_LOCK})")


@contextlib.contextmanager
def overwriting(session: Session) -> Iterator[None]:
    """Let what is deleted or replaced inside be overwritten with zeros in a SQLite file.

    The old bytes stay in the write-ahead log until `Database.empty_log`. A server's vacuum and
    backups are the server's.
    """
    sqlite = session.get_bind().dialect.name == "sqlite"
    if sqlite:
        session.connection().exec_driver_sql("PRAGMA secure_delete = ON")
    try:
        yield
        session.flush()
    finally:
        if sqlite:
            session.connection().exec_driver_sql("PRAGMA secure_delete = OFF")


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into `DatabaseError`s, once, at the edge."""
    try:
        yield
    except DataError as error:
        # The value's fault and nobody else's: other work goes through.
        raise UsageError(
            "VALUE_NOT_STORED",
            f"the database takes no such value: {_first_line(error)}",
            help="a control character in a text, or a number out of range; nothing was done",
        ) from error
    except DBAPIError as error:
        raise _of_driver(error) from error
    except SQLAlchemyError as error:
        raise DatabaseError(
            "DATABASE_ADDRESS", _first_line(error), help="see KANHE_DATABASE_URL"
        ) from error
    except OverflowError:
        # SQLite's driver; PostgreSQL's says so as an error of its own.
        raise UsageError(
            "NUMBER_TOO_LARGE",
            "a number that was asked for has more than 63 bits",
            help="no row has such a number; nothing was done",
        ) from None
    except OSError as error:
        raise DatabaseError(
            "DATABASE_UNREACHABLE", str(error), help="does the folder exist, and may it be written?"
        ) from error


# Driver's text → code and what to do (SQLite result codes; PostgreSQL SQLSTATE 53100, 55P03).
_DRIVER_TEXTS: Final = (
    ("full", "DATABASE_FULL", "free disk space; nothing was half kept"),
    ("no space", "DATABASE_FULL", "free disk space; nothing was half kept"),
    # A quota or a file size limit: SQLite says "full" for ENOSPC alone.
    ("disk i/o", "DATABASE_FULL", "is it full, over a quota or failing? nothing was half kept"),
    ("lock timeout", "DATABASE_LOCKED", "another program holds the database; is one hanging?"),
    ("locked", "DATABASE_LOCKED", "another program holds the database; is a second node running?"),
    ("readonly", "DATABASE_READ_ONLY", "the file or its folder cannot be written"),
    ("unable to open", "DATABASE_UNREACHABLE", "does the folder exist, and may this user write?"),
    ("malformed", "DATABASE_DAMAGED", "restore a backup: `kanhe restore`"),
    ("not a database", "DATABASE_DAMAGED", "restore a backup: `kanhe restore`"),
    ("connect", "DATABASE_UNREACHABLE", "is the server up? see KANHE_DATABASE_URL"),
)


def _of_driver(error: DBAPIError) -> DatabaseError:
    said = _first_line(error)
    for text, code, remedy in _DRIVER_TEXTS:
        if text in said.lower():
            return DatabaseError(code, said, help=remedy)
    return DatabaseError("DATABASE_ERROR", said)


def _first_line(error: SQLAlchemyError) -> str:
    origin = error.orig if isinstance(error, DBAPIError) else error
    lines = str(origin).splitlines()
    return lines[0] if lines else type(error).__name__
