"""Groups of earlier agreed reports that a run names: amended, reversed or decided on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from node.tables import (
    AgreedResult,
    MatchRun,
    PostedEntry,
    RunGroup,
    RunMembership,
)
from reconcile.matching.run_input import AgreedGroup
from reconcile.model import (
    Entry,
    MatchGroup,
    Side,
    SideBook,
)

PROOF: Final = "PROOF"
REFS_AT_ONCE: Final = 500
_entry: Final = msgspec.msgpack.Decoder(Entry).decode


def earlier_groups(
    session: Session,
    agreement: bytes,
    after: int | None,
    books: Sequence[SideBook],
    *,
    window: int,
) -> tuple[tuple[AgreedGroup, ...], tuple[frozenset[str], frozenset[str]]]:
    """Return agreed groups this run names, and which of its own refs such groups hold already.

    Versions above the run's `window` do not count: a node that computes it later, or again after
    a replay, has already read them.
    """
    if after is None:
        return (), (frozenset(), frozenset())
    named: tuple[set[str], set[str]] = (set(), set())
    amended: tuple[set[str], set[str]] = (set(), set())
    for side in Side:
        for entry in books[side].entries:
            amended[side].add(entry.entry_ref)
            if entry.reversal_of is not None:
                named[side].add(entry.reversal_of)
    for book in books:
        for decision in book.decisions:
            named[Side.SERVICER].update(decision.servicer)
            named[Side.OWNER].update(decision.owner)
    groups: dict[tuple[int, int], RunGroup] = {}
    settled: list[frozenset[str]] = []
    for side in Side:
        rows = _grouped(session, agreement, after, side, named[side] | amended[side])
        settled.append(frozenset(ref for ref, _ in rows if ref in amended[side]))
        for _, group in rows:
            groups[group.run_id, group.number] = group
    agreed = [
        _agreed_group(session, agreement, group, window) for _, group in sorted(groups.items())
    ]
    return tuple(agreed), (settled[0], settled[1])


def _grouped(
    session: Session, agreement: bytes, after: int, side: Side, refs: set[str]
) -> list[tuple[str, RunGroup]]:
    """Return which of these refs a group of an agreed report holds.

    The newest agreed report that knows a ref decides: an unmatch may have freed it again.
    """
    newest: dict[str, tuple[int, int, int | None]] = {}
    wanted = sorted(refs)
    for start in range(0, len(wanted), REFS_AT_ONCE):
        rows = session.execute(
            select(
                RunMembership.entry_ref,
                MatchRun.window,
                RunMembership.run_id,
                RunMembership.group_number,
            )
            .join(MatchRun, MatchRun.id == RunMembership.run_id)
            .join(
                AgreedResult,
                (AgreedResult.agreement == MatchRun.agreement)
                & (AgreedResult.window == MatchRun.window)
                & (AgreedResult.digest == MatchRun.digest),
            )
            .where(
                MatchRun.agreement == agreement,
                MatchRun.kind == PROOF,
                MatchRun.window <= after,
                RunMembership.side == int(side),
                RunMembership.entry_ref.in_(wanted[start : start + REFS_AT_ONCE]),
            )
        )
        for ref, window, run_id, number in rows:
            if ref not in newest or newest[ref][0] < window:
                newest[ref] = (window, run_id, number)
    found: list[tuple[str, RunGroup]] = []
    for ref, (_, run_id, number) in sorted(newest.items()):
        if number is None:
            continue
        group = session.execute(
            select(RunGroup).where(RunGroup.run_id == run_id, RunGroup.number == number)
        ).scalar_one()
        found.append((ref, group))
    return found


def _agreed_group(session: Session, agreement: bytes, row: RunGroup, window: int) -> AgreedGroup:
    group = MatchGroup(
        row.pass_name,
        tuple(row.servicer),
        tuple(row.owner),
        row.currency,
        int(row.residual_minor),
    )
    sides = [
        _latest(session, agreement, side, refs, window)
        for side, refs in ((Side.SERVICER, group.servicer), (Side.OWNER, group.owner))
    ]
    return AgreedGroup(group, sides[0], sides[1])


def _latest(
    session: Session, agreement: bytes, side: Side, refs: Sequence[str], window: int
) -> tuple[Entry, ...]:
    """Return the versions of these refs that count, in the order of the refs."""
    found: dict[str, Entry] = {}
    for start in range(0, len(refs), REFS_AT_ONCE):
        rows = session.execute(
            select(PostedEntry.entry_ref, PostedEntry.record)
            .where(
                PostedEntry.agreement == agreement,
                PostedEntry.side == int(side),
                PostedEntry.repeat.is_(False),
                PostedEntry.window <= window,
                PostedEntry.entry_ref.in_(refs[start : start + REFS_AT_ONCE]),
            )
            .order_by(PostedEntry.version)
        )
        found |= {ref: _entry(record) for ref, record in rows}
    return tuple(found[ref] for ref in refs if ref in found)
