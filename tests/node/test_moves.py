"""Which agreements a turn looks at: held against every way in which something can move."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from node.attempts import Attempts
from node.db import Database, open_database
from node.moves import LOOK_ALL_LONGEST_MS, LOOK_ALL_MS, Moves
from node.projections.reopening import Reopening
from node.tables import StreamState

ONE, OTHER = b"\1" * 32, b"\2" * 32
WORK = "match"


def _rested(*, moved_at: int = 5, final: int = 5) -> Moves:
    moves = Moves(timer=lambda: -1.0)
    for agreement in (ONE, OTHER):
        moves.moved(agreement, moved_at)
    _turn(moves, final=final)
    return moves


def _turn(moves: Moves, *, final: int = 5, now_ms: int = 0, outbox: bool = False) -> set[bytes]:
    """Look around in a turn that finds nothing to do; return what it looked at."""
    with moves.looking(final=final, now_ms=now_ms):
        seen = {item for item in (ONE, OTHER) if moves.due(WORK, item)}
        for item in seen:
            moves.looked(WORK, item, done=False, outbox=outbox)
    return seen


def test_what_is_final_and_found_nothing_to_do_rests() -> None:
    """Two agreements whose blocks are final are looked at once."""
    assert _turn(_rested()) == set()


def test_a_log_about_one_agreement_wakes_it_until_its_block_is_final() -> None:
    """What follows from a final block is found in the turn that finds it final."""
    moves = _rested()
    moves.moved(ONE, 9)
    assert _turn(moves, final=8) == {ONE}
    assert _turn(moves, final=8) == {ONE}
    assert _turn(moves, final=9) == {ONE}
    assert _turn(moves, final=9) == set()


def test_a_log_about_a_member_wakes_everything() -> None:
    """Its agreements are not asked for by name."""
    moves = _rested()
    moves.moved(None, 6)
    assert _turn(moves, final=5) == {ONE, OTHER}
    assert _turn(moves, final=6) == {ONE, OTHER}
    assert _turn(moves, final=6) == set()


def test_what_did_something_or_waits_for_its_time_is_looked_at_again() -> None:
    """Work done may lead to more."""
    moves = _rested()
    moves.all_moved()
    with moves.looking(final=5, now_ms=0):
        moves.looked(WORK, ONE, done=True)
        moves.looked(WORK, OTHER, done=False, waits=True)
    assert _turn(moves) == {ONE, OTHER}


def test_clocks_and_other_processes_are_looked_for_once_in_a_while() -> None:
    """A command beside the node writes rows that this process does not see."""
    moves = _rested()
    assert _turn(moves, now_ms=LOOK_ALL_MS - 1) == set()
    assert _turn(moves, now_ms=LOOK_ALL_MS) == {ONE, OTHER}
    assert _turn(moves, now_ms=2 * LOOK_ALL_MS - 1) == set()


def test_a_clock_that_is_set_back_stops_nothing() -> None:
    """An hour less on the wall is not an hour without a look at what other processes wrote."""
    clock = [0.0]
    moves = Moves(timer=lambda: clock[0])
    assert _turn(moves, now_ms=3_600_000) == {ONE, OTHER}
    assert _turn(moves, now_ms=0) == set()
    clock[0] = LOOK_ALL_MS / 1_000
    assert _turn(moves, now_ms=0) == {ONE, OTHER}


def test_where_looking_takes_long_it_comes_more_rarely_but_comes() -> None:
    """Three seconds of looking are followed by five of rest, not by a minute."""
    clock = [0.0]
    moves = Moves(timer=lambda: clock[0])
    with moves.looking(final=5, now_ms=0):
        clock[0] = 3.0
    until_ms = 3_000 + LOOK_ALL_LONGEST_MS
    assert not moves.looks_at_all(until_ms - 1)
    assert moves.looks_at_all(until_ms)
    clock[0] = until_ms / 1_000
    assert moves.looks_at_all(0)


def test_nothing_that_depends_on_what_was_sent_rests_before_the_outbox_is_empty() -> None:
    """A refused call leaves no log."""
    moves = Moves(timer=lambda: -1.0)
    moves.sent(1)
    assert _turn(moves, outbox=True) == {ONE, OTHER}
    assert _turn(moves, outbox=True) == {ONE, OTHER}
    moves.sent(0)
    assert _turn(moves, outbox=True) == {ONE, OTHER}
    assert _turn(moves, outbox=True) == set()


def test_a_turn_that_fails_half_way_leaves_nothing_at_rest() -> None:
    """What it had not reached would be forgotten."""
    moves = _rested()
    with pytest.raises(ZeroDivisionError), moves.looking(final=5, now_ms=0):
        _ = 1 // 0
    assert _turn(moves) == {ONE, OTHER}


def test_outside_of_a_turn_everything_is_looked_at() -> None:
    """A service that is called by itself passes nothing over."""
    moves = _rested()
    assert moves.due(WORK, ONE)


def test_an_act_of_another_thread_or_outside_a_turn_wakes_everything(tmp_path: Path) -> None:
    """A commit of the turn itself, or a read, does not."""
    database = open_database(f"sqlite:///{tmp_path / 'kanhe.db'}")
    moves = Moves(database.commits, timer=lambda: -1.0)
    _turn(moves)
    assert _turn(moves) == set()

    def write() -> None:
        with database.writing.begin() as session:
            session.execute(text("CREATE TABLE IF NOT EXISTS some (id INTEGER)"))

    def read() -> None:
        with database.reading() as session:
            session.execute(text("SELECT 1"))
            session.commit()

    with database.commits.of_turn():
        write()
        assert _turn(moves) == set()
        other = threading.Thread(target=write)
        other.start()
        other.join()
        assert _turn(moves) == {ONE, OTHER}
        assert _turn(moves) == set()
    read()
    assert _turn(moves) == set()
    write()
    assert _turn(moves) == {ONE, OTHER}
    database.close()


def test_what_others_sealed_to_each_other_is_asked_for_once(database: Database) -> None:
    """An agreement that does not open rests; a log about it, or the look at all, asks again."""
    with database.writing.begin() as session:
        session.add_all(
            StreamState(
                agreement=agreement,
                side=0,
                last_seq=1,
                head=bytes(32),
                entry_count=0,
                batch_count=1,
                invalid_count=0,
                sealed_count=1,
                contiguous=True,
            )
            for agreement in (ONE, OTHER)
        )
    asked: list[bytes] = []

    def opens_now(_session: Session, agreement: bytes, _side: int) -> bool:
        asked.append(agreement)
        return False

    moves = Moves(timer=lambda: -1.0)
    attempts = Attempts(database, lambda: 0)
    reopening = Reopening(database, None, attempts, opens_now, moves)  # type: ignore[arg-type]

    def turn(*, final: int = 5, now_ms: int = 0) -> list[bytes]:
        asked.clear()
        with moves.looking(final=final, now_ms=now_ms):
            assert reopening.step() == 0
        return list(asked)

    assert turn() == [ONE, OTHER]
    assert turn() == []
    moves.moved(OTHER, 6)
    assert turn() == turn() == [OTHER], "its block is not final"
    assert turn(final=6) == [OTHER]
    assert turn(final=6) == []
    assert turn(final=6, now_ms=2 * LOOK_ALL_LONGEST_MS) == [ONE, OTHER]
