"""A node at rest asks the chain where it stands, and the database nothing."""

from __future__ import annotations

import time

from sqlalchemy import event

from node.chain.client import Header
from node.db import open_database
from node.snapshots import Changes
from node.stillness import Stillness
from node.tables import NodeFact
from tests.node.services.conftest import Pair

HEAD = Header(7, b"7" * 32, b"6" * 32, 70, 1)


class _Changes(Changes):
    """Commits as a test says them."""

    def __init__(self) -> None:
        self.changed = False

    def any(self) -> bool:
        changed, self.changed = self.changed, False
        return changed


def test_it_lasts_until_something_moves() -> None:
    """A new head, a commit, or either clock ends it; what it brings is what the turn brought."""
    changes, seconds = _Changes(), [100.0]
    still = Stillness(changes, timer=lambda: seconds[0])
    assert still.lasts(HEAD, 0) is None, "no turn was taken yet"
    still.begin(HEAD, 5_000, 6_000, idle=True)
    brought = still.lasts(HEAD, 5_999)
    assert brought is not None
    assert brought.idle
    assert not brought.moved
    assert still.lasts(HEAD, 6_000) is None
    seconds[0] = 101.0
    assert still.lasts(HEAD, 0) is None, "the machine's clock was set back"
    seconds[0] = 100.0
    other = Header(7, b"8" * 32, b"6" * 32, 70, 1)
    assert still.lasts(other, 5_000) is None, "a fork of the same height"
    changes.changed = True
    assert still.lasts(HEAD, 5_000) is None
    still.end()
    assert still.lasts(HEAD, 5_000) is None
    still.begin(HEAD, 5_000, 6_000, idle=False)
    unfinal = still.lasts(HEAD, 5_000)
    assert unfinal is not None
    assert not unfinal.idle


def test_a_clock_that_was_set_back_keeps_nobody_asleep() -> None:
    """The time to look again is the old clock's: it counts for a second at most."""
    seconds = [100.0]
    still = Stillness(_Changes(), timer=lambda: seconds[0])
    still.begin(HEAD, 3_600_000, 7_201_000, idle=True)
    assert still.lasts(HEAD, 3_600_500) is not None
    seconds[0] += 1.0
    assert still.lasts(HEAD, 3_600_500) is None


def test_a_node_at_rest_asks_its_database_nothing(pair: Pair) -> None:
    """Turn after turn; somebody else's commit, a block and a second each bring a whole turn."""
    pair.agreement()
    pair.settle()
    node = pair.servicer
    asked: list[str] = []
    event.listen(
        node.database.engine,
        "before_cursor_execute",
        lambda _c, _k, words, *_r: asked.append(words),
    )

    def turn() -> int:
        asked.clear()
        node.step()
        return len(asked)

    def rest() -> None:
        for _ in range(50):
            if not turn():
                return
        raise AssertionError("it asks every time")

    rest()
    assert turn() == 0
    url = node.database.engine.url.render_as_string(hide_password=False)
    elsewhere = open_database(url)
    with elsewhere.writing.begin() as session:
        session.add(NodeFact(name="of another process", value="1"))
    elsewhere.close()
    assert turn() > 0, "another process committed"
    rest()
    pair.chain.mine()
    assert turn() > 0, "there is a block"
    rest()
    time.sleep(1.1)
    assert turn() > 0, "it is time to look"
