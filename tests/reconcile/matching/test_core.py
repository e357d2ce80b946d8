from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matching_books import EXAMPLES, SHORT, books, rules, verdicts
from matching_both import tables_alone
from matching_oracle import Oracle

from reconcile.matching.core import CoreInput, CoreResult, RefSets, match_open
from reconcile.model import Entry
from reconcile.terms import MatchPass

AGREEMENT = bytes(32)
MANY = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))


def weekdays(day: int) -> int:
    """Count weekdays up to a day: 1970-01-01 was a Thursday."""
    weeks, rest = divmod(day + 3, 7)
    return weeks * 5 + min(rest + 1, 5)


def run(
    servicer: tuple[Entry, ...],
    owner: tuple[Entry, ...],
    passes: tuple[MatchPass, ...] = SHORT,
    **more: object,
) -> CoreResult:
    """Run the engine."""
    return match_open(CoreInput(AGREEMENT, servicer, owner, passes, weekdays, **more))  # type: ignore[arg-type]


def agree(
    servicer: tuple[Entry, ...],
    owner: tuple[Entry, ...],
    passes: tuple[MatchPass, ...],
    *,
    rejected: frozenset[RefSets] = frozenset(),
    held: RefSets = (frozenset(), frozenset()),
    budget_minor: int = 10**9,
) -> None:
    """Require that both ways and the oracle say the same of groups, proposals and near misses."""
    oracle = Oracle(
        servicer,
        owner,
        passes,
        weekdays,
        held=held,
        rejected=rejected,
        budget_minor=budget_minor,
    ).solve()
    more = {"held": held, "rejected": rejected, "budget_minor": budget_minor}
    require_same(run(servicer, owner, passes, **more), oracle)
    with tables_alone():
        require_same(run(servicer, owner, passes, **more), oracle)


def require_same(result: CoreResult, oracle: Oracle) -> None:
    """Require that a result says what the oracle says."""
    assert [
        (g.pass_name, g.servicer, g.owner, g.residual_minor) for g in result.groups
    ] == oracle.groups
    assert sorted((p.pass_name, *map(sorted, (p.servicer, p.owner))) for p in result.proposals) == (
        sorted((name, sorted(s), sorted(o)) for name, s, o in oracle.proposals)
    )
    near = [
        (
            "split" if n.split else n.pass_name or "reference",
            tuple(sorted(n.servicer)),
            tuple(sorted(n.owner)),
        )
        for n in result.near
    ]
    assert sorted(near) == sorted(oracle.near)


@MANY
@given(books(), books())
def test_default_shapes_agree_with_the_oracle(
    servicer: tuple[Entry, ...], owner: tuple[Entry, ...]
) -> None:
    """Passes like the default terms form the groups, proposals and near misses of the page."""
    agree(servicer, owner, SHORT)


@MANY
@given(books(), books(), rules(), verdicts())
def test_rejected_sets_and_held_entries_stay_apart(
    servicer: tuple[Entry, ...],
    owner: tuple[Entry, ...],
    passes: tuple[MatchPass, ...],
    verdict: tuple[frozenset[RefSets], RefSets],
) -> None:
    """A rejected set is neither confirmed nor proposed again, a held entry is used by no pass."""
    rejected, held = verdict
    agree(servicer, owner, passes, rejected=rejected, held=held)


@MANY
@given(books(), books(), rules(), st.sampled_from([0, 1, 3, 10**9]))
def test_any_rules_agree_with_the_oracle(
    servicer: tuple[Entry, ...],
    owner: tuple[Entry, ...],
    passes: tuple[MatchPass, ...],
    budget_minor: int,
) -> None:
    """Tolerances, shapes, orders of passes and budgets do what the page says."""
    agree(servicer, owner, passes, budget_minor=budget_minor)
