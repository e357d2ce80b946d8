"""Points: accuracy, settlement and penalties, in integers (blacklist.md, "Points").

Amounts are micro-points, a million to the point. Every division is a floor and says so here; the
same numbers come from `PointsLib.sol`, held by shared vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt
from typing import Final

MICRO: Final = 1_000_000
LOOKUP_PRICE: Final = 1 * MICRO
DETAIL_PRICE: Final = 3 * MICRO
DAILY_ALLOWANCE: Final = 20 * MICRO
ALLOWANCE_CEILING: Final = 600 * MICRO
LISTING_STAKE: Final = 5 * MICRO
DISPUTE_STAKE: Final = 5 * MICRO
PANEL_FINE: Final = 2 * MICRO
#: Tickets a member and day for people's queries about themselves: free, and capped apart.
MEMBER_DAILY_OWN_RECORDS: Final = 200
PENALTY_FACTOR: Final = 10
#: For an evaluation that its maker does not open: twice what makes one of a hundred come out even.
AUDIT_FINE: Final = 200 * LOOKUP_PRICE
#: Audits of a member that wait for their end at one time.
MAX_AUDITS: Final = 5
#: 1.645: the one-sided 95% bound of a normal distribution, in thousandths.
_Z_MILLI: Final = 1_645
_FIRST_PERCENT: Final = 60


def accuracy_floor(upheld: int, overturned: int) -> int:
    """Return a, in millionths: a lower bound of how often this uploader's entries stand.

    n = u + o + 2, p = ⌊10⁶(u + 1)/n⌋, a = max(0, p − ⌊1645·isqrt(⌊p(10⁶ − p)/(n + 1)⌋)/1000⌋).
    """
    n = upheld + overturned + 2
    p = MICRO * (upheld + 1) // n
    spread = _Z_MILLI * isqrt(p * (MICRO - p) // (n + 1)) // 1_000
    return max(0, p - spread)


def settlement_floor(hits: int, pair_confirmations: int, burned: int, accuracy: int) -> int:
    """Return what a row pays: ⌊min(h·⌊10¹⁰/isqrt(10⁶·k)⌋, burned)·a²/10¹²⌋.

    k is the pair's confirmations in the last 90 days, this row's included, so k ≥ h ≥ 1.
    """
    assert pair_confirmations >= hits >= 1, "k counts this row's hits too"
    worth = hits * (10**10 // isqrt(MICRO * pair_confirmations))
    return min(worth, burned) * accuracy * accuracy // MICRO**2


def split_floor(burned: int, uploaders: int) -> tuple[int, ...]:
    """Divide what one ticket burned among its confirmed uploaders, the first first.

    60 of 100 to the first, 40 to the later ones in equal parts; the remainder is the first's.
    """
    assert uploaders >= 1, "somebody was confirmed"
    if uploaders == 1:
        return (burned,)
    each = burned * (100 - _FIRST_PERCENT) // 100 // (uploaders - 1)
    return (burned - each * (uploaders - 1), *[each] * (uploaders - 1))


def penalty(stake: int, earned: int) -> int:
    """Return what an overturned entry costs beside its stake: the larger of ten of each."""
    return PENALTY_FACTOR * max(stake, earned)


def allowance(days: int, free: int, debt: int) -> tuple[int, int]:
    """Return (pays off debt, is added) for `days` not yet minted and the free balance.

    Debt is paid first; what is added never lifts the free balance above the ceiling.
    """
    minted = days * DAILY_ALLOWANCE
    paid = min(minted, debt)
    return paid, min(minted - paid, max(0, ALLOWANCE_CEILING - free))


def node_cap(cap: int, threshold: int, nodes: int) -> int:
    """Return one node's share of a daily cap: ⌈cap·t/n⌉."""
    return -(-cap * threshold // nodes)


def vectors() -> dict[str, Sequence[tuple[int, ...]]]:
    """Return inputs and results that the contract's library must give too, all below 2**64."""
    counts = [0, 1, 2, 3, 5, 10, 37, 100, 999, 10_000, 1_000_000]
    accuracies = [(u, o, accuracy_floor(u, o)) for u in counts for o in counts]
    rows = [
        (h, k, burned, a, settlement_floor(h, k, burned, a))
        for h in (1, 7, 100)
        for k in (h, h + 1, 90 * h, 10_000 * h)
        for burned in (0, 1, MICRO, h * 10 * MICRO)
        for a in (1, 288_675, MICRO)
    ]
    penalties = [(s, e, penalty(s, e)) for s in (0, 5 * MICRO) for e in (0, 4 * MICRO, 6 * MICRO)]
    caps = [(c, t, n, node_cap(c, t, n)) for c in (1, 100, 1_001) for t, n in ((2, 3), (3, 5))]
    return {"accuracy": accuracies, "settlement": rows, "penalty": penalties, "cap": caps}
