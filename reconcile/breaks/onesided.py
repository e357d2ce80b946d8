"""One-sided breaks: the first kind that holds, and the marks that stand beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from reconcile.breaks.differences import UNDECIDED
from reconcile.entries import EntryTable, places_where
from reconcile.matching.run_input import Matched, RunInput
from reconcile.matching.table import key_columns, moving_column, signed_column
from reconcile.model import BreakKind, Entry, EntryStatus, Side, window_day
from reconcile.sides import of_both
from reconcile.terms import KeyPair, Terms

MS_PER_SECOND = 1_000


Named = frozenset[tuple[Side, str]]


@dataclass(frozen=True)
class OneSided:
    """What is known of a run when an entry stands alone.

    `linked`: by side the refs of reversals and returns whose original is known. `said_again`: those
    of open entries that say what an entry in a group of this run says.
    """

    run: RunInput
    linked: Named
    said_again: Named

    def kind(self, side: Side, entry: Entry) -> BreakKind | None:
        """Return the kind of an entry without counterpart, None for a VOID one."""
        if entry.status is EntryStatus.VOID:
            return None
        if entry.status in UNDECIDED:
            return BreakKind.TIMEOUT
        reverses = entry.is_reversal or entry.reversal_of is not None
        if reverses and (side, entry.entry_ref) not in self.linked:
            return BreakKind.REVERSAL_ORPHAN
        if entry.status is EntryStatus.RETURNED:
            return BreakKind.RETURN
        if (side, entry.entry_ref) in self.said_again:
            return BreakKind.DUPLICATE
        if self.age_days(side, entry) <= self.run.terms.grace_days:
            return BreakKind.TIMING
        return (
            BreakKind.MISSING_AT_OWNER if side is Side.SERVICER else BreakKind.MISSING_AT_SERVICER
        )

    def age_days(self, side: Side, entry: Entry) -> int:
        """Return business days, of the side where it is missing, from booking to this window."""
        calendar = self.run.terms.calendar(side.other)
        today = calendar.ordinal(window_day(self.run.window))
        return max(today - calendar.ordinal(entry.booking_date), 0)

    def not_there(self, side: Side, entry: Entry) -> bool:
        """Say whether the other side has spoken past this entry without having it."""
        terms, other = self.run.terms, self.run.book(side.other)
        if entry.occurred_at is not None and other.watermark_ms is not None:
            allowance_ms = terms.timeout_allowance_s * MS_PER_SECOND
            if other.watermark_ms > entry.occurred_at + allowance_ms:
                return True
        if other.closed_through is None:
            return False
        last_day = terms.calendar(side.other).add(entry.booking_date, terms.grace_days)
        return last_day <= other.closed_through


def linked_of(matched: Matched) -> Named:
    """Return the reversals and returns whose original matching found."""
    return frozenset((link.side, link.entry_ref) for link in matched.links)


def said_again(
    terms: Terms, opened: Sequence[Sequence[Entry]], entries: Sequence[EntryTable]
) -> Named:
    """Return the open entries whose key and signed amount an entry in a group of theirs has.

    `opened`, `entries`: by side those that are open, and all of them. Only grouped entries of an
    open one's amount and then key are looked at, by columns.
    """
    keys = tuple(
        rule.keys
        for rule in terms.passes
        if rule.confirm == "always" and rule.keys and "1:1" in rule.shape
    )
    twins = of_both(
        lambda side: list(_twins(keys, side, opened[side], entries[side])),
        sum(map(len, entries)),
    )
    return frozenset((side, ref) for side in Side for ref in twins[side])


def _twins(
    keys: Sequence[tuple[KeyPair, ...]], side: Side, opened: Sequence[Entry], entries: EntryTable
) -> Iterator[str]:
    mine = EntryTable.of([entry for entry in opened if entry.moving])
    theirs = _grouped_alike(opened, entries, mine) if len(mine) else mine
    if not len(theirs):
        return
    names = {pairs: str(number) for number, pairs in enumerate(keys)}
    asked, held = (key_columns(table, side, names) for table in (mine, theirs))
    for name in names.values():
        same = pc.is_in(held[name], value_set=asked[name], skip_nulls=True)
        places = places_where(same)
        prints = set(_prints(theirs.take(places), held[name].take(places)))
        refs = mine.column("entry_ref").to_pylist()
        for ref, print_ in zip(refs, _prints(mine, asked[name]), strict=True):
            if print_ in prints:
                yield ref


def _grouped_alike(opened: Sequence[Entry], entries: EntryTable, mine: EntryTable) -> EntryTable:
    """Return the entries in groups that have the amount of an open one."""
    same = pc.is_in(signed_column(entries), value_set=signed_column(mine))
    alike = entries.take(places_where(pc.and_(same, moving_column(entries))))
    refs = pa.array([entry.entry_ref for entry in opened], pa.string())
    # Of few entries the refs are looked at: those of all would be most of the work.
    grouped = pc.invert(pc.is_in(alike.column("entry_ref"), value_set=refs))
    return alike.take(places_where(grouped))


def _prints(entries: EntryTable, keys: pa.Array) -> Iterator[tuple[str | None, str, int]]:
    """Return each entry's key with its currency and signed amount."""
    columns = (keys, entries.column("currency"), signed_column(entries))
    return zip(*(column.to_pylist() for column in columns), strict=True)
