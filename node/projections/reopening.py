"""Reading again what was sealed for want of a key or of terms that are here now."""

from __future__ import annotations

import functools
from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.attempts import Attempts
from node.db import Database, translated
from node.projections import Projections
from node.tables import StreamState

# (session, agreement, side) → whether a batch that was sealed may open now.
OpensNow = Callable[[Session, bytes, int], bool]


class Reopening:
    """Opens sealed batches once that is possible; a side's failure leaves the others alone."""

    def __init__(
        self, database: Database, projections: Projections, attempts: Attempts, opens_now: OpensNow
    ) -> None:
        self._database = database
        self._projections = projections
        self._attempts = attempts
        self._opens_now = opens_now

    def step(self) -> int:
        """Open what can be opened; return how many sides."""
        with translated(), self._database.reading() as session:
            found = [
                (state.agreement, state.side)
                for state in session.execute(
                    select(StreamState).where(StreamState.sealed_count > 0)
                ).scalars()
                if self._opens_now(session, state.agreement, state.side)
            ]
        opened = 0
        for agreement, side in found:
            reading = functools.partial(self._side, agreement, side)
            opened += self._attempts.run(f"open side {side}", reading, agreement=agreement)
        return opened

    def _side(self, agreement: bytes, side: int) -> int:
        with translated(), self._database.writing.begin() as session:
            self._projections.reopen(session, agreement, side)
        return 1
