# ruff: noqa: S608 - the SQL's names come from this package, its values never from text
"""Open entries that stand between batches: a new batch costs what it touches, not all there is.

Each confirming step of a pass works inside blocks: entries of one key and currency, and of one
signed amount where only exact amounts are compared. So what a step does to an entry depends on the
entries of its blocks alone, and by induction over steps and rounds the groups of a set of entries
that shares no block with any other entry are those of a run over that set. `Standing` keeps for
every entry the hashes of its blocks. A batch touches the entries that it reaches through common
hashes, again and again; these are matched by themselves and take the place of the groups they had.
Two blocks of one hash only make that set larger.

Two rules look at all entries at once: a tolerance budget and the budget of a subset search. Under
terms that have one, a batch is a run over everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import duckdb
import pyarrow as pa

from reconcile.entries import EntryTable
from reconcile.matching.core import CoreInput, confirm_open
from reconcile.matching.engine import NEVER, Plan, plan_passes
from reconcile.matching.opening import conflict
from reconcile.matching.source import TOLERANT
from reconcile.matching.table import KeyColumns, check_carriers, key_columns, side_table
from reconcile.model import Entry, MatchGroup, Side
from reconcile.terms import MatchPass

# Entries come in batches behind a large table; at so many they are joined to it.
MAX_TAIL: Final = 200_000

_SHARING: Final = """
SELECT DISTINCT id FROM link
WHERE block IN (SELECT block FROM link WHERE id IN (SELECT id FROM known))
"""


@dataclass(frozen=True)
class Change:
    """What a batch did: groups that are new, groups that stand no more, entries looked at."""

    formed: tuple[MatchGroup, ...]
    dissolved: tuple[MatchGroup, ...]
    touched: int


class _SideEntries:
    """One side's entries by their places: a table, and behind it what came since."""

    def __init__(self) -> None:
        self._table = EntryTable.of(())
        self._tail: list[Entry] = []
        self._tail_places: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._table) + len(self._tail)

    def places_of(self, refs: Iterable[str]) -> dict[str, int]:
        """Return the newest place of each of these refs that is there."""
        wanted = set(refs)
        found = self._table.places_of(wanted) if wanted else {}
        return found | {ref: self._tail_places[ref] for ref in wanted & self._tail_places.keys()}

    def at(self, places: Sequence[int]) -> list[Entry]:
        """Return the entries at these places."""
        limit = len(self._table)
        early = iter(self._table.at([place for place in places if place < limit]))
        return [next(early) if place < limit else self._tail[place - limit] for place in places]

    def some(self, places: Sequence[int]) -> EntryTable:
        """Return the entries at these places as a table."""
        if len(places) == len(self._table) and not self._tail:
            return self._table
        return EntryTable.of(self.at(places))

    def append(self, entries: EntryTable) -> None:
        """Put entries behind the others."""
        if not len(self):
            self._table = entries
            return
        for place, entry in enumerate(entries, len(self)):
            self._tail_places[entry.entry_ref] = place
            self._tail.append(entry)
        if len(self._tail) > MAX_TAIL:
            joined = self._table.followed_by(self._tail)
            self._table = EntryTable.from_arrow(joined.to_arrow())
            self._tail, self._tail_places = [], {}


