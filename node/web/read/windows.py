"""Windows with their state, figures and signatures, from kept counts only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import or_, select, union
from sqlalchemy.orm import Session

from node.services.reconciliation.refusing import standing as refusals
from node.tables import (
    AgreedResult,
    Attestation,
    Closing,
    MatchRun,
    ReportRow,
    StreamState,
    WindowTotals,
)
from node.web.read.parties import AgreementView, terms_of
from node.web.read.states import window_state
from reconcile.model import BreakKind, Side, window_day, window_of
from reconcile.terms import Terms

PAGE: Final = 40
RECENT_DAYS: Final = 15
PROOF: Final = "PROOF"
SUPERSEDED: Final = "SUPERSEDED"
NEEDS_US: Final = frozenset(
    {"PROVEN", "AWAITING_US", "DIFFERS", "UNANSWERED", "CLOSED_BY_THEM", "NOT_COMPUTED"}
)


@dataclass(frozen=True, slots=True)
class Signature:
    """A side's latest attestation of a window."""

    side: Side
    revision: int
    digest: bytes
    signature: bytes
    signer: bytes | None
    flags: int
    tx_hash: bytes
    at_s: int


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of a window's latest run; `totals` as `MatchRun.totals` says."""

    run_id: int
    proof: bool
    servicer_entries: int
    owner_entries: int
    servicer_matched: int
    owner_matched: int
    groups: int
    proposals: int
    breaks: int
    breaks_by_kind: tuple[tuple[BreakKind, int], ...]
    totals: tuple[Mapping[str, Any], ...]
    identities: tuple[Mapping[str, Any], ...]
    oldest_age_days: int
    complete: bool
    balance_proven: bool
    basis: str | None
    digest: bytes | None
    timing_ms: Mapping[str, Any]
    latency_ms: int | None
    run_at_ms: int

    @property
    def entries(self) -> int:
        """Return the entries of both sides."""
        return self.servicer_entries + self.owner_entries

    @property
    def matched(self) -> int:
        """Return the matched entries of both sides."""
        return self.servicer_matched + self.owner_matched

    @property
    def unexplained(self) -> tuple[tuple[str, int], ...]:
        """Return (currency, proof amount) of every currency."""
        return tuple((str(t["currency"]), int(t["proof_minor"])) for t in self.totals)

    @property
    def holds(self) -> bool:
        """Say whether every proof amount is zero and every identity holds."""
        proofs = all(minor == 0 for _, minor in self.unexplained)
        return proofs and all(bool(item.get("holds", item.get("ok"))) for item in self.identities)


@dataclass(frozen=True, slots=True)
class WindowView:
    """One window of one agreement."""

    agreement: AgreementView
    window: int
    state: str
    figures: Figures | None
    posted: tuple[int, int]
    closed: tuple[Closing | None, Closing | None]
    signatures: tuple[Signature | None, Signature | None]
    agreed: AgreedResult | None
    report_id: int | None
    close_at_ms: int | None
    refusal: str = ""

    @property
    def day(self) -> int:
        """Return the business day, days since 1970."""
        return window_day(self.window)

    @property
    def opening(self) -> bool:
        """Say whether this is window 0, the opening position."""
        return self.window == 0

    @property
    def needs_us(self) -> bool:
        """Say whether the next step is the reader's."""
        return self.state in NEEDS_US


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of several windows, fetched at once."""

    posted: dict[tuple[bytes, int, int], int]
    runs: dict[tuple[bytes, int], MatchRun]
    closings: dict[tuple[bytes, int, int], Closing]
    attested: dict[tuple[bytes, int, int], Attestation]
    agreed: dict[tuple[bytes, int], AgreedResult]
    reports: dict[tuple[bytes, int], int]
    refused: dict[tuple[bytes, int], str]


def figures_of(run: MatchRun) -> Figures:
    """Return a run's figures as values."""
    return Figures(
        run_id=run.id,
        proof=run.kind == PROOF,
        servicer_entries=run.servicer_entries,
        owner_entries=run.owner_entries,
        servicer_matched=run.servicer_matched,
        owner_matched=run.owner_matched,
        groups=run.group_count,
        proposals=run.proposal_count,
        breaks=run.break_count,
        breaks_by_kind=tuple(
            (BreakKind(kind), int(count)) for kind, count in sorted(run.breaks_by_kind.items())
        ),
        totals=tuple(run.totals),
        identities=tuple(run.identities),
        oldest_age_days=run.oldest_age_days,
        complete=run.complete,
        balance_proven=run.balance_proven,
        basis=run.basis,
        digest=run.digest,
        timing_ms=dict(run.timing_ms or {}),
        latency_ms=run.latency_ms,
        run_at_ms=run.run_at_ms,
    )


