"""Provisional runs that go on, in memory alone: a restart, or any doubt, runs everything again.

What a run found is taken over in a quiet turn, or when the next batch comes before one, and
followed while its books only grow at their ends. An import that is closed at once comes to no such
turn, and pays nothing for it. Each run takes the state out and puts it back when its rows are
written, so that a fault anywhere leaves none; what the rows hold must be of the very run that the
state is of.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from node.services.reconciliation.inputs import Prepared
from reconcile.model import MatchGroup, ProtocolError, Side
from reconcile.report import Moved, Ongoing, Result, may_go_on

# So many entries of both sides over all agreements; each takes 3 KB, an open one 4 KB, of which a
# third is the entry. A window with more is run as a whole each time.
KEPT_ENTRIES: Final = 500_000
# Below so many it does not matter how a run is made.
MANY_ENTRIES: Final = 2_000
# A new entry costs a run that goes on as much as so many entries cost a whole one: 150 microseconds
# (and 8 for each that stood, where the last run is still to be taken over) against 20 for each.
ENTRIES_OF_A_NEW_ONE: Final = 8


@dataclass(slots=True)
class Going:
    """One agreement's newest provisional run: its row, what it read, and what it found.

    `result` until it is taken over, in a quiet turn or when the next batch comes; then `ongoing`.
    """

    run_id: int
    run_at_ms: int
    prepared: Prepared
    result: Result | None
    ongoing: Ongoing | None = None

    @property
    def entries(self) -> int:
        """Return how many entries it holds."""
        return _entries(self.prepared)

    def go_on(self, prepared: Prepared) -> Moved | None:
        """Return what moved since; None where everything must be run, and then this is over."""
        if not self._reads_on(prepared) or _is_mostly_new(self.prepared, prepared):
            return None
        if not self.take_over():
            return None
        ongoing, self.ongoing = self.ongoing, None
        assert ongoing is not None, "it was taken over"
        moved = ongoing.go_on(prepared.run)
        if moved is not None:
            self.ongoing, self.prepared = ongoing, prepared
        return moved

    def take_over(self) -> bool:
        """Take over what the last run found, where that is still to be done; False: cannot be."""
        if self.ongoing is None:
            assert self.result is not None, "one of both is there"
            if not may_go_on(self.prepared.run, self.result):
                return False
            self.ongoing, self.result = Ongoing(self.prepared.run, self.result), None
        return True

    def _reads_on(self, prepared: Prepared) -> bool:
        return all(
            before is now
            for before, now in zip(self.prepared.reading, prepared.reading, strict=True)
        )

    def require_same(self, prepared: Prepared, groups: Iterable[MatchGroup]) -> None:
        """Hold what went on against a run over everything of the same batches.

        Raises `ProtocolError` PROVISIONAL_DIFFERS.
        """
        same = self._reads_on(prepared) and self.prepared.heads == prepared.heads
        if same and self.ongoing is not None and set(self.ongoing.groups()) != set(groups):
            raise ProtocolError(
                "PROVISIONAL_DIFFERS",
                "the groups shown before the closing are not those of the whole run",
                help="the whole run counts; report this, with the terms of the agreement",
            )


def _is_mostly_new(before: Prepared, now: Prepared) -> bool:
    """Say whether so much came that a whole run costs less."""
    stood, stands = (_entries(prepared) for prepared in (before, now))
    return stands > MANY_ENTRIES and (stands - stood) * ENTRIES_OF_A_NEW_ONE > stands


def _entries(prepared: Prepared) -> int:
    return sum(len(prepared.run.book(side).entries) for side in Side)


class GoingOn:
    """Every agreement's newest provisional run, as far as there is room."""

    def __init__(self, *, limit: int = KEPT_ENTRIES) -> None:
        self._limit = limit
        self._runs: dict[bytes, Going] = {}
        self._lock = threading.Lock()

    def take(self, agreement: bytes) -> Going | None:
        """Take an agreement's run out; who does not put it back ends it."""
        with self._lock:
            return self._runs.pop(agreement, None)

    def take_quiet(self, agreement: bytes, until_ms: int) -> Going | None:
        """Take out a run that stood since then and is still to be taken over, None without one."""
        with self._lock:
            found = self._runs.get(agreement)
            if found is None or found.ongoing is not None or found.run_at_ms > until_ms:
                return None
            return self._runs.pop(agreement)

    def waits(self, agreement: bytes) -> bool:
        """Say whether a run is still to be taken over."""
        with self._lock:
            found = self._runs.get(agreement)
            return found is not None and found.ongoing is None

    def put(self, agreement: bytes, going: Going) -> None:
        """Keep a run; those used longest ago make room for it."""
        if going.entries > self._limit:
            return
        with self._lock:
            self._runs.pop(agreement, None)
            self._runs[agreement] = going
            while sum(item.entries for item in self._runs.values()) > self._limit:
                self._runs.pop(next(iter(self._runs)))
