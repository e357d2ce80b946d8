"""Past windows under other terms: what would have matched differently, before anybody accepts.

Each window starts from what its last agreed report really carried, so a difference shows in the
window that makes it and is not carried on. Nothing is stored.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.agreements import Facts
from node.services.reconciliation.inputs import prepare
from node.services.reconciliation.memory import Memory
from node.tables import MatchRun
from reconcile.model import UsageError, day_iso, window_day
from reconcile.report import Comparison, compare, reconcile
from reconcile.terms import Terms

PROOF = "PROOF"


@dataclass(frozen=True, slots=True)
class ReplayedWindow:
    """One window under the terms that ruled it and under the others."""

    window: int
    comparison: Comparison

    def to_json(self) -> dict[str, Any]:
        """Return window, day and comparison."""
        return {
            "window": str(self.window),
            "day": day_iso(window_day(self.window)),
            **self.comparison.to_json(),
        }


def replayed_windows(
    session: Session, facts: Facts, *, first_day: int | None, last_day: int | None, limit: int
) -> Sequence[int]:
    """Return the proven windows of a range of days, oldest first; the newest `limit` of them.

    Raises `UsageError` NOTHING_TO_REPLAY where there are none.
    """
    rows = session.execute(
        select(MatchRun.window)
        .where(
            MatchRun.agreement == facts.agreement,
            MatchRun.kind == PROOF,
            MatchRun.window > 0,
        )
        .order_by(MatchRun.window)
    ).scalars()
    chosen = [
        window
        for window in rows
        if (first_day is None or window_day(window) >= first_day)
        and (last_day is None or window_day(window) <= last_day)
    ]
    if not chosen:
        raise UsageError(
            "NOTHING_TO_REPLAY",
            "no window of these days was closed by both sides and proven here",
            help="see `kanhe status` for the windows there are",
        )
    return chosen[-limit:]


def replay(
    session: Session, facts: Facts, terms: Terms, windows: Sequence[int]
) -> Iterator[ReplayedWindow]:
    """Reconcile each window as it was and under `terms`."""
    for window in windows:
        run = prepare(session, facts, window, memory=Memory(), provisional=False).run
        before = reconcile(run)
        after = reconcile(dataclasses.replace(run, terms=terms))
        yield ReplayedWindow(window, compare(before, after))
