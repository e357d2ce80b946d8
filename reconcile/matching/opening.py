"""What is open when a run begins: the highest version of every entry that no group holds.

The entries of earlier agreed groups are settled: an amendment of one changes no group and is
listed. A byte-equal repeat counts once and is listed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from reconcile.matching.run_input import Listed, RunInput
from reconcile.model import Entry, InputError, Side, Where

AMENDMENT = "amendment"
REPEAT = "repeat"


@dataclass
class OpenSide:
    """One side's open entries by ref; decisions and bookings take from it and give back.

    `all_entries`: those of this run, open or taken.
    """

    side: Side
    entries: dict[str, Entry]
    held: set[str]
    listed: list[Listed] = field(default_factory=list)
    all_entries: dict[str, Entry] = field(init=False)

    def __post_init__(self) -> None:
        """Remember all of them."""
        self.all_entries = dict(self.entries)

    def has_all(self, refs: tuple[str, ...]) -> bool:
        """Say whether all these refs are open."""
        return all(ref in self.entries for ref in refs)

    def take(self, refs: tuple[str, ...]) -> tuple[Entry, ...]:
        """Take entries out: something other than a pass settles them."""
        self.held.difference_update(refs)
        return tuple(self.entries.pop(ref) for ref in refs)

    def give_back(self, entries: tuple[Entry, ...]) -> None:
        """Open entries again and hold them: only a decision groups them."""
        for entry in entries:
            self.entries[entry.entry_ref] = entry
            self.all_entries[entry.entry_ref] = entry
            self.held.add(entry.entry_ref)


def total_order(entry: Entry) -> tuple[int, int, str]:
    """Return the order of rule 2 on one side; Python orders text as UTF-8 bytes do."""
    return (entry.booking_date, entry.occurred_at or 0, entry.entry_ref)


def open_side(run: RunInput, side: Side) -> OpenSide:
    """Return what a side brings: carried items, amended where they were, and new entries.

    Raises InputError ENTRY_CONFLICT where one ref and version stands for two contents.
    """
    book = run.book(side)
    settled = set(run.settled[side])
    for agreed in run.agreed_groups:
        settled.update(agreed.refs[side])
    current = {item.entry.entry_ref: item.entry for item in book.carried}
    listed: list[Listed] = []
    new: tuple[Entry, ...] = book.entries
    if not current:
        # Mostly no ref stands twice: then this is all there is to look at.
        current = {entry.entry_ref: entry for entry in new}
        if len(current) == len(new):
            new = ()
        else:
            current = {}
    for entry in new:
        known = current.get(entry.entry_ref)
        if known is None or entry.version > known.version:
            current[entry.entry_ref] = entry
        elif entry.version == known.version:
            if entry != known:
                raise _conflict(side, entry)
            listed.append(Listed(side, entry.entry_ref, entry.version, REPEAT))
    if settled:
        for ref in sorted(settled & current.keys()):
            amended = current.pop(ref)
            listed.append(Listed(side, ref, amended.version, AMENDMENT))
    listed.sort(key=lambda item: (item.entry_ref, item.version, item.why))
    held = {ref for ref in run.held[side] if ref in current}
    return OpenSide(side, current, held, listed)


def _conflict(side: Side, entry: Entry) -> InputError:
    return InputError(
        "ENTRY_CONFLICT",
        f"{side.word} entry {entry.entry_ref!r} version {entry.version} stands twice with "
        "different content",
        where=Where(field="entry_ref"),
        help="an amendment needs the next version; a different entry needs its own entry_ref",
    )
