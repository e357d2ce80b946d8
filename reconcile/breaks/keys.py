"""Break keys: that of the entry first carried, stable across windows (rule 5)."""

from __future__ import annotations

from dataclasses import dataclass, field

from reconcile.matching.keys import break_key
from reconcile.matching.opening import total_order
from reconcile.matching.run_input import RunInput
from reconcile.model import Entry, Side


@dataclass
class Keys:
    """Gives each break of a run its key; no two breaks share one."""

    run: RunInput
    _carried: dict[tuple[Side, str], tuple[int, bytes]] = field(init=False)
    _given: set[bytes] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Index the keys of carried items."""
        self._carried = {
            (side, item.entry.entry_ref): (item.since_window, item.break_key)
            for side in Side
            for item in self.run.book(side).carried
        }

    def assign(
        self, servicer: tuple[Entry, ...], owner: tuple[Entry, ...]
    ) -> tuple[bytes, tuple[bytes, ...]]:
        """Return a break's key and the older ones that merged into it.

        The entry carried longest names it, ties by rule 2; a break of new entries alone is named
        by its first. Where parts of one break drifted apart, the first keeps the key.
        """
        members = sorted(
            (*total_order(entry), side)
            for side, entries in ((Side.SERVICER, servicer), (Side.OWNER, owner))
            for entry in entries
        )
        known = []
        for member in members:
            held = self._carried.get((member[3], member[2]))
            if held is not None:
                known.append((held[0], member, held[1]))
        older = [key for _, _, key in sorted(known)]
        own = [break_key(self.run.agreement, member[3], member[2]) for member in members]
        key = next(key for key in [*older, *own] if key not in self._given)
        self._given.add(key)
        merged = {item for item in older if item != key and item not in self._given}
        self._given |= merged
        return key, tuple(sorted(merged))
