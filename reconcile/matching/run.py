"""One run: open what is open, apply decisions and bookings, match, gather what is left."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from reconcile.entries import EntryTable, places_where, total_turn
from reconcile.matching.booking import (
    booking_group,
    open_residuals,
    open_written_off,
    subjects_of,
    take_bookings,
)
from reconcile.matching.core import CoreInput, CoreResult, match_open
from reconcile.matching.decisions import WRITE_OFF_PASS, Decided, apply_decisions
from reconcile.matching.groups import Groups
from reconcile.matching.keys import group_subject
from reconcile.matching.opening import OpenSide, open_side, total_order
from reconcile.matching.run_input import Matched, ReversalLink, RunInput
from reconcile.matching.store import FEW_ROWS
from reconcile.model import Entry, MatchGroup, OpenResidual, Side
from reconcile.sides import of_both

Sides = tuple[OpenSide, OpenSide]
Places = tuple[pa.Array, pa.Array]


def match(run: RunInput) -> Matched:
    """Match both sides' books (matching.md, "Rules of every pass").

    Raises InputError ENTRY_CONFLICT for a ref and version with two contents, TERMS_* for rules
    the engine does not know.
    """
    count = len(run.servicer.entries) + len(run.owner.entries)
    sides = of_both(lambda side: open_side(run, side), count, run.threads)
    decided = apply_decisions(run, sides)
    earlier = [item for item in run.residuals if item.subject not in decided.dissolved]
    written_off = [*run.written_off, *decided.written_off]
    new = _residuals(run, decided.groups)
    booked = take_bookings(sides, subjects_of([*earlier, *new], written_off))
    result, places = _match_core(run, sides, decided)
    found = _residuals(run, result.groups.open_residuals())
    same_run = take_bookings(sides, subjects_of(found, ()), _at(places, result.left))
    if same_run:
        # A residual of this very run is booked already: match again without what books it.
        booked += same_run
        result, places = _match_core(run, sides, decided)
        found = _residuals(run, result.groups.open_residuals())
    left = _at(places, result.left)
    others = Groups.of([*decided.groups, *map(booking_group, booked)])
    groups = result.groups.merged(others)
    return Matched(
        groups=groups,
        proposals=result.proposals,
        near=result.near,
        open=(_in_order(sides[0].table, left[0]), _in_order(sides[1].table, left[1])),
        decisions=tuple(decided.log),
        links=_links(run, sides, left, groups),
        booked=tuple(booked),
        listed=tuple(item for side in sides for item in side.listed),
        residuals=open_residuals([*earlier, *new, *found], booked),
        written_off=open_written_off(written_off, booked),
        held=(frozenset(sides[0].held), frozenset(sides[1].held)),
        rejected=frozenset(decided.rejected),
        last_decisions=tuple(sorted(decided.last.items())),
        entries=(sides[0].table, sides[1].table),
        mates=_mates(sides, _at(places, result.mates), decided.groups),
        proposal_refs=result.proposal_refs,
    )


def _match_core(run: RunInput, sides: Sides, decided: Decided) -> tuple[CoreResult, Places]:
    """Return what the passes make of the open entries, and where these stand."""
    places = (sides[0].open_places(), sides[1].open_places())
    calendar = run.terms.common_calendar
    result = match_open(
        CoreInput(
            agreement=run.agreement,
            servicer=_some(sides[0].table, places[0]),
            owner=_some(sides[1].table, places[1]),
            passes=run.terms.passes,
            ordinal=calendar.ordinal,
            held=(frozenset(sides[0].held), frozenset(sides[1].held)),
            rejected=frozenset(decided.rejected),
            budget_minor=run.terms.tolerance_budget_minor,
            threads=run.threads,
        )
    )
    return result, places


def _some(table: EntryTable, places: pa.Array) -> EntryTable:
    return table if len(places) == len(table) else table.take(places)


def _at(places: Places, found: Places) -> Places:
    """Return what places among the open entries are among all of a side."""
    return places[0].take(found[0]), places[1].take(found[1])


def _in_order(table: EntryTable, places: pa.Array) -> tuple[Entry, ...]:
    if len(places) < FEW_ROWS:
        return tuple(sorted(table.at(places.to_pylist()), key=total_order))
    turn = total_turn(table.take(places))
    return tuple(table.at(places.take(turn).to_pylist()))


def _mates(sides: Sides, passes: Places, decided: Sequence[MatchGroup]) -> Places:
    """Return the places of the 1:1 groups of passes and of decisions."""
    pairs = [group for group in decided if len(group.servicer) == 1 == len(group.owner)]
    refs = ([group.servicer[0] for group in pairs], [group.owner[0] for group in pairs])
    more = []
    for side in Side:
        known = sides[side].table.places_of(refs[side])
        more.append(pa.array([known[ref] for ref in refs[side]], passes[side].type))
    servicer, owner = (pa.concat_arrays([passes[side], more[side]]) for side in Side)
    return servicer, owner


def _residuals(run: RunInput, groups: Iterable[MatchGroup]) -> list[OpenResidual]:
    """Return the residuals that groups leave open; a write-off has its own line."""
    return [
        OpenResidual(
            group_subject(run.agreement, group.servicer, group.owner),
            group.currency,
            group.residual_minor,
        )
        for group in groups
        if group.residual_minor and group.pass_name != WRITE_OFF_PASS
    ]


def _links(run: RunInput, sides: Sides, left: Places, groups: Groups) -> tuple[ReversalLink, ...]:
    """Link each reversal that names its original to the group that holds it (rule 7)."""
    links: list[ReversalLink] = []
    for side in Side:
        table = sides[side].table
        reversals: dict[str, list[str]] = {}
        named = places_where(pc.is_valid(table.column("reversal_of")))
        for entry in table.at(named.to_pylist()):
            reversals.setdefault(entry.reversal_of or "", []).append(entry.entry_ref)
        if not reversals:
            continue
        holders = {
            ref: item.group
            for item in run.agreed_groups
            for ref in item.refs[side]
            if ref in reversals
        }
        holders |= groups.holding(side, reversals)
        still_open = _some(table, left[side]).places_of(reversals)
        for original, refs in reversals.items():
            holder = holders.get(original)
            if holder is None and original not in still_open:
                continue
            subject = None
            if holder is not None:
                subject = group_subject(run.agreement, holder.servicer, holder.owner)
            links += [ReversalLink(side, ref, original, subject) for ref in sorted(set(refs))]
    return tuple(sorted(links, key=lambda link: (link.side, link.entry_ref)))
