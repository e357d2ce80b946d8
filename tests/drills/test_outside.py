"""The outside world fails: each time a clear error, nothing half kept, and then it goes on."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from drill_processes import Answer, environment, kanhe, until
from drill_town import LABEL, Town, check_day, check_streams, passphrase
from sqlalchemy import event, func, select

from node.bootstrap import Node, open_node
from node.errors import ChainError, DatabaseError
from node.settings import Settings
from node.tables import Block, ImportedFile, QueuedRecord
from reconcile.model import InputError, KanheError, OutsideError, ProtocolError, Side

FILE_LIMIT = 40 << 10
# How long the chain takes to write its state, with room.
WRITING_S = 0.3
ANOTHER = "0x" + "12" * 20


def refused(town: Town, **changed: object) -> KanheError:
    """Return why the clearing house's home does not open against a changed target."""
    target = replace(town.clearing.target, **changed)  # type: ignore[arg-type]
    home = town.folder / "spare"
    if not home.exists():
        subprocess.run(["cp", "-r", str(town.folder / "clearing"), str(home)], check=True)
    with pytest.raises(KanheError) as caught:
        open_node(home, passphrase=passphrase(town.folder), target=target)
    assert caught.value.help
    return caught.value


def test_a_wrong_chain_or_contract_is_refused_at_the_start(agreed: Town) -> None:
    """Another chain id, an address without a contract, another contract: refused in words."""
    assert refused(agreed, chain_id=1).code == "WRONG_CHAIN"
    assert refused(agreed, ledger=ANOTHER).code == "CONTRACT_UNKNOWN"
    registry = agreed.clearing.target.registry
    assert refused(agreed, ledger=registry).code == "CONTRACT_DIFFERS"
    gone = "http://127.0.0.1:9"
    error = refused(agreed, url=gone)
    assert (error.code, isinstance(error, OutsideError)) == ("CHAIN_UNREACHABLE", True)


def test_a_wrong_passphrase_opens_nothing(agreed: Town) -> None:
    """A wrong passphrase is an input error that names no key and leaves the home free."""
    refused(agreed, chain_id=1)
    with pytest.raises(InputError) as caught:
        open_node(agreed.folder / "spare", passphrase="not the passphrase")
    assert caught.value.code == "KEYSTORE_PASSPHRASE"
    open_node(agreed.folder / "spare", passphrase=passphrase(agreed.folder)).close()


def test_a_home_runs_once(agreed: Town) -> None:
    """A second process on a home is refused: two relays would fight for one nonce lane."""
    with pytest.raises(OutsideError) as caught:
        open_node(agreed.folder / "bank", passphrase=passphrase(agreed.folder))
    assert caught.value.code == "HOME_IN_USE"
    assert str(os.getpid()) in caught.value.message


def test_a_port_in_use_is_said(town: Town) -> None:
    """`kanhe run --desk` on a taken port ends with status 3 and says which way out there is."""
    town.network.nodes.pop("clearing").close()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        home = str(town.folder / "clearing")
        answer = kanhe(town.folder, "run", "--home", home, "--desk", "--port", port)
    assert answer.code == 3, answer
    assert "PORT_IN_USE" in answer.beside + str(answer.body)


# ------------------------------------------------------------------------ a full disk
@contextmanager
def full_disk(node: Node) -> Iterator[None]:
    """Let the node's database grow by no page: SQLite answers as it does on a full disk."""

    def limit(connection: object, _record: object, _proxy: object) -> None:
        cursor = connection.cursor()  # type: ignore[attr-defined]
        pages = cursor.execute("PRAGMA page_count").fetchone()[0]
        cursor.execute(f"PRAGMA max_page_count = {pages}")

    node.database.engine.dispose()
    event.listen(node.database.engine, "checkout", limit)
    try:
        yield
    finally:
        event.remove(node.database.engine, "checkout", limit)
        node.database.engine.dispose()


def kept(node: Node) -> tuple[int, int]:
    """Return how many files and waiting records a node keeps."""
    with node.database.reading() as session:
        files = session.scalar(select(func.count()).select_from(ImportedFile)) or 0
        records = session.scalar(select(func.count()).select_from(QueuedRecord)) or 0
    return files, records


def bulky(book: Path, out: Path) -> Path:
    """Return a copy of a book whose remittances need more pages than a database has to spare."""
    lines = book.read_text(encoding="utf-8").splitlines(keepends=True)
    at = next(n for n, line in enumerate(lines) if line.startswith("entry_ref"))
    column = lines[at].rstrip("\n").split(",").index("remittance")
    for number in range(at + 1, len(lines)):
        cells = lines[number].rstrip("\n").split(",")
        cells[column] = f"{number:04d}" * 25
        lines[number] = ",".join(cells) + "\n"
    out.write_text("".join(lines), encoding="utf-8")
    return out


