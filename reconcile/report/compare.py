"""What another rule set would do to the same books: groups gained, lost, re-paired; breaks moved.

Pure: two results over one input, under two terms. Nothing of it is digested or posted.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from reconcile.entries import EntryTable
from reconcile.model import MatchGroup, Side
from reconcile.report.groups import group_json
from reconcile.report.run import Result

Ref = tuple[Side, str]
Key = tuple[tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Repaired:
    """Groups of entries that both rule sets group, but not alike: `before` became `after`."""

    before: tuple[MatchGroup, ...]
    after: tuple[MatchGroup, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The differences of two runs over the same books; amounts in minor units.

    `gained`, `lost`: groups whose entries the other run leaves open, wholly or in part.
    `turnover`: per currency, what gained and lost groups move on the servicer's side without sign.
    `kinds`: break kind -> (before, after), where the counts differ. `open_minor`: per currency,
    the signed open breaks (before, after). `residual_minor`: likewise open residuals.
    """

    same: int
    gained: tuple[MatchGroup, ...]
    lost: tuple[MatchGroup, ...]
    repaired: tuple[Repaired, ...]
    turnover: Mapping[str, tuple[int, int]]
    kinds: Mapping[str, tuple[int, int]]
    open_minor: Mapping[str, tuple[int, int]]
    residual_minor: Mapping[str, tuple[int, int]]
    proposals: tuple[int, int]
    complete: tuple[bool, bool]

    @property
    def changes(self) -> bool:
        """Say whether anything would match differently."""
        return bool(self.gained or self.lost or self.repaired or self.kinds)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON; every integer a decimal string, pairs as before and after."""
        return {
            "same": str(self.same),
            "gained": [group_json(group) for group in self.gained],
            "lost": [group_json(group) for group in self.lost],
            "repaired": [
                {
                    "before": [group_json(group) for group in item.before],
                    "after": [group_json(group) for group in item.after],
                }
                for item in self.repaired
            ],
            "turnover": [
                {"currency": code, "gained_minor": str(gained), "lost_minor": str(lost)}
                for code, (gained, lost) in sorted(self.turnover.items())
            ],
            "breaks": {kind: _pair(*pair) for kind, pair in sorted(self.kinds.items())},
            "open": [
                {"currency": code, **_pair(*pair)} for code, pair in sorted(self.open_minor.items())
            ],
            "residual": [
                {"currency": code, **_pair(*pair)}
                for code, pair in sorted(self.residual_minor.items())
            ],
            "proposals": _pair(*self.proposals),
            "complete": {"before": self.complete[0], "after": self.complete[1]},
            "changes": self.changes,
        }


def _pair(before: int, after: int) -> dict[str, str]:
    return {"before": str(before), "after": str(after)}


def compare(before: Result, after: Result) -> Comparison:
    """Compare two results over the same books."""
    old, new = _by_refs(before.groups), _by_refs(after.groups)
    only_old = [group for key, group in old.items() if key not in new]
    only_new = [group for key, group in new.items() if key not in old]
    repaired, lost, gained = _linked(only_old, only_new, _held(old.values()), _held(new.values()))
    entries = before.matched.entries
    kinds = _differing(
        Counter(str(item.kind) for item in before.breaks),
        Counter(str(item.kind) for item in after.breaks),
    )
    return Comparison(
        same=len(old) - len(only_old),
        gained=gained,
        lost=lost,
        repaired=repaired,
        turnover=_turnover(gained, lost, entries),
        kinds=kinds,
        open_minor={
            a.currency: (b_minor, a.breaks_minor)
            for a, b_minor in _beside(before, after, "breaks_minor")
        },
        residual_minor={
            a.currency: (b_minor, a.residual_minor)
            for a, b_minor in _beside(before, after, "residual_minor")
        },
        proposals=(len(before.proposals), len(after.proposals)),
        complete=(before.complete, after.complete),
    )


def _by_refs(groups: Iterable[MatchGroup]) -> dict[Key, MatchGroup]:
    return {(group.servicer, group.owner): group for group in groups}


def _refs(group: MatchGroup) -> list[Ref]:
    return [
        *((Side.SERVICER, ref) for ref in group.servicer),
        *((Side.OWNER, ref) for ref in group.owner),
    ]


def _held(groups: Iterable[MatchGroup]) -> set[Ref]:
    return {ref for group in groups for ref in _refs(group)}


def _linked(
    old: list[MatchGroup], new: list[MatchGroup], held_old: set[Ref], held_new: set[Ref]
) -> tuple[tuple[Repaired, ...], tuple[MatchGroup, ...], tuple[MatchGroup, ...]]:
    """Join differing groups that share entries; those whose entries all stay grouped re-paired.

    What a join leaves open on one side is a loss or a gain of its groups.
    """
    parts: dict[Ref, list[tuple[int, MatchGroup]]] = defaultdict(list)
    for number, groups in ((0, old), (1, new)):
        for group in groups:
            for ref in _refs(group):
                parts[ref].append((number, group))
    seen: set[tuple[int, Key]] = set()
    repaired: list[Repaired] = []
    lost: list[MatchGroup] = []
    gained: list[MatchGroup] = []
    for number, groups in ((0, old), (1, new)):
        for group in groups:
            if (number, (group.servicer, group.owner)) in seen:
                continue
            sides = _component(number, group, parts, seen)
            refs = _held([*sides[0], *sides[1]])
            if sides[0] and sides[1] and refs <= held_old and refs <= held_new:
                repaired.append(Repaired(tuple(sides[0]), tuple(sides[1])))
            else:
                lost += sides[0]
                gained += sides[1]
    return tuple(repaired), _sorted(lost), _sorted(gained)


def _component(
    number: int,
    group: MatchGroup,
    parts: Mapping[Ref, list[tuple[int, MatchGroup]]],
    seen: set[tuple[int, Key]],
) -> tuple[list[MatchGroup], list[MatchGroup]]:
    found: tuple[list[MatchGroup], list[MatchGroup]] = ([], [])
    waiting = [(number, group)]
    seen.add((number, (group.servicer, group.owner)))
    while waiting:
        side, item = waiting.pop()
        found[side].append(item)
        for ref in _refs(item):
            for other in parts[ref]:
                mark = (other[0], (other[1].servicer, other[1].owner))
                if mark not in seen:
                    seen.add(mark)
                    waiting.append(other)
    return list(_sorted(found[0])), list(_sorted(found[1]))


def _sorted(groups: Iterable[MatchGroup]) -> tuple[MatchGroup, ...]:
    return tuple(sorted(groups, key=lambda group: (group.servicer, group.owner)))


def _turnover(
    gained: Sequence[MatchGroup],
    lost: Sequence[MatchGroup],
    entries: tuple[EntryTable, EntryTable],
) -> dict[str, tuple[int, int]]:
    totals: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    amounts = _amounts({ref for group in (*gained, *lost) for ref in _counted(group)}, entries)
    for place, groups in enumerate((gained, lost)):
        for group in groups:
            totals[group.currency][place] += sum(amounts.get(ref, 0) for ref in _counted(group))
    return {code: (pair[0], pair[1]) for code, pair in totals.items()}


def _counted(group: MatchGroup) -> list[Ref]:
    """Return the refs of the side whose turnover counts: the servicer's, where it has any."""
    side = Side.SERVICER if group.servicer else Side.OWNER
    return [(side, ref) for ref in group.servicer or group.owner]


def _amounts(refs: set[Ref], entries: tuple[EntryTable, EntryTable]) -> dict[Ref, int]:
    found: dict[Ref, int] = {}
    for side in Side:
        known = entries[side].places_of(ref for of, ref in refs if of is side)
        places = pa.array(list(known.values()), pa.int64())
        amounts = entries[side].column("amount_minor").take(places).to_pylist()
        found |= {(side, ref): minor for ref, minor in zip(known, amounts, strict=True)}
    return found


def _differing(before: Counter[str], after: Counter[str]) -> dict[str, tuple[int, int]]:
    return {
        kind: (before[kind], after[kind])
        for kind in before.keys() | after.keys()
        if before[kind] != after[kind]
    }


def _beside(before: Result, after: Result, name: str) -> Iterable[tuple[Any, int]]:
    """Yield the later run's totals with the earlier run's figure of the same currency."""
    old = {row.currency: getattr(row, name) for row in before.totals}
    return ((row, old.get(row.currency, 0)) for row in after.totals)
