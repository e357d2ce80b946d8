from __future__ import annotations

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from report_books import AGREEMENT, DAY, IN, OUT, line, run_of, stated

from reconcile.entries import EntryTable
from reconcile.matching import RunInput
from reconcile.matching.keys import break_key, group_subject
from reconcile.model import (
    Break,
    CarriedItem,
    Decision,
    Entry,
    EntryStatus,
    MatchGroup,
    OpenResidual,
    Proposal,
    Side,
    SideBook,
)
from reconcile.report import Result, reconcile
from reconcile.report.figures import Moved, Went, figures_of
from reconcile.report.ongoing import Ongoing, may_go_on
from reconcile.terms import Terms, default_terms, parse_terms, terms_json

EXAMPLES = 15
MANY = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
REFS = [f"R{number}" for number in range(10)]
SUBJECT = bytes(range(32))


class Kept:
    """What a run took over and what moved since, held against a run over everything."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.ongoing: Ongoing | None = None
        self.groups: dict[int, MatchGroup] = {}
        self.breaks: dict[int, Break] = {}
        self.proposals: dict[bytes, Proposal] = {}
        self.went: tuple[dict[str, Went], dict[str, Went]] = ({}, {})
        self.went_on = 0

    def take(self, run: RunInput) -> Moved | None:
        """Go on with a run, or run it whole; either way hold it against a whole run."""
        whole = reconcile(run)
        moved = None if self.ongoing is None else self.ongoing.go_on(run)
        if moved is None:
            self._begin(run, whole)
        else:
            self.went_on += 1
            self._move(moved)
            assert moved.figures == figures_of(whole)
        self._agrees(whole)
        return moved

    def _begin(self, run: RunInput, whole: Result) -> None:
        self.ongoing = Ongoing(run, whole) if may_go_on(run, whole) else None
        self.groups = dict(enumerate(whole.groups))
        self.breaks = dict(enumerate(whole.breaks))
        self.proposals = {item.key: item for item in whole.proposals}
        self.went = ({}, {})
        for side in Side:
            for number, item in self.breaks.items():
                for ref in (item.servicer, item.owner)[side]:
                    self.went[side][ref] = (None, number)
            for number, group in self.groups.items():
                for ref in (group.servicer, group.owner)[side]:
                    self.went[side][ref] = (number, None)

    def _move(self, moved: Moved) -> None:
        for numbers, held in ((moved.dissolved, self.groups), (moved.mended, self.breaks)):
            for number in numbers:
                del held[number]
        for key in moved.withdrawn:
            del self.proposals[key]
        assert self.groups.keys().isdisjoint(moved.formed)
        assert self.breaks.keys().isdisjoint(moved.broken)
        self.groups |= moved.formed
        self.breaks |= moved.broken
        self.proposals |= moved.proposed
        for side in Side:
            self.went[side].update(moved.went[side])

    def _agrees(self, whole: Result) -> None:
        assert sorted(self.groups.values(), key=repr) == sorted(whole.groups, key=repr)
        assert sorted(self.breaks.values(), key=repr) == sorted(whole.breaks, key=repr)
        assert self.proposals == {item.key: item for item in whole.proposals}
        for side in Side:
            found = {}
            for ref, (group, broken) in self.went[side].items():
                if group is not None:
                    found[ref] = repr(self.groups[group])
                elif broken is not None:
                    found[ref] = repr(self.breaks[broken])
            wanted = {
                ref: repr(item)
                for item in (*whole.breaks, *whole.groups)
                for ref in (item.servicer, item.owner)[side]
            }
            assert found == wanted


@st.composite
def lines(draw: st.DrawFn, ref: str) -> Entry:
    """Return an entry among few keys, amounts and days; some reverse, settle or name a group."""
    status = draw(st.sampled_from([EntryStatus.BOOKED] * 6 + list(EntryStatus)))
    carrier = draw(st.sampled_from([None, "E2E-1", "E2E-2", "E2E-3"]))
    order = draw(st.sampled_from([None, None, "ORDER-1", "ORDER-2"]))
    references = ((1, carrier),) if carrier else ()
    return line(
        ref,
        draw(st.sampled_from([IN, IN, OUT])),
        draw(st.sampled_from([100, 100, 101, 250])),
        status=status,
        references=references + (((8, order),) if order else ()),
        currency=draw(st.sampled_from(["CNY", "CNY", "CNY", "USD"])),
        booking_date=DAY - draw(st.integers(0, 4)),
        counterparty_name=draw(st.sampled_from([None, "Alpha", "Beta"])),
        counterparty_account=draw(st.sampled_from([None, "6222000001", "6222000002"])),
        kind=draw(st.sampled_from([None, None, None, "SETTLEMENT"])),
        group_ref=draw(st.sampled_from([None, None, None, "GROUP-1", SUBJECT.hex()])),
        reversal_of=draw(st.sampled_from([None] * 6 + REFS[:3])),
        is_reversal=draw(st.sampled_from([False] * 5 + [True])),
        fee_minor=draw(st.sampled_from([None, None, 1])),
        occurred_at=draw(st.sampled_from([None, None, 1_000, 900_000])),
    )


@st.composite
def streams(draw: st.DrawFn) -> list[list[Entry]]:
    """Return one side's batches; entries come again as they were, or amended."""
    cut: list[list[Entry]] = [[] for _ in range(4)]
    for ref in REFS[: draw(st.integers(0, 9))]:
        item = draw(lines(ref))
        at = draw(st.integers(0, 3))
        cut[at].append(item)
        later = draw(st.integers(at, 3))
        again = draw(st.sampled_from(["never", "never", "same", "amended"]))
        if again == "same":
            cut[later].append(item)
        elif again == "amended":
            other = draw(lines(ref))
            cut[later].append(msgspec.structs.replace(other, version=1))
    return cut


