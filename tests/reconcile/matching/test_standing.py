from __future__ import annotations

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matching_books import EXAMPLES, SHORT, books, rules
from matching_runs import entry, run_of

from reconcile.entries import EntryTable
from reconcile.matching import match, standing
from reconcile.matching.standing import Standing
from reconcile.model import Entry, InputError, Side
from reconcile.terms import MatchPass, Terms

MANY = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
BUDGETS = st.sampled_from([0, 2, 10**9])

Batch = tuple[list[Entry], list[Entry]]


def standing_of(passes: tuple[MatchPass, ...], budget_minor: int = 10**9) -> Standing:
    """Return an empty state under these passes."""
    ordinal = Terms({}, passes).common_calendar.ordinal
    return Standing(passes, ordinal, budget_minor=budget_minor)


@st.composite
def batches(draw: st.DrawFn) -> list[Batch]:
    """Return two books cut into batches; some entries come again, as they were or amended."""
    cut: list[Batch] = [([], []) for _ in range(draw(st.integers(1, 4)))]
    for side in Side:
        for item in draw(books()):
            at = draw(st.integers(0, len(cut) - 1))
            cut[at][side].append(item)
            again = draw(st.sampled_from(["never", "never", "same", "amended"]))
            later = draw(st.integers(at, len(cut) - 1))
            if again == "same":
                cut[later][side].append(item)
            elif again == "amended":
                minor = draw(st.sampled_from([100, 101, 200]))
                cut[later][side].append(
                    msgspec.structs.replace(item, version=1, amount_minor=minor)
                )
    return cut


@MANY
@given(batches(), st.one_of(st.just(SHORT), rules()), BUDGETS)
def test_after_each_batch_the_groups_are_those_of_a_whole_run(
    cut: list[Batch], passes: tuple[MatchPass, ...], budget_minor: int
) -> None:
    """Whatever came in which batch, and whatever was amended: the groups of a run over all."""
    terms = Terms({"CNY": 2, "USD": 2}, passes, tolerance_budget_minor=budget_minor)
    seen: Batch = ([], [])
    with standing_of(passes, budget_minor) as state:
        before: set[object] = set()
        for batch in cut:
            change = state.add(*batch)
            for side in Side:
                seen[side].extend(batch[side])
            whole = match(run_of(tuple(seen[0]), tuple(seen[1]), terms=terms)).groups
            assert state.groups == tuple(whole)
            assert before - set(change.dissolved) | set(change.formed) == set(whole)
            before = set(whole)


def test_a_batch_looks_only_at_what_shares_a_block_with_it() -> None:
    """Of many open entries those that a batch cannot reach are not looked at."""
    opened = [entry(f"s{number}", key=f"KEY{number:04d}") for number in range(500)]
    with standing_of(SHORT) as state:
        state.add(EntryTable.from_arrow(EntryTable.of(opened).to_arrow()))
        change = state.add(owner=[entry(f"o{number}", key=f"KEY{number:04d}") for number in (3, 4)])
        assert [group.servicer for group in change.formed] == [("s3",), ("s4",)]
        assert change.touched == 4


def test_an_earlier_twin_takes_the_place_of_a_pair() -> None:
    """A later batch may dissolve a group: the entry booked first pairs first."""
    with standing_of(SHORT) as state:
        state.add([entry("late", key="KEY1", booking_date=20_775)], [entry("o", key="KEY1")])
        change = state.add([entry("early", key="KEY1", booking_date=20_773)])
        assert [group.servicer for group in change.dissolved] == [("late",)]
        assert [group.servicer for group in change.formed] == [("early",)]


def test_one_version_with_two_contents_takes_nothing_of_its_batch() -> None:
    """A conflict is refused by name, and the state is as it was."""
    with standing_of(SHORT) as state:
        state.add([entry("s", 100, key="KEY1")])
        with pytest.raises(InputError, match="ENTRY_CONFLICT"):
            state.add([entry("s", 101, key="KEY1")], [entry("o", 100, key="KEY1")])
        assert state.groups == ()
        assert len(state.add(owner=[entry("o", 100, key="KEY1")]).formed) == 1


def test_what_came_in_batches_joins_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long tail becomes part of the table, and is still found and amended."""
    monkeypatch.setattr(standing, "MAX_TAIL", 2)
    with standing_of(SHORT) as state:
        for number in range(6):
            state.add([entry(f"s{number}", 100 + number, key=f"KEY{number}")])
        amended = entry("s4", 500, key="KEY4", version=1)
        state.add([amended], [entry("o4", 500, key="KEY4"), entry("o1", 101, key="KEY1")])
        assert [group.servicer for group in state.groups] == [("s1",), ("s4",)]
