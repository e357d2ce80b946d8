"""Break keys: that of the entry first carried, stable across windows (rule 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconcile.matching.keys import break_key
from reconcile.matching.opening import total_order
from reconcile.matching.run_input import RunInput
from reconcile.model import Entry, Side

Entries = tuple[tuple[Entry, ...], tuple[Entry, ...]]
KeyAndMerged = tuple[bytes, tuple[bytes, ...]]
Carried = Mapping[tuple[Side, str], tuple[int, bytes]]


def carried_keys(run: RunInput) -> Carried:
    """Return since which window the carried entries are open, and the keys of their breaks."""
    return {
        (side, item.entry.entry_ref): (item.since_window, item.break_key)
        for side in Side
        for item in run.book(side).carried
    }


def assign_keys(
    agreement: bytes, carried: Carried, breaks: Sequence[Entries]
) -> list[KeyAndMerged]:
    """Return each break's key and the keys that merged into it, no key twice.

    The entry carried longest names its break, ties by rule 2; a break of new entries is named by
    its first. Where the parts of one break drifted apart, the key stays with the entry it was
    made of; if that is gone, with the first part. So breaks that share no carried key know nothing
    of each other.
    """
    own: list[list[bytes]] = []
    older: list[list[bytes]] = []
    for entries in breaks:
        members = sorted((*total_order(entry), side) for side in Side for entry in entries[side])
        own.append([break_key(agreement, side, ref) for _, _, ref, side in members])
        known = [
            (carried[side, ref][0], place, carried[side, ref][1])
            for place, (_, _, ref, side) in enumerate(members)
            if (side, ref) in carried
        ]
        older.append([key for _, _, key in sorted(known)])
    holder: dict[bytes, int] = {}
    for place, keys in enumerate(older):
        for key in keys:
            holder.setdefault(key, place)
    for place, keys in enumerate(own):
        holder.update({key: place for key in keys if key in holder})
    named = []
    for place in range(len(breaks)):
        kept = [key for key in older[place] if holder[key] == place]
        key = (kept or own[place])[0]
        named.append((key, tuple(sorted(set(kept) - {key}))))
    return named
