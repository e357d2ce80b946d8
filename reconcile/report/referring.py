"""What entries refer to beyond their blocks, so that a later one is known to concern them.

A reversal names its original; entries that an earlier break held together share its key; an entry's
day of grace ends when the other side's watermark passes it; a group_ref may name an open amount.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from reconcile.breaks.keys import carried_keys
from reconcile.breaks.onesided import MS_PER_SECOND
from reconcile.entries import EntryTable, places_where
from reconcile.matching.keys import break_key, group_subject
from reconcile.matching.run_input import Matched, RunInput
from reconcile.matching.standing import Standing
from reconcile.model import Entry, MatchGroup, Side

# A group_ref of so many characters may be a subject in hex.
SUBJECT_LENGTH: Final = 64


class Referring:
    """What the entries of a run refer to; ids are those of `Standing`."""

    def __init__(self, run: RunInput, matched: Matched, standing: Standing) -> None:
        """Take over what a run over everything read."""
        self.carried = carried_keys(run)
        self._standing = standing
        self._reversing: dict[tuple[Side, str], list[int]] = {}
        self._families: dict[bytes, set[int]] = {key: set() for _, key in self.carried.values()}
        self._subjects = {item.subject.hex() for item in run.residuals}
        self._subjects |= {item.subject.hex() for item in (*run.written_off, *matched.written_off)}
        self._subjects |= {
            _subject(run.agreement, group) for group in matched.groups.open_residuals()
        }
        self._named = {ref for side in Side for ref in _subject_like(matched.entries[side])}
        self._timed: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])
        self._watched: set[int] = set()
        for side in Side:
            self._read(run, side, matched.entries[side])
            self.watch(run, side, matched.open[side])

    def _read(self, run: RunInput, side: Side, entries: EntryTable) -> None:
        reversing = places_where(pc.is_valid(entries.column("reversal_of"))).to_pylist()
        for entry in entries.at(reversing):
            item = self._standing.item(side, entry.entry_ref)
            self._reverses(side, entry, item)
        for ref in entries.refs_from(0) if self._families else ():
            self._join(run, side, ref, self._standing.item(side, ref))

    def _reverses(self, side: Side, entry: Entry, item: int) -> None:
        if entry.reversal_of is not None:
            self._reversing.setdefault((side, entry.reversal_of), []).append(item)

    def _join(self, run: RunInput, side: Side, ref: str, item: int) -> None:
        """Let entries whose break keys may hang together be looked at together."""
        keys = {break_key(run.agreement, side, ref)} & self._families.keys()
        if (side, ref) in self.carried:
            keys.add(self.carried[side, ref][1])
        for key in keys:
            self._standing.tie(item, self._families[key])

    def take(self, run: RunInput, side: Side, first: int, news: Iterable[Entry]) -> set[int]:
        """Take note of what new entries refer to; return who refers to them.

        `first`: the place of the first.
        """
        referring: set[int] = set()
        for place, entry in enumerate(news, first):
            referring.update(self.reversed_by(side, entry.entry_ref))
            self._reverses(side, entry, 2 * place + side)
            if entry.group_ref is not None and len(entry.group_ref) == SUBJECT_LENGTH:
                self._named.add(entry.group_ref.lower())
            if self._families:
                self._join(run, side, entry.entry_ref, 2 * place + side)
        return referring

    def reversed_by(self, side: Side, ref: str) -> Iterable[int]:
        """Return the reversals and returns that name an entry."""
        return self._reversing.get((side, ref), ())

    # ------------------------------------------------------------------- open amounts
    def books(self, entry: Entry) -> bool:
        """Say whether an entry's group_ref names an open amount."""
        return entry.group_ref is not None and entry.group_ref.lower() in self._subjects

    def opens(self, agreement: bytes, group: MatchGroup) -> bool:
        """Take note of a group's open amount; say whether an entry names it already."""
        subject = _subject(agreement, group)
        self._subjects.add(subject)
        return subject in self._named

    # --------------------------------------------------------------------- watermarks
    def watch(self, run: RunInput, side: Side, opened: Iterable[Entry]) -> None:
        """Note when the other side's watermark will have passed these open entries."""
        mark = run.book(side.other).watermark_ms
        allowance_ms = run.terms.timeout_allowance_s * MS_PER_SECOND
        for entry in opened:
            if entry.occurred_at is None:
                continue
            passed_ms = entry.occurred_at + allowance_ms
            item = self._standing.item(side, entry.entry_ref)
            if item not in self._watched and (mark is None or mark <= passed_ms):
                self._watched.add(item)
                heappush(self._timed[side], (passed_ms, item))

    def passed(self, run: RunInput, side: Side) -> set[int]:
        """Return the open entries that the other side's watermark has passed since."""
        mark, timed = run.book(side.other).watermark_ms, self._timed[side]
        passed: set[int] = set()
        while mark is not None and timed and timed[0][0] < mark:
            _, item = heappop(timed)
            self._watched.discard(item)
            if self._standing.is_open(item):
                passed.add(item)
        return passed


def _subject(agreement: bytes, group: MatchGroup) -> str:
    return group_subject(agreement, group.servicer, group.owner).hex()


def _subject_like(entries: EntryTable) -> list[str]:
    """Return the group_refs that may be the subject of an open amount."""
    refs = entries.column("group_ref")
    length = pa.scalar(SUBJECT_LENGTH, pa.int32())
    found = refs.filter(pc.equal(pc.utf8_length(refs), length)).to_pylist()
    return [ref.lower() for ref in found]
