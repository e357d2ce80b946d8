"""What can wait lets callers go first.

A node's turns and its answers to other nodes share one interpreter. What a turn does of the
blacklist has hours; who asks for an evaluation waits for each millisecond of it.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Final

#: So long at most: callers who never stop asking delay a turn's work and do not end it.
GIVE_WAY_S: Final = 0.02


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

    def give_way(self) -> None:
        """Wait until no call is being answered, for `GIVE_WAY_S` at most."""
        # Read without the lock: nearly always there is none.
        if self._calls:
            with self._changed:
                self._changed.wait_for(lambda: not self._calls, GIVE_WAY_S)
