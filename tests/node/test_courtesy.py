"""Work that can wait lets calls be answered first, and not for ever."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from node import courtesy
from node.attempts import Attempts
from node.courtesy import Courtesy
from node.db import open_database
from node.tables.upgrading import upgrade
from tests.databases import address_of

LONG_S = 30.0


def test_it_waits_until_the_last_call_is_answered() -> None:
    """And not at all while none is."""
    manners = Courtesy()
    manners.give_way()
    order: list[str] = []
    answered = threading.Event()

    def work() -> None:
        manners.give_way(LONG_S)
        order.append("work")

    with manners.answering():
        with manners.answering():
            worker = threading.Thread(target=work)
            worker.start()
        order.append("one answered")
        answered.wait(0.05)
        order.append("both answered")
    worker.join(LONG_S)
    assert order == ["one answered", "both answered", "work"]


def test_callers_who_never_stop_delay_and_do_not_end_it() -> None:
    """So long at most is waited before each piece."""
    manners = Courtesy()
    began = time.monotonic()
    with manners.answering():
        for _ in range(3):
            manners.give_way()
    assert time.monotonic() - began < LONG_S


def test_a_turn_gives_way_for_so_long_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many pieces it has: what is left is what was not waited."""
    monkeypatch.setattr(courtesy, "A_TURN_S", 0.03)
    manners, asked = Courtesy(), []

    def waited(most_s: float = 0.0) -> float:
        asked.append(round(most_s, 3))
        return most_s

    monkeypatch.setattr(manners, "give_way", waited)
    first = manners.of_turn()
    for _ in range(5):
        first()
    assert asked == [0.02, 0.01]


def test_a_call_that_fails_is_answered_too() -> None:
    """Otherwise work would wait for it ever after."""
    manners = Courtesy()
    with pytest.raises(ValueError, match="nothing"), manners.answering():
        raise ValueError("nothing")
    assert manners._calls == 0


def test_work_by_name_gives_way_before_each_piece(tmp_path: Path) -> None:
    """While it is told to, and no longer."""
    database = open_database(address_of(tmp_path / "a.db"))
    upgrade(database)
    attempts, order = Attempts(database, lambda: 0), []

    def work() -> int:
        order.append("work")
        return 1

    with attempts.letting_go_first(lambda: order.append("way")):
        assert attempts.run("one", work) + attempts.run("two", work) == 2
    attempts.run("three", work)
    assert order == ["way", "work", "way", "work", "work"]
    database.close()
