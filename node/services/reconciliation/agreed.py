"""The last agreed report, and what it leaves to the next run."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session, undefer

from node.tables import (
    AgreedResult,
    ReportRow,
)
from reconcile.model import (
    ProtocolError,
)
from reconcile.report import Carry, carry_of


@dataclass(frozen=True, slots=True)
class Agreed:
    """The last agreed report below a window: its window, digest and what it carries."""

    window: int
    digest: bytes
    carry: Carry


def last_agreed(
    session: Session, agreement: bytes, below: int | None = None
) -> AgreedResult | None:
    """Return the last agreed result (below a window), final or not."""
    query = select(AgreedResult).where(AgreedResult.agreement == agreement)
    if below is not None:
        query = query.where(AgreedResult.window < below)
    return session.execute(query.order_by(AgreedResult.window.desc()).limit(1)).scalar_one_or_none()


def agreed_before(
    session: Session, agreement: bytes, window: int, *, known: Agreed | None = None
) -> Agreed | None:
    """Return what the last agreed report leaves to a run of `window`.

    `known`: a report that was read before; its digest says whether it is the one. Raises
    `ProtocolError` REPORT_MISSING when this node has not computed that report.
    """
    row = last_agreed(session, agreement, window)
    if row is None:
        return None
    mine = (
        ReportRow.agreement == agreement,
        ReportRow.window == row.window,
        ReportRow.digest == row.digest,
    )
    same = known is not None and (known.window, known.digest) == (row.window, row.digest)
    if same and session.scalar(select(ReportRow.id).where(*mine)) is not None:
        return known
    stored = session.execute(
        select(ReportRow).where(*mine).options(undefer(ReportRow.report))
    ).scalar_one_or_none()
    if stored is None:
        raise ProtocolError(
            "REPORT_MISSING",
            f"the report agreed for window {row.window} is not here",
            help="it is computed again from the ledger: `kanhe reconcile --window` that one",
        )
    return Agreed(row.window, row.digest, carry_of(msgspec.json.decode(stored.report)))
