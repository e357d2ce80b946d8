"""The same tables and the same semantics on PostgreSQL, on a server of this test's own.

With KANHE_TEST_DATABASE_URL all tests of the node run there; these few run wherever a server can be
started.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError, IntegrityError
from test_hostile_numbers import ODD, apply, logs, numbers_fit

from devnet.local import EmbeddedChain
from node.acts import RUNNING, claim, record_act, verify_chain
from node.db import Database, open_database, translated
from node.errors import DatabaseError
from node.tables import AuditRow, NodeFact, QueuedRecord
from node.tables.upgrading import upgrade
from reconcile.model import Side
from tests.conftest import absent
from tests.databases import SERVER, address_of
from tests.node.migrated_rows import check_new_is_as_migrated, check_rows_survive
from tests.node.services.blacklist_town import make_town
from tests.node.services.conftest import DATE, WINDOW, Pair, csv_of, make_pair

ROWS = [f"e1,IN,10.00,{DATE},E2E-0001", f"e2,OUT,5.00,{DATE},E2E-0002"]


def _binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    named = shutil.which("initdb")
    if named is None:
        absent("no PostgreSQL server; on Debian: apt install postgresql")
    return Path(str(named)).parent


def _as_user(folder: Path) -> list[str]:
    """Return what runs a command as somebody the server agrees to run for: never as root."""
    if os.geteuid() != 0:
        return []
    shutil.chown(folder, "postgres")
    return ["runuser", "-u", "postgres", "--"]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a server on loopback: the named one, or one that is started and stopped."""
    if SERVER:
        yield SERVER
        return
    binaries = _binaries()
    # Not under pytest's folder, which nobody else may enter.
    with tempfile.TemporaryDirectory(prefix="kanhe-pg-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        user = _as_user(folder)
        data = folder / "data"
        initdb = [str(binaries / "initdb"), "-D", str(data), "-A", "trust", "-U", "kanhe"]
        subprocess.run([*user, *initdb, "-E", "UTF8"], check=True, capture_output=True, cwd=name)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={name}"
        control = [*user, str(binaries / "pg_ctl"), "-D", str(data), "-w"]
        start = [*control, "-o", f"{options} -c fsync=off", "-l", f"{name}/log", "start"]
        subprocess.run(start, check=True, stdout=subprocess.DEVNULL, cwd=name)
        try:
            yield f"postgresql+psycopg://kanhe@127.0.0.1:{port}/postgres"
        finally:
            stop = [*control, "-m", "immediate", "stop"]
            subprocess.run(stop, check=True, stdout=subprocess.DEVNULL, cwd=name)


@pytest.fixture
def postgresql(server: str, tmp_path: Path) -> Iterator[Database]:
    """A migrated database of its own."""
    opened = open_database(address_of(tmp_path / "kanhe.db", server))
    upgrade(opened)
    yield opened
    opened.close()


def test_migrations_equal_the_tables(server: str, tmp_path: Path) -> None:
    """All migrations, and what a new database is given at once, are the mapped tables alike."""
    new, migrated = (
        open_database(address_of(tmp_path / name, server)) for name in ("new.db", "migrated.db")
    )
    check_new_is_as_migrated(new, migrated)
    upgrade(migrated)
    new.close()
    migrated.close()


def test_rows_survive_a_table_made_anew(server: str, tmp_path: Path) -> None:
    """A table under another key keeps its rows, up and down; every key is the mapped one."""
    database = open_database(address_of(tmp_path / "moved.db", server))
    check_rows_survive(database)
    database.close()


def test_constraints_hold(postgresql: Database) -> None:
    """One ref and version of a side exists once in the queue."""

    def add() -> None:
        with postgresql.writing.begin() as session:
            session.add(
                QueuedRecord(
                    agreement=bytes(32),
                    side=0,
                    window=8,
                    entry_ref="e1",
                    version=0,
                    record=b"x",
                    state="QUEUED",
                    queued_at_ms=1,
                )
            )

    add()
    with pytest.raises(IntegrityError):
        add()


def test_writers_wait_for_each_other(postgresql: Database) -> None:
    """Read-then-write in four threads loses no update, and the audit log's chain holds."""

    def add() -> None:
        for _ in range(25):
            with postgresql.writing.begin() as session:
                fact = session.get(NodeFact, "count") or NodeFact(name="count", value=0)
                fact.value += 1
                session.add(fact)
                record_act(session, actor="test", act="count", subject=None, now_ms=1)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with postgresql.reading() as session:
        assert session.get_one(NodeFact, "count").value == 100
        assert len(session.scalars(select(AuditRow.id)).all()) == 100
        assert verify_chain(session) == []


def test_readers_see_one_snapshot_and_write_nothing(postgresql: Database) -> None:
    """A reading session sees what stood when it began, and a write in it is refused."""
    with postgresql.reading() as session:
        assert session.scalars(select(NodeFact)).all() == []
        with postgresql.writing.begin() as other:
            other.add(NodeFact(name="x", value=1))
        assert session.scalars(select(NodeFact)).all() == []
        session.add(NodeFact(name="y", value=1))
        with pytest.raises(DBAPIError):
            session.flush()


def test_equal_calls_claim_a_key_once(postgresql: Database) -> None:
    """Of eight calls with one key at once, one acts and the others wait."""

    def ask(_number: int) -> object:
        with postgresql.writing.begin() as session:
            return claim(session, "close", "k1", b"body", now_ms=1)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(8)))
    assert answers.count(None) == 1
    assert answers.count(RUNNING) == 7


