"""The first screen: is today all right, what must I do, what is it worth, until when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from node.services.posting import HeldRecords
from node.services.posting.holding import held_records
from node.tables import Batch, Draft, Incident, LatencySample, RunBreak
from node.web.read.parties import AgreementView
from node.web.read.windows import (
    Figures,
    WindowView,
    latest_windows,
    load_windows,
    pending_windows,
)
from reconcile.model import Side

BIN_S: Final = 60
MAX_POINTS: Final = 240
DAY_MS: Final = 86_400_000
LATENCY_SAMPLES: Final = 2_000
DRAFT_LIMIT: Final = 50
INCIDENT_LIMIT: Final = 50


@dataclass(frozen=True, slots=True)
class Latency:
    """Posting to provisional match, over the last samples of a day; null without samples."""

    count: int
    p50_ms: int | None
    p99_ms: int | None


@dataclass(frozen=True, slots=True)
class Pace:
    """Entries posted over the day, cumulative: (second, ours, theirs) per minute, thinned."""

    points: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class DraftView:
    """An act that waits for its second pair of eyes."""

    id: int
    kind: str
    agreement: bytes | None
    window: int | None
    subject: str | None
    reason: str
    maker_id: int
    made_at_ms: int
    refs: frozenset[str]

    def about(self, key: bytes, servicer: Sequence[str], owner: Sequence[str]) -> bool:
        """Say whether the act concerns this break: its key, or any of its entries."""
        return self.subject == key.hex() or bool(self.refs & {*servicer, *owner})


@dataclass(frozen=True, slots=True)
class Today:
    """Everything on the first screen. Sums are per currency, minor units."""

    rows: tuple[WindowView, ...]
    pending: tuple[WindowView, ...]
    drafts: tuple[DraftView, ...]
    held: tuple[HeldRecords, ...]
    incidents: tuple[Incident, ...]
    labels: Mapping[bytes, str]
    agreements: int
    entries: int
    matched: int
    breaks: int
    in_breaks: tuple[tuple[str, int], ...]
    unexplained: tuple[tuple[str, int], ...]
    by_kind: tuple[tuple[str, int], ...]
    latency: Latency
    pace: Pace
    closes_next_ms: int | None

    def label(self, agreement: bytes | None) -> str:
        """Return an agreement's name, empty for none."""
        return "" if agreement is None else self.labels[agreement]


def load_today(session: Session, views: Sequence[AgreementView], now_ms: int) -> Today:
    """Return the first screen of these agreements."""
    active = [view for view in views if view.facts.state in {"ACTIVE", "ENDING"}]
    tops = latest_windows(session, active)
    rows = load_windows(session, [(view, tops.get(view.agreement, 0)) for view in active], now_ms)
    figures = [row.figures for row in rows if row.figures is not None]
    coming = [row.close_at_ms for row in rows if row.close_at_ms and row.close_at_ms > now_ms]
    labels = {view.agreement: view.label for view in views}
    return Today(
        rows=rows,
        pending=pending_windows(session, active, now_ms),
        drafts=load_drafts(session),
        held=tuple(row for row in held_records(session) if row.agreement in labels),
        incidents=_open_incidents(session, labels),
        labels=labels,
        agreements=len(active),
        entries=sum(item.entries for item in figures),
        matched=sum(item.matched for item in figures),
        breaks=sum(item.breaks for item in figures),
        in_breaks=value_in_breaks(session, figures),
        unexplained=_unexplained(figures),
        by_kind=_by_kind(figures),
        latency=load_latency(session, now_ms),
        pace=load_pace(session, rows),
        closes_next_ms=min(coming, default=None),
    )


def _open_incidents(session: Session, seen: Collection[bytes]) -> tuple[Incident, ...]:
    """Return what nobody has closed yet, newest first, of agreements that the reader sees."""
    found = session.scalars(
        select(Incident)
        .where(Incident.closed_at_ms.is_(None))
        .order_by(Incident.id.desc())
        .limit(INCIDENT_LIMIT)
    )
    return tuple(row for row in found if row.agreement is None or row.agreement in seen)