def test_a_full_disk_keeps_nothing_half(town: Town, tmp_path: Path) -> None:
    """An import on a full disk is refused whole; with space again, the same file is taken."""
    node, window = town.bank, town.window()
    book = bulky(town.book(Side.SERVICER), tmp_path / "bulky.csv")
    before = kept(node)
    with full_disk(node), pytest.raises(DatabaseError) as caught:
        node.posting.import_file(town.agreement, book, window=window)
    assert caught.value.code == "DATABASE_FULL"
    assert caught.value.help
    assert kept(node) == before
    result = node.posting.import_file(town.agreement, book, window=window)
    assert result.known is False
    assert result.queued == kept(node)[1] - before[1] > 0
    assert kept(node)[0] == before[0] + 1


def turn(town: Town, count: int) -> None:
    """Let every node take some steps."""
    for _ in range(count):
        town.network.turn()


def test_a_disk_that_fills_while_running_loses_nothing(town: Town) -> None:
    """Turns fail while the disk is full and go on afterwards: the day ends as any other."""
    town.import_day()
    with full_disk(town.bank):
        with pytest.raises(DatabaseError) as caught:
            turn(town, 20)
        assert caught.value.code == "DATABASE_FULL"
    town.settle()
    town.finish_day()
    check_day(town)
    check_streams(town)


def test_a_file_size_limit_is_a_full_disk_to_a_command(town: Town, tmp_path: Path) -> None:
    """A process whose files may not grow says so with status 3; the home is as it was.

    The limit comes once all is loaded: a library writes itself to a temporary file before.
    """
    book = bulky(town.book(Side.SERVICER), tmp_path / "bulky.csv")
    before = kept(town.bank)
    home = ("--home", str(town.folder / "bank"), "--json", "-")
    limited = (
        "import resource; import node.bootstrap; from node.cli import main; "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({FILE_LIMIT}, {FILE_LIMIT})); "
        "raise SystemExit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", limited, "import", str(book), "-a", LABEL, *home],
        capture_output=True,
        env=environment(town.folder),
        check=False,
    )
    answer = Answer(done.returncode, done.stdout.decode(), done.stderr.decode())
    assert answer.code == 3, answer
    assert "DATABASE_FULL" in answer.body, answer
    assert kept(town.bank) == before


# ------------------------------------------------------------------------ the chain
def test_a_chain_that_stops_is_waited_for(town: Town) -> None:
    """A chain that answers nothing is an error with its code; when it is back, the day goes on."""
    town.import_day()
    for slug in list(town.network.nodes):
        town.network.nodes.pop(slug).close()
        town.network.nodes[slug] = open_node(
            town.folder / slug,
            passphrase=passphrase(town.folder),
            settings=Settings(home=town.folder / slug, rpc_timeout_s=0.5),
        )
    town.chain.pause()
    try:
        for node in town.parties:
            with pytest.raises(ChainError) as caught:
                node.step()
            assert caught.value.code == "CHAIN_UNREACHABLE"
            assert caught.value.help
            node.posting.close_window(town.agreement, town.window())
    finally:
        town.chain.resume()
    town.until(
        lambda: {town.state(n) for n in town.parties} == {"PROVEN"}, "the proofs after the pause"
    )
    for node in town.parties:
        node.reconciliation.attest(town.agreement, town.window())
    town.until(lambda: {town.state(n) for n in town.parties} == {"AGREED"}, "the agreement")
    town.settle()
    check_day(town)
    check_streams(town)


def test_a_chain_killed_and_started_from_its_state_goes_on(town: Town) -> None:
    """The chain ends by kill -9 with transactions in flight: sent again where blocks were lost."""
    town.import_day()
    for _ in range(10):
        town.network.turn()
    pid, state = town.chain.pid, town.chain.state
    assert pid is not None
    assert state is not None
    # What is lost must stay within finality: more is another chain, and rightly an incident.
    saved_ns = state.stat().st_mtime_ns
    until(lambda: state.stat().st_mtime_ns > saved_ns, "the chain to save its state")
    time.sleep(WRITING_S)
    os.kill(pid, signal.SIGKILL)
    town.chain.stop()
    with pytest.raises(ChainError):
        town.bank.step()
    town.chain.start()
    head = int(town.chain.rpc("eth_blockNumber"), 16)
    # Of what was before, a loaded chain knows the newest block's state alone.
    patient(town, lambda: all(node.tip()["final"] > head for node in town.parties))
    town.settle()
    town.finish_day()
    check_day(town)
    check_streams(town)


def patient(town: Town, done: Callable[[], bool]) -> None:
    """Step as `kanhe run` does: what fails outside is tried again at the next turn."""

    def turned() -> bool:
        for node in town.network.everyone:
            try:
                node.step()
            except OutsideError:
                continue
        return done()

    until(turned, "the chain's restart to be survived")


def test_another_chain_at_the_same_address_is_refused(town: Town) -> None:
    """A chain started anew from nothing is no continuation: the node says so and stops there."""
    # How far the old one was when a node first read it follows from the machine's pace.
    first = 0
    for node in town.network.everyone:
        with node.sessions() as session:
            first = max(first, session.scalar(select(func.min(Block.number))) or 0)
    town.chain.stop()
    (town.folder / "chain" / "state.json").unlink()
    town.chain.start()
    town.chain.mine(first + 3)
    with pytest.raises(ProtocolError) as caught:
        turn(town, 3)
    assert caught.value.code in {"CHAIN_REPLACED", "CONTRACT_UNKNOWN"}
    assert caught.value.help
