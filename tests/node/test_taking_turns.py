"""A node's turns: what is done when it first rests."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any, cast

from node.taking_turns import take_turns


def test_the_first_rest_is_told_once() -> None:
    """Not while there is work, once when there is none, and never again."""
    stop, told = threading.Event(), []
    turns = iter([False, False, True, True, False, True])

    def step() -> Any:  # noqa: ANN401 - as much of a result as the loop reads
        idle = next(turns, None)
        if idle is None:
            stop.set()
        told.append("turn")
        return SimpleNamespace(idle=bool(idle), blocks=1, events=1)

    take_turns(step, stop, 0, cast(Any, None), cast(Any, None), at_rest=lambda: told.append("rest"))
    assert told == ["turn"] * 3 + ["rest"] + ["turn"] * 4
