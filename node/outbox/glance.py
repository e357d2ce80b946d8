"""One look at all that decides what a step of the relay has to do, in one snapshot.

Most steps have nothing to do; asking for each thing by itself would cost more than all answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, ScalarSelect, Select, func, select
from sqlalchemy.orm import Session

from node.chain.profile import EngineProfile
from node.outbox.adoption import RESTORED
from node.outbox.intents import READY, SIGNED, WAITING
from node.outbox.lanes import UNFINAL, UNMINED
from node.tables import Cursor, Incident, Intent, NodeFact, SealedPayload, Transaction


@dataclass(frozen=True, slots=True)
class Glance:
    """What waits; `held` says in words why nothing may be signed now.

    `at` is where the follower stands and what is final, `newest_ready` the newest payload that is
    not posted yet: where neither moved there is nothing to settle. `restored`: this copy came from
    a backup and does not stand yet.
    """

    held: str | None
    stopped: bool
    at: tuple[bytes, int] | None
    newest_ready: int | None
    waiting: int
    signed: int
    unmined: int
    in_flight: int
    restored: bool


def _count(table: type[Intent | Transaction], *states: str) -> ScalarSelect[int]:
    found = select(func.count()).select_from(table).where(table.state.in_(states))
    return found.scalar_subquery()


_OF_CURSOR: Final = ("block_number", "block_hash", "head_block", "final_block")

# Made once: a statement's text is found again by its parts, and there are many.
_LOOK: Final[Select[Any]] = select(
    *(select(getattr(Cursor, name)).scalar_subquery().label(name) for name in _OF_CURSOR),
    select(Incident.says)
    .where(Incident.stops_signing.is_(True), Incident.closed_at_ms.is_(None))
    .limit(1)
    .scalar_subquery()
    .label("says"),
    select(func.max(SealedPayload.id))
    .where(SealedPayload.state == READY)
    .scalar_subquery()
    .label("newest_ready"),
    _count(Intent, WAITING).label("waiting"),
    _count(Intent, SIGNED).label("signed"),
    _count(Transaction, *UNMINED).label("unmined"),
    _count(Transaction, *UNFINAL).label("in_flight"),
    select(func.count())
    .select_from(NodeFact)
    .where(NodeFact.name == RESTORED)
    .scalar_subquery()
    .label("restored"),
)


def glance(session: Session, profile: EngineProfile) -> Glance:
    """Look once."""
    seen = session.execute(_LOOK).one()
    return Glance(
        held=_held(seen, profile),
        stopped=seen.says is not None,
        at=None if seen.block_hash is None else (seen.block_hash, seen.final_block),
        newest_ready=seen.newest_ready,
        waiting=seen.waiting,
        signed=seen.signed,
        unmined=seen.unmined,
        in_flight=seen.in_flight,
        restored=bool(seen.restored),
    )


def _held(seen: Row[Any], profile: EngineProfile) -> str | None:
    if seen.says is not None:
        return f"an incident stops signing: {seen.says}"
    if seen.block_hash is None:
        return "the follower has not begun"
    target = profile.final_block(seen.head_block)
    if seen.block_number < target:
        return f"the follower stands at block {seen.block_number}, {target} is final"
    return None
