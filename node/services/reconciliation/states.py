"""The state of an agreement × window, from what the ledger and this node's runs say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session, undefer

from node.agreements import Facts, terms_at
from node.services.reconciliation import refusing, views
from node.services.reconciliation.storing import PROOF, PROVISIONAL
from node.services.reconciliation.views import Latency, WindowStatus
from node.tables import (
    AgreedResult,
    Attestation,
    Closing,
    LatencySample,
    MatchRun,
    PartyName,
    PostedSectionDigest,
    ReportRow,
    WindowTotals,
)
from reconcile.model import ProtocolError, Side, day_iso, window_day
from reconcile.report import section_digests

SAMPLES: int = 10_000


@dataclass(frozen=True, slots=True)
class _Ledger:
    """What the ledger says of one window."""

    closed: tuple[bool, bool]
    attested: tuple[Attestation | None, Attestation | None]
    agreed: AgreedResult | None
    covered: AgreedResult | None


def windows_of(session: Session, agreement: bytes) -> list[int]:
    """Return every window that was posted to, closed, attested or matched, newest first."""
    found: set[int] = set()
    for table in (WindowTotals, Closing, Attestation, MatchRun):
        found.update(
            session.execute(
                select(table.window).where(table.agreement == agreement).distinct()
            ).scalars()
        )
    return sorted(found, reverse=True)


def newest_attestation(
    session: Session, agreement: bytes, side: Side, window: int
) -> Attestation | None:
    """Return a side's latest attestation of a window."""
    return session.execute(
        select(Attestation)
        .where(
            Attestation.agreement == agreement,
            Attestation.side == int(side),
            Attestation.window == window,
        )
        .order_by(Attestation.revision.desc())
        .limit(1)
    ).scalar_one_or_none()


def _ledger(session: Session, agreement: bytes, window: int) -> _Ledger:
    closed = tuple(
        session.get(Closing, (agreement, int(side), window)) is not None for side in Side
    )
    return _Ledger(
        closed=(closed[0], closed[1]),
        attested=(
            newest_attestation(session, agreement, Side.SERVICER, window),
            newest_attestation(session, agreement, Side.OWNER, window),
        ),
        agreed=session.get(AgreedResult, (agreement, window)),
        covered=session.execute(
            select(AgreedResult)
            .where(AgreedResult.agreement == agreement, AgreedResult.window >= window)
            .order_by(AgreedResult.window)
            .limit(1)
        ).scalar_one_or_none(),
    )


def status_of(session: Session, facts: Facts, window: int, *, now_ms: int) -> WindowStatus:
    """Return one agreement × window."""
    ledger = _ledger(session, facts.agreement, window)
    run = _run(session, facts.agreement, window)
    refused = refusing.standing(session, [facts.agreement]).get((facts.agreement, window))
    state = _state(session, facts, window, ledger, run, now_ms, refused=refused is not None)
    ours, theirs = _digests(facts, ledger, run)
    return WindowStatus(
        agreement=facts.agreement,
        label=_label(session, facts.agreement),
        kind=facts.kind,
        window=window,
        day_iso=day_iso(window_day(window)),
        **_figures(session, facts.agreement, window, run),
        latency=latency_of(session, facts.agreement, window),
        digest=ours,
        their_digest=theirs,
        state=state,
        close_at_ms=_close_at(session, facts.agreement, window),
        attested=(ledger.attested[0] is not None, ledger.attested[1] is not None),
        differing_sections=(
            differing_sections(session, facts, window) if state == views.DIFFERS else ()
        ),
        refusal=refused.says if refused is not None else None,
    )


def _run(session: Session, agreement: bytes, window: int) -> MatchRun | None:
    """Return the window's proof, else its provisional run."""
    rows = {
        row.kind: row
        for row in session.execute(
            select(MatchRun).where(MatchRun.agreement == agreement, MatchRun.window == window)
        ).scalars()
    }
    return rows.get(PROOF) or rows.get(PROVISIONAL)


def _figures(
    session: Session, agreement: bytes, window: int, run: MatchRun | None
) -> dict[str, Any]:
    if run is None:
        counts = [
            sum(
                session.execute(
                    select(WindowTotals.entry_count).where(
                        WindowTotals.agreement == agreement,
                        WindowTotals.side == int(side),
                        WindowTotals.window == window,
                    )
                ).scalars()
            )
            for side in Side
        ]
        return {
            "servicer_entries": counts[0],
            "owner_entries": counts[1],
            "matched_groups": 0,
            "matched_entries": 0,
            "breaks": (),
            "open_breaks": 0,
            "oldest_days": 0,
            "proof": (),
            "balance_proven": False,
            "complete": False,
            "basis": None,
        }
    return {
        "servicer_entries": run.servicer_entries,
        "owner_entries": run.owner_entries,
        "matched_groups": run.group_count,
        "matched_entries": run.servicer_matched + run.owner_matched,
        "breaks": tuple(sorted(run.breaks_by_kind.items())),
        "open_breaks": run.break_count,
        "oldest_days": run.oldest_age_days,
        "proof": tuple((row["currency"], int(row["proof_minor"])) for row in run.totals),
        "balance_proven": run.balance_proven,
        "complete": run.complete,
        "basis": run.basis,
    }


