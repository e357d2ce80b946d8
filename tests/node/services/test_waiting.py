"""A provisional run waits for what it would list as open in vain, and never for ever."""

from __future__ import annotations

import pytest

from node.services.reconciliation.waiting import (
    ENTRIES_A_MS,
    LONGEST_MS,
    MANY_ENTRIES,
    MANY_WAIT_MS,
    QUIET_MS,
    Counts,
    Waiting,
)

AGREEMENT = bytes(32)
LARGE = 40_000
START_MS = 1_000_000


def waits(waiting: Waiting, tips: Counts, posted: Counts, at_ms: int) -> bool:
    """Ask at a time after the start."""
    alone = 0 in posted
    return waiting.waits(AGREEMENT, tips, posted, alone=alone, now_ms=START_MS + at_ms)


def test_a_few_entries_of_both_sides_are_matched_at_once() -> None:
    """Nothing waits where both sides have posted and little is new."""
    assert not waits(Waiting(), (1, 1), (5, 5), 0)


@pytest.mark.parametrize("ahead", [1, MANY_ENTRIES, LARGE, LARGE * LARGE])
def test_the_other_side_is_waited_for_as_long_as_a_run_in_vain_takes(ahead: int) -> None:
    """One side alone waits the longer the more it posted, up to a limit."""
    waiting = Waiting()
    quiet_ms = min(QUIET_MS + ahead // ENTRIES_A_MS, LONGEST_MS)
    assert waits(waiting, (1, 0), (ahead, 0), 0)
    assert waits(waiting, (1, 0), (ahead, 0), quiet_ms - 1)
    assert not waits(waiting, (1, 0), (ahead, 0), quiet_ms)


def test_what_pairs_with_what_stood_waits_no_longer() -> None:
    """The other side's book, matched or not when the first one ran, is no side ahead."""
    waiting = Waiting()
    waits(waiting, (1, 0), (LARGE, 0), 0)
    waiting.runs(AGREEMENT, (LARGE, 0))
    assert waits(waiting, (1, 1), (LARGE, LARGE), 60_000)
    assert not waits(waiting, (1, 1), (LARGE, LARGE), 60_000 + QUIET_MS)


def test_a_few_entries_behind_a_large_import_do_not_prolong_its_wait() -> None:
    """Small batches that go on coming leave the wait of a large one as it was."""
    waiting = Waiting()
    assert waits(waiting, (80, 80), (LARGE, LARGE), 0)
    more = [(81 + n, LARGE + n, QUIET_MS // 10 * n) for n in range(10)]
    assert all(waits(waiting, (tip, 80), (posted, LARGE), at_ms) for tip, posted, at_ms in more)
    assert not waits(waiting, (91, 80), (LARGE + 10, LARGE), QUIET_MS + 1)


def test_a_stream_that_never_rests_is_matched_too() -> None:
    """Large batches that never cease are matched after as long as the run takes, and more."""
    waiting = Waiting()
    posted, at_ms = LARGE, 0
    while waits(waiting, (posted, posted), (posted, posted), at_ms):
        posted, at_ms = 2 * posted, at_ms + QUIET_MS // 2
    assert MANY_WAIT_MS < at_ms <= LONGEST_MS
    waiting.runs(AGREEMENT, (posted, posted))
    assert not waits(waiting, (posted, posted + 1), (posted, posted + 1), at_ms)


def test_after_a_rewind_what_comes_again_is_no_news() -> None:
    """Counts that fell below what was matched leave nothing to wait for."""
    waiting = Waiting()
    waits(waiting, (80, 80), (LARGE, LARGE), 0)
    waiting.runs(AGREEMENT, (LARGE, LARGE))
    assert not waits(waiting, (70, 70), (LARGE - 10, LARGE - 10), 1)
