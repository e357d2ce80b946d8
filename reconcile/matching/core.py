"""From two tables of open entries to groups, proposals and near misses: rules 1 to 3 and 8.

What is open, decided or amended is settled before (`opening`, `decisions`); what a near miss is
called, after (`reconcile.breaks`). Of many entries `first` settles most by their columns alone;
the engine sees the rest, and entries as objects are only made of what it asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from reconcile.entries import EntryTable
from reconcile.matching.bounds import require_listable, tolerant_residuals
from reconcile.matching.engine import ALWAYS, Engine, Plan, plan_passes
from reconcile.matching.first import single_blocks, unsettled
from reconcile.matching.formed import groups_of
from reconcile.matching.groups import Groups
from reconcile.matching.near import NearFound, near_misses
from reconcile.matching.proposals import propose
from reconcile.matching.run_input import NearMiss, ProposalRefs
from reconcile.matching.table import KeyColumns, check_carriers, key_columns, side_table
from reconcile.matching.tables import steps_over
from reconcile.model import Entry, Proposal, Side
from reconcile.sides import of_both
from reconcile.terms import KeyPair, MatchPass

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


@dataclass(frozen=True)
class CoreLeft:
    """What is said of entries that no group holds: as in `CoreResult`."""

    proposals: tuple[Proposal, ...] = ()
    proposal_refs: tuple[ProposalRefs, ...] = ()
    near: tuple[NearMiss, ...] = ()


def match_open(given: CoreInput) -> CoreResult:
    """Run all passes over open entries, then propose and look for near misses.

    Raises InputError OPEN_TOO_MANY, CANDIDATES_EXPLODE.
    """
    with _confirmed(given) as (rows, engine, party):
        places = rows.left(engine)
        require_listable(sum(map(len, places)), sum(map(len, rows.entries)))
        left = CoreLeft() if engine is None else _look_at_left(engine, given.agreement, party)
        return CoreResult(
            groups=groups_of(rows, engine),
            proposals=left.proposals,
            near=left.near,
            proposal_refs=left.proposal_refs,
            left=places,
            mates=rows.mates,
        )


def confirm_open(given: CoreInput) -> Groups:
    """Return only what the passes confirm."""
    with _confirmed(given) as (rows, engine, _):
        return groups_of(rows, engine)


def match_left(given: CoreInput) -> CoreLeft:
    """Propose and look for near misses among entries of which the passes confirm nothing more."""
    columns = KeyColumns()
    plans = plan_passes(given.passes, columns)
    party = _party(columns)
    rows = Rows(given)
    with _engine(rows, plans, columns) as engine:
        return _look_at_left(engine, given.agreement, party)


def _look_at_left(engine: Engine, agreement: bytes, party: tuple[str, str]) -> CoreLeft:
    proposals, proposal_refs = propose(engine, agreement)
    near = _near_misses(engine, near_misses(engine.steps, engine.plans, party))
    return CoreLeft(proposals, proposal_refs, near)


@contextmanager
def _engine(
    rows: Rows,
    plans: tuple[Plan, ...],
    columns: KeyColumns,
    strict: frozenset[str] = frozenset(),
) -> Iterator[Engine]:
    """Open an engine over what is not settled, with what decisions rejected barred."""
    tables, entries = rows.rest()
    keys = (
        key_columns(entries[0], Side.SERVICER, columns.names),
        key_columns(entries[1], Side.OWNER, columns.names),
    )
    with steps_over(tables, keys, plans, rows.given.threads) as steps:
        engine = Engine(steps, plans, entries, strict)
        _bar(engine, rows.rejected())
        yield engine


def _party(columns: KeyColumns) -> tuple[str, str]:
    """Return the columns of account and name."""
    account, name = (columns.of((pair,)) for pair in (ACCOUNT, NAME))
    assert account is not None
    assert name is not None
    return account, name


@contextmanager
def _confirmed(given: CoreInput) -> Iterator[tuple[Rows, Engine | None, tuple[str, str]]]:
    """Settle everything that the passes confirm; yields also the columns of account and name.

    Where one side has nothing left after the first step, there is no engine.
    Where the tolerant residuals of a currency exceed the budget, everything is run again with no
    tolerant step in that currency: none of that run is confirmed. Currencies never touch.
    """
    columns = KeyColumns()
    plans = plan_passes(given.passes, columns)
    party = _party(columns)
    check_carriers(columns)
    rows = Rows(given)
    rows.settle_first(plans)
    if rows.done:
        yield rows, None, party
        return
    strict: frozenset[str] = frozenset()
    while True:
        with _engine(rows, plans, columns, strict) as engine:
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
            yield rows, engine, party
            return


@dataclass(frozen=True)
class Pairs:
    """1:1 groups: the number of each pair's pass, and the places of its two entries.

    `exact`: the amounts are known to be equal.
    """

    numbers: pa.Array
    servicer: pa.Array
    owner: pa.Array
    exact: bool


_NO_PAIRS: Final = Pairs(
    pa.array([], pa.int32()), pa.array([], pa.int64()), pa.array([], pa.int64()), exact=True
)


@dataclass
class Rows:
    """Both sides' entries and tables, and which of them are settled so far.

    `waiting`: by side the places that the engine sees, None for all.
    """

    given: CoreInput
    entries: tuple[EntryTable, EntryTable] = field(init=False)
    tables: tuple[pa.RecordBatch, pa.RecordBatch] = field(init=False)
    pairs: list[Pairs] = field(default_factory=lambda: [_NO_PAIRS])
    waiting: Places | None = None

    def __post_init__(self) -> None:
        """Make both tables."""
        given = self.given
        self.entries = (EntryTable.of(given.servicer), EntryTable.of(given.owner))
        self.tables = of_both(
            lambda side: side_table(self.entries[side], side, given.ordinal, given.held[side]),
            self.count,
            given.threads,
        )

    @property
    def count(self) -> int:
        """Return how many entries both sides have."""
        return sum(map(len, self.entries))

    def settle_first(self, plans: Sequence[Plan]) -> None:
        """Settle what stands alone in its block, pass by pass, while that leaves no block tied.

        A pass that comes later must not take what a tied block of an earlier one still holds. A
        pair that a decision rejected stays for the engine.
        """
        for plan in plans:
            if plan.rule.confirm != ALWAYS or plan.key is None or self.done:
                return
            tables, entries = self.rest()
            keys = self._keys(entries, plan.rule.keys)
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

    def _keys(self, entries: Sequence[EntryTable], keys: tuple[KeyPair, ...]) -> Places:
        """Return both sides' column of a key."""
        return of_both(
            lambda side: key_columns(entries[side], side, {keys: "k"})["k"],
            sum(map(len, entries)),
            self.given.threads,
        )

    @property
    def done(self) -> bool:
        """Say whether one side has nothing left that the other's could meet."""
        return not all(map(len, self.waiting or self.entries))

    def rejected(self) -> frozenset[RefSets]:
        """Return the rejected sets that were wholly open: of any other nothing is told apart."""
        rejected = self.given.rejected
        if not rejected:
            return rejected
        known = [
            self.entries[side].places_of({ref for sets in rejected for ref in sets[side]})
            for side in Side
        ]
        return frozenset(
            sets for sets in rejected if all(sets[side] <= known[side].keys() for side in Side)
        )

    def _not_barred(self, tables: tuple[pa.RecordBatch, pa.RecordBatch], found: Places) -> Places:
        barred = [sets for sets in self.given.rejected if len(sets[0]) == len(sets[1]) == 1]
        if not barred:
            return found
        refs = pa.array([ref for sets in barred for ref in sets[0]], pa.string())
        keep = pc.invert(pc.is_in(tables[0]["entry_ref"].take(found[0]), value_set=refs))
        return found[0].filter(keep), found[1].filter(keep)

    def _settle(self, number: int, found: Places) -> None:
        counts = list(map(len, self.waiting or self.entries))
        left = of_both(
            lambda side: unsettled(counts[side], found[side]), sum(counts), self.given.threads
        )
        places = self.places(found)
        numbers = pa.repeat(pa.scalar(number, pa.int32()), len(places[0]))
        self.pairs.append(Pairs(numbers, *places, exact=True))
        self.waiting = self.places(left)

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
        numbers, servicer, owner = engine.steps.pairs()
        half = pa.scalar(1, pa.int64())
        places = self.places([pc.shift_right(ids, half) for ids in (servicer, owner)])
        self.pairs.append(Pairs(numbers, *places, exact=False))

    @property
    def mates(self) -> Places:
        """Return the places of all pairs, side by side."""
        return (
            pa.concat_arrays([pairs.servicer for pairs in self.pairs]),
            pa.concat_arrays([pairs.owner for pairs in self.pairs]),
        )

    def left(self, engine: Engine | None) -> Places:
        """Return by side the places that neither a pair nor a group holds."""
        mates = self.mates
        groups = () if engine is None else engine.groups

        def of_side(side: Side) -> pa.Array:
            members = [item for group in groups for item in group.side(side)]
            several = self._place(side, pa.array([item >> 1 for item in members], pa.int64()))
            grouped = pa.concat_arrays([mates[side], several])
            return unsettled(len(self.entries[side]), grouped)

        return of_both(of_side, self.count, self.given.threads)

    def _place(self, side: Side, rest: pa.Array) -> pa.Array:
        return rest if self.waiting is None else self.waiting[side].take(rest)


def _bar(engine: Engine, rejected: frozenset[RefSets]) -> None:
    """Translate rejected sets into ids; one that is in part settled already bars nothing more.

    The entries of a pair are told apart from their like all the same.
    """
    if not rejected:
        return
    ids = engine.ids_of(ref for sets in rejected for refs in sets for ref in refs)
    known = [
        tuple(frozenset(ids.get((side, ref), -1) for ref in sets[side]) for side in (0, 1))
        for sets in rejected
    ]
    engine.rejected = frozenset((s, o) for s, o in known if -1 not in s | o)
    pairs = sorted((min(s), min(o)) for s, o in known if len(s) == len(o) == 1)
    engine.apart = frozenset(entry_id for pair in pairs for entry_id in pair) - {-1}
    pairs = [pair for pair in pairs if -1 not in pair]
    engine.steps.bar(pairs)


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
