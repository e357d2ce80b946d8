"""What this member's points allow now: free ones, an allowance that is due, and what is asked for.

Points are short before anything is sent: a call that the contract would refuse costs a round to
the ledger and leaves a listing that nobody sees.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from node.blacklist import Now, account_of
from node.blacklist_calls import BlacklistCalls
from node.keyholders import is_full, require_full
from node.screening.points import (
    ALLOWANCE_CEILING,
    DAILY_ALLOWANCE,
    DISPUTE_STAKE,
    LISTING_STAKE,
)
from node.screening.states import DAY_S
from node.tables import Dispute, Intent, ListedEntry, OwnListing, OwnPaper, PointMovement
from reconcile.model import UsageError

ALLOWANCE: Final = "allowance"
_OPEN: Final = ("WAITING", "SIGNED", "HELD")


def points_text(micro: int) -> str:
    """Return micro-points as points, without needless zeros."""
    whole, part = divmod(abs(micro), 1_000_000)
    digits = f"{whole}.{part:06d}".rstrip("0").rstrip(".")
    return f"-{digits}" if micro < 0 else digits


def allowance_due(session: Session, member: int, now: Now) -> int:
    """Return what `claimAllowance` would mint in this block: debt first, up to the ceiling."""
    last_s = session.scalar(
        select(func.max(PointMovement.block_time_s)).where(
            PointMovement.member == member, PointMovement.reason == ALLOWANCE
        )
    )
    today = now.time_s // DAY_S
    if not is_full(session, member):
        return 0
    days = 1 if last_s is None else today - last_s // DAY_S
    if days <= 0:
        return 0
    account = account_of(session, member)
    minted = days * DAILY_ALLOWANCE
    paid = min(minted, account.debt)
    room = max(ALLOWANCE_CEILING - account.free, 0)
    return paid + min(minted - paid, room)


def spend(
    session: Session, calls: BlacklistCalls, member: int, needed: int, now: Now, *, what: str
) -> None:
    """Let `needed` micro-points be staked by a call that follows; claim the allowance if need be.

    Raises `UsageError` POINTS_DEBT or POINTS_SHORT, `NotAllowed` NOT_FULL_MEMBER.
    """
    require_full(session, member)
    account = account_of(session, member)
    free = account.free - _asked_for(session) - _asked_by_contests(session, calls, member)
    due = 0
    if free < needed or account.debt:
        day = now.time_s // DAY_S
        due = allowance_due(session, member, now)
        if due and not calls.pending(session, calls.claim_subject(day)):
            calls.claim_allowance(session, day)
    debt = account.debt - min(due, account.debt)
    if debt:
        raise UsageError(
            "POINTS_DEBT",
            f"member {member} owes {points_text(debt)} points, and who owes does not {what}",
            help="allowances of the coming days pay it first; see `kanhe blacklist points`",
        )
    free += due - min(due, account.debt)
    if free < needed:
        raise UsageError(
            "POINTS_SHORT",
            f"to {what} takes {points_text(needed)} points, {points_text(max(free, 0))} are free",
            help="each day brings an allowance (`kanhe blacklist points --claim`), and stakes "
            "return after the challenge window",
        )


def _asked_for(session: Session) -> int:
    """Return the stakes of this node's calls that wait and are not in rows yet."""
    listed = select(ListedEntry.entry).where(ListedEntry.entry == OwnListing.entry)
    opened = select(Dispute.dispute).where(Dispute.grounds == OwnPaper.hash)
    waiting = _waiting(session, "list")
    entries = session.scalars(select(OwnListing.entry).where(~listed.exists())).all()
    disputing = _waiting(session, "openDispute")
    papers = session.scalars(
        select(OwnPaper).where(OwnPaper.staked.is_(True), ~opened.exists())
    ).all()
    listings = sum(f"list/{entry.hex()}" in waiting for entry in entries)
    disputes = sum(f"dispute/{p.entry.hex()}/{p.hash.hex()[:32]}" in disputing for p in papers)
    return listings * LISTING_STAKE + disputes * DISPUTE_STAKE


def _asked_by_contests(session: Session, calls: BlacklistCalls, member: int) -> int:
    """Return the stakes of contests beside who raised the dispute that are not in rows yet."""
    found = 0
    for number, by_person in calls.contests_waiting(session):
        row = session.get(Dispute, number)
        beside = row is not None and row.by != member and row.contested_by is None
        found += DISPUTE_STAKE if beside and not by_person else 0
    return found


def _waiting(session: Session, call: str) -> set[str]:
    found = select(Intent.subject).where(Intent.call == call, Intent.state.in_(_OPEN))
    return set(session.scalars(found))