def load_windows(
    session: Session,
    pairs: Sequence[tuple[AgreementView, int]],
    now_ms: int,
) -> tuple[WindowView, ...]:
    """Return the windows of these (agreement, window) pairs, in their order, in six queries."""
    if not pairs:
        return ()
    rows = _fetch(
        session,
        {view.agreement for view, _ in pairs},
        {window for _, window in pairs},
    )
    return tuple(_window(session, view, window, rows, now_ms) for view, window in pairs)


def load_window(session: Session, view: AgreementView, window: int, now_ms: int) -> WindowView:
    """Return one window; a window nobody has touched is OPEN."""
    return load_windows(session, [(view, window)], now_ms)[0]


def windows_of(
    session: Session,
    view: AgreementView,
    *,
    before: int | None = None,
    limit: int = PAGE,
) -> tuple[int, ...]:
    """Return the agreement's windows below `before`, newest first."""
    parts = []
    for table in (WindowTotals, Closing, MatchRun):
        part = select(table.window).where(table.agreement == view.agreement)
        if before is not None:
            part = part.where(table.window < before)
        # Both sides and currencies of one window stand in up to a few rows each.
        parts.append(
            select(part.order_by(table.window.desc()).limit(limit * 8).subquery().c.window),
        )
    merged = union(*parts).subquery()
    query = select(merged.c.window).order_by(merged.c.window.desc()).limit(limit)
    return tuple(session.scalars(query))


def latest_windows(
    session: Session,
    views: Iterable[AgreementView],
) -> dict[bytes, int]:
    """Return per agreement the highest window anything was posted to or closed."""
    wanted = {view.agreement for view in views}
    found: dict[bytes, int] = {}
    for row in session.scalars(select(StreamState).where(StreamState.agreement.in_(wanted))):
        top = max(row.posted_window or 0, row.closed_window or 0)
        found[row.agreement] = max(top, found.get(row.agreement, 0))
    return found


