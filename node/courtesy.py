"""What can wait lets callers go first.

A node's turns and its answers to other nodes share one interpreter. What a turn does of the
blacklist has hours; who asks for an evaluation waits for each millisecond of it.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

#: So long at most, and so long in a turn: callers who never stop asking delay its work, and the
#: next turn's books, and do not end it.
GIVE_WAY_S: Final = 0.02
A_TURN_S: Final = 0.06


class Courtesy:
    """Counts the calls that are being answered. Thread-safe."""

    def __init__(self) -> None:
        self._calls = 0
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def answering(self) -> Iterator[None]:
        """Count a call until it is answered."""
        with self._changed:
            self._calls += 1
        try:
            yield
        finally:
            with self._changed:
                self._calls -= 1
                if not self._calls:
                    self._changed.notify_all()

    def give_way(self, most_s: float = GIVE_WAY_S) -> float:
        """Wait until no call is being answered, for `most_s` at most; return how long (s)."""
        # Read without the lock: nearly always there is none.
        if not self._calls:
            return 0.0
        began_s = time.monotonic()
        with self._changed:
            self._changed.wait_for(lambda: not self._calls, most_s)
        return time.monotonic() - began_s

    def of_turn(self) -> Callable[[], None]:
        """Return what gives way before each piece of a turn's work, for `A_TURN_S` in all."""
        left_s = A_TURN_S

        def first() -> None:
            nonlocal left_s
            if left_s > 0:
                left_s -= self.give_way(min(GIVE_WAY_S, left_s))

        return first
