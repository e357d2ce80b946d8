"""Provisional runs that go on hold, in rows and in figures, what a whole run would."""

from __future__ import annotations

import random
from collections.abc import Iterator

import msgspec
import pytest
from sqlalchemy import select

from node.bootstrap import Node
from node.runs import groups_from, last_went, went_beginning, where_went
from node.services.reconciliation import going_on, reacting, running
from node.services.reconciliation.going_on import Going, GoingOn
from node.services.reconciliation.storing import figure_columns
from node.tables import Incident, MatchRun, RunBreak, RunProposal, RunRefPart
from reconcile.matching.keys import group_subject
from reconcile.model import ZERO32, Decision, Entry, EntryStatus, Side
from reconcile.report import Result, figures_of
from tests.node.services.conftest import DAY, WINDOW, Pair, entry

ROUNDS = 7


@pytest.fixture
def went_on(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """Whether each run that could go on did."""
    seen: list[bool] = []
    go_on = Going.go_on

    def noted(self: Going, *given: object) -> object:
        moved = go_on(self, *given)  # type: ignore[arg-type]
        seen.append(moved is not None)
        return moved

    monkeypatch.setattr(Going, "go_on", noted)
    return seen


def whole(node: Node, agreement: bytes) -> Result:
    """Return what a run over everything finds now, without keeping it."""
    prepared, _ = node.reconciliation._prepare_now(agreement)
    return node.reconciliation._run(prepared)


def agrees(node: Node, agreement: bytes) -> None:
    """Hold the rows of the newest provisional run against a run over everything."""
    found = whole(node, agreement)
    with node.database.reading() as session:
        run = session.scalars(
            select(MatchRun).where(MatchRun.agreement == agreement, MatchRun.kind == "PROVISIONAL")
        ).one()
        figures = figure_columns(figures_of(found))
        assert {name: getattr(run, name) for name in figures} == figures
        groups = dict(groups_from(session, run.id))
        assert sorted(groups.values(), key=repr) == sorted(found.groups, key=repr)
        rows = session.scalars(select(RunBreak).where(RunBreak.run_id == run.id)).all()
        breaks = {row.number: row for row in rows}
        assert sorted(map(_said, rows)) == sorted(
            (
                item.key,
                str(item.kind),
                [list(item.servicer), list(item.owner)],
                [[code, str(minor)] for code, minor in item.signed],
                list(map(str, item.marks)),
                [key.hex() for key in item.proposals],
                item.age_days,
            )
            for item in found.breaks
        )
        keys = session.scalars(
            select(RunProposal.proposal_key).where(RunProposal.run_id == run.id)
        ).all()
        assert sorted(keys) == sorted(item.key for item in found.proposals)
        for side in Side:
            wanted = {
                ref: item
                for item in (*found.breaks, *found.groups)
                for ref in (item.servicer, item.owner)[side]
            }
            went = where_went(session, run.id, side, wanted)
            assert went.keys() == wanted.keys()
            for ref, item in went.items():
                if item.group is not None:
                    assert groups[item.group] == wanted[ref]
                else:
                    assert breaks[item.broken].break_key == wanted[ref].key  # type: ignore[index, union-attr]
            assert went_beginning(session, run.id, side, "", limit=1_000) == [
                went[ref] for ref in sorted(went)
            ]
            for ref in sorted(wanted)[:3]:
                last = last_went(session, agreement, side, ref)
                assert last is not None
                assert (last[0].id, last[1]) == (run.id, went[ref])


def _said(row: RunBreak) -> tuple[object, ...]:
    sides = [row.servicer, row.owner]
    return (row.break_key, row.kind, sides, row.signed, row.marks, row.proposals, row.age_days)


class Books:
    """Random entries of both sides: pairs, near misses, twins, amendments, reversals."""

    def __init__(self, seed: int) -> None:
        """Begin with nothing."""
        self.chance = random.Random(seed)
        self.known: tuple[dict[str, Entry], dict[str, Entry]] = ({}, {})

    def batch(self, side: Side, size: int) -> list[Entry]:
        """Return some new entries of a side."""
        return [self._entry(side) for _ in range(size)]

    def _entry(self, side: Side) -> Entry:
        chance, known = self.chance, self.known[side]
        if known and chance.random() < 0.2:
            ref = chance.choice(sorted(known))
            before = known[ref]
            if before.status is EntryStatus.PENDING:
                status = chance.choice([EntryStatus.BOOKED, EntryStatus.VOID])
                known[ref] = msgspec.structs.replace(
                    before, version=before.version + 1, status=status
                )
                return known[ref]
        ref = f"{side.word[0]}{len(known):03d}"
        known[ref] = entry(
            ref,
            chance.choice([100, 100, 200, -300]),
            e2e=chance.choice([f"E2E-{chance.randrange(20):04d}", None]),
            day=DAY - chance.choice([0, 0, 1]),
            status=chance.choice([EntryStatus.BOOKED] * 3 + [EntryStatus.PENDING]),
            counterparty_account=chance.choice([None, "99000000000001"]),
            reversal_of=chance.choice([None] * 5 + sorted(known)[:1]),
            occurred_at=chance.choice([None, 1_000]),
        )
        return known[ref]


def test_what_goes_on_holds_what_a_whole_run_would(
    pair: Pair, agreement: bytes, went_on: list[bool]
) -> None:
    """Over random arrivals, amendments, a decision, a replay, a restart and a closing."""
    books = Books(1)
    for turn in range(ROUNDS):
        for side in Side:
            if turn == 0 or books.chance.random() < 0.8:
                batch = books.batch(side, books.chance.choice([1, 4, 9]))
                pair.node(side).posting.queue_entries(agreement, batch, window=WINDOW)
        pair.settle()
        agrees(pair.nodes[turn % 2], agreement)
        if turn == 2:
            _decide(pair, agreement)
        if turn == 4:
            pair.owner.rebuild()
            pair.servicer._build_services()
    assert sum(went_on) > ROUNDS
    pair.close(agreement, WINDOW)
    with pair.owner.database.reading() as session:
        kinds = session.scalars(select(MatchRun.kind).where(MatchRun.agreement == agreement))
        assert "PROOF" in kinds.all()
        assert not session.scalars(
            select(Incident.says).where(Incident.agreement == agreement)
        ).all()


def _decide(pair: Pair, agreement: bytes) -> None:
    """Reject the first pair of both sides, from both sides."""
    refs = (("s000",), ("o000",))
    made = Decision(group_subject(agreement, *refs), ZERO32, "reject", *refs, "p")
    for node in pair.nodes:
        with node.database.writing.begin() as session:
            node.posting.queue_within(session, agreement, made)


def post(pair: Pair, agreement: bytes, number: int) -> None:
    """Post a pair and let both nodes match it."""
    for side, node in zip(Side, pair.nodes, strict=True):
        ref = f"{side.word[0]}{number}"
        made = entry(ref, 100 + number, e2e=f"E2E-{number:04d}")
        node.posting.queue_entries(agreement, [made], window=WINDOW)
    pair.settle()


def test_a_fault_while_rows_change_runs_everything_again(
    pair: Pair, agreement: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it is kept: neither rows nor the state in memory, and the next run is whole."""
    for number in range(3):
        post(pair, agreement, number)
    node = pair.owner
    before = _row(node, agreement)
    store_moved = running.store_moved

    def failing(*given: object, **more: object) -> None:
        store_moved(*given, **more)  # type: ignore[arg-type]
        raise RuntimeError

    made = entry("s-late", 100, e2e="E2E-0009")
    pair.servicer.posting.queue_entries(agreement, [made], window=WINDOW)
    with monkeypatch.context() as patch:
        patch.setattr(running, "store_moved", failing)
        for _ in range(20):
            pair.servicer.step()
            node.follower.step()
        with pytest.raises(RuntimeError):
            node.reconciliation.match_new(agreement)
    assert _row(node, agreement) == before
    node.reconciliation.match_new(agreement)
    after = _row(node, agreement)
    assert after[1] == before[1] + 1
    agrees(node, agreement)
    with node.database.reading() as session:
        assert not session.scalars(
            select(RunRefPart.part).where(RunRefPart.run_id == after[0])
        ).all()


def _row(node: Node, agreement: bytes) -> tuple[int, int, int]:
    with node.database.reading() as session:
        run = session.scalars(
            select(MatchRun).where(MatchRun.agreement == agreement, MatchRun.kind == "PROVISIONAL")
        ).one()
        return run.id, run.servicer_entries, run.run_at_ms


def test_a_quiet_turn_takes_the_last_run_over(
    pair: Pair, agreement: bytes, went_on: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next batch finds it done; where it failed all is run again, and an incident says so."""
    monkeypatch.setattr(reacting, "TAKE_OVER_AFTER_MS", 0)
    post(pair, agreement, 1)
    servicer, owner = pair.nodes
    servicer.reconciliation.provisional(agreement)
    servicer.reconciliation.react()
    going = servicer.reconciliation._going.take(agreement)
    assert going is not None
    assert (going.result, going.ongoing is None) == (None, False)
    servicer.reconciliation._going.put(agreement, going)
    with monkeypatch.context() as patch:
        patch.setattr(going_on, "Ongoing", None)
        owner.reconciliation.provisional(agreement)
        owner.reconciliation.react()
    assert owner.reconciliation._going.take(agreement) is None
    went_on.clear()
    post(pair, agreement, 2)
    assert went_on
    for node in pair.nodes:
        agrees(node, agreement)
    with owner.database.reading() as session:
        says = session.scalars(select(Incident.says).where(Incident.agreement == agreement)).all()
    assert any("take over" in item for item in says)


def test_a_run_made_by_someone_else_is_not_changed(pair: Pair, agreement: bytes) -> None:
    """Where another run took the place of the one that went on, everything is run again."""
    post(pair, agreement, 1)
    post(pair, agreement, 2)
    before = _row(pair.owner, agreement)
    pair.owner.reconciliation.provisional(agreement)
    assert _row(pair.owner, agreement) != before
    pair.owner.reconciliation._going.put(agreement, _stale(pair.owner, agreement, before))
    post(pair, agreement, 3)
    assert _row(pair.owner, agreement)[1] == 3
    agrees(pair.owner, agreement)


def _stale(node: Node, agreement: bytes, row: tuple[int, int, int]) -> Going:
    prepared, _ = node.reconciliation._prepare_now(agreement)
    return Going(row[0], row[2], prepared, whole(node, agreement))


def test_a_state_that_differs_from_the_whole_run_is_said(
    pair: Pair, agreement: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run at the closing is whole; groups that went on otherwise become an incident."""
    for number in range(3):
        post(pair, agreement, number)
    monkeypatch.setattr("reconcile.report.ongoing.Ongoing.groups", lambda _: ())
    for node in pair.nodes:
        node.posting.close_window(agreement, WINDOW)
    pair.settle()
    with pair.owner.database.reading() as session:
        says = session.scalars(select(Incident.says).where(Incident.agreement == agreement)).all()
    assert any("PROVISIONAL_DIFFERS" in item for item in says)


def test_room_is_bounded(pair: Pair, agreement: bytes) -> None:
    """Those used longest ago make room, and what is too large alone is not kept."""
    post(pair, agreement, 1)
    prepared, _ = pair.owner.reconciliation._prepare_now(agreement)
    result = whole(pair.owner, agreement)
    kept = GoingOn(limit=5)
    for number in range(3):
        kept.put(bytes([number]), Going(number, 0, prepared, result))
    assert kept.take(bytes([0])) is None
    assert kept.take(bytes([2])) is not None
    small = GoingOn(limit=1)
    small.put(b"", Going(1, 0, prepared, result))
    assert small.take(b"") is None


def test_parts_stay_few(pair: Pair, agreement: bytes) -> None:
    """What moved in many runs stands in few parts."""
    for number in range(8):
        post(pair, agreement, number)
    with pair.owner.database.reading() as session:
        parts = session.execute(select(RunRefPart.run_id, RunRefPart.part).distinct()).all()
        mine = [part for run, part in parts if run == _row(pair.owner, agreement)[0]]
    assert 0 < len(mine) <= 4
    agrees(pair.owner, agreement)
