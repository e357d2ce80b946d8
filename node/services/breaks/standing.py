"""Decisions on the ledger: who posted them, and what became of them in the runs that read them.

Both sides' streams hold records; a run over closed windows applies those that both hold, and its
report says which took effect and why others are void (matching.md, rule 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from node.tables import Batch, PostedDecision, ReportRow
from reconcile.commitment.records import decode_record
from reconcile.matching.keys import decision_hash
from reconcile.model import ZERO32, Decision, Side

SUPERSEDED: Final = "SUPERSEDED"
WAITING: Final = "WAITING"
PENDING: Final = "PENDING"
EFFECTIVE: Final = "EFFECTIVE"
VOID: Final = "VOID"
# Why a decision changed nothing, as a report lists it.
VOID_REASONS: Final = (
    "REFS",
    "SUBJECT",
    "NO_GROUP",
    "NOT_OPEN",
    "NOT_MOVING",
    "CURRENCIES",
    "VERDICT",
    "SAME_PREVIOUS",
    "OTHER_PREVIOUS",
)


@dataclass(frozen=True, slots=True)
class StandingDecision:
    """A decision that at least one side posted.

    `posted_s`: block time by side, None where that side has none. `effect`: WAITING for the other
    side, PENDING (both posted it, no report yet), EFFECTIVE or VOID with its reason; `window` of
    the report that says so.
    """

    hash: bytes
    decision: Decision
    posted_s: tuple[int | None, int | None]
    effect: str
    void_reason: str | None = None
    window: int | None = None

    def posted_by(self, side: Side) -> bool:
        """Say whether a side posted it."""
        return self.posted_s[side] is not None

    def to_json(self) -> dict[str, Any]:
        """Return the row for `--json`."""
        return {
            "hash": self.hash.hex(),
            "subject": self.decision.subject.hex(),
            "previous": self.decision.previous.hex(),
            "verdict": self.decision.verdict,
            "servicer": list(self.decision.servicer),
            "owner": list(self.decision.owner),
            "posted": {side.word: self.posted_by(side) for side in Side},
            "effect": self.effect,
            "void": self.void_reason,
            "window": None if self.window is None else str(self.window),
        }


class _Applied(msgspec.Struct):
    hash: str
    void: str | None


class _Last(msgspec.Struct):
    subject: str
    hash: str


class _Left(msgspec.Struct):
    last_decisions: list[_Last]


class _Settled(msgspec.Struct):
    """The part of a report that says what became of decisions."""

    decisions: list[_Applied]
    standing: _Left


@lru_cache(maxsize=64)
def _decode(_digest: bytes, report: bytes) -> _Settled:
    return msgspec.json.decode(report, type=_Settled)


def standing_decisions(
    session: Session, agreement: bytes, subjects: Sequence[bytes] | None = None
) -> tuple[StandingDecision, ...]:
    """Return the decisions that either side posted, in the order of the ledger.

    `subjects`: only those about them.
    """
    query = (
        select(PostedDecision, Batch.block_time_s)
        .join(
            Batch,
            (Batch.agreement == PostedDecision.agreement)
            & (Batch.side == PostedDecision.side)
            & (Batch.seq == PostedDecision.seq),
        )
        .where(PostedDecision.agreement == agreement)
        .order_by(PostedDecision.block_number, PostedDecision.log_index, PostedDecision.leaf)
    )
    if subjects is not None:
        query = query.where(PostedDecision.subject.in_(subjects))
    found: dict[bytes, _Posted] = {}
    for row, at_s in session.execute(query):
        decision = decode_record(row.record)
        assert isinstance(decision, Decision), "the decisions table holds decisions"
        posted = found.setdefault(decision_hash(decision), _Posted(decision))
        if posted.at_s[row.side] is None:
            posted.at_s[row.side], posted.windows[row.side] = at_s, row.window
    reports = _Reports(session, agreement)
    return tuple(_judged(hashed, posted, reports) for hashed, posted in found.items())


class _Posted:
    """What both streams say of one decision."""

    def __init__(self, decision: Decision) -> None:
        self.decision = decision
        self.at_s: list[int | None] = [None, None]
        self.windows: list[int | None] = [None, None]


class _Reports:
    """The standing reports of an agreement, asked for the first one that covers a window."""

    def __init__(self, session: Session, agreement: bytes) -> None:
        self._session = session
        self._rows = session.execute(
            select(ReportRow.window, ReportRow.digest, ReportRow.id)
            .where(ReportRow.agreement == agreement, ReportRow.state != SUPERSEDED)
            .order_by(ReportRow.window, ReportRow.id.desc())
        ).all()

    def covering(self, window: int) -> tuple[int, _Settled] | None:
        """Return the first report whose run read a window."""
        row = next((row for row in self._rows if row.window >= window), None)
        return None if row is None else (row.window, self._read(row.digest, row.id))

    def newest(self) -> tuple[int, _Settled] | None:
        """Return the report of the newest window."""
        if not self._rows:
            return None
        window = self._rows[-1].window
        row = next(row for row in self._rows if row.window == window)
        return window, self._read(row.digest, row.id)

    def _read(self, digest: bytes, row_id: int) -> _Settled:
        body = self._session.execute(
            select(ReportRow.report).where(ReportRow.id == row_id)
        ).scalar_one()
        return _decode(digest, body)


def _judged(hashed: bytes, posted: _Posted, reports: _Reports) -> StandingDecision:
    at_s = (posted.at_s[0], posted.at_s[1])
    windows = [window for window in posted.windows if window is not None]
    if len(windows) < len(Side):
        return StandingDecision(hashed, posted.decision, at_s, WAITING)
    covering = reports.covering(max(windows))
    if covering is not None:
        window, settled = covering
        for item in settled.decisions:
            if item.hash == hashed.hex():
                effect = EFFECTIVE if item.void is None else VOID
                return StandingDecision(hashed, posted.decision, at_s, effect, item.void, window)
    return StandingDecision(hashed, posted.decision, at_s, PENDING)


def last_effective(session: Session, agreement: bytes, subject: bytes) -> bytes:
    """Return what the next decision on a subject names: the last effective one's hash, else zeros.

    What both sides posted and no report has read yet counts as if it took effect. One that was
    void counts for nothing: naming it would make every later decision void too.
    """
    newest = _Reports(session, agreement).newest()
    last = ZERO32
    if newest is not None:
        known = (item for item in newest[1].standing.last_decisions)
        last = next((bytes.fromhex(x.hash) for x in known if x.subject == subject.hex()), ZERO32)
    pending = [
        item for item in standing_decisions(session, agreement, [subject]) if item.effect == PENDING
    ]
    while True:
        following = [item for item in pending if item.decision.previous == last]
        if len(following) != 1:
            return last
        last = following[0].hash
        pending.remove(following[0])
