"""What a case is: its entries by run and side, and what they must become.

Nothing here asks the engine. A case's amount and key are its own, so that it meets no other; what
it becomes follows from matching.md, "Rules of every pass" and "Breaks".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from devnet.scenario.forge import Forge
from reconcile.model import BreakKind, Entry, Side

S, O = Side.SERVICER, Side.OWNER  # noqa: E741 - the two sides, as in the rules

GROUP_PARTS: Final = 3

Refs = tuple[tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True)
class OpenCase:
    """A break from run `first` until run `until`; one-sided ones age from `booked`."""

    kind: BreakKind
    refs: Refs
    booked: int
    first: int
    until: int | None = None
    also: tuple[BreakKind, ...] = ()


@dataclass
class Case:
    """Entries by run and side, the groups they form and the breaks they are meanwhile."""

    entries: list[tuple[int, Side, Entry]] = field(default_factory=list)
    groups: list[tuple[int, Refs]] = field(default_factory=list)
    breaks: list[OpenCase] = field(default_factory=list)
    proposals: list[tuple[int, Refs]] = field(default_factory=list)

    def add(self, run: int, *entries: Entry, side: Side) -> None:
        """Put entries into a side's book of a run."""
        self.entries += [(run, side, entry) for entry in entries]

    def pair(self, run: int, servicer: Entry, owner: Entry) -> None:
        """Put one entry on each side."""
        self.add(run, servicer, side=S)
        self.add(run, owner, side=O)


@dataclass(frozen=True)
class Place:
    """Where a case happens: the run's number, its day, and how many runs there are."""

    run: int
    day: int
    runs: int

    @property
    def last(self) -> bool:
        """Say whether no later run can resolve the case."""
        return self.run + 1 >= self.runs


def refs_of(servicer: tuple[Entry, ...] = (), owner: tuple[Entry, ...] = ()) -> Refs:
    """Return the refs of both sides."""
    return tuple(e.entry_ref for e in servicer), tuple(e.entry_ref for e in owner)


def near(
    kind: BreakKind, place: Place, servicer: Entry, owner: Entry, also: tuple[BreakKind, ...] = ()
) -> Case:
    """Return two entries that belong together and differ: one break from this run on."""
    case = Case()
    case.pair(place.run, servicer, owner)
    booked = min(servicer.booking_date, owner.booking_date)
    case.breaks.append(OpenCase(kind, refs_of((servicer,), (owner,)), booked, place.run, also=also))
    return case


def alone(kind: BreakKind, place: Place, side: Side, entry: Entry) -> Case:
    """Return an entry that stands alone on its side: one break from this run on."""
    case = Case()
    case.add(place.run, entry, side=side)
    refs = refs_of((entry,)) if side is S else refs_of((), (entry,))
    case.breaks.append(OpenCase(kind, refs, entry.booking_date, place.run))
    return case


def matched(place: Place, servicer: tuple[Entry, ...], owner: tuple[Entry, ...]) -> Case:
    """Return entries that form one group in this run."""
    case = Case()
    case.add(place.run, *servicer, side=S)
    case.add(place.run, *owner, side=O)
    case.groups.append((place.run, refs_of(servicer, owner)))
    return case


def resolved_in(item: OpenCase, until: int) -> OpenCase:
    """Return the same break, resolved in a run."""
    return OpenCase(item.kind, item.refs, item.booked, item.first, until, item.also)


def payout(forge: Forge, place: Place) -> tuple[Entry, list[Entry]]:
    """Return a servicer's sum and the owner's parts of it, under one group_ref and no other key."""
    mould = forge.mould(place.day, keyed=False)
    group = f"PAYOUT{forge.special_minor():012d}"
    sizes = [forge.special_minor() for _ in range(GROUP_PARTS - 1)]
    whole = forge.cast(
        S, mould, amount_minor=mould.amount_minor + sum(sizes), group_ref=group, remittance="批量"
    )
    parts = [
        forge.cast(O, mould, amount_minor=size, group_ref=group)
        for size in (mould.amount_minor, *sizes)
    ]
    return whole, parts


Make = Callable[[Forge, Place], Case]
