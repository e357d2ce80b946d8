"""What a running node counts while it goes, for /metrics; all else is read from rows when asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, select

from node.db import Database, translated
from node.outbox import RelayStep
from node.tables import LatencySample
from node.telemetry import Metrics

MAX_SAMPLES: Final = 10_000


@dataclass(frozen=True, slots=True)
class StepResult:
    """What one turn did; `idle`: nothing moved, nothing waits and nothing is in flight."""

    blocks: int
    events: int
    reactions: int
    sent: int
    confirmed: int
    idle: bool
    # Nothing but a matching run that waits for its time.
    rests: bool = False

    @property
    def moved(self) -> bool:
        """Say whether anything came from the chain or went to it: else another turn can wait."""
        return bool(self.blocks or self.events or self.sent or self.confirmed)


class Meter:
    """Feeds one node's figures from its turns."""

    def __init__(self, database: Database) -> None:
        self.metrics = Metrics()
        self._database = database
        self._sampled: int | None = None

    def turn(self, *, rewound: bool, sent: RelayStep) -> None:
        """Count what one turn did."""
        self.metrics.rewinds.inc(int(rewound))
        for ms in sent.confirm_ms:
            self.metrics.confirm_s.observe(ms / 1000)
        for outcome, number in (("taken", sent.sent), ("refused", sent.refused)):
            if number:
                self.metrics.sends.labels(outcome=outcome).inc(number)

    def failed(self, code: str) -> None:
        """Count a turn that the outside world refused."""
        self.metrics.chain_errors.labels(code=code).inc()

    def matched(self) -> None:
        """Observe the latencies that runs have written since the last look."""
        with translated(), self._database.reading() as session:
            newest = session.scalar(select(func.max(LatencySample.id))) or 0
            if self._sampled is None or newest < self._sampled:
                # What an earlier process measured it has shown.
                self._sampled = newest
            rows = (
                select(LatencySample.ms)
                .where(LatencySample.id > self._sampled, LatencySample.id <= newest)
                .limit(MAX_SAMPLES)
            )
            for ms in session.scalars(rows):
                self.metrics.match_s.observe(ms / 1000)
        self._sampled = newest
