"""Which agreements a turn has to look at: those that something moved in since they came to rest.

A node of many agreements would otherwise ask the database about each of them in every block. An
agreement rests, for a piece of work that found nothing to do, once all that the ledger says of it
is final. It is looked at again when a block names it, when somebody acts on this node, after a
rewind, and once in `LOOK_ALL_MS` in any case: clocks run, and other processes write. Where looking
at everything takes long, it takes a twentieth of the time.

In memory alone: a restart looks at everything.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Final

from node.db import Commits

LOOK_ALL_MS: Final = 1_000
LOOK_ALL_FACTOR: Final = 20
MS_PER_S: Final = 1_000


class Moves:
    """Notes what moved and what rests; for the thread that takes a node's turns."""

    def __init__(self, commits: Commits | None = None) -> None:
        """Take what counts people's acts; without it, and outside of turns, nothing rests."""
        self._commits = commits or Commits()
        self._acts_seen = 0
        self._look_all_ms = 0
        self._moved: dict[bytes, int] = {}
        self._all_moved = -1
        self._rest: dict[str, set[bytes]] = {}
        self._everything = True
        self._final = -1
        self._outbox_empty = False

    def moved(self, agreement: bytes | None, block: int) -> None:
        """Note that a block has a log about an agreement, or about all of them (None)."""
        if agreement is None:
            self._all_moved = max(self._all_moved, block)
            self._rest.clear()
            return
        self._moved[agreement] = max(self._moved.get(agreement, -1), block)
        for resting in self._rest.values():
            resting.discard(agreement)

    def all_moved(self) -> None:
        """Look at everything in the next turn: rows changed without a log."""
        self._look_all_ms = 0
        self._rest.clear()

    def sent(self, waiting: int) -> None:
        """Note how much waits in the outbox or is on its way."""
        self._outbox_empty = not waiting

    @contextlib.contextmanager
    def looking(self, *, final: int, now_ms: int) -> Iterator[None]:
        """Look around in a turn whose final block is `final`."""
        acts = self._commits.of_others
        self._final = final
        self._everything = acts != self._acts_seen or now_ms >= self._look_all_ms
        # What is done from now on is seen in the next turn.
        self._acts_seen = acts
        began_s = time.monotonic()
        try:
            yield
        except BaseException:
            self.all_moved()
            raise
        else:
            if self._everything:
                took_ms = int((time.monotonic() - began_s) * MS_PER_S)
                self._look_all_ms = now_ms + max(LOOK_ALL_MS, took_ms * LOOK_ALL_FACTOR)
        finally:
            self._everything = True

    def due(self, work: str, agreement: bytes) -> bool:
        """Say whether a piece of work has to look at an agreement."""
        return self._everything or agreement not in self._rest.get(work, ())

    def looked(
        self, work: str, agreement: bytes, *, done: bool, outbox: bool = False, waits: bool = False
    ) -> None:
        """Note what a look brought: something was done, or waits for its time (`waits`).

        `outbox`: what this node sent counts too. A call that the ledger refuses leaves no log, so
        nothing comes to rest before the outbox is empty.
        """
        resting = self._rest.setdefault(work, set())
        if done or waits:
            resting.discard(agreement)
        elif self._settled(agreement) and (self._outbox_empty or not outbox):
            resting.add(agreement)

    def _settled(self, agreement: bytes) -> bool:
        """Say whether all that is known of an agreement is final."""
        return max(self._moved.get(agreement, -1), self._all_moved) <= self._final
