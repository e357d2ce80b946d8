from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from node.screening import points

COUNT = st.integers(0, 10**6)
AMOUNT = st.integers(0, 10**15)


def test_the_worked_figures_of_accuracy() -> None:
    """Computed by hand: a newcomer starts low, a long good record comes near one."""
    # u = o = 0: n = 2, p = 500,000, isqrt(⌊500,000²/3⌋) = 288,675, ⌊1645·288,675/1000⌋ = 474,870.
    assert points.accuracy_floor(0, 0) == 500_000 - 474_870
    # u = 98, o = 0: n = 100, p = 990,000, isqrt(⌊990,000·10,000/101⌋) = 9,900, ⌊…⌋ = 16,285.
    assert points.accuracy_floor(98, 0) == 990_000 - 16_285
    assert points.accuracy_floor(0, 10) == 0


@given(COUNT, COUNT)
def test_accuracy_is_a_share_and_falls_when_overturned(upheld: int, overturned: int) -> None:
    """Accuracy stays in 0 … 10⁶ and an overturned entry never raises it."""
    now = points.accuracy_floor(upheld, overturned)
    assert 0 <= now < points.MICRO
    assert points.accuracy_floor(upheld, overturned + 1) <= now + 1


@given(st.integers(1, 10**4), st.integers(0, 10**6), AMOUNT, st.integers(0, points.MICRO))
def test_no_settlement_pays_more_than_was_burned(
    hits: int, more: int, burned: int, accuracy: int
) -> None:
    """A row pays at most what its tickets burned, and less the more often the pair confirms."""
    paid = points.settlement_floor(hits, hits + more, burned, accuracy)
    assert 0 <= paid <= burned
    assert points.settlement_floor(hits, hits + more + 1, burned, accuracy) <= paid


@given(AMOUNT, st.integers(1, 20))
def test_a_split_gives_everything_once(burned: int, uploaders: int) -> None:
    """The parts are what was burned, and nobody gets more than the first."""
    parts = points.split_floor(burned, uploaders)
    assert sum(parts) == burned
    assert len(parts) == uploaders
    assert max(parts) == parts[0]
    assert min(parts) >= 0


def test_sixty_forty() -> None:
    """Three points: 1.8 to the first, 0.6 to each later one; the remainder is the first's."""
    assert points.split_floor(3_000_000, 3) == (1_800_000, 600_000, 600_000)
    assert points.split_floor(101, 3) == (61, 20, 20)


@given(st.integers(0, 400), AMOUNT, AMOUNT)
def test_an_allowance_pays_debt_first_and_stops_at_the_ceiling(
    days: int, free: int, debt: int
) -> None:
    """Nobody is lifted above the ceiling by allowances, and debt is paid before anything."""
    paid, added = points.allowance(days, free, debt)
    assert paid == min(days * points.DAILY_ALLOWANCE, debt)
    assert added == 0 or (paid == debt and free + added <= points.ALLOWANCE_CEILING)
    assert paid + added <= days * points.DAILY_ALLOWANCE


def test_a_penalty_is_ten_times_the_larger() -> None:
    """Ten stakes or ten times the earnings."""
    assert points.penalty(5, 4) == 50
    assert points.penalty(5, 6) == 60


def test_node_caps_cover_the_cap() -> None:
    """T of n nodes with their shares can serve the whole cap."""
    assert points.node_cap(100, 2, 3) == 67
    assert points.node_cap(100, 3, 5) == 60