def test_a_server_that_is_gone_is_said_in_words(server: str) -> None:
    """An address where nothing listens and a database that is not there have their codes."""
    for address in ("postgresql+psycopg://kanhe@127.0.0.1:9/x", f"{server}_is_not_there"):
        with pytest.raises(DatabaseError) as caught, translated():
            open_database(address)
        assert caught.value.code == "DATABASE_UNREACHABLE"
        assert caught.value.help


@pytest.fixture
def pair(server: str, tmp_path: Path) -> Iterator[Pair]:
    """Two institutions whose databases are the server's."""
    with EmbeddedChain(block_time_s=0) as chain:
        made = make_pair(tmp_path, chain, server)
        yield made
        for node in made.nodes:
            node.close()


def test_an_entry_of_the_blacklist(server: str, tmp_path: Path) -> None:
    """Listed, tagged, disputed, replayed on a server: the same rows and the same trace."""
    with EmbeddedChain(block_time_s=0) as chain:
        town = make_town(tmp_path, chain, server)
        node = town.node(1)
        assert node.database.engine.dialect.name == "postgresql"
        entry = town.list(1, 1)
        town.node(2).screening.open_dispute(entry, "not hers")
        town.settle()
        before = node.screening.trace(entry).to_json()
        assert (before["state"], before["holds"]) == ("DISPUTED", True)
        points = town.node(2).screening.points().to_json()
        town.node(2).rebuild()
        assert town.node(2).screening.points().to_json() == points
        node.rebuild()
        assert node.screening.trace(entry).to_json() == before
        town.close()


def test_a_day_from_file_to_attested(pair: Pair, tmp_path: Path) -> None:
    """Import, seal, post, match, close, attest, replay: both sides sign the same digest."""
    agreement = pair.agreement()
    for node in pair.nodes:
        assert node.database.engine.dialect.name == "postgresql"
        path = csv_of(tmp_path / f"{node.name}.csv", ROWS, opening="0.00", closing="5.00")
        assert node.posting.import_file(agreement, path).queued == 2
    pair.settle()
    pair.day(agreement)
    views = [node.network.agreement(agreement) for node in pair.nodes]
    assert [view.agreed_window for view in views] == [WINDOW, WINDOW]
    assert views[0].agreed_digest == views[1].agreed_digest
    before = pair.servicer.posting.entries(agreement, Side.SERVICER)
    pair.servicer.rebuild()
    pair.settle()
    assert pair.servicer.posting.entries(agreement, Side.SERVICER) == before


@pytest.mark.parametrize("counted", [None, 1])
def test_the_worst_numbers_of_the_ledger_fit(postgresql: Database, counted: int | None) -> None:
    """Where an INTEGER has 32 bits, and a number beyond its column is an error of the server."""
    odd = apply(postgresql, logs(counted))
    numbers_fit(postgresql)
    assert counted is None or set(odd) == ODD
