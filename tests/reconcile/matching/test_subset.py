from __future__ import annotations

import random
import time
from collections import Counter
from contextlib import nullcontext

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matching_books import EXAMPLES, FIRST_DAY, books, one_pass, verdicts
from matching_both import match, tables_alone
from matching_runs import entry, run_of
from matching_subsets import SubsetOracle, search_pass, searching_rules
from test_core import run, weekdays
from test_laws import mirrored, outcome, refs_in
from test_laws import run_of as law_run

from reconcile.breaks import classify
from reconcile.matching import Matched
from reconcile.matching.core import RefSets
from reconcile.matching.subset import admitted
from reconcile.model import BreakKind, Entry, EntryStatus
from reconcile.terms import MatchPass, SubsetRule, Terms

MANY = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
ACCOUNT = {"counterparty_account": "62220001"}
E2E = one_pass("e2e", "end_to_end_id")

Book = tuple[Entry, ...]
small = books(most=5)


def searched(servicer: Book, owner: Book, rule: MatchPass | None = None) -> Matched:
    """Match under one key pass and one search."""
    passes = (E2E, rule or search_pass())
    return match(run_of(servicer, owner, terms=Terms(currencies={"CNY": 2}, passes=passes)))


def groups(found: Matched) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Return the refs of all groups."""
    return [(group.servicer, group.owner) for group in found.groups]


def proposals(found: Matched) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Return reason and refs of all proposals."""
    return [(item.reason, item.servicer, item.owner) for item in found.proposals]


def row(prefix: str, *amounts: int, **parts: object) -> Book:
    """Return entries of one account, one for each amount."""
    return tuple(
        entry(f"{prefix}{number}", minor, **(ACCOUNT | parts))
        for number, minor in enumerate(amounts)
    )


# ------------------------------------------------------------------------- examples
def test_the_only_sum_that_fits_is_confirmed() -> None:
    """Two entries against two others of one counterparty, none of which fits alone."""
    found = searched(row("s", 60, 70), row("o", 100, 30))
    assert groups(found) == [(("s0", "s1"), ("o0", "o1"))]
    assert found.groups[0].pass_name == "search"
    assert found.groups[0].residual_minor == 0
    assert found.proposals == ()


def test_what_remains_beside_a_solution_stays_open() -> None:
    """Entries that no sum needs are in no group."""
    found = searched(row("s", 60, 70, 999), row("o", 130, 5))
    assert groups(found) == [(("s0", "s1"), ("o0",))]
    assert [e.entry_ref for e in found.open[0]] == ["s2"]


def test_two_sums_that_share_an_entry_are_ambiguous_and_both_listed() -> None:
    """Nobody guesses: each solution is a proposal that a person may confirm."""
    found = searched(row("s", 10, 15, 14, 11), row("o", 25))
    assert found.groups == ()
    assert proposals(found) == [
        ("AMBIGUOUS", ("s0", "s1"), ("o0",)),
        ("AMBIGUOUS", ("s2", "s3"), ("o0",)),
    ]


def test_a_pass_that_never_confirms_proposes_its_only_sum() -> None:
    """`never` says that a person decides, and that there was nothing to choose."""
    found = searched(row("s", 60, 70), row("o", 130), search_pass(confirm="never"))
    assert found.groups == ()
    assert proposals(found) == [("NEVER_CONFIRMED", ("s0", "s1"), ("o0",))]


def test_interchangeable_entries_are_no_ambiguity() -> None:
    """Equal in all but ref and moment: k-th with k-th, as in every pass."""
    found = searched(row("s", 50, 50, 50, 50, 50), row("o", 100, 100))
    assert groups(found) == [(("s0", "s1"), ("o0",)), (("s2", "s3"), ("o1",))]


def test_solutions_beyond_the_limit_stand_in_one_proposal() -> None:
    """The smallest are listed, then all that any solution uses, so that every entry names one."""
    rule = search_pass(subset=SubsetRule(100_000, 4, 2))
    found = searched(row("s", 10, 11, 12, 13, 14, 15), row("o", 25), rule)
    assert proposals(found) == [
        ("AMBIGUOUS", ("s0", "s5"), ("o0",)),
        ("AMBIGUOUS", ("s1", "s4"), ("o0",)),
        ("AMBIGUOUS", ("s0", "s1", "s2", "s3", "s4", "s5"), ("o0",)),
    ]
    run_ = run_of(row("s", 10, 11, 12, 13, 14, 15), row("o", 25))
    named = classify(run_, found)
    assert all(item.proposals for item in named)


def test_a_group_that_already_balances_is_no_part_of_a_greater_one() -> None:
    """A payment and its reversal on one side join no sum; two solutions are never one."""
    found = searched(row("s", 40, 60, 33, -33), row("o", 100))
    assert groups(found) == [(("s0", "s1"), ("o0",))]


