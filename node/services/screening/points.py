"""Points: what a member has, and every movement with its reason and what it was for."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.blacklist import account_of, movements_of
from node.errors import Conflict
from node.keyholders import require_full
from node.screening.states import DAY_S
from node.services.screening.base import Base
from node.services.screening.purse import allowance_due
from node.services.screening.views import MovementView, PointsView
from node.tables import BlacklistFact, EvaluationAudit, Member, PointMovement, TicketRange
from reconcile.model import UsageError

MAX_PAGE: Final = 500
#: The contract's word for an audit's fine.
FINE: Final = "evaluation not opened"
#: The fact of a transaction that says what a stake was for.
_WHY: Final = {
    "EntryPosted": "listing",
    "DisputeOpened": "dispute",
    "DisputeContested": "dispute",
    "EntryVested": "entry vested",
    "DisputeSettled": "dispute settled",
    "EntryStaged": "ticket lapsed",
}


class PointActs(Base):
    """A member's points."""

    def points(
        self, member: int | None = None, *, after: str | None = None, limit: int = 50
    ) -> PointsView:
        """Return a member's account and its movements, newest first; ours by default.

        `after` is the `next` of the page before. Raises `UsageError` CURSOR_MALFORMED,
        MEMBER_UNKNOWN.
        """
        before = _place(after)
        with self._reading() as session:
            who = self._identity.require_member(session) if member is None else member
            if session.get(Member, who) is None:
                raise UsageError(
                    "MEMBER_UNKNOWN", f"no member {who} is known", help="see `kanhe member list`"
                )
            now = self._now(session)
            rows = movements_of(session, who, before=before, limit=min(limit, MAX_PAGE) + 1)
            more = len(rows) > min(limit, MAX_PAGE)
            rows = rows[: min(limit, MAX_PAGE)]
            return PointsView(
                account=account_of(session, who),
                allowance_due=allowance_due(session, who, now),
                movements=tuple(_movement(session, row) for row in rows),
                next=f"{rows[-1].block_number}.{rows[-1].log_index}" if more else None,
            )

    def claim_allowance(self, *, actor: str = "node") -> int:
        """Mint what is due.

        Raises `Conflict` ALLOWANCE_TAKEN where nothing is, `NotAllowed` NOT_FULL_MEMBER.
        """
        with self._writing() as session:
            member, now = self._identity.require_member(session), self._now(session)
            require_full(session, member)
            if not allowance_due(session, member, now):
                raise Conflict(
                    "ALLOWANCE_TAKEN",
                    "no allowance is due: it was taken today, or the ceiling is reached",
                    help="the next one comes with the next day (UTC)",
                )
            self._act(session, actor, "allowance", str(now.time_s // DAY_S))
            return self._calls.claim_allowance(session, now.time_s // DAY_S)


def _movement(session: Session, row: PointMovement) -> MovementView:
    """Return a movement with what its transaction says it was for."""
    facts = session.scalars(
        select(BlacklistFact)
        .where(BlacklistFact.tx_hash == row.tx_hash)
        .order_by(BlacklistFact.log_index)
    ).all()
    fact = next((item for item in facts if item.name in _WHY), None)
    reason = row.reason or (_WHY[fact.name] if fact is not None else "")
    tickets = None
    if reason == "tickets":
        bought = select(TicketRange).where(TicketRange.tx_hash == row.tx_hash)
        tickets = session.scalars(bought).first()
    audit = None
    if reason == FINE:
        audit = session.scalar(
            select(EvaluationAudit.audit).where(EvaluationAudit.ended_tx == row.tx_hash).limit(1)
        )
    return MovementView(
        kind=row.kind,
        amount=row.amount,
        reason=reason,
        entry=None if fact is None else fact.entry,
        dispute=None if fact is None else fact.dispute,
        tickets=None if tickets is None else (tickets.first, tickets.first + tickets.count - 1),
        audit=audit,
        at_s=row.block_time_s,
        block=row.block_number,
        tx_hash=row.tx_hash,
    )


def _place(after: str | None) -> tuple[int, int] | None:
    if after is None:
        return None
    block, _, index = after.partition(".")
    if not (block.isascii() and block.isdigit() and index.isascii() and index.isdigit()):
        raise UsageError("CURSOR_MALFORMED", "the cursor is none that was given", help="start anew")
    return int(block[:18]), int(index[:9])
