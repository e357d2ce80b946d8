"""Where the tests' databases lie: SQLite files, or databases of a PostgreSQL server.

With KANHE_TEST_DATABASE_URL (postgresql+psycopg://user@host:port/name) the node's tests run there:
what would be a file becomes a database of its own, named after the file's path.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, make_url

_MOVED = "TESTS_DATABASE_URL"
# A command refuses a KANHE_ name that is no setting, so it moves to another, which workers inherit.
SERVER = os.environ.pop("KANHE_TEST_DATABASE_URL", "") or os.environ.get(_MOVED, "")
if SERVER:
    os.environ[_MOVED] = SERVER


def address_of(file: Path, server: str = SERVER) -> str:
    """Return the address of the database that a file stands for; on a server it is made."""
    if not server:
        return f"sqlite:///{file}"
    if not exists(file, server):
        _run(server, f'CREATE DATABASE "{_name(file)}"')
    return _address(file, server).render_as_string(hide_password=False)


def exists(file: Path, server: str = SERVER) -> bool:
    """Say whether the database is there."""
    if not server:
        return file.exists()
    asked = text("SELECT 1 FROM pg_database WHERE datname = :name")
    return _run(server, asked, name=_name(file)) is not None


def copy(source: Path, target: Path, server: str = SERVER) -> None:
    """Copy a database to which nobody is connected over another."""
    if not server:
        for leftover in target.parent.glob(f"{target.name}-*"):
            leftover.unlink()
        shutil.copy(source, target)
        return
    _run(server, f'DROP DATABASE IF EXISTS "{_name(target)}" WITH (FORCE)')
    _run(server, f'CREATE DATABASE "{_name(target)}" TEMPLATE "{_name(source)}"')


def _name(file: Path) -> str:
    return f"kanhe_{hashlib.sha256(str(file).encode()).hexdigest()[:24]}"


def _address(file: Path, server: str) -> URL:
    return make_url(server).set(database=_name(file))


def _run(server: str, words: Any, **parameters: str) -> Any:  # noqa: ANN401 - a row of any shape
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            asked = text(words) if isinstance(words, str) else words
            found = connection.execute(asked, parameters)
            return found.first() if found.returns_rows else None
    finally:
        engine.dispose()
