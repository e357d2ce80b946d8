"""A provisional run that goes on: what is new is matched, classified and added up, no more.

`Ongoing` takes over what a run over everything found and then follows the same books as they grow.
Its groups, breaks, proposals, totals and identities are those of a run over all of it; only what
is digested (and a report's other parts) is left to such a run. Wherever the rules look at more
than a batch and what it reaches, it says so by giving up: decisions that took effect, an entry
that books an open amount, other terms, another window, a closing. The caller then runs it all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from reconcile.breaks.classify import Left, breaks_of
from reconcile.breaks.onesided import OneSided, said_again
from reconcile.entries import EntryTable
from reconcile.matching.booking import BOOKING_PASS
from reconcile.matching.decisions import DECISION_PASS, WRITE_OFF_PASS
from reconcile.matching.keys import group_subject
from reconcile.matching.run_input import RunInput
from reconcile.matching.standing import Change, Standing, goes_on
from reconcile.model import Break, Decision, Entry, MatchGroup, Side
from reconcile.report.figures import Figures, Moved, Went, figures_of
from reconcile.report.proof import Proof, prove
from reconcile.report.referring import Referring
from reconcile.report.run import Result
from reconcile.report.tallies import BreakTally, SideTally
from reconcile.report.totals import in_transit

OTHER_PASSES: Final = frozenset({DECISION_PASS, WRITE_OFF_PASS, BOOKING_PASS})


def may_go_on(run: RunInput, result: Result) -> bool:
    """Say whether what this run found can be taken over."""
    freed = any(
        item.applied and item.decision.verdict == "unmatch" for item in result.matched.decisions
    )
    return not freed and goes_on(run.terms.passes)


class Ongoing:
    """What a run found, and what has moved since; after a failure it is of no use any more."""

    def __init__(self, run: RunInput, result: Result) -> None:
        """Take over a run over everything, of which `may_go_on` holds."""
        matched = result.matched
        self._frame = _frame(run)
        self._carried_items = tuple(run.book(side).carried for side in Side)
        self._carried_tables = tuple(
            EntryTable.of([item.entry for item in run.book(side).carried]) for side in Side
        )
        self._transit = in_transit(run)
        self._settled = _settled(run)
        self._decided = _named_by(run)
        calendar = run.terms.common_calendar
        self._standing = Standing(
            run.terms.passes,
            calendar.ordinal,
            agreement=run.agreement,
            held=(matched.held[0] | run.held[0], matched.held[1] | run.held[1]),
            rejected=matched.rejected,
            threads=run.threads,
        )
        tables = self._tables(run)
        self._counts = [len(table) for table in tables]
        self._standing.begin(
            *tables,
            matched.groups,
            zip(matched.proposals, matched.proposal_refs, strict=True),
            settled=self._settled,
            others=OTHER_PASSES,
        )
        figures = figures_of(result)
        self._entries, self._matched = list(figures.entries), list(figures.matched)
        self._groups, self._proposals = figures.groups, figures.proposals
        self._sides = tuple(SideTally.of(run, side, matched.entries[side], result) for side in Side)
        self._residuals = {(item.subject, item.currency): item.minor for item in matched.residuals}
        self._written_off = [(item.currency, item.minor) for item in matched.written_off]
        self._breaks: dict[int, Break] = {}
        self._broken: dict[int, int] = {}
        self._bare: dict[int, Break] = {}
        self._made = 0
        self._tally = BreakTally(())
        self._take_breaks(result.breaks)
        again = said_again(run.terms, matched.open, matched.entries)
        self._said_again = {self._standing.item(side, ref) for side, ref in again}
        self._refers = Referring(run, matched, self._standing)

    def groups(self) -> Collection[MatchGroup]:
        """Return all groups that stand."""
        return self._standing.groups().values()

    # ---------------------------------------------------------------------- beginning
    def _tables(self, run: RunInput) -> tuple[EntryTable, EntryTable]:
        servicer, owner = (
            self._carried_tables[side].followed_by(EntryTable.of(run.book(side).entries))
            for side in Side
        )
        return servicer, owner

    def _take_breaks(self, breaks: Iterable[Break]) -> None:
        for item in breaks:
            number, self._made = self._made, self._made + 1
            self._tally.count(item, 1)
            if item.servicer or item.owner:
                self._breaks[number] = item
                self._broken |= dict.fromkeys(self._members(item), number)
            else:
                self._bare[number] = item

    def _members(self, item: Break | MatchGroup) -> list[int]:
        return [self._standing.item(Side.SERVICER, ref) for ref in item.servicer] + [
            self._standing.item(Side.OWNER, ref) for ref in item.owner
        ]

    # ----------------------------------------------------------------------- going on
    def go_on(self, run: RunInput) -> Moved | None:
        """Follow the same books, grown at their ends; None where all must be run again.

        Raises InputError ENTRY_CONFLICT as a run over everything does.
        """
        if self._frame != _frame(run) or any(
            run.book(side).carried is not self._carried_items[side] for side in Side
        ):
            return None
        settled = _settled(run)
        tables = self._tables(run)
        news = [tables[side].at(range(self._counts[side], len(tables[side]))) for side in Side]
        also = self._newly_settled(settled)
        if also is None or any(self._ends(side, entry) for side in Side for entry in news[side]):
            return None
        for side in Side:
            also |= self._refers.take(run, side, self._counts[side], news[side])
            also |= self._refers.passed(run, side)
        change = self._standing.add(*tables, settled=settled, also=also)
        self._counts = [len(table) for table in tables]
        self._settled = settled
        if not self._settle_groups(run, change):
            return None
        self._count_entries(change)
        return self._classify(run, change)

    def _newly_settled(self, settled: tuple[frozenset[str], frozenset[str]]) -> set[int] | None:
        """Return who reverses what earlier groups hold, of those that are named only now.

        None where that takes an entry out of the run that was in it.
        """
        also: set[int] = set()
        for side in Side:
            if not self._settled[side] <= settled[side]:
                return None
            for ref in settled[side] - self._settled[side]:
                if self._standing.place(side, ref) is not None:
                    return None
                also.update(self._refers.reversed_by(side, ref))
        if self._decided != (frozenset(), frozenset()) and settled != self._settled:
            return None
        return also

    def _ends(self, side: Side, entry: Entry) -> bool:
        """Say whether an entry concerns a decision or books an open amount."""
        if entry.entry_ref in self._decided[side]:
            return True
        return self._standing.is_aside(side, entry.entry_ref) or self._refers.books(entry)

    def _settle_groups(self, run: RunInput, change: Change) -> bool:
        """Take over groups; False where one leaves an amount that an entry has booked."""
        self._groups += len(change.formed) - len(change.dissolved)
        self._proposals += len(change.proposed) - len(change.withdrawn)
        for sign, groups in ((-1, change.dissolved), (1, change.formed)):
            for group in groups.values():
                for side in Side:
                    self._matched[side] += sign * len((group.servicer, group.owner)[side])
                if not group.residual_minor:
                    continue
                if self._refers.opens(run.agreement, group):
                    return False
                subject = group_subject(run.agreement, group.servicer, group.owner)
                key = (subject, group.currency)
                minor = self._residuals.pop(key, 0) + sign * group.residual_minor
                if minor:
                    self._residuals[key] = minor
        return True

    def _count_entries(self, change: Change) -> None:
        for sign, ids in ((-1, change.replaced), (1, change.fresh)):
            for item in ids:
                side = Side(item & 1)
                self._entries[side] += sign
                self._sides[side].count(self._standing.entry(item), sign)

    # -------------------------------------------------------------------- classifying
    def _classify(self, run: RunInput, change: Change) -> Moved:
        standing = self._standing
        for old in change.replaced & self._broken.keys():
            # A break is named by refs, to which the newest version answers.
            newest = standing.item(Side(old & 1), standing.entry(old).entry_ref)
            self._broken[newest] = self._broken.pop(old)
        opened = [standing.entries(change.looked_at, side) for side in Side]
        self._tell_twins(run, change)
        alone = OneSided(run, self._linked(opened), self._again(opened))
        proposals = {
            (side, ref): standing.proposals_of(standing.item(side, ref))
            for side in Side
            for ref in (entry.entry_ref for entry in opened[side])
        }
        found = breaks_of(
            alone, self._refers.carried, Left((opened[0], opened[1]), change.near, proposals)
        )
        before = {
            self._broken[item] for item in change.looked_at | change.touched if item in self._broken
        }
        same = {self._breaks[number]: number for number in before}
        kept = {same[item] for item in found if item in same}
        mended = before - kept
        for side in Side:
            self._refers.watch(run, side, opened[side])
        return self._replace(run, change, mended, [item for item in found if item not in same])

    def _tell_twins(self, run: RunInput, change: Change) -> None:
        """Say again which open entries say what a grouped one says: all of those share a block."""
        standing = self._standing
        stand = [item for item in change.touched if standing.stands(item)]
        entries = [EntryTable.of(standing.entries(stand, side)) for side in Side]
        is_open = [item for item in stand if standing.is_open(item)]
        opened = [standing.entries(is_open, side) for side in Side]
        self._said_again -= change.touched
        again = said_again(run.terms, opened, entries)
        self._said_again |= {self._standing.item(side, ref) for side, ref in again}

    def _linked(self, opened: Iterable[Iterable[Entry]]) -> frozenset[tuple[Side, str]]:
        return frozenset(
            (side, entry.entry_ref)
            for side, entries in zip(Side, opened, strict=True)
            for entry in entries
            if entry.reversal_of is not None
            and (
                entry.reversal_of in self._settled[side]
                or self._standing.place(side, entry.reversal_of) is not None
            )
        )

    def _again(self, opened: Iterable[Iterable[Entry]]) -> frozenset[tuple[Side, str]]:
        return frozenset(
            (side, entry.entry_ref)
            for side, entries in zip(Side, opened, strict=True)
            for entry in entries
            if self._standing.item(side, entry.entry_ref) in self._said_again
        )

    def _replace(
        self, run: RunInput, change: Change, mended: set[int], found: Iterable[Break]
    ) -> Moved:
        """Put new breaks in the place of old ones, prove, and say what moved."""
        moved: set[int] = set(change.fresh)
        for number in mended:
            gone = self._breaks.pop(number)
            self._tally.count(gone, -1)
            moved.update(self._members(gone))
        for member in moved & self._broken.keys():
            if self._broken[member] in mended:
                del self._broken[member]
        made = self._made
        self._take_breaks(found)
        proof = self._prove(run)
        mended |= self._take_bare(proof.breaks)
        broken = self._numbered(range(made, self._made))
        for item in broken.values():
            moved.update(self._members(item))
        for group in (*change.formed.values(), *change.dissolved.values()):
            moved.update(self._members(group))
        return Moved(
            formed=change.formed,
            dissolved=frozenset(change.dissolved),
            broken=broken,
            mended=frozenset(mended),
            proposed=change.proposed,
            withdrawn=change.withdrawn,
            went=self._went(moved),
            figures=self._figures(proof),
        )

    def _numbered(self, numbers: range) -> dict[int, Break]:
        found = ((number, self._breaks.get(number)) for number in numbers)
        return {number: item or self._bare[number] for number, item in found}

    def _prove(self, run: RunInput) -> Proof:
        explained = self._tally.explained(
            ((currency, minor) for (_, currency), minor in self._residuals.items()),
            self._written_off,
        )
        lines = tuple(line for side in Side for line in self._sides[side].lines(side))
        flows = (self._sides[0].flows, self._sides[1].flows)
        return prove(run, flows, explained, self._transit, lines)

    def _take_bare(self, breaks: Iterable[Break]) -> set[int]:
        """Put the breaks of failing identities in the place of those before; return these."""
        wanted = {item.key: item for item in breaks}
        gone = {number for number, item in self._bare.items() if wanted.get(item.key) != item}
        for number in gone:
            self._tally.count(self._bare.pop(number), -1)
        known = {item.key for item in self._bare.values()}
        self._take_breaks(item for item in breaks if item.key not in known)
        return gone

    def _went(self, moved: Iterable[int]) -> tuple[dict[str, Went], dict[str, Went]]:
        found: tuple[dict[str, Went], dict[str, Went]] = ({}, {})
        for item in moved:
            number = self._standing.went(item)
            ref = self._standing.entry(item).entry_ref
            found[item & 1][ref] = (number if number >= 0 else None, self._broken.get(item))
        return found

    def _figures(self, proof: Proof) -> Figures:
        return Figures(
            entries=(self._entries[0], self._entries[1]),
            matched=(self._matched[0], self._matched[1]),
            groups=self._groups,
            proposals=self._proposals,
            breaks_by_kind=dict(self._tally.kinds),
            oldest_age_days=self._tally.oldest_age_days,
            totals=proof.totals,
            identities=proof.identities,
            complete=proof.complete,
            balance_proven=proof.balance_proven,
        )


def _frame(run: RunInput) -> tuple[object, ...]:
    """Return what a batch does not change; carried items are compared by identity."""
    return (
        (run.agreement, run.kind, run.window, run.previous_window, run.terms),
        (run.residuals, run.written_off, run.held, run.rejected, run.last_decisions),
        tuple((run.book(side).decisions, run.book(side).closed_through) for side in Side),
    )


def _settled(run: RunInput) -> tuple[frozenset[str], frozenset[str]]:
    """Return by side the refs that earlier agreed groups hold, as far as this run names them."""
    servicer, owner = (
        run.settled[side].union(*(agreed.refs[side] for agreed in run.agreed_groups))
        for side in Side
    )
    return servicer, owner


def _named_by(run: RunInput) -> tuple[frozenset[str], frozenset[str]]:
    """Return by side the refs that decisions of this run name, shared by both sides or not."""
    decisions: list[Decision] = [*run.servicer.decisions, *run.owner.decisions]
    return (
        frozenset(ref for item in decisions for ref in item.servicer),
        frozenset(ref for item in decisions for ref in item.owner),
    )
