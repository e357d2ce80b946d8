"""Members whose nodes did not answer rest, longer each time: no turn waits on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from node.telemetry import logger
from reconcile.model import KanheError

FIRST_PAUSE_MS: Final = 1_000
MAX_PAUSE_MS: Final = 300_000


@dataclass(slots=True)
class _Pause:
    times: int
    wake_at_ms: int


class Rests:
    """Whom this process asks again when; a restart forgets it."""

    def __init__(
        self,
        clock: Callable[[], int],
        what: str,
        *,
        first_ms: int = FIRST_PAUSE_MS,
        max_ms: int = MAX_PAUSE_MS,
    ) -> None:
        """Take the clock, in milliseconds, what waits, and the first and longest pause."""
        self._clock = clock
        self._what = what
        self._first_ms, self._max_ms = first_ms, max_ms
        self._log = logger(what)
        self._pauses: dict[int, _Pause] = {}

    def is_awake(self, member: int) -> bool:
        """Say whether a member's node may be asked again."""
        pause = self._pauses.get(member)
        return pause is None or self._clock() >= pause.wake_at_ms

    def rest(self, member: int, error: KanheError) -> None:
        """Ask a member's node no more for a while; its first failure is logged."""
        before = self._pauses.get(member)
        times = 1 if before is None else before.times + 1
        pause_ms = min(self._max_ms, self._first_ms * 2 ** min(times - 1, 16))
        self._pauses[member] = _Pause(times, self._clock() + pause_ms)
        if times == 1:
            says = f"{self._what} waits"
            self._log.warning(says, member=member, code=error.code, says=error.message)

    def wake(self, member: int) -> None:
        """Forget that a member's node did not answer: it did now."""
        self._pauses.pop(member, None)

    def clear(self) -> None:
        """Forget everybody's silence."""
        self._pauses.clear()
