"""Reads that share a snapshot see what they should, and commits are noticed, whoever made them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from node import snapshots
from node.db import Database, open_database
from node.snapshots import Changes, remembered
from node.tables import Cursor, NodeFact
from node.tables.tip import tip_of
from node.tables.upgrading import upgrade
from tests.databases import address_of


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty database."""
    opened = open_database(address_of(tmp_path / "a.db"))
    upgrade(opened)
    yield opened
    opened.close()


@pytest.fixture
def elsewhere(database: Database) -> Iterator[Database]:
    """The same database as another process has it open."""
    opened = open_database(str(database.engine.url.render_as_string(hide_password=False)))
    yield opened
    opened.close()


def _note(database: Database, value: str) -> None:
    with database.writing.begin() as session:
        session.merge(NodeFact(name="a fact", value=value))


def _fact(database: Database) -> str | None:
    with database.reading() as session:
        row = session.get(NodeFact, "a fact")
        return None if row is None else str(row.value)


def _begun(database: Database) -> list[Connection]:
    begun: list[Connection] = []
    event.listen(database.engine, "begin", begun.append)
    return begun


def test_many_reads_take_one_transaction(database: Database) -> None:
    """Inside, one snapshot answers them all; outside each has its own."""
    begun = _begun(database)
    with database.reading.shared():
        for _ in range(5):
            assert _fact(database) is None
        with database.reading.shared():
            assert _fact(database) is None
        assert len(begun) == 1
    for _ in range(3):
        _fact(database)
    assert len(begun) == 4


def test_what_this_process_commits_is_seen_by_the_next_read(database: Database) -> None:
    """By the same thread and by another one."""
    with database.reading.shared():
        assert _fact(database) is None
        _note(database, "one")
        assert _fact(database) == "one"
        other = threading.Thread(target=_note, args=(database, "two"))
        other.start()
        other.join()
        assert _fact(database) == "two"


