"""`kanhe/match/1`: the passes over one run's rows, in the order of rule 1.

First the exact steps of all `always` passes, in pass order; then rounds, pass by pass, each with
its exact and then its tolerant and fee steps, until a round confirms nothing. A step that found
nothing is not run again before something else was settled: it would see the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from reconcile.entries import EntryTable, total_turn
from reconcile.matching.candidates import Step
from reconcile.matching.grouping import GroupFound
from reconcile.matching.residue import settle_subsets
from reconcile.matching.source import EXACT, FEE, TOLERANT
from reconcile.matching.steps import Steps
from reconcile.matching.table import KeyColumns
from reconcile.model import Entry, InputError, Side, Where
from reconcile.terms import MatchPass

ALWAYS: Final = "always"
UNIQUE: Final = "unique"
NEVER: Final = "never"
SHAPES: Final = frozenset({"1:1", "1:N", "N:1", "N:M"})

# Of fewer ids each is asked by itself: a column costs more to take from.
MANY_IDS: Final = 16

Order = tuple[int, int, str, int]
"""(booking_date, occurred_at or 0, entry_ref, side): rule 2's total order."""


@dataclass(frozen=True)
class Plan:
    """A pass as the engine runs it; `number` counts from 1."""

    number: int
    rule: MatchPass
    key: str | None
    carriers: tuple[str, ...]

    @property
    def single(self) -> bool:
        """Say whether the pass forms 1:1 groups."""
        return "1:1" in self.rule.shape

    @property
    def grouped(self) -> bool:
        """Say whether the pass sums parts."""
        return "1:N" in self.rule.shape or "N:1" in self.rule.shape

    @property
    def searched(self) -> bool:
        """Say whether the pass searches subsets of the residue."""
        return "N:M" in self.rule.shape and self.key is not None

    @property
    def loose_kinds(self) -> tuple[int, ...]:
        """Return the steps after the exact one."""
        amount = self.rule.amount
        tolerant = amount.tolerance_minor > 0 or amount.tolerance_ppm > 0
        return (TOLERANT,) * tolerant + (FEE,) * (self.rule.fee is not None)

    def step(self, kind: int) -> Step:
        """Return what the candidate SQL needs of one step."""
        return Step(self.key, self.rule.value_date_days, kind == TOLERANT, self.carriers)


def plan_passes(passes: Sequence[MatchPass], columns: KeyColumns) -> tuple[Plan, ...]:
    """Name the key columns, and for each pass the carriers whose difference forbids a candidate.

    Raises InputError TERMS_SHAPE_UNSUPPORTED for a shape that this engine does not form.
    """
    for rule in passes:
        if not SHAPES.issuperset(rule.shape):
            raise InputError(
                "TERMS_SHAPE_UNSUPPORTED",
                f"pass {rule.name!r} asks for {', '.join(rule.shape)}",
                where=Where(field="shape"),
                help="kanhe/match/1 forms 1:1, 1:N, N:1 and N:M",
            )
    guards: list[str] = []
    for rule in passes:
        for pair in rule.keys if rule.tells_apart else ():
            name = columns.of((pair,))
            if name is not None and name not in guards:
                guards.append(name)
    return tuple(
        Plan(
            number,
            rule,
            columns.of_pass(rule),
            () if rule.confirm == ALWAYS else tuple(guards),
        )
        for number, rule in enumerate(passes, 1)
    )


