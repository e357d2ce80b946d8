"""A turn that need not be taken: nothing moved since one that found nothing to do.

Most of a node's turns come at a chain that has no new block and to rows that nobody wrote. Asking
the chain and the database whether that is so costs a tenth of such a turn.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from node.chain.client import Header
from node.measuring import StepResult
from node.snapshots import Changes

MS_PER_S: Final = 1_000
#: Whatever a clock says that was set back.
LONGEST_MS: Final = 1_000


class Stillness:
    """Remembers the head at which a turn found nothing; for the thread that takes turns."""

    def __init__(self, changes: Changes, *, timer: Callable[[], float] = time.monotonic) -> None:
        """Take who sees commits; `timer` returns seconds."""
        self._changes = changes
        self._timer = timer
        self._head: Header | None = None
        self._until = (0, 0.0)
        self._brings = StepResult(0, 0, 0, 0, 0, idle=False)

    def lasts(self, head: Header, now_ms: int) -> StepResult | None:
        """Return what a turn now would bring where it would find nothing either, else None.

        To be asked before every turn.
        """
        # Asked in any case: what was committed before this turn is what it looks at.
        changed = self._changes.any()
        until_ms, until_s = self._until
        # By both clocks: the machine's may be set back by an hour.
        timely = now_ms < until_ms and self._timer() < until_s
        return self._brings if timely and not changed and head == self._head else None

    def begin(self, head: Header, now_ms: int, until_ms: int, *, idle: bool) -> None:
        """Note that a turn at this head found nothing, and by when one has to look again (ms).

        `idle`: nothing waits for a block either.
        """
        self._head = head
        self._brings = StepResult(0, 0, 0, 0, 0, idle=idle)
        pause_ms = min(until_ms - now_ms, LONGEST_MS)
        self._until = (until_ms, self._timer() + pause_ms / MS_PER_S)

    def end(self) -> None:
        """Let the next turn be taken."""
        self._head = None

    def close(self) -> None:
        """Give the connection up."""
        self._changes.close()
