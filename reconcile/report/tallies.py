"""What a run adds up, kept so that one entry, group or break more or less changes it alone."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable

import pyarrow.compute as pc

from reconcile.entries import EntryTable, places_where
from reconcile.matching.run_input import RunInput
from reconcile.model import Break, Direction, Entry, Side
from reconcile.report.run import Result
from reconcile.report.settlement import SETTLEMENT, settlement_lines
from reconcile.report.totals import BALANCE_KINDS, Explained, Flow, Identity, fresh_rows

Named = tuple[str | None, str]
"""A group_ref and a currency."""


class SideTally:
    """One side's turnover, and what its settlement entries should pay out.

    Only entries that move the balance for the first time count: not those whose ref is in `before`.
    """

    def __init__(self, before: set[str], flows: dict[str, Flow]) -> None:
        """Take the turnover so far."""
        self.flows = flows
        self._before = before
        self._settled: dict[str, Entry] = {}
        self._parts: dict[Named, list[int]] = defaultdict(lambda: [0, 0])

    @staticmethod
    def of(run: RunInput, side: Side, entries: EntryTable, result: Result) -> SideTally:
        """Return what a run added up for a side; `entries`: each ref once."""
        before = set(run.settled[side])
        before.update(ref for agreed in run.agreed_groups for ref in agreed.refs[side])
        before.update(item.entry.entry_ref for item in run.book(side).carried if item.entry.moving)
        flows = {
            row.currency: dataclasses.replace(row.flows[side])
            for row in result.totals
            if row.flows[side].count
        }
        tally = SideTally(before, flows)
        fresh = pc.and_(fresh_rows(run, side, entries), pc.is_valid(entries.column("group_ref")))
        for entry in entries.at(places_where(fresh).to_pylist()):
            tally._settle(entry, 1)
        return tally

    def count(self, entry: Entry, sign: int) -> None:
        """Take an entry in (+1) or out (-1)."""
        if not entry.moving or entry.entry_ref in self._before:
            return
        flow = self.flows.setdefault(entry.currency, Flow())
        minor, outward = sign * entry.amount_minor, entry.direction is Direction.OUT
        flow.count += sign
        flow.out_minor += minor if outward else 0
        flow.in_minor += 0 if outward else minor
        if entry.is_reversal:
            flow.reversed_out_minor += minor if outward else 0
            flow.reversed_in_minor += 0 if outward else minor
        if not flow.count:
            del self.flows[entry.currency]
        if entry.group_ref is not None:
            self._settle(entry, sign)

    def _settle(self, entry: Entry, sign: int) -> None:
        if entry.kind == SETTLEMENT:
            if sign > 0:
                self._settled[entry.entry_ref] = entry
            else:
                del self._settled[entry.entry_ref]
            return
        part = self._parts[entry.group_ref, entry.currency]
        part[0] += sign
        part[1] += sign * (entry.signed_minor - (entry.fee_minor or 0))
        if not part[0]:
            del self._parts[entry.group_ref, entry.currency]

    def lines(self, side: Side) -> list[Identity]:
        """Return the lines of its settlement entries."""
        named = {(entry.group_ref, entry.currency) for entry in self._settled.values()}
        parts = {name: self._parts[name][1] for name in named & self._parts.keys()}
        return settlement_lines(side, list(self._settled.values()), parts)


class BreakTally:
    """The breaks of entries, counted by kind and age and added up by currency."""

    def __init__(self, breaks: Iterable[Break]) -> None:
        """Count these."""
        self.kinds: Counter[str] = Counter()
        self._ages: Counter[int] = Counter()
        self._sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for item in breaks:
            self.count(item, 1)

    def count(self, item: Break, sign: int) -> None:
        """Take a break in (+1) or out (-1)."""
        self.kinds[str(item.kind)] += sign
        self._ages[item.age_days] += sign
        if not self.kinds[str(item.kind)]:
            del self.kinds[str(item.kind)]
        if not self._ages[item.age_days]:
            del self._ages[item.age_days]
        for currency, minor in () if item.kind in BALANCE_KINDS else item.signed:
            found = self._sums[currency]
            found[0] += sign
            found[1] += sign * minor
            if not found[0]:
                del self._sums[currency]

    @property
    def oldest_age_days(self) -> int:
        """Return the age of the oldest, 0 without any."""
        return max(self._ages, default=0)

    def explained(
        self, residuals: Iterable[tuple[str, int]], off: Iterable[tuple[str, int]]
    ) -> Explained:
        """Return what explains the difference of the closings (`explained_by`)."""
        found = Explained()
        found.breaks.update({code: minor for code, (_, minor) in self._sums.items()})
        for currency, minor in residuals:
            found.residuals[currency] += minor
        for currency, minor in off:
            found.written_off[currency] += minor
        return found