@dataclass
class Engine:
    """One run's state: the steps over its rows, the entries by side, and what is settled so far.

    `strict`: currencies whose tolerant residuals exceeded the budget, so that no tolerant step
    confirms anything in them. `rejected`: sets of ids by side; `apart`: ids of rejected pairs.
    """

    steps: Steps
    plans: tuple[Plan, ...]
    entries: tuple[EntryTable, EntryTable]
    strict: frozenset[str] = frozenset()
    rejected: frozenset[tuple[frozenset[int], frozenset[int]]] = frozenset()
    apart: frozenset[int] = frozenset()
    groups: list[GroupFound] = field(default_factory=list)
    _classes: dict[bytes, int] = field(default_factory=dict)
    _class_of: dict[int, int] = field(default_factory=dict)
    _settled: int = 0
    _barren: dict[tuple[int, int], int] = field(default_factory=dict)

    def alive(self, plan: Plan) -> bool:
        """Say whether both sides hold keys of a pass at all."""
        return plan.key is None or plan.key in self.steps.alive

    def ref(self, entry_id: int) -> str:
        """Return the entry_ref of an id."""
        ref: str = self.entries[entry_id & 1].column("entry_ref")[entry_id >> 1].as_py()
        return ref

    def rejects(self, servicer: Sequence[int], owner: Sequence[int]) -> bool:
        """Say whether a decision rejected just this set."""
        # The question of sets costs as much as they hold; mostly nothing was rejected.
        return bool(self.rejected) and (frozenset(servicer), frozenset(owner)) in self.rejected

    def currency(self, entry_id: int) -> str:
        """Return the currency of an id."""
        code: str = self.entries[entry_id & 1].column("currency")[entry_id >> 1].as_py()
        return code

    def refs(self, ids: Sequence[int]) -> tuple[str, ...]:
        """Return the refs of one side's ids, in their order."""
        if len(ids) < MANY_IDS:
            return tuple(map(self.ref, ids))
        return tuple(self._column(Side(ids[0] & 1), "entry_ref", ids))

    def _column(self, side: Side, name: str, ids: Sequence[int]) -> list[Any]:
        """Return what a column says of one side's ids."""
        places = pc.shift_right(pa.array(ids, pa.int64()), pa.scalar(1, pa.int64()))
        values: list[Any] = self.entries[side].column(name).take(places).to_pylist()
        return values

    def in_order(self, side: Side, ids: Sequence[int]) -> list[int]:
        """Return one side's ids in the total order."""
        places = pc.shift_right(pa.array(ids, pa.int64()), pa.scalar(1, pa.int64()))
        turn = total_turn(self.entries[side].take(places))
        ordered: list[int] = pa.array(ids, pa.int64()).take(turn).to_pylist()
        return ordered

    def orders(self, ids: Sequence[int]) -> dict[int, Order]:
        """Return the places of these ids in the total order."""
        found: dict[int, Order] = {}
        for side in Side:
            mine = [item for item in ids if item & 1 == side]
            names = ("booking_date", "occurred_at", "entry_ref")
            columns = [self._column(side, name, mine) for name in names]
            for entry_id, day, moment, ref in zip(mine, *columns, strict=True):
                found[entry_id] = (day, moment or 0, ref, int(side))
        return found

    def said(self, ids: Sequence[int]) -> dict[int, Entry]:
        """Return what these ids say beside entry_ref and occurred_at, both left out."""
        found: dict[int, Entry] = {}
        for side in Side:
            mine = [item for item in ids if item & 1 == side]
            entries = self.entries[side].at([item >> 1 for item in mine])
            for entry_id, entry in zip(mine, entries, strict=True):
                found[entry_id] = msgspec.structs.replace(entry, entry_ref="", occurred_at=None)
        return found

    def ids_of(self, refs: Iterable[str]) -> dict[tuple[int, str], int]:
        """Return (side, ref) -> id of those entries that are open."""
        wanted = frozenset(refs)
        return {
            (int(side), ref): 2 * place + side
            for side in Side
            for ref, place in self.entries[side].places_of(wanted).items()
        }

    def run(self) -> None:
        """Settle everything that the passes confirm."""
        for plan in self.plans:
            if plan.rule.confirm == ALWAYS:
                self._once(plan, EXACT)
        confirming = [plan for plan in self.plans if plan.rule.confirm != NEVER]
        while True:
            confirmed = 0
            for plan in confirming:
                for kind in (EXACT, *plan.loose_kinds):
                    confirmed += self._once(plan, kind)
            if confirmed == 0 and not self._search(confirming):
                return

    def _search(self, plans: Iterable[Plan]) -> bool:
        """Confirm sole sums once nothing else confirms; say whether there were any (rule 6)."""
        for plan in plans:
            if plan.searched and self.alive(plan):
                found = settle_subsets(self, plan)
                self.groups += found
                self._settled += len(found)
                if found:
                    return True
        return False

    def _once(self, plan: Plan, kind: int) -> int:
        """Run one step unless nothing was settled since it last found nothing."""
        if not self.alive(plan) or self._barren.get((plan.number, kind)) == self._settled:
            return 0
        confirmed = 0
        if plan.single:
            if plan.rule.confirm == ALWAYS and kind == EXACT:
                confirmed += self.steps.settle_exact(plan)
            else:
                confirmed += self.steps.settle_sole(plan, kind, self.strict, self._class_codes)
        if plan.grouped and plan.key is not None:
            found = [
                group
                for group in self.steps.grouped(plan, kind, self.strict)
                if not self.rejects(group.servicer, group.owner)
            ]
            self.steps.take([i for group in found for i in group.servicer + group.owner])
            self.groups += found
            confirmed += len(found)
        self._settled += confirmed
        if confirmed == 0:
            self._barren[plan.number, kind] = self._settled
        return confirmed

    def _class_codes(self, ids: Sequence[int]) -> list[int]:
        """Return a number for all that an entry says but entry_ref and occurred_at.

        Entries of a rejected set are told apart: their candidates differ.
        """
        new = [entry_id for entry_id in ids if entry_id not in self._class_of]
        for entry_id, said in self.said(new).items():
            apart = entry_id if entry_id in self.apart else None
            content = msgspec.msgpack.encode([entry_id & 1, apart, said])
            code = self._classes.setdefault(content, len(self._classes) + 1)
            self._class_of[entry_id] = code
        return [self._class_of[entry_id] for entry_id in ids]
