from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matching_books import EXAMPLES, SHORT, books, one_pass, rules, verdicts
from matching_both import match
from matching_runs import AGREEMENT, entry, run_of

from reconcile.entries import EntryTable
from reconcile.matching import blocks
from reconcile.matching.core import RefSets
from reconcile.matching.run_input import NearMiss
from reconcile.matching.standing import Change, Standing, goes_on
from reconcile.model import Entry, InputError, MatchGroup, Side
from reconcile.terms import AmountRule, MatchPass, Terms

MANY = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))

Batch = tuple[list[Entry], list[Entry]]


class Kept:
    """A state under some passes, with all that was given to it."""

    def __init__(self, passes: tuple[MatchPass, ...] = SHORT, **more: Any) -> None:  # noqa: ANN401
        """Begin with nothing."""
        ordinal = Terms({}, passes).common_calendar.ordinal
        self.state = Standing(passes, ordinal, agreement=AGREEMENT, **more)
        self.seen: Batch = ([], [])

    def add(self, servicer: Sequence[Entry] = (), owner: Sequence[Entry] = ()) -> Change:
        """Take a batch."""
        both = ([*self.seen[0], *servicer], [*self.seen[1], *owner])
        change = self.state.add(EntryTable.of(both[0]), EntryTable.of(both[1]))
        self.seen = both
        return change

    @property
    def groups(self) -> tuple[MatchGroup, ...]:
        """Return all groups in canonical order."""
        found = self.state.groups().values()
        return tuple(sorted(found, key=lambda item: (item.servicer, item.owner)))


def exact(passes: tuple[MatchPass, ...]) -> tuple[MatchPass, ...]:
    """Return the passes without tolerance, which looks at everything."""
    return tuple(dataclasses.replace(rule, amount=AmountRule()) for rule in passes)


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
@given(batches(), st.one_of(st.just(SHORT), rules().map(exact)), verdicts())
def test_after_each_batch_all_is_as_in_a_whole_run(
    cut: list[Batch],
    passes: tuple[MatchPass, ...],
    said: tuple[frozenset[RefSets], RefSets],
) -> None:
    """Whatever came in which batch, amended or rejected: groups, proposals, near misses agree."""
    rejected, held = said
    terms = Terms({"CNY": 2, "USD": 2}, passes)
    kept = Kept(passes, rejected=rejected, held=held)
    groups: set[object] = set()
    proposals: dict[bytes, object] = {}
    near: dict[frozenset[int], NearMiss] = {}
    for batch in cut:
        change = kept.add(*batch)
        run = run_of(
            tuple(kept.seen[0]), tuple(kept.seen[1]), terms=terms, rejected=rejected, held=held
        )
        whole = match(run)
        assert kept.groups == tuple(whole.groups)
        groups = groups - set(change.dissolved.values()) | set(change.formed.values())
        assert groups == set(whole.groups)
        assert change.withdrawn <= proposals.keys()
        for key in change.withdrawn:
            del proposals[key]
        assert proposals.keys().isdisjoint(change.proposed)
        proposals |= change.proposed
        assert proposals == {item.key: item for item in whole.proposals}
        anew = change.looked_at | change.touched
        near = {ids: miss for ids, miss in near.items() if anew.isdisjoint(ids)}
        near |= {ids_of(kept.state, miss): miss for miss in change.near}
        assert set(near.values()) == set(whole.near)


def ids_of(state: Standing, miss: NearMiss) -> frozenset[int]:
    """Return the ids of a near miss."""
    found = [
        (side, state.place(side, ref)) for side in Side for ref in (miss.servicer, miss.owner)[side]
    ]
    return frozenset(2 * place + side for side, place in found if place is not None)


@MANY
@given(batches(), st.integers(0, 3))
def test_what_a_whole_run_found_is_gone_on_with(cut: list[Batch], at: int) -> None:
    """A state that takes over a whole run's result goes on as if it had seen every batch."""
    early = [[item for batch in cut[: at + 1] for item in batch[side]] for side in Side]
    kept = Kept()
    kept.seen = (early[0], early[1])
    found = match(run_of(tuple(early[0]), tuple(early[1])))
    kept.state.begin(
        EntryTable.of(early[0]),
        EntryTable.of(early[1]),
        found.groups,
        zip(found.proposals, found.proposal_refs, strict=True),
    )
    assert kept.groups == tuple(found.groups)
    proposals = {item.key: item for item in found.proposals}
    for batch in cut[at + 1 :]:
        change = kept.add(*batch)
        whole = match(run_of(tuple(kept.seen[0]), tuple(kept.seen[1])))
        assert kept.groups == tuple(whole.groups)
        proposals = {
            key: item for key, item in proposals.items() if key not in change.withdrawn
        } | change.proposed
        assert proposals == {item.key: item for item in whole.proposals}


def test_a_batch_looks_only_at_what_shares_a_block_with_it() -> None:
    """Of many open entries those that a batch cannot reach are not looked at."""
    kept = Kept()
    kept.add([entry(f"s{number}", 100 + number, key=f"KEY{number:04d}") for number in range(500)])
    batch = [entry(f"o{number}", 100 + number, key=f"KEY{number:04d}") for number in (3, 4)]
    change = kept.add(owner=batch)
    assert sorted(group.servicer for group in change.formed.values()) == [("s3",), ("s4",)]
    assert len(change.touched) == 4
    assert not change.looked_at


def test_an_earlier_twin_takes_the_place_of_a_pair() -> None:
    """A later batch may dissolve a group: the entry booked first pairs first."""
    kept = Kept()
    kept.add([entry("late", key="KEY1", booking_date=20_775)], [entry("o", key="KEY1")])
    change = kept.add([entry("early", key="KEY1", booking_date=20_773)])
    assert [group.servicer for group in change.dissolved.values()] == [("late",)]
    assert [group.servicer for group in change.formed.values()] == [("early",)]


def test_one_version_with_two_contents_takes_nothing_of_its_batch() -> None:
    """A conflict is refused by name, and the state is as it was."""
    kept = Kept()
    kept.add([entry("s", 100, key="KEY1")])
    with pytest.raises(InputError, match="ENTRY_CONFLICT"):
        kept.add([entry("s", 101, key="KEY1")], [entry("o", 100, key="KEY1")])
    assert kept.groups == ()
    assert len(kept.add(owner=[entry("o", 100, key="KEY1")]).formed) == 1


def test_hashes_that_came_since_are_sorted_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sorted or not yet, a hash leads to all its entries, amended ones too."""
    monkeypatch.setattr(blocks, "MAX_LATER", 3)
    kept = Kept()
    for number in range(6):
        kept.add([entry(f"s{number}", 100 + number, key=f"KEY{number}")])
    amended = entry("s4", 500, key="KEY4", version=1)
    kept.add([amended], [entry("o4", 500, key="KEY4"), entry("o1", 101, key="KEY1")])
    assert [group.servicer for group in kept.groups] == [("s1",), ("s4",)]


@pytest.mark.parametrize("shape", [("1:1",), ("N:M",)])
def test_what_looks_at_everything_is_said(shape: tuple[str, ...]) -> None:
    """Under a tolerance or a subset search no batch is matched by itself."""
    tolerant = one_pass("e2e", "end_to_end_id", minor=1 if shape == ("1:1",) else 0, shape=shape)
    assert not goes_on((tolerant,))
    assert goes_on(SHORT)