def test_what_others_commit_is_seen_after_a_while(
    database: Database, elsewhere: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within the snapshot's time it is one moment; then the next one begins."""
    monkeypatch.setattr(snapshots, "SHARED_S", 3_600)
    with database.reading.shared():
        assert _fact(database) is None
        _note(elsewhere, "one")
        assert _fact(database) is None
        monkeypatch.setattr(snapshots, "SHARED_S", 0)
        assert _fact(database) == "one"


def test_another_thread_shares_nothing(database: Database, elsewhere: Database) -> None:
    """It opens a session of its own, whose snapshot is a later one."""
    seen: list[str | None] = []
    with database.reading.shared():
        assert _fact(database) is None
        _note(elsewhere, "one")
        other = threading.Thread(target=lambda: seen.append(_fact(database)))
        other.start()
        other.join()
    assert seen == ["one"]


def test_a_read_within_a_read_is_apart(database: Database) -> None:
    """The inner one ends without taking the outer one's rows away."""
    _note(database, "one")
    with database.reading.shared(), database.reading() as outer:
        row = outer.get_one(NodeFact, "a fact")
        with database.reading() as inner:
            assert inner is not outer
            assert inner.get_one(NodeFact, "a fact") is not row
        assert row in outer


def test_what_was_read_is_detached_and_never_written(database: Database) -> None:
    """As after a session that was closed: a changed row stays a matter of who changed it."""
    _note(database, "one")
    with database.reading.shared():
        with database.reading() as session:
            row = session.get_one(NodeFact, "a fact")
            row.value = "changed"
            assert session.scalar(text("SELECT count(*) FROM node_facts")) == 1
        assert row not in session
        assert _fact(database) == "one"
    assert _fact(database) == "one"


def test_a_failed_read_ends_its_snapshot(database: Database) -> None:
    """A server takes nothing more in a transaction in which a statement failed."""
    begun = _begun(database)
    with database.reading.shared():

        def fail() -> None:
            with database.reading() as session:
                session.execute(text("SELECT nothing FROM nowhere"))

        with pytest.raises(Exception, match="nowhere"):
            fail()
        assert _fact(database) is None
    assert len(begun) == 2


def test_the_tip_is_asked_for_once_a_snapshot(database: Database) -> None:
    """It cannot move there; in a session that writes it can."""
    with database.writing.begin() as session:
        session.add(
            Cursor(
                id=1,
                chain_id=1,
                registry_address=b"r" * 20,
                ledger_address=b"l" * 20,
                deployed_block=0,
                block_number=7,
                block_hash=b"h" * 32,
                head_block=8,
                head_time_s=9,
                final_block=6,
                seen_at_ms=1,
            )
        )
    asked: list[str] = []
    event.listen(
        database.engine, "before_cursor_execute", lambda _c, _k, words, *_r: asked.append(words)
    )

    def heads(session: Session) -> list[int]:
        tips = [tip_of(session) for _ in range(2)]
        return [tip.head_block for tip in tips if tip is not None]

    with database.reading.shared():
        for _ in range(2):
            with database.reading() as session:
                assert heads(session) == [8, 8]
        assert sum("cursor" in words.lower() for words in asked) == 1
        with database.writing.begin() as session:
            session.get_one(Cursor, 1).head_block = 9
        with database.reading() as session:
            assert heads(session) == [9, 9]


def test_a_shared_snapshot_keeps_no_log_from_being_emptied(database: Database) -> None:
    """What was destroyed would stay in SQLite's log as long as the turn's own snapshot stands."""
    _note(database, "one")
    with database.reading.shared():
        assert _fact(database) == "one"
        assert database.empty_log()
        assert _fact(database) == "one"


def test_commits_are_noticed_whoever_makes_them(database: Database, elsewhere: Database) -> None:
    """At first and after each commit, and not for reading."""
    changes = Changes(database.engine)
    assert changes.any()
    assert not changes.any()
    for writer in (database, elsewhere):
        _note(writer, f"by {id(writer)}")
        assert changes.any()
        assert not changes.any()
    _fact(database)
    _fact(elsewhere)
    assert not changes.any()
    changes.close()
    assert changes.any(), "another connection counts anew"
    assert not changes.any()
    changes.close()


def test_a_question_that_fails_is_a_change(database: Database) -> None:
    """Who then looks meets what is wrong and says it."""
    changes = Changes(database.engine)
    changes.any()
    assert not changes.any()
    whole = changes._words
    changes._words = "SELECT nothing FROM nowhere"
    assert changes.any()
    assert changes.any()
    changes._words = whole
    assert changes.any()
    assert not changes.any()
    changes.close()


def test_the_ledger_s_answers_are_kept_until_its_rows_move(database: Database) -> None:
    """Given out while they stand, none while they may move, anew where they stand elsewhere."""
    facts, asked = database.facts, [0]

    def ask(session: Session) -> int:
        def answer() -> int:
            asked[0] += 1
            return asked[0]

        return remembered(session, ("a question",), answer)

    def both() -> tuple[int, int]:
        with database.reading() as reading, database.writing.begin() as writing:
            return ask(reading), ask(writing)

    with database.reading() as session:
        assert (ask(session), ask(session)) == (1, 1), "a snapshot's own, where no turns are taken"
    with database.writing.begin() as session:
        assert (ask(session), ask(session)) == (2, 3)
    facts.stand("here")
    assert both() == both() == (4, 4)
    facts.let_move()
    assert both() == (5, 6)
    facts.stand("here")
    assert both() == (4, 4)
    facts.let_move()
    facts.stand("there")
    assert both() == (7, 7)
    facts.forget()
    facts.stand("there")
    assert both() == (8, 8)


def test_who_writes_goes_by_the_answers_of_its_transaction(database: Database) -> None:
    """A turn that comes between a session's opening and its lock is seen."""
    facts = database.facts
    facts.stand("here")
    with database.reading() as session:
        assert remembered(session, ("day",), lambda: "before") == "before"
    with database.writing() as session:
        facts.let_move()
        facts.stand("there")
        assert session.in_transaction() is False
        assert remembered(session, ("day",), lambda: "after") == "after"
        assert session.in_transaction()
        session.commit()
        facts.stand("elsewhere")
        assert remembered(session, ("day",), lambda: "later") == "later"
        session.rollback()


def test_answers_fill_no_memory(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a bound each is asked for again: who asks may choose the questions."""
    monkeypatch.setattr(snapshots, "MAX_FACTS", 2)
    database.facts.stand("here")
    with database.reading() as session:
        for number in range(5):
            assert remembered(session, (number,), lambda: "one") == "one"
        assert remembered(session, (0,), lambda: "another") == "one"
        assert remembered(session, (4,), lambda: "another") == "another"


def test_a_snapshot_that_began_during_a_commit_is_given_up(database: Database) -> None:
    """A commit counts when it begins and when it is done: between the two nobody sees it."""
    begun, done = threading.Event(), threading.Event()

    @event.listens_for(database.engine, "commit")
    def slow(_connection: Connection) -> None:
        if threading.current_thread().name == "writer":
            begun.set()
            done.wait(20)

    writer = threading.Thread(target=_note, args=(database, "one"), name="writer")
    with database.reading.shared():
        writer.start()
        assert begun.wait(20)
        acts = database.commits.of_others
        assert _fact(database) is None
        done.set()
        writer.join(20)
        assert _fact(database) == "one"
        assert database.commits.of_others > acts, "nor does a look between the two have seen it"


def test_who_waits_for_something_outside_holds_no_log(
    database: Database, elsewhere: Database
) -> None:
    """A command beside the node empties it of what it destroyed while a turn waits for a peer."""
    _note(database, "destroyed")
    with database.reading.shared():
        assert _fact(database) == "destroyed"
        database.reading.let_go()
        _note(elsewhere, "")
        assert elsewhere.empty_log()
        with database.reading() as session:
            database.reading.let_go()
            assert session.get_one(NodeFact, "a fact").value == "", "one in use stays"


def test_a_snapshot_that_cannot_be_ended_ends_nothing_else(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that went away took it along: the next turn has its own."""

    def gone(_session: Session) -> None:
        raise OperationalError("ROLLBACK", {}, Exception("the server went away"))

    with database.reading.shared():
        assert _fact(database) is None
        monkeypatch.setattr(snapshots._Shared, "close", gone)
    monkeypatch.undo()
    begun = _begun(database)
    for _ in range(2):
        with database.reading.shared():
            assert _fact(database) is None
    assert len(begun) == 2
