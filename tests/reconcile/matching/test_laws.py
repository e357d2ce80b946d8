from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matching_books import EXAMPLES, FIRST_DAY, SHORT, books, rules
from matching_both import match
from matching_oracle import Oracle

from reconcile import sides
from reconcile.breaks import classify
from reconcile.entries import EntryTable
from reconcile.matching import Matched, RunInput, core, first, opening, store
from reconcile.model import AgreementKind, Break, Entry, EntryStatus, SideBook, window_of
from reconcile.terms import KeyPair, MatchPass, Terms

MANY = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
RICH = 10**9
MIRRORED = {"MISSING_AT_OWNER": "MISSING_AT_SERVICER", "MISSING_AT_SERVICER": "MISSING_AT_OWNER"}

Book = Sequence[Entry]


def run_of(servicer: Book, owner: Book, passes: tuple[MatchPass, ...], **more: object) -> RunInput:
    """Return a run over two books with a rich tolerance budget."""
    terms = Terms(
        currencies={"CNY": 2, "USD": 2},
        passes=passes,
        tolerance_budget_minor=int(str(more.pop("budget", RICH))),
        rounding_minor=1,
    )
    return RunInput(
        agreement=bytes(32),
        kind=AgreementKind.BANK_ENTERPRISE,
        window=window_of(FIRST_DAY + 8),
        previous_window=None,
        terms=terms,
        servicer=SideBook(servicer),
        owner=SideBook(owner),
        **more,  # type: ignore[arg-type]
    )


def outcome(run: RunInput) -> tuple[Matched, tuple[Break, ...]]:
    """Return groups and breaks of a run."""
    matched = match(run)
    return matched, classify(run, matched)


def refs_in(items: object, side: str) -> list[str]:
    """Return all refs that groups or breaks name on a side, repeats kept."""
    return [ref for item in items for ref in getattr(item, side)]  # type: ignore[attr-defined]


@MANY
@given(books(), books(), rules())
def test_every_entry_is_in_exactly_one_group_or_break(
    servicer: Book, owner: Book, passes: tuple[MatchPass, ...]
) -> None:
    """No entry is lost or used twice; VOID ones alone are in neither."""
    matched, breaks = outcome(run_of(servicer, owner, passes))
    for side, book in (("servicer", servicer), ("owner", owner)):
        named = Counter([*refs_in(matched.groups, side), *refs_in(breaks, side)])
        assert set(named.values()) <= {1}
        silent = {entry.entry_ref for entry in book} - named.keys()
        void = {entry.entry_ref for entry in book if entry.status is EntryStatus.VOID}
        assert silent <= void
        assert named.keys() <= {entry.entry_ref for entry in book}
    assert len({item.key for item in breaks}) == len(breaks)


@MANY
@given(books(), books(), rules())
def test_breaks_and_residuals_explain_the_difference_of_the_books(
    servicer: Book, owner: Book, passes: tuple[MatchPass, ...]
) -> None:
    """Per currency: what moved here minus what moved there = open breaks + open residuals."""
    matched, breaks = outcome(run_of(servicer, owner, passes))
    proof: dict[str, int] = defaultdict(int)
    for sign, book in ((1, servicer), (-1, owner)):
        for entry in book:
            proof[entry.currency] += sign * entry.signed_minor * entry.moving
    for item in breaks:
        for currency, minor in item.signed:
            proof[currency] -= minor
    for residual in matched.residuals:
        proof[residual.currency] -= residual.minor
    assert set(proof.values()) <= {0}


@MANY
@given(books(), books(), rules(), st.sampled_from([0, 2, RICH]))
def test_running_on_what_remains_confirms_nothing(
    servicer: Book, owner: Book, passes: tuple[MatchPass, ...], budget: int
) -> None:
    """The rounds reach a fixpoint."""
    matched = match(run_of(servicer, owner, passes, budget=budget))
    again = match(run_of(matched.open[0], matched.open[1], passes, budget=budget))
    assert again.groups == ()
    assert again.near == matched.near
    assert again.proposals == matched.proposals


@MANY
@given(books(), books(), rules(), st.randoms(use_true_random=False))
def test_order_of_lines_and_threads_change_nothing(
    servicer: Book, owner: Book, passes: tuple[MatchPass, ...], rng: random.Random
) -> None:
    """Shuffled input on another number of threads gives the same values in the same order."""
    before = outcome(run_of(servicer, owner, passes, threads=1))
    shuffled = [rng.sample(book, len(book)) for book in (servicer, owner)]
    second = outcome(run_of(tuple(shuffled[0]), tuple(shuffled[1]), passes, threads=2))
    assert before == second