def pending_windows(
    session: Session,
    views: Sequence[AgreementView],
    now_ms: int,
) -> tuple[WindowView, ...]:
    """Return recent closed windows without an agreed result that wait for the reader."""
    by_id = {view.agreement: view for view in views}
    ids = list(by_id)
    since = window_of(now_ms // 86_400_000 - RECENT_DAYS)
    closed = session.execute(
        select(Closing.agreement, Closing.window)
        .where(
            Closing.agreement.in_(ids),
            # Window 0 is the opening position, whenever it was.
            or_(Closing.window >= since, Closing.window == 0),
        )
        .distinct(),
    )
    agreed: dict[bytes, int] = {}
    for row in session.execute(
        select(AgreedResult.agreement, AgreedResult.window).where(
            AgreedResult.agreement.in_(ids),
            or_(AgreedResult.window >= since, AgreedResult.window == 0),
        ),
    ):
        agreed[row.agreement] = max(row.window, agreed.get(row.agreement, -1))
    pairs = [
        (by_id[agreement], window)
        for agreement, window in sorted(closed, key=lambda item: (item[1], item[0]))
        if window > agreed.get(agreement, -1)
    ]
    return tuple(item for item in load_windows(session, pairs, now_ms) if item.needs_us)


def _fetch(session: Session, agreements: set[bytes], windows: set[int]) -> _Rows:
    posted: dict[tuple[bytes, int, int], int] = {}
    for total in session.scalars(
        select(WindowTotals).where(
            WindowTotals.agreement.in_(agreements),
            WindowTotals.window.in_(windows),
        ),
    ):
        key = (total.agreement, total.side, total.window)
        posted[key] = posted.get(key, 0) + total.entry_count
    runs: dict[tuple[bytes, int], MatchRun] = {}
    for run in session.scalars(
        select(MatchRun)
        .where(MatchRun.agreement.in_(agreements), MatchRun.window.in_(windows))
        .order_by(MatchRun.kind.desc()),
    ):
        # PROVISIONAL sorts first here; the proof, where there is one, takes its place.
        runs[run.agreement, run.window] = run
    closings = {
        (row.agreement, row.side, row.window): row
        for row in session.scalars(
            select(Closing).where(Closing.agreement.in_(agreements), Closing.window.in_(windows)),
        )
    }
    attested = {
        (row.agreement, row.side, row.window): row
        for row in session.scalars(
            select(Attestation)
            .where(Attestation.agreement.in_(agreements), Attestation.window.in_(windows))
            .order_by(Attestation.revision),
        )
    }
    agreed = {
        (row.agreement, row.window): row
        for row in session.scalars(
            select(AgreedResult).where(
                AgreedResult.agreement.in_(agreements),
                AgreedResult.window.in_(windows),
            ),
        )
    }
    reports = {
        (agreement, window): report_id
        for agreement, window, report_id in session.execute(
            select(ReportRow.agreement, ReportRow.window, ReportRow.id)
            .where(ReportRow.agreement.in_(agreements), ReportRow.window.in_(windows))
            # The last one counts: the newest that stands, even where a later one was overtaken.
            .order_by(ReportRow.state != SUPERSEDED, ReportRow.id),
        )
    }
    refused = {place: row.says for place, row in refusals(session, agreements).items()}
    return _Rows(posted, runs, closings, attested, agreed, reports, refused)


def _window(
    session: Session,
    view: AgreementView,
    window: int,
    rows: _Rows,
    now_ms: int,
) -> WindowView:
    agreement = view.agreement
    closed = (
        rows.closings.get((agreement, Side.SERVICER, window)),
        rows.closings.get((agreement, Side.OWNER, window)),
    )
    signatures = (
        _signature(rows.attested.get((agreement, Side.SERVICER, window))),
        _signature(rows.attested.get((agreement, Side.OWNER, window))),
    )
    run = rows.runs.get((agreement, window))
    report_id = rows.reports.get((agreement, window))
    agreed = rows.agreed.get((agreement, window))
    terms = terms_of(session, agreement, window) if window else None
    close_at_ms = terms.close_at_ms(window) if terms is not None else None
    state = window_state(
        ours=view.ours,
        agreed=agreed.state if agreed else None,
        digests=tuple(item.digest if item else None for item in signatures),
        closed=(closed[0] is not None, closed[1] is not None),
        proven=report_id is not None,
        run=run is not None,
        overdue=_overdue(terms, window, now_ms),
        refused=(agreement, window) in rows.refused,
    )
    return WindowView(
        agreement=view,
        window=window,
        state=state,
        figures=figures_of(run) if run else None,
        posted=(
            rows.posted.get((agreement, Side.SERVICER, window), 0),
            rows.posted.get((agreement, Side.OWNER, window), 0),
        ),
        closed=closed,
        signatures=signatures,
        agreed=agreed,
        report_id=report_id,
        close_at_ms=close_at_ms,
        refusal=rows.refused.get((agreement, window), ""),
    )


def _signature(row: Attestation | None) -> Signature | None:
    if row is None:
        return None
    return Signature(
        Side(row.side),
        row.revision,
        row.digest,
        row.signature,
        row.signer,
        row.flags,
        row.tx_hash,
        row.block_time_s,
    )


def _overdue(terms: Terms | None, window: int, now_ms: int) -> bool:
    """Say whether the close_at of the next business day's window has passed (ledger.md)."""
    if terms is None or window == 0:
        return False
    following = window_of(terms.common_calendar.add(window_day(window), 1))
    return now_ms > terms.close_at_ms(following)
