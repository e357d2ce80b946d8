"""The run that shows an agreement's open breaks, and one break in it."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.tables import MatchRun, RunBreak
from reconcile.model import UsageError

PROOF: Final = "PROOF"
MIN_PREFIX: Final = 4


def run_of(session: Session, agreement: bytes, window: int | None) -> MatchRun | None:
    """Return a window's proof, else its provisional run; None: the newest window's."""
    query = select(MatchRun).where(MatchRun.agreement == agreement)
    if window is not None:
        query = query.where(MatchRun.window == window)
    rows = session.execute(query.order_by(MatchRun.window.desc())).scalars().all()
    newest = [row for row in rows if row.window == rows[0].window]
    return next((row for row in newest if row.kind == PROOF), newest[0] if newest else None)


def break_of(session: Session, run: MatchRun | None, key: bytes | str) -> RunBreak:
    """Return a break of a run by its key or the beginning of its hex.

    Raises `UsageError` BREAK_UNKNOWN, BREAK_AMBIGUOUS.
    """
    wanted = key.hex() if isinstance(key, bytes) else key.lower().removeprefix("0x")
    if run is not None and len(wanted) >= MIN_PREFIX:
        query = select(RunBreak).where(RunBreak.run_id == run.id)
        if isinstance(key, bytes):
            query = query.where(RunBreak.break_key == key)
        rows = session.execute(query).scalars()
        found = [row for row in rows if row.break_key.hex().startswith(wanted)]
        if len(found) == 1:
            return found[0]
        if found:
            raise UsageError(
                "BREAK_AMBIGUOUS",
                f"{wanted} begins {len(found)} keys",
                help="give more of the key",
            )
    raise UsageError(
        "BREAK_UNKNOWN", f"no break {wanted} in this run", help="see `kanhe break list`"
    )