@MANY
@given(books(), books(), rules())
def test_whole_columns_settle_what_the_engine_would(
    servicer: Book, owner: Book, passes: tuple[MatchPass, ...]
) -> None:
    """What is settled by a dictionary or by columns is what the engine alone would settle."""
    few = outcome(run_of(servicer, owner, passes))
    columns = [EntryTable.from_arrow(EntryTable.of(book).to_arrow()) for book in (servicer, owner)]
    with pytest.MonkeyPatch.context() as patch:
        for module in (first, opening, store):
            patch.setattr(module, "FEW_ROWS", 0)
        patch.setattr(sides, "MANY_ROWS", 0)
        assert outcome(run_of(columns[0], columns[1], passes)) == few
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(core.Rows, "settle_first", lambda *_: None)
        assert outcome(run_of(servicer, owner, passes)) == few


def mirrored(passes: tuple[MatchPass, ...]) -> tuple[MatchPass, ...]:
    """Return the rules as the other side would write them."""
    shapes = {"1:1": "1:1", "1:N": "N:1", "N:1": "1:N", "N:M": "N:M"}
    return tuple(
        MatchPass(
            rule.name,
            tuple(
                KeyPair(pair.owner, pair.servicer, pair.normalise, pair.min_length)
                for pair in rule.keys
            ),
            rule.amount,
            rule.fee,
            rule.value_date_days,
            tuple(shapes[shape] for shape in rule.shape),
            rule.confirm,
            rule.subset,
            rule.guards,
        )
        for rule in passes
    )


@MANY
@given(books(), books(), rules())
def test_swapped_sides_mirror_the_result(
    servicer: Book, owner: Book, passes: tuple[MatchPass, ...]
) -> None:
    """Keys and row order apart, nobody's chair decides anything."""
    matched, breaks = outcome(run_of(servicer, owner, passes))
    other, other_breaks = outcome(run_of(owner, servicer, mirrored(passes)))
    assert sorted((g.pass_name, g.servicer, g.owner, g.residual_minor) for g in matched.groups) == (
        sorted((g.pass_name, g.owner, g.servicer, -g.residual_minor) for g in other.groups)
    )
    assert sorted(
        (b.kind.value, b.servicer, b.owner, b.signed, b.also, b.marks) for b in breaks
    ) == sorted(
        (
            MIRRORED.get(b.kind.value, b.kind.value),
            b.owner,
            b.servicer,
            tuple((currency, -minor) for currency, minor in b.signed),
            b.also,
            b.marks,
        )
        for b in other_breaks
    )
    assert Counter(
        (p.pass_name, *map(frozenset, (p.servicer, p.owner))) for p in matched.proposals
    ) == Counter((p.pass_name, *map(frozenset, (p.owner, p.servicer))) for p in other.proposals)


@MANY
@given(books(), books(), st.sampled_from([1, 2, 100]))
def test_a_wider_tolerance_never_undoes_the_first_step(
    servicer: Book, owner: Book, minor: int
) -> None:
    """What the exact amounts of the always passes settled first stays settled."""
    oracle = Oracle(servicer, owner, SHORT, Terms({}, SHORT).common_calendar.ordinal)
    first = oracle.first_step()
    wide = tuple(
        MatchPass(
            rule.name,
            rule.keys,
            type(rule.amount)(tolerance_minor=minor) if rule.keys else rule.amount,
            rule.fee,
            rule.value_date_days,
            rule.shape,
            rule.confirm,
        )
        for rule in SHORT
    )
    groups = {
        (g.pass_name, g.servicer, g.owner) for g in match(run_of(servicer, owner, wide)).groups
    }
    assert {(name, s, o) for name, s, o, _ in first} <= groups


def test_ten_thousand_identical_entries_pair_in_order() -> None:
    """A block of equal entries is paired k-th with k-th and costs no quadratic time."""
    one = Entry("", 0, 0, 100, "CNY", FIRST_DAY, references=((1, "SAME"),))  # type: ignore[arg-type]
    servicer, owner = (
        tuple(msgspec.structs.replace(one, entry_ref=f"{side}{i:06d}") for i in range(count))
        for side, count in (("s", 10_000), ("o", 9_990))
    )
    matched, breaks = outcome(run_of(servicer, owner, SHORT))
    assert len(matched.groups) == 9_990
    assert all(g.servicer[0][1:] == g.owner[0][1:] for g in matched.groups)
    assert {b.kind.value for b in breaks} == {"DUPLICATE"}


def test_ten_thousand_equal_amounts_without_keys_stay_bounded() -> None:
    """Unkeyed equal amounts make one proposal with both counts, never a list of all pairs."""
    one = Entry("", 0, 0, 100, "CNY", FIRST_DAY)  # type: ignore[arg-type]
    servicer, owner = (
        tuple(
            msgspec.structs.replace(
                one, entry_ref=f"{side}{i:06d}", references=((1, f"{side}{i}"),)
            )
            if i % 2
            else msgspec.structs.replace(one, entry_ref=f"{side}{i:06d}")
            for i in range(10_000)
        )
        for side in ("s", "o")
    )
    matched = match(run_of(servicer, owner, SHORT))
    assert [(p.pass_name, p.servicer_count, p.owner_count) for p in matched.proposals] == [
        ("bare", 10_000, 10_000)
    ]
    assert matched.groups == ()