def _digests(
    facts: Facts, ledger: _Ledger, run: MatchRun | None
) -> tuple[bytes | None, bytes | None]:
    if ledger.covered is not None and ledger.agreed is None:
        return ledger.covered.digest, ledger.covered.digest
    computed = run.digest if run is not None and run.kind == PROOF else None
    side = facts.our_side
    if side is None:
        return computed, None
    mine, other = ledger.attested[side], ledger.attested[side.other]
    return computed or (mine.digest if mine else None), other.digest if other else None


def _state(
    session: Session,
    facts: Facts,
    window: int,
    ledger: _Ledger,
    run: MatchRun | None,
    now_ms: int,
    *,
    refused: bool,
) -> str:
    if ledger.covered is not None:
        # Agreeing a window agrees all before it (ledger.md, "Results").
        return ledger.covered.state
    side = facts.our_side or Side.SERVICER
    mine, other = ledger.attested[side], ledger.attested[side.other]
    if mine is not None and other is not None:
        return views.DIFFERS
    overdue = _overdue(session, facts.agreement, window, now_ms)
    if mine is not None:
        return views.UNANSWERED if overdue else views.ATTESTED
    if other is not None:
        return views.AWAITING_US
    if refused:
        return views.NOT_COMPUTED
    if all(ledger.closed):
        return views.PROVEN if run is not None and run.kind == PROOF else views.CLOSED
    if ledger.closed[side]:
        return views.CLOSED_BY_US
    if ledger.closed[side.other]:
        return views.CLOSED_BY_THEM
    return views.OPEN if run is None else views.PROVISIONAL


def _overdue(session: Session, agreement: bytes, window: int, now_ms: int) -> bool:
    """Say whether the close_at of the next business day's window has passed (逾期未对账)."""
    try:
        terms = terms_at(session, agreement, window)
    except ProtocolError:
        return False
    following = terms.common_calendar.add(window_day(window), 1) * 8 if window else None
    return following is not None and now_ms >= terms.close_at_ms(following)


def _close_at(session: Session, agreement: bytes, window: int) -> int | None:
    if window == 0:
        return None
    try:
        return terms_at(session, agreement, window).close_at_ms(window)
    except ProtocolError:
        return None


def _label(session: Session, agreement: bytes) -> str:
    row = session.get(PartyName, f"agreement/{agreement.hex()}")
    return row.name if row is not None else agreement.hex()[:12]


def latency_of(
    session: Session, agreement: bytes | None = None, window: int | None = None
) -> Latency:
    """Return T+0 latencies of the newest samples."""
    query = select(LatencySample.ms).order_by(LatencySample.id.desc()).limit(SAMPLES)
    if agreement is not None:
        query = query.where(LatencySample.agreement == agreement)
    if window is not None:
        query = query.where(LatencySample.window == window)
    found = sorted(session.execute(query).scalars())
    if not found:
        return Latency(0, None, None)
    return Latency(len(found), _quantile(found, 50), _quantile(found, 99))


def _quantile(ordered: Sequence[int], percent: int) -> int:
    """Return the smallest sample that at least `percent` of all do not exceed."""
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(rank - 1, 0)]


def differing_sections(session: Session, facts: Facts, window: int) -> tuple[str, ...]:
    """Return which sections of the two reports differ, once the other side posted its digests."""
    side = facts.our_side
    stored = session.execute(
        select(ReportRow)
        .where(ReportRow.agreement == facts.agreement, ReportRow.window == window)
        .order_by(ReportRow.id.desc())
        .limit(1)
        .options(undefer(ReportRow.report))
    ).scalar_one_or_none()
    if side is None or stored is None:
        return ()
    theirs = session.execute(
        select(PostedSectionDigest)
        .where(
            PostedSectionDigest.agreement == facts.agreement,
            PostedSectionDigest.side == int(side.other),
            PostedSectionDigest.of_window == window,
        )
        .order_by(PostedSectionDigest.seq.desc())
        .limit(1)
    ).scalar_one_or_none()
    if theirs is None:
        return ()
    ours = {
        name: digest.hex() for name, digest in section_digests(msgspec.json.decode(stored.report))
    }
    given = {str(name): str(digest) for name, digest in theirs.sections}
    return tuple(sorted(name for name in {*ours, *given} if ours.get(name) != given.get(name)))
