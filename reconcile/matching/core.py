# ruff: noqa: S608 - the SQL's names come from this package, its values never from text
"""From two tables of open entries to groups, proposals and near misses: rules 1 to 3 and 8.

What is open, decided or amended is settled before (`opening`, `decisions`); what a near miss is
called, after (`reconcile.breaks`). Of many entries `first` settles most by their columns alone;
the engine sees the rest, and entries as objects are only made of what it asks for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from reconcile.entries import EntryTable
from reconcile.matching.engine import ALWAYS, Engine, Plan, plan_passes
from reconcile.matching.first import single_blocks, unsettled
from reconcile.matching.groups import SCHEMA, WIDE, Groups
from reconcile.matching.near import NearFound, near_misses
from reconcile.matching.proposals import propose
from reconcile.matching.run_input import NearMiss, ProposalRefs
from reconcile.matching.source import TOLERANT
from reconcile.matching.store import Store
from reconcile.matching.table import KeyColumns, check_carriers, key_columns, side_table
from reconcile.model import Entry, MatchGroup, Proposal, Side
from reconcile.terms import KeyPair, MatchPass

# Of fewer entries the engine alone makes short work.
FEW_ROWS: Final = 20_000

RefSets = tuple[frozenset[str], frozenset[str]]
Places = tuple[pa.Array, pa.Array]

# What "the same party" means in rule 8(b) and for PARTY: the text without its spacing and case.
ACCOUNT: Final = KeyPair(
    servicer="counterparty_account",
    owner="counterparty_account",
    normalise=("nfkc_ascii", "alnum", "upper"),
    min_length=1,
)
NAME: Final = KeyPair(
    servicer="counterparty_name",
    owner="counterparty_name",
    normalise=("nfkc_ascii", "trim", "upper"),
    min_length=1,
)

_TOLERANT: Final = f"""
SELECT s.currency, sum(abs(s.signed::HUGEINT - o.signed::HUGEINT))
FROM pair p JOIN entry s ON s.id = p.s JOIN entry o ON o.id = p.o
WHERE p.kind = {TOLERANT} GROUP BY s.currency
"""


@dataclass(frozen=True)
class CoreInput:
    """What the passes see; `ordinal` counts business days common to both calendars."""

    agreement: bytes
    servicer: Sequence[Entry]
    owner: Sequence[Entry]
    passes: Sequence[MatchPass]
    ordinal: Callable[[int], int]
    held: RefSets = (frozenset(), frozenset())
    rejected: frozenset[RefSets] = frozenset()
    budget_minor: int = 0
    threads: int | None = None


@dataclass(frozen=True)
class CoreResult:
    """Groups in canonical order (servicer's refs, owner's refs), proposals, near misses.

    `left`: by side the places of the entries that no group holds. `mates`: the places of the two
    entries of each 1:1 group.
    """

    groups: Groups
    proposals: tuple[Proposal, ...]
    near: tuple[NearMiss, ...]
    proposal_refs: tuple[ProposalRefs, ...]
    left: Places
    mates: Places


def match_open(given: CoreInput) -> CoreResult:
    """Run all passes over open entries, then propose and look for near misses."""
    with _confirmed(given) as (rows, engine, party):
        proposals, proposal_refs = propose(engine, given.agreement)
        near = _near_misses(engine, near_misses(engine.store, engine.plans, party))
        return CoreResult(
            groups=_groups(rows, engine),
            proposals=proposals,
            near=near,
            proposal_refs=proposal_refs,
            left=rows.left(engine),
            mates=rows.mates,
        )


def confirm_open(given: CoreInput) -> Groups:
    """Return only what the passes confirm."""
    with _confirmed(given) as (rows, engine, _):
        return _groups(rows, engine)


@contextmanager
def _confirmed(given: CoreInput) -> Iterator[tuple[Rows, Engine, tuple[str, str]]]:
    """Settle everything that the passes confirm; yields also the columns of account and name.

    Where the tolerant residuals of a currency exceed the budget, everything is run again with no
    tolerant step in that currency: none of that run is confirmed. Currencies never touch.
    """
    columns = KeyColumns()
    plans = plan_passes(given.passes, columns)
    party = tuple(columns.of((pair,)) for pair in (ACCOUNT, NAME))
    account, name = party
    assert account is not None
    assert name is not None
    check_carriers(columns)
    rows = Rows(given)
    rows.settle_first(plans)
    tables, entries = rows.rest()
    keys = (
        key_columns(entries[0], Side.SERVICER, columns.names),
        key_columns(entries[1], Side.OWNER, columns.names),
    )
    strict: frozenset[str] = frozenset()
    while True:
        with Store(*tables, keys, threads=given.threads) as store:
            engine = Engine(store, plans, entries, strict)
            _bar(engine, given.rejected)
            engine.run()
            over = frozenset(
                currency
                for currency, minor in tolerant_residuals(engine).items()
                if minor > given.budget_minor
            )
            if over and not strict:
                strict = over
                continue
            rows.settle_rest(engine)
            yield rows, engine, (account, name)
            return


@dataclass
class Rows:
    """Both sides' entries and tables, and which of them are settled so far.

    `pairs`: (pass number, servicer's places, owner's places). `waiting`: by side the places that
    the engine sees, None for all.
    """

    given: CoreInput
    entries: tuple[EntryTable, EntryTable] = field(init=False)
    tables: tuple[pa.RecordBatch, pa.RecordBatch] = field(init=False)
    pairs: list[tuple[pa.Array, pa.Array, pa.Array]] = field(default_factory=list)
    waiting: Places | None = None

    def __post_init__(self) -> None:
        """Make both tables."""
        given = self.given
        self.entries = (EntryTable.of(given.servicer), EntryTable.of(given.owner))
        servicer, owner = (
            side_table(self.entries[side], side, given.ordinal, given.held[side]) for side in Side
        )
        self.tables = (servicer, owner)

    def settle_first(self, plans: Sequence[Plan]) -> None:
        """Settle what stands alone in its block, pass by pass, while that leaves no block tied.

        A pass that comes later must not take what a tied block of an earlier one still holds. A
        pair that a decision rejected stays for the engine, and so does all of a few entries.
        """
        for plan in plans:
            if plan.rule.confirm != ALWAYS or self._few():
                return
            if plan.key is None:
                return
            tables, entries = self.rest()
            keys = [
                key_columns(entries[side], side, {plan.rule.keys: plan.key})[plan.key]
                for side in Side
            ]
            if any(key.null_count == len(key) for key in keys):
                continue
            if plan.rule.shape != ("1:1",):
                return
            days = plan.rule.value_date_days
            found = single_blocks(tables, keys, days, self.given.threads)
            allowed = self._not_barred(tables, (found.servicer, found.owner))
            self._settle(plan.number, allowed)
            if found.tied:
                return

    def _few(self) -> bool:
        sizes = map(len, self.waiting or self.entries)
        return sum(sizes) < FEW_ROWS

    def _not_barred(self, tables: tuple[pa.RecordBatch, pa.RecordBatch], found: Places) -> Places:
        barred = [sets for sets in self.given.rejected if len(sets[0]) == len(sets[1]) == 1]
        if not barred:
            return found
        refs = pa.array([ref for sets in barred for ref in sets[0]], pa.string())
        keep = pc.invert(pc.is_in(tables[0]["entry_ref"].take(found[0]), value_set=refs))
        return found[0].filter(keep), found[1].filter(keep)

    def _settle(self, number: int, found: Places) -> None:
        counts = list(map(len, self.waiting or self.entries))
        left = [unsettled(counts[side], found[side]) for side in Side]
        places = self.places(found)
        self.pairs.append((pa.repeat(pa.scalar(number, pa.int32()), len(places[0])), *places))
        if self.waiting is not None:
            left = [self.waiting[side].take(left[side]) for side in Side]
        self.waiting = (left[0], left[1])

    def places(self, rest: Sequence[pa.Array]) -> Places:
        """Return what places among the waiting are among all."""
        if self.waiting is None:
            return rest[0], rest[1]
        return self.waiting[0].take(rest[0]), self.waiting[1].take(rest[1])

    def rest(self) -> tuple[tuple[pa.RecordBatch, pa.RecordBatch], tuple[EntryTable, EntryTable]]:
        """Return the tables and entries that are not settled, with ids of their own."""
        if self.waiting is None:
            return self.tables, self.entries
        entries = [self.entries[side].take(self.waiting[side]) for side in Side]
        tables = [self.tables[side].take(self.waiting[side]) for side in Side]
        for side in Side:
            ids = pa.arange(int(side), 2 * tables[side].num_rows + side, 2)
            tables[side] = tables[side].set_column(0, "id", ids)
        return (tables[0], tables[1]), (entries[0], entries[1])

    def settle_rest(self, engine: Engine) -> None:
        """Take over the pairs that the engine confirmed."""
        numbers, servicer, owner = engine.store.columns("SELECT pass, s, o FROM pair")
        half = pa.scalar(1, pa.int64())
        places = self.places([pc.shift_right(ids, half) for ids in (servicer, owner)])
        self.pairs.append((numbers, *places))

    @property
    def mates(self) -> Places:
        """Return the places of all pairs, side by side."""
        return (
            pa.concat_arrays([servicer for _, servicer, _ in self.pairs]),
            pa.concat_arrays([owner for _, _, owner in self.pairs]),
        )

    def left(self, engine: Engine) -> Places:
        """Return by side the places that neither a pair nor a group holds."""
        found, mates = [], self.mates
        for side in Side:
            members = [item for group in engine.groups for item in group.side(side)]
            several = self._place(side, pa.array([item >> 1 for item in members], pa.int64()))
            grouped = pa.concat_arrays([mates[side], several])
            found.append(unsettled(len(self.entries[side]), grouped))
        return found[0], found[1]

    def _place(self, side: Side, rest: pa.Array) -> pa.Array:
        return rest if self.waiting is None else self.waiting[side].take(rest)


def tolerant_residuals(engine: Engine) -> Mapping[str, int]:
    """Return per currency the sum of the absolute residuals that tolerant steps left."""
    totals: dict[str, int] = defaultdict(int)
    if any(TOLERANT in plan.loose_kinds for plan in engine.plans):
        totals.update(engine.store.con.execute(_TOLERANT).fetchall())
    for group in engine.groups:
        if group.kind == TOLERANT:
            totals[group.currency] += abs(group.residual_minor)
    return totals


def _bar(engine: Engine, rejected: frozenset[RefSets]) -> None:
    """Translate rejected sets into ids; a set that is not wholly open bars nothing."""
    if not rejected:
        return
    ids = engine.ids_of(ref for sets in rejected for refs in sets for ref in refs)
    known = [
        tuple(frozenset(ids.get((side, ref), -1) for ref in sets[side]) for side in (0, 1))
        for sets in rejected
    ]
    engine.rejected = frozenset((s, o) for s, o in known if -1 not in s | o)
    pairs = sorted((min(s), min(o)) for s, o in engine.rejected if len(s) == len(o) == 1)
    engine.apart = frozenset(entry_id for pair in pairs for entry_id in pair)
    engine.store.put("barred", {"s": [s for s, _ in pairs], "o": [o for _, o in pairs]})


def _groups(rows: Rows, engine: Engine) -> Groups:
    names = [plan.rule.name for plan in engine.plans]
    numbers = pc.subtract(pa.concat_arrays([item[0] for item in rows.pairs]), _ONE)
    # Mostly a book comes in the order of its refs: then its places sort the pairs at no cost.
    mates = rows.mates
    turn = pc.inverse_permutation(mates[0], max_index=len(rows.entries[0]) - 1).drop_null()
    numbers, places = numbers.take(turn), [at.take(turn) for at in mates]
    servicer, owner = (
        {name: table[name].take(at) for name in ("entry_ref", "signed")}
        for table, at in zip(rows.tables, places, strict=True)
    )
    single = Groups.pairs(
        pa.DictionaryArray.from_arrays(numbers, pa.array(names, pa.string())).cast(
            SCHEMA.field("pass").type
        ),
        servicer["entry_ref"],
        owner["entry_ref"],
        rows.tables[0]["currency"].take(places[0]),
        _difference(servicer["signed"], owner["signed"]),
    )
    return single.merged(Groups.of(_several(engine, names)))


def _difference(servicer: pa.Array, owner: pa.Array) -> pa.Array:
    """Return servicer - owner; two int64 may be further apart than an int64 says."""
    if pc.all(pc.equal(servicer, owner)).as_py() is not False:
        return pa.repeat(pa.scalar(0, WIDE), len(servicer))
    wide = pa.decimal128(19, 0)
    return pc.subtract(servicer.cast(wide), owner.cast(wide)).cast(WIDE)


def _several(engine: Engine, names: Sequence[str]) -> Iterator[MatchGroup]:
    for group in engine.groups:
        yield MatchGroup(
            names[group.pass_number - 1],
            tuple(sorted(engine.refs(group.servicer))),
            tuple(sorted(engine.refs(group.owner))),
            group.currency,
            group.residual_minor,
        )


_ONE: Final = pa.scalar(1, pa.int32())


def _near_misses(engine: Engine, near: Sequence[NearFound]) -> tuple[NearMiss, ...]:
    """Return near misses by refs, in the order of their servicer's refs."""
    names = {plan.number: plan.rule.name for plan in engine.plans}
    misses = [
        NearMiss(
            names.get(found.pass_number),
            found.split,
            tuple(sorted(engine.refs(found.servicer))),
            tuple(sorted(engine.refs(found.owner))),
        )
        for found in near
    ]
    return tuple(sorted(misses, key=lambda miss: (miss.servicer, miss.owner)))
