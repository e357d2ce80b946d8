"""Is the ledger alive, is the outbox moving: the strip above every page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from node.tables import Incident, Intent, QueuedRecord
from node.tables.tip import Tip, seen_at_ms, tip_of

# The follower writes its cursor at least this often; older rows are shown as stale.
STALE_AFTER_MS: Final = 30_000
# Engines without empty blocks still make one in ten seconds.
STALLED_AFTER_MS: Final = 60_000
COUNT_LIMIT: Final = 10_000
MOVING: Final = ("WAITING", "SIGNED")


@dataclass(frozen=True, slots=True)
class Strip:
    """What stands above every page. Ages in ms; `health` is good, stale, stalled or none."""

    health: str
    head_block: int
    read_block: int
    final_block: int
    head_age_ms: int
    seen_age_ms: int
    outbox: int
    held: int
    queued: int
    oldest_outbox_ms: int | None
    incidents: int
    signing_stopped: bool

    @property
    def lag(self) -> int:
        """Return how many blocks of the chain are not yet in rows."""
        return max(0, self.head_block - self.read_block)


def load_strip(session: Session, now_ms: int) -> Strip:
    """Return head, lag, outbox and open incidents."""
    cursor = tip_of(session)
    stopping = session.scalars(
        select(Incident.stops_signing).where(Incident.closed_at_ms.is_(None)).limit(COUNT_LIMIT),
    ).all()
    oldest = session.scalar(select(func.min(Intent.created_at_ms)).where(Intent.state.in_(MOVING)))
    health, head_age, seen_age = _health(cursor, seen_at_ms(session), now_ms)
    return Strip(
        health=health,
        head_block=cursor.head_block if cursor else 0,
        read_block=cursor.block_number if cursor else 0,
        final_block=cursor.final_block if cursor else 0,
        head_age_ms=head_age,
        seen_age_ms=seen_age,
        outbox=_count(session, Intent, MOVING),
        held=_count(session, Intent, ("HELD",)),
        queued=_count(session, QueuedRecord, ("QUEUED",)),
        oldest_outbox_ms=None if oldest is None else max(0, now_ms - oldest),
        incidents=len(stopping),
        signing_stopped=any(stopping),
    )


def _health(cursor: Tip | None, seen_ms: int | None, now_ms: int) -> tuple[str, int, int]:
    """Return the word for the ledger's state, and the ages of newest block and last reading."""
    if cursor is None or seen_ms is None:
        return "none", 0, 0
    head_age = max(0, now_ms - cursor.head_time_s * 1_000)
    seen_age = max(0, now_ms - seen_ms)
    if seen_age > STALE_AFTER_MS:
        return "stale", head_age, seen_age
    return ("stalled" if head_age > STALLED_AFTER_MS else "good"), head_age, seen_age


def _count(session: Session, table: type[Intent | QueuedRecord], states: tuple[str, ...]) -> int:
    # Bounded: a queue of a million rows must not slow the page that tells of it.
    rows = select(table.id).where(table.state.in_(states)).limit(COUNT_LIMIT).subquery()
    return int(session.scalar(select(func.count()).select_from(rows)) or 0)
