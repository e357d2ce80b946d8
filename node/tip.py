"""Where a node stands: head, lag, outbox and incidents, as /healthz and the desk show them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from node.tables import Cursor, Incident, Intent


def tip_figures(session: Session, now_ms: int) -> dict[str, Any]:
    """Return the chain's head and age, what is final, and what waits; ages in ms."""
    cursor = session.get(Cursor, 1)
    count, oldest = session.execute(
        select(func.count(Intent.id), func.min(Intent.created_at_ms)).where(
            Intent.state.in_(("WAITING", "SIGNED", "HELD"))
        )
    ).one()
    incidents = session.execute(
        select(func.count(Incident.id)).where(Incident.closed_at_ms.is_(None))
    ).scalar_one()
    return {
        "head": 0 if cursor is None else cursor.head_block,
        "final": -1 if cursor is None else cursor.final_block,
        "cursor": 0 if cursor is None else cursor.block_number,
        "head_age_ms": None if cursor is None else max(now_ms - cursor.head_time_s * 1000, 0),
        "seen_age_ms": None if cursor is None else max(now_ms - cursor.seen_at_ms, 0),
        "outbox": count,
        "outbox_oldest_ms": None if oldest is None else max(now_ms - oldest, 0),
        "incidents": incidents,
    }
