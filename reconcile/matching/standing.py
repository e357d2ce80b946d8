"""Open entries that stand between batches: a new batch costs what it touches, not all there is.

Each confirming step of a pass works inside blocks: entries of one key and currency, and of one
signed amount where only exact amounts are compared. So what a step does to an entry depends on the
entries of its blocks alone, and by induction over steps and rounds the groups of a set of entries
that shares no block with any other entry are those of a run over that set. `Standing` keeps the
blocks of every entry as hashes. A batch touches the entries that it reaches through common hashes,
again and again; these are matched by themselves and take the place of the groups they had.

Proposals and near misses are made of what no group holds, in blocks of their own: all that remains
under one key of an `always` pass, whatever it says else, and under one amount. So they are made
anew for the open entries that a batch reaches, directly or through others that are open or were.

Entries of a set that a decision rejected are told apart from their like where the whole set is
open, so such a set belongs together (`tie`), as does whatever else the caller says.

Two rules look at all entries at once: a tolerance budget and the budget of a subset search. Under
terms that have one (`goes_on` says no) every batch is a run over everything.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from reconcile.entries import EntryTable
from reconcile.matching.blocks import Blocks, block_hashes, confirming_blocks, left_blocks
from reconcile.matching.core import CoreInput, CoreLeft, RefSets, confirm_open, match_left
from reconcile.matching.engine import NEVER, plan_passes
from reconcile.matching.groups import Groups
from reconcile.matching.opening import conflict
from reconcile.matching.proposed import Proposed
from reconcile.matching.run_input import NearMiss, ProposalRefs
from reconcile.matching.source import TOLERANT
from reconcile.matching.table import KeyColumns, check_carriers, key_columns, side_table
from reconcile.model import ZERO32, Entry, MatchGroup, Proposal, Side
from reconcile.terms import MatchPass

# What is in no group is open or not of the run: an older version, a repeat, a settled entry.
OPEN: Final = -1
GONE: Final = -2
NOTHING: Final[RefSets] = (frozenset(), frozenset())

_Tables = tuple[EntryTable, EntryTable]


def goes_on(passes: Sequence[MatchPass]) -> bool:
    """Say whether under these passes a batch can be matched by what it touches."""
    return not any(
        plan.searched or (TOLERANT in plan.loose_kinds and plan.rule.confirm != NEVER)
        for plan in plan_passes(passes, KeyColumns())
    )


@dataclass(frozen=True)
class Change:
    """What a batch did.

    `formed`, `dissolved`: by number, groups that are new and groups that stand no more.
    `proposed`, `withdrawn`: proposals, and keys of those that stand no more. `looked_at`: ids (2 x
    place + side) of the open entries whose proposals and near misses were made anew, `near` being
    the latter. `touched`: ids whose groups were made anew, of entries that stand no more too.
    `fresh`, `replaced`: ids of new entries that count, and of those in whose place they came.
    """

    formed: Mapping[int, MatchGroup]
    dissolved: Mapping[int, MatchGroup]
    proposed: Mapping[bytes, Proposal]
    withdrawn: frozenset[bytes]
    near: tuple[NearMiss, ...]
    looked_at: frozenset[int]
    touched: frozenset[int]
    fresh: frozenset[int]
    replaced: frozenset[int]


class Standing:
    """All entries since the last agreed report, the groups and proposals that they form."""

    def __init__(
        self,
        passes: Sequence[MatchPass],
        ordinal: Callable[[int], int],
        *,
        agreement: bytes = ZERO32,
        held: RefSets = NOTHING,
        rejected: frozenset[RefSets] = frozenset(),
        threads: int | None = None,
    ) -> None:
        """Take the rules; `ordinal` counts business days common to both calendars."""
        self._passes = passes
        self._ordinal = ordinal
        self._agreement = agreement
        self._held = held
        self._rejected = rejected
        self._threads = threads
        self._keys = KeyColumns()
        plans = plan_passes(passes, self._keys)
        check_carriers(self._keys)
        confirming, left = confirming_blocks(plans), left_blocks(plans)
        self._in_blocks = [*confirming, *left]
        self._confirming = range(len(confirming))
        self._left = range(len(confirming), len(confirming) + len(left))
        self._blocks = Blocks(self._left.stop)
        self._tables: _Tables = (EntryTable.of(()), EntryTable.of(()))
        self._places: tuple[dict[str, int], dict[str, int]] = ({}, {})
        self._went = (array("i"), array("i"))
        # Entries that something other than a pass grouped: passes do not see them.
        self._aside: set[int] = set()
        self._ties: dict[int, list[set[int]]] = {}
        self._tied_refs = _tied_refs(rejected)
        self._first = Groups.of(())
        self._later: dict[int, MatchGroup] = {}
        self._made = 0
        self._proposed = Proposed()

    # ------------------------------------------------------------------------ looking
    def groups(self) -> dict[int, MatchGroup]:
        """Return all groups by number: those of a run over all entries."""
        alive = {number for went in self._went for number in went if number >= 0}
        first = len(self._first)
        early = enumerate(self._first) if first else ()
        found = {number: group for number, group in early if number in alive}
        return found | {n: self._later[n] for n in sorted(alive) if n >= first}

    def place(self, side: Side, ref: str) -> int | None:
        """Return where the entry of a ref stands that counts, None where there is none."""
        return self._places[side].get(ref)

    def item(self, side: Side, ref: str) -> int:
        """Return the id of a ref that is of the run."""
        return 2 * self._places[side][ref] + side

    def is_open(self, item: int) -> bool:
        """Say whether an id is of the run and in no group."""
        return self.went(item) == OPEN

    def went(self, item: int) -> int:
        """Return the group number of an id, OPEN or GONE."""
        return self._went[item & 1][item >> 1]

    def stands(self, item: int) -> bool:
        """Say whether an id is of the run: no older version, no repeat, not settled."""
        return self.went(item) != GONE

    def proposals_of(self, item: int) -> Collection[bytes]:
        """Return the keys of the proposals that name an id."""
        return self._proposed.of(item)

    def entry(self, item: int) -> Entry:
        """Return the entry of an id."""
        return self._tables[item & 1].at((item >> 1,))[0]

    def entries(self, ids: Iterable[int], side: Side) -> list[Entry]:
        """Return one side's entries of these ids, in the order of their places."""
        return self._tables[side].at(sorted(item >> 1 for item in ids if item & 1 == side))

    def is_aside(self, side: Side, ref: str) -> bool:
        """Say whether something other than a pass grouped the entry of a ref."""
        place = self._places[side].get(ref)
        return place is not None and 2 * place + side in self._aside

    def _group(self, number: int) -> MatchGroup:
        found = self._later.get(number)
        return self._first[number] if found is None else found

    # ------------------------------------------------------------------------- beginning
    def begin(
        self,
        servicer: EntryTable,
        owner: EntryTable,
        groups: Groups,
        proposals: Iterable[tuple[Proposal, ProposalRefs]],
        *,
        settled: RefSets = NOTHING,
        others: Collection[str] = (),
    ) -> None:
        """Take over what a run over all these entries found; `others`: no passes, by name.

        The number of a group is its place among the groups.
        """
        self._tables = (servicer, owner)
        for side in Side:
            live, _ = self._news(side, self._tables[side], settled[side])
            self._take(side, live)
        self._first, self._made = groups, len(groups)
        for side in Side:
            places, went = self._places[side], self._went[side]
            for ref, number in groups.numbers(side):
                went[places[ref]] = number
        for group in groups.made_by(others):
            self._aside.update(self._ids((group.servicer, group.owner)))
        for proposal, (_, sides) in proposals:
            self._proposed.keep(proposal, self._ids(sides))

    def tie(self, item: int, together: set[int]) -> None:
        """Join an id to ids that are looked at together, whatever blocks they are in."""
        together.add(item)
        self._ties.setdefault(item, []).append(together)

    # ---------------------------------------------------------------------------- adding
    def add(
        self,
        servicer: EntryTable,
        owner: EntryTable,
        *,
        settled: RefSets = NOTHING,
        also: Collection[int] = (),
    ) -> Change:
        """Take both sides' entries, of which all but the last ones are known already.

        A ref that is known is amended by a higher version. `settled`: refs that are not of the run.
        `also`: ids to look at besides. Raises InputError ENTRY_CONFLICT for one ref and version
        with two contents; then nothing is taken.
        """
        tables = (servicer, owner)
        first = not any(map(len, self._went))
        news = [self._news(side, tables[side], settled[side]) for side in Side]
        self._tables = tables
        for side in Side:
            self._take(side, news[side][0])
        fresh = {2 * place + side for side in Side for place in news[side][0].values()}
        gone = [2 * place + side for side in Side for place in news[side][1]]
        touched = fresh
        if not first:
            touched = self._reach({*fresh, *gone, *also}, self._confirming, self.stands)
        before = {
            number
            for item in touched
            if (number := self.went(item)) >= 0 and item not in self._aside
        }
        for item in gone:
            self._went[item & 1][item >> 1] = GONE
        formed, dissolved = self._regroup(touched, before)
        looked_at = touched
        if not first:
            looked_at = self._reach(
                touched, self._left, lambda item: self.is_open(item) or item in touched
            )
        before_keys = {key for item in looked_at for key in self._proposed.of(item)}
        looked_at = {item for item in looked_at if self.is_open(item)}
        left = self._match_left(looked_at)
        made = [
            (proposal, self._ids(refs))
            for proposal, (_, refs) in zip(left.proposals, left.proposal_refs, strict=True)
        ]
        proposed, withdrawn = self._proposed.replace(before_keys, made)
        return Change(
            formed=formed,
            dissolved=dissolved,
            proposed=proposed,
            withdrawn=withdrawn,
            near=left.near,
            looked_at=frozenset(looked_at),
            touched=frozenset(touched),
            fresh=frozenset(fresh),
            replaced=frozenset(gone),
        )

    def _news(
        self, side: Side, table: EntryTable, settled: frozenset[str]
    ) -> tuple[dict[str, int], list[int]]:
        """Return the places of new refs and versions that count, and those that they replace."""
        start = len(self._went[side])
        refs = table.refs_from(start)
        live = dict(zip(refs, range(start, len(table)), strict=True))
        known = self._places[side]
        again = len(live) < len(refs) or not known.keys().isdisjoint(live)
        if not again and settled.isdisjoint(live):
            return live, []
        live, replaced = {}, []
        for place, ref in enumerate(refs, start):
            if ref in settled:
                continue
            at = live.get(ref, known.get(ref))
            if at is None:
                live[ref] = place
                continue
            entry, held = table.at((place, at))
            if entry.version > held.version:
                live[ref] = place
                if at < start:
                    replaced.append(at)
            elif entry.version == held.version and entry != held:
                raise conflict(side, entry)
        return live, replaced

    def _take(self, side: Side, live: Mapping[str, int]) -> None:
        """Take a side's new rows: their places, and the blocks that they are in."""
        table, start = self._tables[side], len(self._went[side])
        count = len(table) - start
        whole = len(live) == count
        went = array("i", [OPEN if whole else GONE]) * count
        for place in () if whole else live.values():
            went[place - start] = OPEN
        self._went[side].extend(went)
        if count:
            rows = EntryTable.of(table.at(range(start, len(table)))) if start else table
            self._blocks.append(side, self._hashes(rows, side))
        self._places[side].update(live)
        for ref, place in live.items() if self._tied_refs else ():
            for together in self._tied_refs.get((side, ref), ()):
                self.tie(2 * place + side, together)

    def _hashes(self, rows: EntryTable, side: Side) -> list[array[int]]:
        """Return the hashes of the blocks that some rows are in."""
        table = side_table(rows, side, self._ordinal, frozenset())
        return block_hashes(self._in_blocks, table, key_columns(rows, side, self._keys.names))

    def _reach(
        self, seeds: Iterable[int], columns: range, admits: Callable[[int], bool]
    ) -> set[int]:
        return self._blocks.reach(seeds, columns, admits, self._tied)

    def _tied(self, item: int) -> Iterable[int]:
        for together in self._ties.get(item, ()):
            yield from together

    # -------------------------------------------------------------------------- matching
    def _given(self, ids: Iterable[int]) -> CoreInput | None:
        """Return these entries as passes see them; None where one side has none."""
        found = list(ids)
        books = [self.entries(found, side) for side in Side]
        if not all(books):
            return None
        refs = [frozenset(entry.entry_ref for entry in book) for book in books]
        return CoreInput(
            agreement=self._agreement,
            servicer=books[0],
            owner=books[1],
            passes=self._passes,
            ordinal=self._ordinal,
            held=(self._held[0] & refs[0], self._held[1] & refs[1]),
            rejected=frozenset(
                sets for sets in self._rejected if sets[0] <= refs[0] and sets[1] <= refs[1]
            ),
            threads=self._threads,
        )

    def _regroup(
        self, touched: Collection[int], before: Iterable[int]
    ) -> tuple[dict[int, MatchGroup], dict[int, MatchGroup]]:
        """Group these entries anew; groups that stay as they were keep their numbers."""
        given = self._given(
            item for item in touched if item not in self._aside and self.stands(item)
        )
        found = () if given is None else confirm_open(given)
        dissolved = {number: self._group(number) for number in before}
        for item in touched:
            if item not in self._aside and self.stands(item):
                self._went[item & 1][item >> 1] = OPEN
        numbers = {group: number for number, group in dissolved.items()}
        formed: dict[int, MatchGroup] = {}
        for group in found:
            number = numbers.get(group)
            if number is None:
                number, self._made = self._made, self._made + 1
                formed[number] = self._later[number] = group
            else:
                del dissolved[number]
            for side, refs in zip(Side, (group.servicer, group.owner), strict=True):
                for ref in refs:
                    self._went[side][self._places[side][ref]] = number
        for number in dissolved:
            self._later.pop(number, None)
        return formed, dissolved

    def _match_left(self, ids: Collection[int]) -> CoreLeft:
        given = self._given(ids)
        return CoreLeft((), (), ()) if given is None else match_left(given)

    def _ids(self, refs: tuple[tuple[str, ...], tuple[str, ...]]) -> tuple[int, ...]:
        return tuple(2 * self._places[side][ref] + side for side in Side for ref in refs[side])


def _tied_refs(rejected: Iterable[RefSets]) -> dict[tuple[int, str], list[set[int]]]:
    """Return by side and ref the rejected sets, each the ids that will stand for its refs."""
    tied: dict[tuple[int, str], list[set[int]]] = {}
    for sets in rejected:
        together: set[int] = set()
        for side in Side:
            for ref in sets[side]:
                tied.setdefault((int(side), ref), []).append(together)
    return tied
