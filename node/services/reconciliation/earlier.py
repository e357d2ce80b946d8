"""Groups of earlier agreed reports that a run names: amended, reversed or decided on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from node.runs import groups_numbered, where_went
from node.services.reconciliation.memory import SideSeen
from node.tables import (
    AgreedResult,
    MatchRun,
    PostedEntry,
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
    seen: Sequence[SideSeen],
    *,
    window: int,
) -> tuple[tuple[AgreedGroup, ...], tuple[frozenset[str], frozenset[str]]]:
    """Return agreed groups this run names, and which of its own refs such groups hold already.

    Versions above the run's `window` do not count: a node that computes it later, or again after
    a replay, has already read them.
    """
    if after is None:
        return (), (frozenset(), frozenset())
    named: tuple[set[str], set[str]] = (set(seen[0].reversed), set(seen[1].reversed))
    for book in books:
        for decision in book.decisions:
            named[Side.SERVICER].update(decision.servicer)
            named[Side.OWNER].update(decision.owner)
    groups: dict[tuple[int, int], MatchGroup] = {}
    settled: list[frozenset[str]] = []
    for side in Side:
        rows = _grouped(session, agreement, after, side, named[side] | seen[side].again)
        settled.append(frozenset(rows) & seen[side].again)
        groups |= dict(rows.values())
    agreed = [
        _agreed_group(session, agreement, group, window) for _, group in sorted(groups.items())
    ]
    return tuple(agreed), (settled[0], settled[1])


def _grouped(
    session: Session, agreement: bytes, after: int, side: Side, refs: set[str]
) -> dict[str, tuple[tuple[int, int], MatchGroup]]:
    """Return which of these refs a group of an agreed report holds, with (run, number) of it.

    The newest agreed report that knows a ref decides: an unmatch may have freed it again.
    """
    found: dict[str, tuple[tuple[int, int], MatchGroup]] = {}
    rest = set(refs)
    for run_id in _agreed_runs(session, agreement, after) if rest else ():
        went = where_went(session, run_id, side, rest)
        numbers = {item.group for item in went.values() if item.group is not None}
        groups = dict(groups_numbered(session, run_id, numbers))
        for ref, item in went.items():
            if item.group is not None:
                found[ref] = ((run_id, item.group), groups[item.group])
        rest -= went.keys()
        if not rest:
            break
    return found


def _agreed_runs(session: Session, agreement: bytes, after: int) -> list[int]:
    """Return the runs of agreed reports up to a window, newest first."""
    return list(
        session.scalars(
            select(MatchRun.id)
            .join(
                AgreedResult,
                (AgreedResult.agreement == MatchRun.agreement)
                & (AgreedResult.window == MatchRun.window)
                & (AgreedResult.digest == MatchRun.digest),
            )
            .where(
                MatchRun.agreement == agreement, MatchRun.kind == PROOF, MatchRun.window <= after
            )
            .order_by(MatchRun.window.desc())
        )
    )


def _agreed_group(
    session: Session, agreement: bytes, group: MatchGroup, window: int
) -> AgreedGroup:
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
