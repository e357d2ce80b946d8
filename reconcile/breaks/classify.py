"""From what matching left to breaks, in canonical order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from reconcile.breaks.differences import Judge
from reconcile.breaks.keys import Carried, Entries, KeyAndMerged, assign_keys, carried_keys
from reconcile.breaks.onesided import OneSided, linked_of, said_again
from reconcile.matching.run_input import Matched, NearMiss, RunInput
from reconcile.model import Break, BreakKind, Entry, Mark, Side, window_day


@dataclass(frozen=True)
class Left:
    """Open entries, all of a run or some that no break holds together with others.

    `opened`: by side. `near`: near misses among them. `proposals`: those that name an entry, by
    side and ref.
    """

    opened: tuple[Sequence[Entry], Sequence[Entry]]
    near: Sequence[NearMiss]
    proposals: Mapping[tuple[Side, str], Collection[bytes]]


def classify(run: RunInput, matched: Matched) -> tuple[Break, ...]:
    """Return every break of entries, sorted by servicer's refs, then owner's.

    BALANCE and STATEMENT_GAP have no entries: the report adds them where an identity fails.

    Each open entry is in exactly one, but VOID ones alone or against VOID: those are counted.
    """
    again = said_again(run.terms, matched.open, matched.entries)
    left = Left(matched.open, matched.near, _proposals_by_entry(matched))
    return breaks_of(OneSided(run, linked_of(matched), again), carried_keys(run), left)


def breaks_of(alone: OneSided, carried: Carried, left: Left) -> tuple[Break, ...]:
    """Return the breaks of these entries, sorted as `classify` does."""
    run = alone.run
    judge = Judge(run.terms)
    drafts: list[tuple[Entries, tuple[BreakKind, ...]]] = []
    by_ref = tuple({e.entry_ref: e for e in entries} for entries in left.opened)
    near_refs: tuple[set[str], set[str]] = (set(), set())
    for near in left.near:
        servicer = tuple(by_ref[0][ref] for ref in near.servicer)
        owner = tuple(by_ref[1][ref] for ref in near.owner)
        near_refs[0].update(near.servicer)
        near_refs[1].update(near.owner)
        drafts.append(((servicer, owner), judge.kinds(near, servicer, owner)))
    for side in Side:
        for entry in left.opened[side]:
            if entry.entry_ref not in near_refs[side]:
                kind = alone.kind(side, entry)
                entries: Entries = ((entry,), ()) if side is Side.SERVICER else ((), (entry,))
                drafts.append((entries, () if kind is None else (kind,)))
    drafts = sorted((draft for draft in drafts if draft[1]), key=lambda draft: _order(draft[0]))
    keys = assign_keys(run.agreement, carried, [entries for entries, _ in drafts])
    found = [
        _break(run, alone, key, left.proposals, entries, kinds)
        for key, (entries, kinds) in zip(keys, drafts, strict=True)
    ]
    return tuple(sorted(found, key=lambda item: (item.servicer, item.owner, item.kind, item.key)))


def _order(entries: Entries) -> tuple[tuple[int, int, str, int], ...]:
    return tuple(
        sorted(
            (e.booking_date, e.occurred_at or 0, e.entry_ref, side)
            for side in Side
            for e in entries[side]
        )
    )


def _break(
    run: RunInput,
    alone: OneSided,
    key_and_merged: KeyAndMerged,
    named: Mapping[tuple[Side, str], Collection[bytes]],
    entries: Entries,
    kinds: tuple[BreakKind, ...],
) -> Break:
    key, merged = key_and_merged
    proposals = {
        proposal
        for side in Side
        for entry in entries[side]
        for proposal in named.get((side, entry.entry_ref), ())
    }
    age_days = _age_days(run, alone, entries)
    return Break(
        key=key,
        kind=kinds[0],
        servicer=tuple(sorted(entry.entry_ref for entry in entries[0])),
        owner=tuple(sorted(entry.entry_ref for entry in entries[1])),
        signed=signed_by_currency(*entries),
        age_days=age_days,
        marks=_marks(run, alone, entries, age_days),
        also=kinds[1:],
        proposals=tuple(sorted(proposals)),
        merged_keys=merged,
    )


def signed_by_currency(
    servicer: Iterable[Entry], owner: Iterable[Entry]
) -> tuple[tuple[str, int], ...]:
    """Return per currency the servicer's balance-moving entries minus the owner's, IN +."""
    totals: dict[str, int] = defaultdict(int)
    for sign, entries in ((1, servicer), (-1, owner)):
        for entry in entries:
            totals[entry.currency] += sign * entry.signed_minor * entry.moving
    return tuple(sorted(totals.items()))


def _age_days(run: RunInput, alone: OneSided, entries: Entries) -> int:
    """Return the oldest entry's age; of a two-sided break in days that both sides work."""
    if not entries[0] or not entries[1]:
        side = Side.SERVICER if entries[0] else Side.OWNER
        return max(alone.age_days(side, entry) for entry in entries[side])
    ordinal = run.terms.common_calendar.ordinal
    oldest = min(entry.booking_date for entry in entries[0] + entries[1])
    return max(ordinal(window_day(run.window)) - ordinal(oldest), 0)


def _marks(run: RunInput, alone: OneSided, entries: Entries, age_days: int) -> tuple[Mark, ...]:
    marks = []
    if any(entry.entry_ref in run.book(side).late_refs for side in Side for entry in entries[side]):
        marks.append(Mark.LATE)
    if age_days > run.terms.stale_after_days:
        marks.append(Mark.STALE)
    one_sided = [side for side in Side if not entries[side.other]]
    if any(alone.not_there(side, entry) for side in one_sided for entry in entries[side]):
        marks.append(Mark.NOT_THERE)
    return tuple(marks)


def _proposals_by_entry(matched: Matched) -> dict[tuple[Side, str], tuple[bytes, ...]]:
    """Return the proposals of each entry, also of those beyond the refs a proposal shows."""
    named: dict[tuple[Side, str], tuple[bytes, ...]] = {}
    for key, refs in matched.proposal_refs:
        alone = (key,)
        for side in Side:
            for ref in refs[side]:
                before = named.get((side, ref))
                named[side, ref] = alone if before is None else (*before, key)
    return named
