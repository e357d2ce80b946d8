"""One-sided breaks: the first kind that holds, and the marks that stand beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from reconcile.breaks.differences import UNDECIDED
from reconcile.entries import EntryTable, places_where
from reconcile.matching.run_input import Matched, RunInput
from reconcile.matching.table import key_columns, moving_column, signed_column
from reconcile.model import BreakKind, Entry, EntryStatus, Side, window_day
from reconcile.terms import KeyPair

MS_PER_SECOND = 1_000


@dataclass
class OneSided:
    """What is known of a run when an entry stands alone."""

    run: RunInput
    matched: Matched
    _keys: tuple[tuple[KeyPair, ...], ...] = field(init=False)
    _originals: frozenset[tuple[Side, str]] = field(init=False)
    _duplicates: frozenset[tuple[Side, str]] = field(init=False)

    def __post_init__(self) -> None:
        """Index the originals of reversals, and who says again what a group holds."""
        self._keys = tuple(
            rule.keys
            for rule in self.run.terms.passes
            if rule.confirm == "always" and rule.keys and "1:1" in rule.shape
        )
        self._originals = frozenset((link.side, link.entry_ref) for link in self.matched.links)
        self._duplicates = frozenset(
            (side, ref) for side in Side for ref in self._duplicates_of(side)
        )

    def kind(self, side: Side, entry: Entry) -> BreakKind | None:
        """Return the kind of an entry without counterpart, None for a VOID one."""
        if entry.status is EntryStatus.VOID:
            return None
        if entry.status in UNDECIDED:
            return BreakKind.TIMEOUT
        reverses = entry.is_reversal or entry.reversal_of is not None
        if reverses and (side, entry.entry_ref) not in self._originals:
            return BreakKind.REVERSAL_ORPHAN
        if entry.status is EntryStatus.RETURNED:
            return BreakKind.RETURN
        if (side, entry.entry_ref) in self._duplicates:
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

    def _duplicates_of(self, side: Side) -> Iterator[str]:
        """Return the open entries whose key and signed amount an entry in a group of theirs has.

        Only grouped entries of an open one's amount and then key are looked at, by columns.
        """
        mine = EntryTable.of([entry for entry in self.matched.open[side] if entry.moving])
        theirs = self._grouped_alike(side, mine) if len(mine) else mine
        if not len(theirs):
            return
        names = {keys: str(number) for number, keys in enumerate(self._keys)}
        asked, held = (key_columns(entries, side, names) for entries in (mine, theirs))
        for name in names.values():
            same = pc.is_in(held[name], value_set=asked[name], skip_nulls=True)
            places = places_where(same)
            prints = set(_prints(theirs.take(places), held[name].take(places)))
            refs = mine.column("entry_ref").to_pylist()
            for ref, print_ in zip(refs, _prints(mine, asked[name]), strict=True):
                if print_ in prints:
                    yield ref

    def _grouped_alike(self, side: Side, mine: EntryTable) -> EntryTable:
        """Return a side's entries in groups that have the amount of an open one."""
        entries = self.matched.entries[side]
        same = pc.is_in(signed_column(entries), value_set=signed_column(mine))
        opened = pa.array([entry.entry_ref for entry in self.matched.open[side]], pa.string())
        grouped = pc.invert(pc.is_in(entries.column("entry_ref"), value_set=opened))
        alike = pc.and_(pc.and_(same, moving_column(entries)), grouped)
        return entries.take(places_where(alike))


def _prints(entries: EntryTable, keys: pa.Array) -> Iterator[tuple[str | None, str, int]]:
    """Return each entry's key with its currency and signed amount."""
    columns = (keys, entries.column("currency"), signed_column(entries))
    return zip(*(column.to_pylist() for column in columns), strict=True)
