"""The steps over few rows, in Python: a pair is looked at sooner than a statement is planned.

Every pair of one currency and amount may be listed, under a step that is not exact every pair of
one key: `FEW_PAIRS` bounds them, and `FEW_ROWS` what each step does to a row.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from reconcile.matching.grouping import GroupFound, amounts_fit
from reconcile.matching.near import NearFound
from reconcile.matching.source import EXACT, TOLERANT
from reconcile.matching.steps import Codes, Edge, IdSets, SideKeys, alive_keys
from reconcile.matching.walk import walk

if TYPE_CHECKING:
    from reconcile.matching.candidates import Step
    from reconcile.matching.engine import Plan

# Above, the windows of `candidates` cost less than a look at every pair of a step.
FEW_PAIRS: Final = 50_000
FEW_ROWS: Final = 2_000
_COLUMNS: Final = (
    "id",
    "side",
    "entry_ref",
    "currency",
    "signed",
    "bday",
    "vday",
    "vord",
    "occ",
    "moving",
)


@dataclass(frozen=True, slots=True)
class Row:
    """A free row as `table` describes it, with the text of each key column."""

    id: int
    side: int
    ref: str
    currency: str
    signed: int
    bday: int
    vday: int
    vord: int
    occ: int
    moving: bool
    keys: dict[str, str | None]

    @property
    def order(self) -> tuple[int, int, str]:
        """Return the row's place in its side's total order."""
        return self.bday, self.occ, self.ref


Sides = tuple[list[Row], list[Row]]


def are_few(
    tables: tuple[pa.RecordBatch, pa.RecordBatch], keys: SideKeys, loose: Iterable[str | None]
) -> bool:
    """Say whether all pairs may be listed; a side without rows has its own cost.

    `loose`: the key columns of the passes that have more than an exact step, None for no key.
    """
    servicer, owner = (table.num_rows for table in tables)
    if (servicer + 1) * (owner + 1) <= FEW_PAIRS:
        return True
    if servicer + owner > FEW_ROWS:
        return False
    currencies = [table["currency"].to_pylist() for table in tables]
    columns = [[table["signed"].to_pylist() for table in tables]]
    for key in set(loose):
        none = [[""] * table.num_rows for table in tables]
        columns.append(none if key is None else [held[key].to_pylist() for held in keys])
    return sum(_meetings(currencies, column) for column in columns) < FEW_PAIRS


def _meetings(currencies: Sequence[list[str]], texts: Sequence[list[object]]) -> int:
    """Return how many pairs hold the same currency and text; None is no text."""
    mine, theirs = map(Counter, map(zip, currencies, texts))
    return sum(
        count * theirs[currency, text]
        for (currency, text), count in mine.items()
        if text is not None
    )


def _rows(table: pa.RecordBatch, keys: dict[str, pa.Array]) -> Iterator[Row]:
    texts = zip(*(column.to_pylist() for column in keys.values()), strict=True)
    columns = [table[name].to_pylist() for name in (*_COLUMNS, "free")]
    for *said, free, held in zip(*columns, texts, strict=True):
        if free:
            yield Row(*said, dict(zip(keys, held, strict=True)))  # type: ignore[call-arg]


def _meeting(rows: Iterable[Row], said: Callable[[Row], object]) -> list[Sides]:
    """Return by side the rows that say the same, where both sides hold some; None says nothing."""
    found: dict[object, Sides] = defaultdict(lambda: ([], []))
    for row in rows:
        what = said(row)
        if what is not None:
            found[what][row.side].append(row)
    return [sides for sides in found.values() if all(sides)]


def _ids(rows: Iterable[Row]) -> tuple[int, ...]:
    return tuple(row.id for row in sorted(rows, key=lambda row: row.ref))


def _sole(edges: Iterable[Edge]) -> list[Edge]:
    """Return the edges whose two ends have no other."""
    every = set(edges)
    counts = [Counter(edge[side] for edge in every) for side in (0, 1)]
    return [(s, o) for s, o in every if counts[0][s] == 1 == counts[1][o]]


def _contradict(s: Row, o: Row, step: Step) -> bool:
    """Say whether carriers that both hold differ; with `fallback` the first such one decides."""
    for name in step.carriers:
        mine, theirs = s.keys[name], o.keys[name]
        if mine is not None and theirs is not None:
            if mine != theirs:
                return True
            if step.fallback:
                return False
    return False


def _far(servicer: Sequence[Row], owner: Sequence[Row], distance: int) -> bool:
    """Say whether any two value dates of both sides lie further apart."""
    days = [[row.vord for row in rows] for rows in (servicer, owner)]
    return max(max(days[0]) - min(days[1]), max(days[1]) - min(days[0])) > distance


class Few:
    """`steps.Steps` over rows of which all pairs may be listed."""

    def __init__(self, servicer: pa.RecordBatch, owner: pa.RecordBatch, keys: SideKeys) -> None:
        """Take both sides' rows and keys."""
        self.alive = alive_keys(keys)
        rows = chain(_rows(servicer, keys[0]), _rows(owner, keys[1]))
        self._left = {row.id: row for row in rows}
        self._shared: dict[str | None, list[Sides]] = {}
        self._barred: frozenset[Edge] = frozenset()
        self._settled: list[tuple[int, int, Row, Row]] = []

    def bar(self, pairs: Sequence[Edge]) -> None:
        """Take the pairs that a decision rejected."""
        self._barred = frozenset(pairs)

    # --------------------------------------------------------------------------- settling
    def settle_exact(self, plan: Plan) -> int:
        """Confirm what rule 2 pairs."""
        pairs: list[Edge] = []
        for sides in self._blocks(plan.key, EXACT):
            pairs += self._in_turn(sides, plan.rule.value_date_days)
        return self._settle(plan, EXACT, pairs)

    def settle_sole(self, plan: Plan, kind: int, strict: frozenset[str], codes: Codes) -> int:
        """Confirm sole candidates, then sole classes of the others, k-th with k-th."""
        edges = list(self._candidates(plan, kind, strict))
        pairs = _sole(edges)
        tied = list({item for edge in edges for item in edge}.difference(*pairs))
        code = dict(zip(tied, codes(tied), strict=True))
        members: dict[int, list[int]] = defaultdict(list)
        for item in sorted(tied, key=lambda item: self._left[item].order):
            members[code[item]].append(item)
        for s, o in _sole((code[s], code[o]) for s, o in edges if s in code):
            pairs += zip(members[s], members[o], strict=False)
        return self._settle(plan, kind, pairs)

    def take(self, ids: Sequence[int]) -> None:
        """Take these ids out of what is left."""
        for item in ids:
            del self._left[item]
        if ids:
            self._shared.clear()

    def _settle(self, plan: Plan, kind: int, pairs: Sequence[Edge]) -> int:
        for s, o in pairs:
            self._settled.append((plan.number, kind, self._left[s], self._left[o]))
        self.take([item for pair in pairs for item in pair])
        return len(pairs)

    def _in_turn(self, sides: Sides, distance: int | None) -> list[Edge]:
        """Pair one block by rule 2; `distance` None leaves the value dates out."""
        left = sorted(chain(*sides), key=lambda row: row.order)
        pairs: list[Edge] = []
        for day in (attrgetter("bday"), attrgetter("vday")):
            for servicer, owner in _meeting(left, day):
                pairs += [
                    (s.id, o.id)
                    for s, o in zip(servicer, owner, strict=False)
                    if (distance is None or abs(s.vord - o.vord) <= distance)
                    and (s.id, o.id) not in self._barred
                ]
            taken = {item for pair in pairs for item in pair}
            left = [row for row in left if row.id not in taken]
        heads = [
            [(row.id, row.order, row.vord) for row in left if row.side == side] for side in (0, 1)
        ]
        return pairs + walk(heads[0], heads[1], distance, lambda s, o: (s, o) in self._barred)

    # ------------------------------------------------------------------------- candidates
    def _blocks(self, key: str | None, kind: int) -> list[Sides]:
        """Return the rest by key and currency that both sides hold, and by an exact amount."""
        if key not in self._shared:
            self._shared[key] = _meeting(
                (row for row in self._left.values() if row.moving), lambda row: _under(row, key)
            )
        blocks = self._shared[key]
        if kind != EXACT:
            return blocks
        return [one for sides in blocks for one in _meeting(chain(*sides), attrgetter("signed"))]

    def _candidates(
        self, plan: Plan, kind: int, strict: frozenset[str] = frozenset()
    ) -> Iterator[Edge]:
        step = plan.step(kind)
        for sides in self._blocks(plan.key, kind):
            if kind == TOLERANT and sides[0][0].currency in strict:
                continue
            for s, o in self._near(sides, step):
                if amounts_fit(plan, kind, s.signed, o.signed):
                    yield s.id, o.id

    def _near(self, sides: Sides, step: Step) -> Iterator[tuple[Row, Row]]:
        """Yield the pairs of a block that dates, carriers and decisions let meet."""
        for s in sides[0]:
            for o in sides[1]:
                if (
                    abs(s.vord - o.vord) <= step.distance
                    and not _contradict(s, o, step)
                    and (s.id, o.id) not in self._barred
                ):
                    yield s, o

    def edges(self, plan: Plan, kind: int) -> Iterator[Edge]:
        """Return all candidates of a step."""
        return self._candidates(plan, kind)

    def candidate_blocks(self, plan: Plan, kinds: Sequence[int]) -> list[IdSets]:
        """Return all that have a candidate, by key, currency and, without loose steps, amount."""
        wanted = {item for kind in kinds for edge in self.edges(plan, kind) for item in edge}
        found = []
        for sides in self._blocks(plan.key, EXACT if not plan.loose_kinds else TOLERANT):
            s, o = ([row.id for row in rows if row.id in wanted] for rows in sides)
            if s and o:
                found.append((s, o))
        return found

    def grouped(self, plan: Plan, kind: int, strict: frozenset[str]) -> list[GroupFound]:
        """Return the groups of one entry against all parts of one key and currency."""
        found = []
        guards = [name for name in plan.carriers if name != plan.key]
        for servicer, owner in self._blocks(plan.key, TOLERANT):
            currency = servicer[0].currency
            sums = [sum(row.signed for row in rows) for rows in (servicer, owner)]
            if not (
                ("1:N" in plan.rule.shape and len(servicer) == 1)
                or ("N:1" in plan.rule.shape and len(owner) == 1)
            ):
                continue
            if kind == TOLERANT and currency in strict:
                continue
            if _far(servicer, owner, plan.rule.value_date_days):
                continue
            if any(_differ(servicer, owner, name) for name in guards):
                continue
            if amounts_fit(plan, kind, *sums):
                ids = (_ids(servicer), _ids(owner))
                found.append(GroupFound(plan.number, kind, *ids, currency, sums[0] - sums[1]))
        return found

    def residue(self, plan: Plan) -> Iterator[tuple[Any, ...]]:
        """Return the rows of `Steps.residue`."""
        assert plan.key is not None
        for row in chain.from_iterable(chain(*self._blocks(plan.key, TOLERANT))):
            held = [row.keys[name] for name in plan.carriers]
            yield row.keys[plan.key], row.currency, row.id, row.side, row.signed, row.vord, *held

    # ------------------------------------------------------------------------ near misses
    def under_one_key(self, plan: Plan, key: str) -> list[NearFound]:
        """Return what one key joins, whatever else differs."""
        found = []
        for sides in _meeting(self._left.values(), lambda row: row.keys[key]):
            if plan.grouped and len(sides[0]) + len(sides[1]) > 2:  # noqa: PLR2004 - one a side
                found.append(NearFound(plan.number, True, *map(_ids, sides)))
                continue
            pairs = self._in_turn(sides, None)
            found += [NearFound(plan.number, False, (s,), (o,)) for s, o in pairs]
        self.take([item for near in found for item in near.servicer + near.owner])
        return found

    def sole_by_party(self, step: Step) -> list[NearFound]:
        """Return sole candidates that agree in amount and party."""
        moving = (row for row in self._left.values() if row.moving)
        blocks = _meeting(moving, lambda row: (row.currency, row.signed))
        pairs = ((s.id, o.id) for sides in blocks for s, o in self._near(sides, step))
        return [NearFound(0, False, (s,), (o,)) for s, o in _sole(pairs)]

    # ---------------------------------------------------------------------------- results
    def pairs(self) -> list[pa.Array]:
        """Return pass number, servicer's and owner's id of what is settled."""
        rows = [(number, s.id, o.id) for number, _, s, o in self._settled]
        types = (pa.int32(), pa.int64(), pa.int64())
        return [pa.array([row[at] for row in rows], kind) for at, kind in enumerate(types)]

    def tolerant_residuals(self) -> dict[str, int]:
        """Return per currency the sum of the absolute residuals."""
        totals: Counter[str] = Counter()
        for _, kind, s, o in self._settled:
            if kind == TOLERANT:
                totals[s.currency] += abs(s.signed - o.signed)
        return dict(totals)


def _under(row: Row, key: str | None) -> tuple[str, str] | None:
    """Return the row's key and currency, None without the key."""
    text = "" if key is None else row.keys[key]
    return None if text is None else (text, row.currency)


def _differ(servicer: Iterable[Row], owner: Iterable[Row], name: str) -> bool:
    """Say whether a carrier holds valid, different values on both sides."""
    held = [{row.keys[name] for row in rows} - {None} for rows in (servicer, owner)]
    return all(held) and len(held[0] | held[1]) > 1
