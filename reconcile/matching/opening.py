"""What is open when a run begins: the highest version of every entry that no group holds.

The entries of earlier agreed groups are settled: an amendment of one changes no group and is
listed. A byte-equal repeat counts once and is listed. Mostly no ref stands twice; only those that
do are looked at one by one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from reconcile.entries import EntryTable, places_where
from reconcile.matching.first import unsettled
from reconcile.matching.groups import ascending
from reconcile.matching.run_input import Listed, RunInput
from reconcile.matching.store import FEW_ROWS, count_different
from reconcile.model import Entry, InputError, Side, Where

AMENDMENT = "amendment"
REPEAT = "repeat"


@dataclass
class OpenSide:
    """One side's entries, each ref once; decisions and bookings take from it and give back.

    `taken`: the places that something other than a pass settles. `look_up` finds refs before any
    other method names them.
    """

    side: Side
    table: EntryTable
    held: set[str]
    listed: list[Listed] = field(default_factory=list)
    taken: set[int] = field(default_factory=set)
    _places: dict[str, int | None] = field(default_factory=dict)

    def look_up(self, refs: Iterable[str]) -> None:
        """Find the places of these refs, all at once."""
        new = {ref for ref in refs if ref not in self._places}
        if new:
            self._places |= dict.fromkeys(new) | self.table.places_of(new)

    def has_all(self, refs: tuple[str, ...]) -> bool:
        """Say whether all these refs are open."""
        places = [self._places[ref] for ref in refs]
        return None not in places and self.taken.isdisjoint(places)

    def entry(self, ref: str) -> Entry:
        """Return the entry of a ref, open or taken."""
        place = self._places[ref]
        assert place is not None, "has_all was asked first"
        return self.table[place]

    def take(self, refs: tuple[str, ...]) -> tuple[Entry, ...]:
        """Take entries out: something other than a pass settles them."""
        entries = tuple(map(self.entry, refs))
        self.held.difference_update(refs)
        self.taken.update(place for ref in refs if (place := self._places[ref]) is not None)
        return entries

    def give_back(self, entries: tuple[Entry, ...]) -> None:
        """Open entries again and hold them: only a decision groups them."""
        for entry in entries:
            place = self._places.get(entry.entry_ref)
            if place is None:
                place = self._places[entry.entry_ref] = len(self.table)
                self.table = self.table.followed_by((entry,))
            self.taken.discard(place)
            self.held.add(entry.entry_ref)

    def open_places(self) -> pa.Array:
        """Return the places of the entries that are open."""
        return unsettled(len(self.table), pa.array(sorted(self.taken), pa.int64()))


def total_order(entry: Entry) -> tuple[int, int, str]:
    """Return the order of rule 2 on one side; Python orders text as UTF-8 bytes do."""
    return (entry.booking_date, entry.occurred_at or 0, entry.entry_ref)


def open_side(run: RunInput, side: Side) -> OpenSide:
    """Return what a side brings: carried items, amended where they were, and new entries.

    Raises InputError ENTRY_CONFLICT where one ref and version stands for two contents.
    """
    book = run.book(side)
    carried = EntryTable.of([item.entry for item in book.carried])
    table = carried.followed_by(book.entries)
    dropped: list[int] = []
    listed: list[Listed] = []
    if not _all_different(table.column("entry_ref"), run.threads):
        dropped, listed = _older(table, side)
    settled = set(run.settled[side])
    for agreed in run.agreed_groups:
        settled.update(agreed.refs[side])
    if settled:
        amended = _amended(table, settled, set(dropped))
        listed += [Listed(side, ref, table[at].version, AMENDMENT) for ref, at in amended.items()]
        dropped += amended.values()
    if dropped:
        table = table.take(unsettled(len(table), pa.array(dropped, pa.int64())))
    listed.sort(key=lambda item: (item.entry_ref, item.version, item.why))
    held = set(table.places_of(run.held[side])) if run.held[side] else set()
    return OpenSide(side, table, held, listed)


def _all_different(refs: pa.Array, threads: int | None) -> bool:
    if ascending(refs):
        return True
    if len(refs) < FEW_ROWS:
        return bool(pc.count_distinct(refs).as_py() == len(refs))
    return count_different(refs, threads) == len(refs)


def _older(table: EntryTable, side: Side) -> tuple[list[int], list[Listed]]:
    """Return the places of lower versions and repeats, and what is listed of them."""
    refs = table.column("entry_ref")
    counts = pc.value_counts(refs)
    several = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    places = places_where(pc.is_in(refs, value_set=several)).to_pylist()
    newest: dict[str, tuple[int, Entry]] = {}
    dropped: list[int] = []
    listed: list[Listed] = []
    for place, entry in zip(places, table.at(places), strict=True):
        at, known = newest.get(entry.entry_ref, (place, entry))
        if at == place:
            newest[entry.entry_ref] = (place, entry)
        elif entry.version > known.version:
            newest[entry.entry_ref] = (place, entry)
            dropped.append(at)
        else:
            dropped.append(place)
            if entry.version == known.version:
                if entry != known:
                    raise conflict(side, entry)
                listed.append(Listed(side, entry.entry_ref, entry.version, REPEAT))
    return dropped, listed


def _amended(table: EntryTable, settled: set[str], dropped: set[int]) -> dict[str, int]:
    """Return the refs and places of what earlier groups hold already."""
    refs = table.column("entry_ref")
    found = places_where(pc.is_in(refs, value_set=pa.array(sorted(settled), pa.string())))
    places = [place for place in found.to_pylist() if place not in dropped]
    return {refs[place].as_py(): place for place in places}


def conflict(side: Side, entry: Entry) -> InputError:
    """Return the refusal of one ref and version with two contents."""
    return InputError(
        "ENTRY_CONFLICT",
        f"{side.word} entry {entry.entry_ref!r} version {entry.version} stands twice with "
        "different content",
        where=Where(field="entry_ref"),
        help="an amendment needs the next version; a different entry needs its own entry_ref",
    )