class Standing:
    """All entries since the last agreed report, the groups they form, and their blocks."""

    def __init__(
        self,
        passes: Sequence[MatchPass],
        ordinal: Callable[[int], int],
        *,
        budget_minor: int = 0,
        threads: int | None = None,
    ) -> None:
        """Take the rules; `ordinal` counts business days common to both calendars."""
        self._passes = passes
        self._ordinal = ordinal
        self._budget_minor = budget_minor
        self._threads = threads
        self._keys = KeyColumns()
        plans = plan_passes(passes, self._keys)
        check_carriers(self._keys)
        self._confirming = [plan for plan in plans if plan.rule.confirm != NEVER]
        self._local = not any(
            plan.searched or TOLERANT in plan.loose_kinds for plan in self._confirming
        )
        self._sides = (_SideEntries(), _SideEntries())
        self._replaced: set[int] = set()
        self._groups: dict[int, MatchGroup] = {}
        self._group_of: dict[int, int] = {}
        self._made = 0
        self._con = duckdb.connect(":memory:")
        if threads is not None:
            self._con.execute(f"SET threads = {int(threads)}")
        self._con.execute("CREATE TABLE link (block UBIGINT, id BIGINT)")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._con.close()

    @property
    def groups(self) -> tuple[MatchGroup, ...]:
        """Return all groups in canonical order: those of a run over all entries."""
        return tuple(sorted(self._groups.values(), key=lambda item: (item.servicer, item.owner)))

    def add(self, servicer: Sequence[Entry] = (), owner: Sequence[Entry] = ()) -> Change:
        """Take a batch; a ref that is known already is amended by a higher version.

        Raises InputError ENTRY_CONFLICT for one ref and version with two contents; then nothing of
        the batch is taken.
        """
        fresh: list[tuple[EntryTable, list[int]]] = [
            self._news(side, EntryTable.of(entries))
            for side, entries in ((Side.SERVICER, servicer), (Side.OWNER, owner))
        ]
        first = not any(map(len, self._sides))
        ids: list[int] = []
        for side in Side:
            entries, replaced = fresh[side]
            start = len(self._sides[side])
            mine = [2 * place + side for place in range(start, start + len(entries))]
            ids += mine + replaced
            if len(entries):
                self._link(side, entries, mine)
                self._sides[side].append(entries)
        touched = self._all() if first or not self._local else self._reach(ids)
        for _, replaced in fresh:
            self._replaced.update(replaced)
        self._unlink([item for _, replaced in fresh for item in replaced])
        return self._match(touched)

    def _news(self, side: Side, entries: EntryTable) -> tuple[EntryTable, list[int]]:
        """Return the highest new version of each ref, and the ids that they replace."""
        refs = entries.column("entry_ref").to_pylist()
        if not len(self._sides[side]) and len(set(refs)) == len(refs):
            return entries, []
        known = self._sides[side].places_of(refs)
        held = dict(zip(known, self._sides[side].at(list(known.values())), strict=True))
        newest: dict[str, Entry] = {}
        for entry in entries:
            before = newest.get(entry.entry_ref) or held.get(entry.entry_ref)
            if before is None or entry.version > before.version:
                newest[entry.entry_ref] = entry
            elif entry.version == before.version and entry != before:
                raise conflict(side, entry)
        replaced = [2 * known[ref] + side for ref in newest if ref in known]
        return EntryTable.of(list(newest.values())), replaced

    def _link(self, side: Side, entries: EntryTable, ids: Sequence[int]) -> None:
        """Remember the blocks of entries that passes may group."""
        rows = side_table(entries, side, self._ordinal, frozenset())
        keys = key_columns(entries, side, self._keys.names)
        names = ["id", "currency", "signed", "moving", *keys]
        columns = [pa.array(ids, pa.int64()), rows["currency"], rows["signed"], rows["moving"]]
        self._con.register("batch", pa.table([*columns, *keys.values()], names=names))
        if self._confirming:
            blocks = " UNION ALL ".join(map(_blocks_sql, self._confirming))
            self._con.execute(f"INSERT INTO link {blocks}")
        self._con.unregister("batch")

    def _reach(self, ids: Sequence[int]) -> set[int]:
        """Return these ids and all that common blocks lead to from them."""
        known = set(ids)
        while True:
            self._con.register("known", pa.table({"id": pa.array(sorted(known), pa.int64())}))
            found = self._con.sql(_SHARING).to_arrow_table()["id"].to_pylist()
            self._con.unregister("known")
            if known.issuperset(found):
                return known
            known.update(found)

    def _all(self) -> set[int]:
        return {2 * place + side for side in Side for place in range(len(self._sides[side]))}

    def _unlink(self, ids: Sequence[int]) -> None:
        if ids:
            self._con.register("gone", pa.table({"id": pa.array(ids, pa.int64())}))
            self._con.execute("DELETE FROM link WHERE id IN (SELECT id FROM gone)")
            self._con.unregister("gone")

    def _match(self, touched: set[int]) -> Change:
        """Match these entries by themselves; their groups take the place of those they had."""
        open_ids = touched - self._replaced
        places = [sorted(item >> 1 for item in open_ids if item & 1 == side) for side in Side]
        books = [self._sides[side].some(places[side]) for side in Side]
        found = confirm_open(
            CoreInput(
                agreement=b"",
                servicer=books[0],
                owner=books[1],
                passes=self._passes,
                ordinal=self._ordinal,
                budget_minor=self._budget_minor,
                threads=self._threads,
            )
        )
        names = []
        for side in Side:
            refs = books[side].column("entry_ref").to_pylist()
            ids = (2 * place + side for place in places[side])
            names.append(dict(zip(refs, ids, strict=True)))
        return self._replace(list(found), touched, names)

    def _replace(
        self, found: Sequence[MatchGroup], touched: set[int], names: Sequence[Mapping[str, int]]
    ) -> Change:
        numbers = {self._group_of[item] for item in touched if item in self._group_of}
        before = {number: self._groups[number] for number in numbers}
        for number in before:
            del self._groups[number]
        for item in touched:
            self._group_of.pop(item, None)
        for group in found:
            self._made += 1
            self._groups[self._made] = group
            for side, refs in zip(Side, (group.servicer, group.owner), strict=True):
                self._group_of.update({names[side][ref]: self._made for ref in refs})
        old, new = set(before.values()), set(found)
        return Change(
            formed=tuple(group for group in found if group not in old),
            dissolved=tuple(group for group in before.values() if group not in new),
            touched=len(touched),
        )


def _blocks_sql(plan: Plan) -> str:
    """Return the rows of `link` that a batch adds for one pass."""
    key = plan.key or "''"
    amount = "" if plan.loose_kinds or plan.grouped or plan.searched else ", signed"
    return (
        f"SELECT hash({plan.number}, {key}, currency{amount}), id FROM batch "
        f"WHERE moving AND {key} IS NOT NULL"
    )
