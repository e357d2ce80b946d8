from __future__ import annotations

from statistics import mean

import pytest
from points_market import FOUND_FALSE, PERIODS, Kind, Market, Member, Turning

from node.screening import points

SEEDS = range(20)
#: Periods until a year's habits show: stakes vest after nine.
WARM_UP = 9


@pytest.fixture(scope="module")
def markets() -> list[tuple[Market, list[int]]]:
    """A year of the market for each seed, with the supply after each period."""
    played = [Market(seed) for seed in SEEDS]
    return [(market, market.run()) for market in played]


def of(market: Market, *kinds: Kind) -> list[Member]:
    """Return the members of some kinds."""
    return [member for member in market.members if member.kind in kinds]


@pytest.mark.parametrize("kind", [Kind.GHOSTS, Kind.FALSE, Kind.RING_2, Kind.RING_5])
def test_spammers_and_rings_end_below_every_honest_member(
    markets: list[tuple[Market, list[int]]], kind: Kind
) -> None:
    """Earned less slashed less burned on the own group's entries: each is below each honest one."""
    for market, _ in markets:
        worst = min(member.score for member in of(market, Kind.HONEST))
        best = max(member.score for member in of(market, kind))
        assert best < worst


def above(turns: int, found: float, free: int) -> tuple[int, int]:
    """In how many seeds the sleeper, and the spammer that concedes, do not end below."""
    sleepers = spammers = 0
    for seed in SEEDS:
        market = Turning(seed, turns=turns, found=found, free=free)
        market.run()
        worst = min(member.score for member in of(market, Kind.HONEST))
        sleepers += market.sleeper.score >= worst
        spammers += max(member.score for member in of(market, Kind.FALSE)) >= worst
    return sleepers, spammers


@pytest.mark.parametrize("found", [FOUND_FALSE, 0.1])
@pytest.mark.parametrize("turns", [12, 24, 30, 33])
def test_who_turns_and_concedes_ends_below_if_one_concession_in_90_days_is_free(
    turns: int, found: float
) -> None:
    """A second concession within the window pays the penalty: late turning earns nothing."""
    assert above(turns, found, 1) == (0, 0)


def test_who_turns_late_ends_above_if_every_concession_is_free() -> None:
    """What the rule is for: forgiven each time, a sleeper that turns at the end keeps its gain."""
    sleepers, spammers = above(33, 0.1, PERIODS * 100)
    assert sleepers > len(SEEDS) // 2
    assert spammers == 0


def test_a_ring_loses_and_the_loss_grows_with_k(markets: list[tuple[Market, list[int]]]) -> None:
    """Confirming ghosts never pays, and pays less the more often a pair has done it."""
    for market, _ in markets:
        assert all(member.score < 0 for member in of(market, Kind.RING_2, Kind.RING_5))
    lost = [
        points.LOOKUP_PRICE * 10
        - points.settlement_floor(10, k, points.LOOKUP_PRICE * 10, points.accuracy_floor(100, 0))
        for k in (10, 100, 400, 1_600)
    ]
    assert lost == sorted(lost)
    assert 0 < lost[0] < lost[-1]


def test_newcomers_list_and_earn(markets: list[tuple[Market, list[int]]]) -> None:
    """Who joins half-way lists in every period but a few, and its entries earn."""
    for market, _ in markets:
        (newcomer,) = of(market, Kind.NEWCOMER)
        assert newcomer.listed >= PERIODS // 2
        assert newcomer.starved < PERIODS // 4
    assert mean(of(market, Kind.NEWCOMER)[0].earned for market, _ in markets) > 0


def test_supply_neither_dies_nor_explodes(markets: list[tuple[Market, list[int]]]) -> None:
    """After the start the supply stays between a day's allowance and a few ceilings a member."""
    for market, supply in markets:
        count = len(market.members)
        for total in supply[WARM_UP:]:
            assert count * points.DAILY_ALLOWANCE < total
            assert total < 4 * count * points.ALLOWANCE_CEILING
        assert max(supply[-9:]) < 2 * max(supply[WARM_UP : WARM_UP + 9])
