"""A window that the engine refuses to compute: its state, with why and what to do.

Such a refusal (`CANDIDATES_EXPLODE`, `OPEN_TOO_MANY`, terms at odds with the entries) is the same
on every machine and does not pass by itself: it stands as an incident until a run of the window
goes through.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.tables import Incident
from reconcile.model import InputError, day_iso, window_day

KIND: Final = "RUN_REFUSED"
AGAIN_MS: Final = 60_000


def report(session: Session, agreement: bytes, window: int, error: InputError, now_ms: int) -> None:
    """Open the window's incident, or say anew why it stands."""
    row = standing(session, [agreement]).get((agreement, window))
    if row is None:
        row = Incident(
            kind=KIND,
            fingerprint=f"{_prefix(agreement, window)}{now_ms}",
            agreement=agreement,
            stops_signing=False,
            opened_at_ms=now_ms,
        )
        session.add(row)
    day = day_iso(window_day(window)) if window else "the opening position"
    row.says = f"{day} ({window}) is not compared: {error.message} [{error.code}]."
    if error.help:
        row.says += f" What to do: {error.help}."
    row.evidence = {"window": str(window), "code": error.code, "help": error.help}


def went_through(session: Session, agreement: bytes, window: int, now_ms: int) -> None:
    """Close the window's incident: a run of it was made."""
    row = standing(session, [agreement]).get((agreement, window))
    if row is not None:
        row.closed_at_ms, row.closed_reason = now_ms, "a run of the window went through"


def standing(session: Session, agreements: Iterable[bytes]) -> dict[tuple[bytes, int], Incident]:
    """Return the open refusals by agreement and window."""
    rows = session.scalars(
        select(Incident).where(
            Incident.kind == KIND,
            Incident.agreement.in_(list(agreements)),
            Incident.closed_at_ms.is_(None),
        )
    )
    return {(row.agreement, int(row.evidence["window"])): row for row in rows if row.agreement}


def _prefix(agreement: bytes, window: int) -> str:
    return f"{KIND}/{agreement.hex()}/{window}/"
