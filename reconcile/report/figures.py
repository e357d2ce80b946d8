"""A run in figures, and what moved between two runs over the same books."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from reconcile.model import Break, MatchGroup, Proposal, Side
from reconcile.report.run import Result
from reconcile.report.totals import CurrencyTotals, Identity

Went = tuple[int | None, int | None]
"""The number of the group that holds an entry, and that of its break; neither of a VOID one."""


@dataclass(frozen=True, slots=True)
class Figures:
    """A run in figures; `entries` and `matched` by side."""

    entries: tuple[int, int]
    matched: tuple[int, int]
    groups: int
    proposals: int
    breaks_by_kind: Mapping[str, int]
    oldest_age_days: int
    totals: tuple[CurrencyTotals, ...]
    identities: tuple[Identity, ...]
    complete: bool
    balance_proven: bool


@dataclass(frozen=True, slots=True)
class Moved:
    """What moved since the run before: groups and breaks by number, proposals by key.

    A number is the place in the result that was taken over, or a new one; it is never given twice.
    A break that changed has gone and come. `went`: by side, where entries are now that moved.
    """

    formed: Mapping[int, MatchGroup]
    dissolved: frozenset[int]
    broken: Mapping[int, Break]
    mended: frozenset[int]
    proposed: Mapping[bytes, Proposal]
    withdrawn: frozenset[bytes]
    went: tuple[Mapping[str, Went], Mapping[str, Went]]
    figures: Figures


def figures_of(result: Result) -> Figures:
    """Return the figures of a run over everything."""
    matched = [len(result.groups.refs(side)) for side in Side]
    opened = [len(result.matched.open[side]) for side in Side]
    return Figures(
        entries=(matched[0] + opened[0], matched[1] + opened[1]),
        matched=(matched[0], matched[1]),
        groups=len(result.groups),
        proposals=len(result.proposals),
        breaks_by_kind=Counter(str(item.kind) for item in result.breaks),
        oldest_age_days=max((item.age_days for item in result.breaks), default=0),
        totals=result.totals,
        identities=result.identities,
        complete=result.complete,
        balance_proven=result.balance_proven,
    )
