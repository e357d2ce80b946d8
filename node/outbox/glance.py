"""One look at all that decides what a step of the relay has to do, in one snapshot.

Most steps have nothing to do; asking for each thing by itself would cost more than all answers.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
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


def glance(session: Session, profile: EngineProfile) -> Glance:
    """Look once."""
    cursor = session.get(Cursor, 1)
    says = session.scalars(
        select(Incident.says)
        .where(Incident.stops_signing.is_(True), Incident.closed_at_ms.is_(None))
        .limit(1)
    ).first()
    intents = _counted(session, Intent, (WAITING, SIGNED))
    transactions = _counted(session, Transaction, UNFINAL)
    return Glance(
        held=_held(cursor, says, profile),
        stopped=says is not None,
        at=None if cursor is None else (cursor.block_hash, cursor.final_block),
        newest_ready=session.scalar(
            select(func.max(SealedPayload.id)).where(SealedPayload.state == READY)
        ),
        waiting=intents.get(WAITING, 0),
        signed=intents.get(SIGNED, 0),
        unmined=sum(transactions.get(state, 0) for state in UNMINED),
        in_flight=sum(transactions.values()),
        restored=session.get(NodeFact, RESTORED) is not None,
    )


def _counted(
    session: Session, table: type[Intent | Transaction], states: tuple[str, ...]
) -> dict[str, int]:
    rows = session.execute(
        select(table.state, func.count()).where(table.state.in_(states)).group_by(table.state)
    )
    return {row[0]: row[1] for row in rows}


def _held(cursor: Cursor | None, stopped: str | None, profile: EngineProfile) -> str | None:
    if stopped is not None:
        return f"an incident stops signing: {stopped}"
    if cursor is None:
        return "the follower has not begun"
    target = profile.final_block(cursor.head_block)
    if cursor.block_number < target:
        return f"the follower stands at block {cursor.block_number}, {target} is final"
    return None
