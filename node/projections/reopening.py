"""Reading again what was sealed for want of a key or of terms that are here now."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.attempts import Attempts
from node.db import Database, translated
from node.moves import Moves
from node.projections import Projections
from node.tables import StreamState

WORK: Final = "reopening"
_SEALED: Final = (
    select(StreamState.agreement, StreamState.side)
    .where(StreamState.sealed_count > 0)
    .order_by(StreamState.agreement, StreamState.side)
)
# (session, agreement, side) → whether a batch that was sealed may open now.
OpensNow = Callable[[Session, bytes, int], bool]


class Reopening:
    """Opens sealed batches once that is possible; a side's failure leaves the others alone.

    What others sealed to each other stays sealed here for ever: such an agreement rests until
    something moves in it (`node.moves`).
    """

    def __init__(
        self,
        database: Database,
        projections: Projections,
        attempts: Attempts,
        opens_now: OpensNow,
        moves: Moves,
    ) -> None:
        self._database = database
        self._projections = projections
        self._attempts = attempts
        self._opens_now = opens_now
        self._moves = moves

    def step(self) -> int:
        """Open what can be opened; return how many sides."""
        with translated(), self._database.reading() as session:
            sealed: dict[bytes, list[int]] = {}
            for agreement, side in session.execute(_SEALED):
                if self._moves.due(WORK, agreement):
                    sealed.setdefault(agreement, []).append(side)
            found = {
                agreement: [side for side in sides if self._opens_now(session, agreement, side)]
                for agreement, sides in sealed.items()
            }
        opened = 0
        for agreement, sides in found.items():
            for side in sides:
                reading = functools.partial(self._side, agreement, side)
                opened += self._attempts.run(f"open side {side}", reading, agreement=agreement)
            self._moves.looked(WORK, agreement, done=bool(sides))
        return opened

    def _side(self, agreement: bytes, side: int) -> int:
        with translated(), self._database.writing.begin() as session:
            self._projections.reopen(session, agreement, side)
        return 1
