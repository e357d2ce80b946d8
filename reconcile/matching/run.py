"""One run: open what is open, apply decisions and bookings, match, gather what is left."""

from __future__ import annotations

from collections.abc import Iterable

from reconcile.matching.booking import (
    booking_group,
    open_residuals,
    open_written_off,
    subjects_of,
    take_bookings,
)
from reconcile.matching.core import CoreInput, CoreResult, canonical_groups, match_open
from reconcile.matching.decisions import WRITE_OFF_PASS, Decided, apply_decisions
from reconcile.matching.keys import group_subject
from reconcile.matching.opening import OpenSide, open_side, total_order
from reconcile.matching.run_input import Matched, ReversalLink, RunInput
from reconcile.model import MatchGroup, OpenResidual, Side

Sides = tuple[OpenSide, OpenSide]


def match(run: RunInput) -> Matched:
    """Match both sides' books (matching.md, "Rules of every pass").

    Raises InputError ENTRY_CONFLICT for a ref and version with two contents, TERMS_* for rules
    the engine does not know.
    """
    sides = (open_side(run, Side.SERVICER), open_side(run, Side.OWNER))
    decided = apply_decisions(run, sides)
    earlier = [item for item in run.residuals if item.subject not in decided.dissolved]
    written_off = [*run.written_off, *decided.written_off]
    new = _residuals(run, decided.groups)
    booked = take_bookings(sides, subjects_of([*earlier, *new], written_off))
    result = _match_core(run, sides, decided)
    found = _residuals(run, result.groups)
    same_run = []
    if found:
        same_run = take_bookings(sides, subjects_of(found, ()), grouped_refs(result.groups))
    if same_run:
        # A residual of this very run is booked already: match again without what books it.
        booked += same_run
        result = _match_core(run, sides, decided)
        found = _residuals(run, result.groups)
    for side in sides:
        side.entries = {entry.entry_ref: entry for entry in result.left[side.side]}
    groups = [*decided.groups, *map(booking_group, booked)]
    merged = canonical_groups([*result.groups, *groups]) if groups else result.groups
    left = tuple(tuple(sorted(side.entries.values(), key=total_order)) for side in sides)
    return Matched(
        groups=merged,
        proposals=result.proposals,
        near=result.near,
        open=(left[0], left[1]),
        decisions=tuple(decided.log),
        links=_links(run, sides, merged),
        booked=tuple(booked),
        listed=tuple(item for side in sides for item in side.listed),
        residuals=open_residuals([*earlier, *new, *found], booked),
        written_off=open_written_off(written_off, booked),
        held=(frozenset(sides[0].held), frozenset(sides[1].held)),
        rejected=frozenset(decided.rejected),
        last_decisions=tuple(sorted(decided.last.items())),
        entries=(sides[0].all_entries, sides[1].all_entries),
        proposal_refs=result.proposal_refs,
    )


def _match_core(run: RunInput, sides: Sides, decided: Decided) -> CoreResult:
    calendar = run.terms.common_calendar
    return match_open(
        CoreInput(
            agreement=run.agreement,
            servicer=list(sides[0].entries.values()),
            owner=list(sides[1].entries.values()),
            passes=run.terms.passes,
            ordinal=calendar.ordinal,
            held=(frozenset(sides[0].held), frozenset(sides[1].held)),
            rejected=frozenset(decided.rejected),
            budget_minor=run.terms.tolerance_budget_minor,
            threads=run.threads,
        )
    )


def grouped_refs(groups: Iterable[MatchGroup]) -> tuple[set[str], set[str]]:
    """Return the refs that groups hold, by side."""
    servicer: set[str] = set()
    owner: set[str] = set()
    for group in groups:
        servicer.update(group.servicer)
        owner.update(group.owner)
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


def _links(run: RunInput, sides: Sides, groups: Iterable[MatchGroup]) -> tuple[ReversalLink, ...]:
    """Link each reversal that names its original to the group that holds it (rule 7)."""
    wanted: dict[tuple[Side, str], list[str]] = {}
    for side in Side:
        entries = sides[side].all_entries.values()
        for entry in [item for item in entries if item.reversal_of is not None]:
            original = entry.reversal_of or ""
            wanted.setdefault((side, original), []).append(entry.entry_ref)
    if not wanted:
        return ()
    holders: dict[tuple[Side, str], MatchGroup] = {}
    for group in [*(item.group for item in run.agreed_groups), *groups]:
        for side, refs in ((Side.SERVICER, group.servicer), (Side.OWNER, group.owner)):
            holders.update({(side, ref): group for ref in refs if (side, ref) in wanted})
    links = []
    for (side, original), reversals in wanted.items():
        holder = holders.get((side, original))
        if holder is None and original not in sides[side].entries:
            continue
        subject = None
        if holder is not None:
            subject = group_subject(run.agreement, holder.servicer, holder.owner)
        links += [ReversalLink(side, ref, original, subject) for ref in sorted(set(reversals))]
    return tuple(sorted(links, key=lambda link: (link.side, link.entry_ref)))