@st.composite
def carried(draw: st.DrawFn, side: Side) -> tuple[CarriedItem, ...]:
    """Return what an earlier report left open: alone, or under a key that two entries share."""
    items = []
    for number in range(draw(st.integers(0, 3))):
        ref = draw(st.sampled_from([f"C{number}", f"C{number}", REFS[number]]))
        named = draw(st.sampled_from([(side, ref), (Side.SERVICER, "C0"), (Side.OWNER, "R1")]))
        key = break_key(AGREEMENT, *named)
        items.append(CarriedItem(draw(lines(ref)), key, (), draw(st.integers(1, 2))))
    return tuple({item.entry.entry_ref: item for item in items}.values())


@st.composite
def decisions(draw: st.DrawFn) -> tuple[Decision, ...]:
    """Return at most one decision on early refs."""
    if draw(st.integers(0, 3)):
        return ()
    servicer, owner = (draw(st.sampled_from([("R0",), ("R1",), ("R0", "R2")])) for _ in Side)
    verdict = draw(st.sampled_from(["confirm", "reject", "unmatch"]))
    subject = group_subject(AGREEMENT, servicer, owner)
    return (Decision(subject, bytes(32), verdict, servicer, owner, "p"),)


@st.composite
def terms_drawn(draw: st.DrawFn) -> Terms:
    """Return the default terms, some with a fee, some with other passes."""
    body = terms_json(default_terms(["CNY", "USD"]))
    chosen = draw(st.sampled_from(["all", "all", "few", "fee"]))
    if chosen == "few":
        body["passes"] = [body["passes"][0], body["passes"][-1]]
    if chosen == "fee":
        body["passes"][0]["fee"] = {"rate_ppm": "0", "fixed_minor": "1", "rounding": "floor"}
    return parse_terms(body)


@MANY
@given(st.data())
def test_what_goes_on_is_what_a_whole_run_finds(data: st.DataObject) -> None:
    """Batch after batch: groups, breaks, proposals, totals, identities and figures agree."""
    terms = data.draw(terms_drawn())
    cut = [data.draw(streams()) for _ in Side]
    held = data.draw(st.sampled_from([frozenset[str](), frozenset({"C0"})]))
    rejected = data.draw(
        st.sampled_from([frozenset(), frozenset({(frozenset({"R0"}), frozenset({"R1"}))})])
    )
    before = [data.draw(carried(side)) for side in Side]
    residuals = data.draw(st.sampled_from([(), (OpenResidual(SUBJECT, "CNY", 5),)]))
    decided = data.draw(decisions())
    decided_at = data.draw(st.integers(0, 4))
    marks = [sorted(data.draw(st.tuples(*[st.integers(0, 2_000_000)] * 4))) for _ in Side]
    closed_at = data.draw(st.integers(0, 4))
    seen: tuple[list[Entry], list[Entry]] = ([], [])
    kept = Kept()
    for turn in range(4):
        books = []
        for side in Side:
            # What is carried comes again as an amendment.
            again = {item.entry.entry_ref for item in before[side]}
            seen[side].extend(
                msgspec.structs.replace(item, version=item.version + (item.entry_ref in again))
                for item in cut[side][turn]
            )
            books.append(
                SideBook(
                    EntryTable.of(list(seen[side])),
                    opening=stated(CNY=turn),
                    carried=before[side],
                    decisions=decided if turn >= decided_at else (),
                    late_refs=frozenset(item.entry_ref for item in seen[side][:3]),
                    watermark_ms=marks[side][turn],
                    closed_through=DAY if turn >= closed_at and side else None,
                )
            )
        run = run_of(
            books[0],
            books[1],
            terms=terms,
            residuals=residuals,
            rejected=rejected,
            held=(held, frozenset()),
        )
        kept.take(run)
