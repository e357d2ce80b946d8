"""When a provisional run waits because it would soon be made again.

While batches of one side alone come in, a run would list all of them as open; while a large import
comes in, most of it. What is listed as open costs a run much more than what pairs, so the further
one side is ahead, the longer the other one is waited for: as long as a run in vain would take.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from reconcile.model import Side

# So long after the last batch nothing more is expected, where neither side is ahead.
QUIET_MS: Final = 1_000
MANY_ENTRIES: Final = 2_000
# A stream of large batches that never rests is matched after so long too.
MANY_WAIT_MS: Final = 5_000
# A run takes as long for so many entries that it lists as open.
ENTRIES_A_MS: Final = 10
LONGEST_MS: Final = 30_000
# A few entries behind a large import do not prolong its wait: only so great a part of it does.
PART: Final = 16

Counts = tuple[int, int]
"""By side, how many entries have been posted."""


@dataclass(slots=True)
class _Seen:
    """One agreement: how many entries had been posted at the last run, and since when it waits.

    `tips`, `posted`: when the last batch came that prolonged the wait, at `since_ms`.
    """

    matched: Counts = (0, 0)
    tips: Counts | None = None
    posted: int = 0
    since_ms: int = 0
    waits_since_ms: int | None = None


class Waiting:
    """What every agreement's next provisional run waits for; in memory alone."""

    def __init__(self) -> None:
        """Begin with nothing seen."""
        self._seen: dict[bytes, _Seen] = {}

    def waits(
        self, agreement: bytes, tips: Counts, posted: Counts, *, alone: bool, now_ms: int
    ) -> bool:
        """Say whether a run would soon be made again.

        `tips`: the last batch of each side. `alone`: one side alone has posted to this window.
        """
        seen = self._seen.setdefault(agreement, _Seen())
        new = [max(posted[side] - seen.matched[side], 0) for side in Side]
        many = sum(new) >= MANY_ENTRIES
        if not (alone or many):
            return False
        # Ahead in what is new and in all there is: what comes now may pair with what was there.
        ahead = min(abs(new[0] - new[1]), abs(posted[0] - posted[1]))
        if not _still_coming(seen, tips, sum(posted), sum(new), ahead, now_ms):
            return False
        if seen.waits_since_ms is None:
            seen.waits_since_ms = now_ms
        longest_ms = min(MANY_WAIT_MS + sum(new) // ENTRIES_A_MS, LONGEST_MS)
        return alone or now_ms - seen.waits_since_ms < longest_ms

    def runs(self, agreement: bytes, posted: Counts) -> None:
        """Take note that a run over all that was posted begins."""
        seen = self._seen.setdefault(agreement, _Seen())
        seen.matched, seen.waits_since_ms = posted, None


def _still_coming(
    seen: _Seen, tips: Counts, posted: int, waiting: int, ahead: int, now_ms: int
) -> bool:
    """Say whether the last batch that counts is so recent that the next one is expected."""
    if tips != seen.tips and (posted - seen.posted) * PART >= waiting:
        seen.tips, seen.posted, seen.since_ms = tips, posted, now_ms
        return True
    return now_ms - seen.since_ms < min(QUIET_MS + ahead // ENTRIES_A_MS, LONGEST_MS)
