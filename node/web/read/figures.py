"""The Prometheus figures that stand in rows: computed when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from node.identity import tip_figures
from node.tables import (
    Intent,
    MatchRun,
    NonceLane,
    QueuedRecord,
    RunBreak,
    StreamState,
    Transaction,
)
from node.telemetry import Metrics

UNMINED: Final = ("SIGNED", "SENT")
UNFINAL: Final = (*UNMINED, "MINED")
# Upper ends, in business days, of the ages that breaks are counted by.
AGES: Final = ((0, "0"), (1, "1"), (5, "2-5"), (20, "6-20"))
OLDER: Final = "over 20"


def refresh(metrics: Metrics, session: Session, now_ms: int) -> None:
    """Set every figure that follows from rows, in one snapshot."""
    tip = tip_figures(session, now_ms)
    metrics.outbox_depth.set(tip["outbox"])
    metrics.outbox_oldest_s.set((tip["outbox_oldest_ms"] or 0) / 1000)
    metrics.incidents_open.set(tip["incidents"])
    metrics.head_age_s.set((tip["head_age_ms"] or 0) / 1000)
    metrics.follower_lag_blocks.set(max(0, tip["head"] - tip["cursor"]))
    metrics.queue_depth.set(_count(session, QueuedRecord, "QUEUED"))
    _lanes(metrics, session)
    _held(metrics, session)
    _streams(metrics, session)
    _breaks(metrics, session)


def _count(session: Session, table: type[QueuedRecord | Intent], state: str) -> int:
    rows = select(func.count()).select_from(table).where(table.state == state)
    return session.scalar(rows) or 0


def _lanes(metrics: Metrics, session: Session) -> None:
    metrics.in_flight.clear()
    metrics.lane_gap.clear()
    unmined, unfinal = _by_lane(session, UNMINED), _by_lane(session, UNFINAL)
    for address in session.scalars(select(NonceLane.address)):
        lane = f"0x{address.hex()}"
        metrics.in_flight.labels(lane=lane).set(unfinal.get(address, 0))
        metrics.lane_gap.labels(lane=lane).set(unmined.get(address, 0))


def _by_lane(session: Session, states: Sequence[str]) -> dict[bytes, int]:
    rows = session.execute(
        select(Transaction.address, func.count().label("number"))
        .where(Transaction.state.in_(states))
        .group_by(Transaction.address)
    )
    return {row.address: row.number for row in rows}


def _held(metrics: Metrics, session: Session) -> None:
    stopped = select(func.count()).select_from(NonceLane).where(NonceLane.state == "STOPPED")
    metrics.held.labels(what="calls").set(_count(session, Intent, "HELD"))
    metrics.held.labels(what="records").set(_count(session, QueuedRecord, "HELD"))
    metrics.held.labels(what="keys").set(session.scalar(stopped) or 0)


def _streams(metrics: Metrics, session: Session) -> None:
    sums = session.execute(
        select(
            func.sum(StreamState.batch_count),
            func.sum(StreamState.invalid_count),
            func.sum(StreamState.sealed_count),
            func.sum(StreamState.entry_count),
        )
    ).one()
    batches, invalid, sealed, entries = (int(item or 0) for item in sums)
    for state, number in (
        ("valid", batches - invalid - sealed),
        ("invalid", invalid),
        ("sealed", sealed),
    ):
        metrics.batches.labels(state=state).set(number)
    metrics.entries.set(entries)


def _breaks(metrics: Metrics, session: Session) -> None:
    """Count the open breaks of every agreement's newest run."""
    runs = select(MatchRun.agreement, MatchRun.id).order_by(MatchRun.window, MatchRun.kind.desc())
    # The last one of an agreement stays.
    newest = {row.agreement: row.id for row in session.execute(runs)}
    found: dict[tuple[str, str], int] = {}
    rows = session.execute(
        select(RunBreak.kind, RunBreak.age_days, func.count())
        .where(RunBreak.run_id.in_(newest.values()))
        .group_by(RunBreak.kind, RunBreak.age_days)
    )
    for kind, age_days, number in rows:
        age = next((name for upper, name in AGES if age_days <= upper), OLDER)
        found[kind, age] = found.get((kind, age), 0) + number
    metrics.breaks_open.clear()
    for (kind, age), number in found.items():
        metrics.breaks_open.labels(kind=kind, age=age).set(number)
