"""What a run needs to know of a side's entries besides themselves, entry by entry as they come."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from reconcile.entries import EntryTable
from reconcile.model import Entry
from reconcile.terms import Terms


class EntrySeen(NamedTuple):
    """One entry of a valid batch; `repeat`: byte-equal to one that stands already."""

    seq: int
    window: int
    repeat: bool
    entry: Entry


class Fold:
    """Entries of one side in stream order, folded under one set of terms.

    `late`: refs first posted behind the window they fall under, or behind a watermark that covers
    them. `moved`: the windows per currency whose entries move balances. `restated`: refs that came
    again, amended or repeated. `reversed`: refs that reversal entries name.
    """

    def __init__(self, terms: Terms, until_before_ms: int | None) -> None:
        self.terms = terms
        self.entries: EntryTable = EntryTable.of([])
        self.late: set[str] = set()
        self.moved: dict[str, set[int]] = {}
        self.restated: set[str] = set()
        self.reversed: set[str] = set()
        self._mark_ms = -1 if until_before_ms is None else until_before_ms
        self._marks_taken = 0
        self._natural = _Natural(terms)

    def take(self, entries: Iterable[EntrySeen], marks: Sequence[tuple[int, int]]) -> None:
        """Fold more entries; `marks` are (seq, watermark) of all batches, those folded included."""
        taken: list[Entry] = []
        for seq, window, repeat, entry in entries:
            while self._marks_taken < len(marks) and marks[self._marks_taken][0] < seq:
                self._mark_ms = max(self._mark_ms, marks[self._marks_taken][1])
                self._marks_taken += 1
            taken.append(entry)
            if entry.moving:
                self.moved.setdefault(entry.currency, set()).add(window)
            if entry.reversal_of is not None:
                self.reversed.add(entry.reversal_of)
            if entry.version or repeat:
                self.restated.add(entry.entry_ref)
            if entry.version:
                continue
            overdue = entry.occurred_at is not None and entry.occurred_at <= self._mark_ms
            if overdue or (window and self._natural.of(entry) < window):
                self.late.add(entry.entry_ref)
        self.entries = self.entries.grown(taken)


class _Natural:
    """The windows entries fall under; those without a moment depend on three fields alone."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._known: dict[tuple[int, int | None, int | None], int] = {}

    def of(self, entry: Entry) -> int:
        """Return the window an entry falls under."""
        if entry.occurred_at is not None:
            return self._terms.window_for(entry)
        key = (entry.booking_date, entry.settlement_date, entry.session)
        window = self._known.get(key)
        if window is None:
            window = self._known[key] = self._terms.window_for(entry)
        return window
