"""Which agreements a turn has to look at: those that something moved in since they came to rest.

A node of many agreements would otherwise ask the database about each of them in every block. An
agreement rests, for a piece of work that found nothing to do, once all that the ledger says of it
is final. It is looked at again when a block names it, when somebody acts on this node, after a
rewind, and once in `LOOK_ALL_MS` in any case: clocks run, and other processes write. Where looking
at everything takes long, it comes more rarely, but at least once in `LOOK_ALL_LONGEST_MS`.

In memory alone: a restart looks at everything.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Final

from node.db import Commits

LOOK_ALL_MS: Final = 1_000
LOOK_ALL_FACTOR: Final = 20
LOOK_ALL_LONGEST_MS: Final = 5_000
MS_PER_S: Final = 1_000


class Moves:
    """Notes what moved and what rests; for the thread that takes a node's turns."""

    def __init__(
        self, commits: Commits | None = None, *, timer: Callable[[], float] = time.monotonic
    ) -> None:
        """Take what counts people's acts; `timer` returns seconds."""
        self._timer = timer
        self._commits = commits or Commits()
        self._acts_seen = 0
        self._look_all_ms = 0
        self._look_all_s = 0.0
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
        self._look_all_ms, self._look_all_s = 0, 0.0
        self._rest.clear()

    def sent(self, waiting: int) -> None:
        """Note how much waits in the outbox or is on its way."""
        self._outbox_empty = not waiting

    def looks_at_all(self, now_ms: int) -> bool:
        """Say whether a turn now looks at everything: somebody acted, or it is time."""
        # By both clocks: the machine's may be set back by an hour.
        timely = now_ms >= self._look_all_ms or self._timer() >= self._look_all_s
        return timely or self._commits.of_others != self._acts_seen

    @contextlib.contextmanager
    def looking(self, *, final: int, now_ms: int) -> Iterator[None]:
        """Look around in a turn whose final block is `final`."""
        acts = self._commits.of_others
        self._final = final
        began_s = self._timer()
        self._everything = self.looks_at_all(now_ms)
        # What is done from now on is seen in the next turn.
        self._acts_seen = acts
        try:
            yield
        except BaseException:
            self.all_moved()
            raise
        else:
            if self._everything:
                took_ms = int((self._timer() - began_s) * MS_PER_S)
                pause_ms = max(LOOK_ALL_MS, min(took_ms * LOOK_ALL_FACTOR, LOOK_ALL_LONGEST_MS))
                self._look_all_ms = now_ms + took_ms + pause_ms
                self._look_all_s = began_s + (took_ms + pause_ms) / MS_PER_S
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
