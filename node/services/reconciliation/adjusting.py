"""余额调节表 of a stored proof: its sheets, and who prepared and reviewed it on our side.

The report alone does not say where a residual or a write-off began, because the entries behind it
are settled; the agreed reports before it do.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session, undefer

from node.agreements import terms_at
from node.services.reconciliation.views import Adjustment, StoredReport
from node.tables import AgreedResult, AuditRow, Person, ReportRow
from reconcile.model import KanheError, day_iso, window_day
from reconcile.report import (
    SuggestedBooking,
    adjustment_sheets,
    group_from_json,
    open_subjects,
    suggested_bookings,
)
from reconcile.report.adjustment import Past, origins_of
from reconcile.terms.calendar import Calendar

CLOSED: Final = "close"
ATTESTED: Final = "attest"


def adjustment_of(session: Session, agreement: bytes, stored: StoredReport) -> Adjustment:
    """Return a stored proof's sheets, every difference with its origin."""
    earlier = list(_earlier(session, agreement, stored))
    sheets = adjustment_sheets(
        stored.report,
        stored.groups,
        earlier=earlier,
        calendar=_calendar(session, agreement, stored.window),
    )
    window = str(stored.window)
    return Adjustment(
        stored=stored,
        sheets=sheets,
        agreed=_agreed(session, agreement, stored),
        prepared_by=_actor(session, agreement, CLOSED, window=window),
        reviewed_by=_actor(session, agreement, ATTESTED, window=window, digest=stored.digest.hex()),
    )


def bookings_of(
    session: Session, agreement: bytes, stored: StoredReport, booking_date: str | None
) -> tuple[SuggestedBooking, ...]:
    """Return the vouchers that would settle what a stored proof leaves open.

    `booking_date` None: the next day on which both sides work. Raises what `terms_at` raises.
    """
    terms = terms_at(session, agreement, stored.window)
    day = booking_date or day_iso(terms.common_calendar.add(window_day(stored.window), 1))
    return suggested_bookings(
        stored.report,
        stored.groups,
        terms=terms,
        booking_date=day,
        earlier=list(_earlier(session, agreement, stored)),
    )


def _earlier(session: Session, agreement: bytes, stored: StoredReport) -> Iterator[Past]:
    """Yield agreed reports before this one, newest first, until every origin is known."""
    missing = open_subjects(stored.report) - origins_of([(stored.report, stored.groups)]).keys()
    if not missing:
        return
    rows = session.execute(
        select(ReportRow)
        .join(
            AgreedResult,
            (AgreedResult.agreement == ReportRow.agreement)
            & (AgreedResult.window == ReportRow.window)
            & (AgreedResult.digest == ReportRow.digest),
        )
        .where(ReportRow.agreement == agreement, ReportRow.window < stored.window)
        .order_by(ReportRow.window.desc())
        .options(undefer(ReportRow.report), undefer(ReportRow.groups))
        .execution_options(yield_per=1)
    ).scalars()
    for row in rows:
        groups = [group_from_json(item) for item in msgspec.json.decode(row.groups)]
        past: Past = (msgspec.json.decode(row.report), groups)
        found = origins_of([past]).keys() & missing
        if found:
            yield past
            missing -= found
        if not missing:
            return


def _agreed(session: Session, agreement: bytes, stored: StoredReport) -> bool:
    row = session.get(AgreedResult, (agreement, stored.window))
    return row is not None and row.digest == stored.digest


def _calendar(session: Session, agreement: bytes, window: int) -> Calendar | None:
    try:
        return terms_at(session, agreement, window).common_calendar
    except KanheError:
        # Terms this node has not opened: the sheet stands without the ages of old differences.
        return None


def _actor(session: Session, agreement: bytes, act: str, **details: str) -> str:
    """Return who did an act last, by the name this institution knows; empty for nobody."""
    rows = session.execute(
        select(AuditRow)
        .where(AuditRow.subject == agreement.hex(), AuditRow.act == act)
        .order_by(AuditRow.id.desc())
    ).scalars()
    for row in rows:
        if all(row.details.get(name) == value for name, value in details.items()):
            name = session.execute(
                select(Person.display_name).where(Person.login == row.actor)
            ).scalar_one_or_none()
            return name or ""
    return ""