def test_dates_bound_a_solution_on_both_sides() -> None:
    """Every servicer's entry lies within the distance of every owner's, not of its neighbour's."""
    far = entry("s1", 70, **ACCOUNT, booking_date=FIRST_DAY + 2)
    rule = search_pass(days=1)
    assert searched((*row("s", 60), far), row("o", 130), rule).groups == ()
    near = row("o", 130, booking_date=FIRST_DAY + 1)
    assert groups(searched((*row("s", 60), far), near, rule)) == [(("s0", "s1"), ("o0",))]


def test_references_that_contradict_each_other_never_add_up() -> None:
    """A carrier of an `always` pass tells the payments apart, whatever the sums say."""
    servicer = (*row("s", 60, key="KEY1"), entry("s1", 70, **ACCOUNT, key="KEY2"))
    assert searched(servicer, row("o", 130, key="KEY3")).groups == ()
    assert searched(servicer, row("o", 130, key="KEY1")).groups == ()
    assert groups(searched(servicer, row("o", 130))) == [(("s0", "s1"), ("o0",))]


def test_what_other_passes_settle_is_no_residue() -> None:
    """The search comes after every other pass has confirmed nothing more, wherever it stands."""
    rule = search_pass()
    servicer = (entry("s0", 60, **ACCOUNT), entry("s1", 70, **ACCOUNT), *row("t", 130, key="KEY1"))
    owner = row("o", 130, key="KEY1")
    passes = (rule, E2E)
    found = match(run_of(servicer, owner, terms=Terms(currencies={"CNY": 2}, passes=passes)))
    assert groups(found) == [(("t0",), ("o0",))]


def test_a_rejected_sum_is_neither_confirmed_nor_proposed_again() -> None:
    """The next best solution is judged without it."""
    servicer, owner = row("s", 10, 15, 14, 11), row("o", 25)
    rejected = frozenset({(frozenset({"s0", "s1"}), frozenset({"o0"}))})
    result = run(servicer, owner, (E2E, search_pass()), rejected=rejected)
    assert [(p.servicer, p.reason) for p in result.proposals] == [(("s2", "s3"), "AMBIGUOUS")]


# -------------------------------------------------------------------------- budgets
def test_a_search_beyond_its_budget_says_so_and_confirms_nothing() -> None:
    """A solution that is there is not found by chance: the field is searched whole or not."""
    rule = search_pass(subset=SubsetRule(3, 4, 4))
    found = searched(row("s", 60, 70), row("o", 130), rule)
    assert found.groups == ()
    assert proposals(found) == [("SEARCH_EXHAUSTED", ("s0", "s1"), ("o0",))]


def test_the_cheapest_fields_are_searched_first() -> None:
    """One crowded counterparty does not starve the others."""
    crowd = {"counterparty_account": "62220009"}
    many = [tuple(entry(f"{p}{i}", 1_000 + i * i, **crowd) for i in range(40)) for p in "xy"]
    rule = search_pass(subset=SubsetRule(1_000, 6, 4))
    found = searched((*row("s", 60, 70), *many[0]), (*row("o", 130), *many[1]), rule)
    assert groups(found) == [(("s0", "s1"), ("o0",))]
    assert [(p.reason, p.servicer_count, p.owner_count) for p in found.proposals] == [
        ("SEARCH_EXHAUSTED", 40, 40)
    ]


@pytest.mark.parametrize(
    ("costs", "budget", "fits"),
    [
        ([3, 1, 2], 6, [True, True, True]),
        ([3, 1, 2], 5, [False, True, True]),
        ([2, 2, 1], 4, [False, False, True]),
        ([], 0, []),
        ([0, 7], 1, [True, False]),
    ],
)
def test_equal_costs_fit_together_or_not_at_all(
    costs: list[int], budget: int, fits: list[bool]
) -> None:
    """Neither the order of lines nor the side decides who is searched."""
    assert admitted(costs, budget) == fits


def test_an_exploding_search_stays_bounded() -> None:
    """Three thousand different amounts of one counterparty cost no more than a look."""
    draw = random.Random(1)
    servicer = row("s", *(draw.randrange(1, 10**9) for _ in range(1_500)))
    owner = row("o", *(draw.randrange(1, 10**9) for _ in range(1_500)))
    start = time.process_time()
    found = searched(servicer, owner, search_pass(subset=SubsetRule()))
    assert time.process_time() - start < 5
    assert found.groups == ()
    assert [p.reason for p in found.proposals] == ["SEARCH_EXHAUSTED"]


def test_a_hundred_thousand_identical_entries_are_one_item() -> None:
    """Interchangeable entries cost their number, never their subsets."""
    servicer, owner = row("s", *[50] * 50_000), row("o", *[100] * 25_000)
    found = searched(servicer, owner, search_pass(subset=SubsetRule()))
    assert len(found.groups) == 25_000
    assert found.proposals == ()


