# ruff: noqa: S608 - the SQL's names come from this package, its values never from text
"""From two lists of open entries to groups, proposals and near misses: rules 1 to 3 and 8.

What is open, decided or amended is settled before (`opening`, `decisions`); what a near miss is
called, after (`reconcile.breaks`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import compress
from operator import attrgetter
from typing import Final

from reconcile.matching.engine import ALWAYS, Engine, Plan, plan_passes
from reconcile.matching.near import NearFound, near_misses
from reconcile.matching.proposals import propose
from reconcile.matching.run_input import NearMiss, ProposalRefs
from reconcile.matching.source import EXACT, TOLERANT
from reconcile.matching.store import FEW_ROWS, SideKeys, Store
from reconcile.matching.table import KeyColumns, check_carriers, key_columns, side_table
from reconcile.model import Entry, MatchGroup, Proposal, Side
from reconcile.terms import KeyPair, MatchPass

RefSets = tuple[frozenset[str], frozenset[str]]

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

_REF: Final = attrgetter("entry_ref")
_CURRENCY: Final = attrgetter("currency")

_PAIRS: Final = """
SELECT p.pass, p.kind, p.s, p.o FROM pair p JOIN entry e ON e.id = p.s
ORDER BY e.entry_ref, e.side
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

    `left`: by side the entries that no group holds, in the order they came in.
    """

    groups: tuple[MatchGroup, ...]
    proposals: tuple[Proposal, ...]
    near: tuple[NearMiss, ...]
    proposal_refs: tuple[ProposalRefs, ...]
    left: tuple[list[Entry], list[Entry]]


def match_open(given: CoreInput) -> CoreResult:
    """Run all passes over open entries.

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
    rows = Rows(given, columns, plans)
    names = {plan.number: plan.rule.name for plan in plans}
    strict: frozenset[str] = frozenset()
    while True:
        with Store(*rows.tables, rows.first_keys, threads=given.threads) as store:
            engine = Engine(store, plans, rows.entries, strict, head=rows.head)
            engine.widen = partial(rows.widen, store)
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
            proposals, proposal_refs = propose(engine, given.agreement)
            near = near_misses(store, plans, (account, name))
            pairs = engine.store.columns(_PAIRS)
            return CoreResult(
                groups=_groups(engine, names, pairs),
                proposals=proposals,
                near=_near_misses(engine, names, near),
                proposal_refs=proposal_refs,
                left=_left(engine, pairs),
            )


class Rows:
    """Both sides' tables, and the keys that the engine asks for.

    Of many entries most are settled by the first `always` pass whose keys both sides hold: the
    other keys are made only for what that pass, the `head`, leaves.
    """

    def __init__(self, given: CoreInput, columns: KeyColumns, plans: Sequence[Plan]) -> None:
        """Make the tables, and the keys of the head or, of few entries, all keys."""
        self.entries = (given.servicer, given.owner)
        servicer, owner = (
            side_table(self.entries[side], side, given.ordinal, given.held[side]) for side in Side
        )
        self.tables = (servicer, owner)
        self.names = columns.names
        self.head: Plan | None = None
        if sum(map(len, self.entries)) >= FEW_ROWS:
            self.head, self.first_keys = self._head(plans)
        if self.head is None:
            self.first_keys = self._keys(self.entries, self.names)

    def widen(self, store: Store) -> None:
        """Give what the head left all other keys."""
        ids: tuple[list[int], list[int]] = ([], [])
        for entry_id in store.waiting():
            ids[entry_id & 1].append(entry_id)
        left = tuple([self.entries[side][i >> 1] for i in ids[side]] for side in Side)
        others = {keys: name for keys, name in self.names.items() if name not in store.alive}
        store.widen(ids, self._keys(left, others))

    def _head(self, plans: Sequence[Plan]) -> tuple[Plan | None, SideKeys]:
        """Return the first `always` pass that can settle anything, if it pairs by one key."""
        for plan in plans:
            if plan.rule.confirm != ALWAYS:
                continue
            if plan.key is None or plan.rule.shape != ("1:1",):
                break
            keys = self._keys(self.entries, {plan.rule.keys: plan.key})
            if all(side[plan.key].null_count < len(side[plan.key]) for side in keys):
                return plan, keys
        return None, ({}, {})

    @staticmethod
    def _keys(
        entries: Sequence[Sequence[Entry]], names: Mapping[tuple[KeyPair, ...], str]
    ) -> SideKeys:
        servicer, owner = (key_columns(entries[side], side, names) for side in Side)
        return servicer, owner


def tolerant_residuals(engine: Engine) -> Mapping[str, int]:
    """Return per currency the sum of the absolute residuals that tolerant steps left."""
    totals: dict[str, int] = defaultdict(int)
    servicer, owner = engine.store.columns(f"SELECT s, o FROM pair WHERE kind = {TOLERANT}")
    for s, o in zip(servicer, owner, strict=True):
        entry = engine.entry(s)
        totals[entry.currency] += abs(entry.signed_minor - engine.entry(o).signed_minor)
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


def _left(engine: Engine, pairs: Sequence[Sequence[int]]) -> tuple[list[Entry], list[Entry]]:
    """Return by side the entries that neither a pair (pass, kind, s, o) nor a group holds."""
    left: list[list[Entry]] = []
    for side in Side:
        open_ = bytearray(b"\1") * len(engine.entries[side])
        for entry_id in pairs[2 + side]:
            open_[entry_id >> 1] = 0
        for group in engine.groups:
            for entry_id in (group.servicer, group.owner)[side]:
                open_[entry_id >> 1] = 0
        left.append(list(compress(engine.entries[side], open_)))
    return left[0], left[1]


def _groups(
    engine: Engine, names: Mapping[int, str], pairs: Sequence[Sequence[int]]
) -> tuple[MatchGroup, ...]:
    single = _pairs(engine, names, pairs)
    if not engine.groups:
        return tuple(single)
    several = [
        MatchGroup(
            names[group.pass_number],
            tuple(sorted(engine.refs(group.servicer))),
            tuple(sorted(engine.refs(group.owner))),
            group.currency,
            group.residual_minor,
        )
        for group in engine.groups
    ]
    return canonical_groups(single + several)


def _pairs(
    engine: Engine, names: Mapping[int, str], pairs: Sequence[Sequence[int]]
) -> list[MatchGroup]:
    """Return the 1:1 groups in canonical order; made column by column, for there may be millions.

    `zip(refs)` makes one-element tuples.
    """
    passes, kinds, s_ids, o_ids = pairs
    servicer = [engine.entries[0][i >> 1] for i in s_ids]
    owner = [engine.entries[1][i >> 1] for i in o_ids]
    residuals = [0] * len(kinds)
    for place, kind in enumerate(kinds) if any(kinds) else ():
        if kind != EXACT:
            residuals[place] = servicer[place].signed_minor - owner[place].signed_minor
    return list(
        map(
            MatchGroup,
            map(names.__getitem__, passes),
            zip(map(_REF, servicer)),
            zip(map(_REF, owner)),
            map(_CURRENCY, servicer),
            residuals,
        )
    )


def canonical_groups(groups: Sequence[MatchGroup]) -> tuple[MatchGroup, ...]:
    """Return groups in the canonical order: their servicer's refs, then their owner's."""
    return tuple(sorted(groups, key=lambda group: (group.servicer, group.owner)))


def _near_misses(
    engine: Engine, names: Mapping[int, str], near: Sequence[NearFound]
) -> tuple[NearMiss, ...]:
    """Return near misses by refs, in the order of their servicer's refs."""
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