def _unexplained(figures: Sequence[Figures]) -> tuple[tuple[str, int], ...]:
    sums: dict[str, int] = {}
    for item in figures:
        for currency, minor in item.unexplained:
            # Absolute, so that two wrongs of opposite sign never look like nothing.
            sums[currency] = sums.get(currency, 0) + abs(minor)
    return tuple(sorted(sums.items()))


def _by_kind(figures: Sequence[Figures]) -> tuple[tuple[str, int], ...]:
    counts: Counter[str] = Counter()
    for item in figures:
        for kind, count in item.breaks_by_kind:
            counts[kind.value] += count
    return tuple(counts.most_common())


def value_in_breaks(session: Session, figures: Sequence[Figures]) -> tuple[tuple[str, int], ...]:
    """Return per currency the sum of the breaks' absolute amounts.

    A run in one currency is summed in SQL; in a run of several, the amounts stand as
    strings beside their currency and are added here.
    """
    sums: dict[str, int] = {}
    several: list[int] = []
    for item in figures:
        if not item.breaks:
            continue
        if len(item.totals) != 1:
            several.append(item.run_id)
            continue
        currency = str(item.totals[0]["currency"])
        total = session.scalar(
            select(func.sum(RunBreak.sort_minor)).where(RunBreak.run_id == item.run_id),
        )
        sums[currency] = sums.get(currency, 0) + int(total or 0)
    if several:
        for signed in session.scalars(select(RunBreak.signed).where(RunBreak.run_id.in_(several))):
            for currency, minor in signed:
                sums[currency] = sums.get(currency, 0) + abs(int(minor))
    return tuple(sorted(sums.items()))


def load_drafts(session: Session, agreement: bytes | None = None) -> tuple[DraftView, ...]:
    """Return the acts that wait for a checker, oldest first."""
    query = select(Draft).where(Draft.state == "DRAFTED").order_by(Draft.id).limit(DRAFT_LIMIT)
    if agreement is not None:
        query = query.where(Draft.agreement == agreement)
    return tuple(
        DraftView(
            row.id,
            row.kind,
            row.agreement,
            row.window,
            row.subject,
            row.reason,
            row.maker_id,
            row.made_at_ms,
            frozenset((*row.body.get("servicer", ()), *row.body.get("owner", ()))),
        )
        for row in session.scalars(query)
    )


def load_latency(session: Session, now_ms: int) -> Latency:
    """Return the quantiles of the last day's samples, at most the newest two thousand."""
    samples = sorted(
        session.scalars(
            select(LatencySample.ms)
            .where(LatencySample.at_ms >= now_ms - DAY_MS)
            .order_by(LatencySample.at_ms.desc())
            .limit(LATENCY_SAMPLES),
        ),
    )
    if not samples:
        return Latency(0, None, None)
    return Latency(len(samples), samples[len(samples) // 2], samples[len(samples) * 99 // 100])


def load_pace(session: Session, rows: Sequence[WindowView]) -> Pace:
    """Return how the entries of the shown windows came in, both sides added up over agreements."""
    bins: dict[int, list[int]] = {}
    for row in rows:
        if row.opening:
            continue
        ours = row.agreement.ours or Side.SERVICER
        slot = (Batch.block_time_s // BIN_S).label("slot")
        for side, at, count in session.execute(
            select(Batch.side, slot, func.sum(Batch.entry_count))
            .where(Batch.agreement == row.agreement.agreement, Batch.window == row.window)
            .group_by(Batch.side, slot),
        ):
            pair = bins.setdefault(int(at) * BIN_S, [0, 0])
            pair[0 if side == ours else 1] += int(count)
    # The line begins at nothing, a bin before the first batch.
    points = [(min(bins) - BIN_S, 0, 0)] if bins else []
    mine = theirs = 0
    for at_s, (own, other) in sorted(bins.items()):
        mine, theirs = mine + own, theirs + other
        points.append((at_s, mine, theirs))
    step = len(points) // MAX_POINTS + 1
    thinned = points[::step]
    return Pace((*thinned, points[-1]) if points and thinned[-1] != points[-1] else tuple(thinned))