# ----------------------------------------------------------------------------- laws
def agree(
    servicer: Book,
    owner: Book,
    passes: tuple[MatchPass, ...],
    rejected: frozenset[RefSets] = frozenset(),
    held: RefSets = (frozenset(), frozenset()),
) -> None:
    """Require that both ways and the oracle form the same groups and proposals."""
    oracle = SubsetOracle(
        servicer, owner, passes, weekdays, held=held, rejected=rejected, budget_minor=10**9
    ).solve()
    for way in (nullcontext(), tables_alone()):
        with way:
            result = run(servicer, owner, passes, held=held, rejected=rejected, budget_minor=10**9)
        assert [
            (g.pass_name, g.servicer, g.owner, g.residual_minor) for g in result.groups
        ] == oracle.groups
        assert sorted(
            (p.pass_name, *map(sorted, (p.servicer, p.owner))) for p in result.proposals
        ) == sorted((name, sorted(s), sorted(o)) for name, s, o in oracle.proposals)


@MANY
@given(small, small, st.sampled_from(["unique", "never"]), st.sampled_from([0, 1, 3]))
def test_a_search_agrees_with_every_subset_against_every_subset(
    servicer: Book, owner: Book, confirm: str, days: int
) -> None:
    """Solutions, their uniqueness and the proposals are those of the naive search."""
    agree(servicer, owner, (E2E, search_pass(confirm=confirm, days=days)))


@MANY
@given(small, small, searching_rules(), verdicts())
def test_searches_among_other_passes_agree_with_the_oracle(
    servicer: Book,
    owner: Book,
    passes: tuple[MatchPass, ...],
    decided: tuple[frozenset[RefSets], RefSets],
) -> None:
    """With tolerances, groups, rejected sets and held entries around it."""
    agree(servicer, owner, passes, *decided)


budgets = st.sampled_from([1, 8, 20, 60, 100_000])


def bounded(passes: tuple[MatchPass, ...], states: int) -> tuple[MatchPass, ...]:
    """Return the rules with one budget of states and a short list of solutions."""
    return tuple(
        rule
        if rule.subset is None
        else search_pass(
            rule.name,
            rule.keys[0].servicer,
            confirm=rule.confirm,
            days=rule.value_date_days,
            subset=SubsetRule(states, rule.subset.max_parts, 2),
        )
        for rule in passes
    )


@MANY
@given(small, small, searching_rules(), budgets, st.randoms(use_true_random=False))
def test_laws_hold_whatever_the_budget(
    servicer: Book, owner: Book, passes: tuple[MatchPass, ...], states: int, rng: random.Random
) -> None:
    """Once only, fixpoint, and equal results for shuffled lines and other threads."""
    rules = bounded(passes, states)
    matched, breaks = outcome(law_run(servicer, owner, rules, threads=1))
    for side, book in (("servicer", servicer), ("owner", owner)):
        named = Counter([*refs_in(matched.groups, side), *refs_in(breaks, side)])
        assert set(named.values()) <= {1}
        silent = {item.entry_ref for item in book} - named.keys()
        assert silent <= {e.entry_ref for e in book if e.status is EntryStatus.VOID}
    again = match(law_run(matched.open[0], matched.open[1], rules))
    assert (again.groups, again.near, again.proposals) == ((), matched.near, matched.proposals)
    shuffled = [tuple(rng.sample(book, len(book))) for book in (servicer, owner)]
    assert outcome(law_run(shuffled[0], shuffled[1], rules, threads=2)) == (matched, breaks)


@MANY
@given(small, small, searching_rules(), budgets)
def test_swapped_sides_search_alike(
    servicer: Book, owner: Book, passes: tuple[MatchPass, ...], states: int
) -> None:
    """Nobody's chair decides what is searched, found or listed."""
    rules = bounded(passes, states)
    matched = match(law_run(servicer, owner, rules))
    other = match(law_run(owner, servicer, mirrored(rules)))
    assert sorted((g.pass_name, g.servicer, g.owner) for g in matched.groups) == sorted(
        (g.pass_name, g.owner, g.servicer) for g in other.groups
    )
    assert Counter(
        (p.pass_name, p.reason, frozenset(p.servicer), frozenset(p.owner))
        for p in matched.proposals
    ) == Counter(
        (p.pass_name, p.reason, frozenset(p.owner), frozenset(p.servicer)) for p in other.proposals
    )


# --------------------------------------------------------------- 1:N and N:1 by key
@pytest.mark.parametrize("carrier", ["order_no", "counterparty_account", "remittance"])
def test_a_split_payout_is_one_group_by_any_key(carrier: str) -> None:
    """One obligation of the owner paid in three parts over two days, known by its key."""
    number = {"order_no": 7}.get(carrier)
    key = {carrier: "INV2026001"} if number is None else {"references": ((number, "INV2026001"),)}
    rule = one_pass("parts", carrier, shape=("1:1", "1:N", "N:1"))
    parts = tuple(
        entry(f"s{day}", minor, booking_date=FIRST_DAY + day, **key)
        for day, minor in enumerate((50, 30, 20))
    )
    terms = Terms(currencies={"CNY": 2}, passes=(rule,))
    found = match(run_of(parts, (entry("o", 100, **key),), terms=terms))
    assert groups(found) == [(("s0", "s1", "s2"), ("o",))]
    short = run_of(parts[:2], (entry("o", 100, **key),), terms=terms)
    (left,) = classify(short, match(short))
    assert (left.kind, left.signed) == (BreakKind.SPLIT, (("CNY", -20),))
