"""What this member may do now: in a dispute, and with an entry.

What was asked for and waits for the ledger is no move any more; a dispute's are told apart, so that
who comes next sees that it was done.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from node.blacklist import (
    Now,
    ballots_of,
    dispute_facts,
    dispute_profile,
    is_regulators,
    phase_now,
    recorded_consent,
    regulator_of,
    state_of,
)
from node.blacklist_calls import BlacklistCalls
from node.lookup_calls import revoke_subject
from node.screening.consents import Level
from node.screening.states import Phase, seats_now, slack_days
from node.services.screening.disputing import DISPUTABLE
from node.services.screening.erasing import RECALLED
from node.services.screening.listing import WITHDRAWABLE
from node.tables import (
    Dispute,
    HeldDetail,
    ListedEntry,
    OwnAttestation,
    OwnBallot,
    OwnListing,
    Recall,
    Release,
)


def role_of(session: Session, row: Dispute, member: int) -> str:
    """Return a member's part in a dispute: by, target, contester, panelist, regulator or ""."""
    if member == row.by:
        return "by"
    if member == row.target:
        return "target"
    if member == row.contested_by:
        return "contester"
    if member in (row.panel or ()):
        return "panelist"
    return "regulator" if member == regulator_of(session) else ""


def may_decide(session: Session, row: Dispute, member: int) -> bool:
    """Say whether a member is the regulator, and the case not one of its own."""
    regulator = regulator_of(session)
    return member == regulator and not is_regulators(row, regulator)


def dispute_moves(
    session: Session, calls: BlacklistCalls, row: Dispute, member: int, now: Now
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what a member may do in a dispute now, and what it asked for that waits."""
    if row.outcome is not None:
        return (), ()
    found = dict(_dispute_moves(session, calls, row, member, now))
    asked = {move for move, subject in found.items() if calls.waits(session, subject)}
    # An answer, or more time for one: who asked for either does not ask for both. Who has no part
    # in a dispute may contest its answer for a person, but nobody waits for it to.
    if member != row.by:
        found = {move: subject for move, subject in found.items() if move != "contest"}
    free = () if asked else tuple(found)
    return free, tuple(sorted(asked))


def _dispute_moves(
    session: Session, calls: BlacklistCalls, row: Dispute, member: int, now: Now
) -> Iterator[tuple[str, str]]:
    """Return moves with the subjects of their calls."""
    phase, role = phase_now(session, row, now), role_of(session, row, member)
    profile = dispute_profile(session, row)
    if phase is Phase.OPEN and role == "target":
        yield "answer", calls.answer_subject(row.dispute)
        if not row.extended and slack_days(profile):
            yield "extend", calls.extend_subject(row.dispute)
    elif phase is Phase.ANSWERED and role != "target":
        yield "contest", calls.contest_subject(row.dispute)
    elif phase is Phase.REGULATOR and may_decide(session, row, member):
        yield "verdict", calls.decide_subject(row.dispute)
    elif phase is Phase.COMMIT and member not in ballots_of(session, row.dispute):
        seated = member in seats_now(dispute_facts(session, row), profile, now.time_s)
        subject = calls.ballot_subject(row.dispute)
        voted = session.get(OwnBallot, row.dispute) is not None
        if seated and (not voted or calls.waits(session, subject)):
            yield "verdict", subject


def entry_moves(
    session: Session, calls: BlacklistCalls, row: ListedEntry, member: int, now: Now
) -> tuple[str, ...]:
    """Return what a member may do with an entry now.

    One of withdraw, recall, acknowledge, dispute, revoke-consent.
    """
    state, entry = state_of(session, row, now), row.entry
    found = []
    if row.uploader == member:
        if state in WITHDRAWABLE and not calls.waits(session, calls.withdraw_subject(entry)):
            found.append("withdraw")
        if state in RECALLED and _has_readers(session, entry):
            found.append("recall")
        if _may_revoke(session, calls, entry, member):
            found.append("revoke-consent")
    elif state in DISPUTABLE and not calls.disputed_soon(session, entry):
        found.append("dispute")
    if _is_recalled_from_us(session, entry):
        found.append("acknowledge")
    return tuple(found)


def _may_revoke(session: Session, calls: BlacklistCalls, entry: bytes, member: int) -> bool:
    """Say whether what an own entry rests on stands, by this member's own word."""
    own = session.get(OwnListing, entry)
    if own is None or own.consent is None:
        return False
    row = recorded_consent(session, member, own.consent)
    stands = row is not None and row.revoked_block is None and row.level == Level.INSTITUTION
    return stands and not calls.waits(session, revoke_subject(member, own.consent))


def _has_readers(session: Session, entry: bytes) -> bool:
    """Say whether a reader of the entry's detail was not told of its change yet."""
    told = select(Recall.recipient).where(
        Recall.entry == entry, Recall.recipient == Release.recipient
    )
    found = select(Release.ticket).where(Release.entry == entry, ~told.exists()).limit(1)
    return session.scalar(found) is not None


def _is_recalled_from_us(session: Session, entry: bytes) -> bool:
    held = select(HeldDetail.recipient).where(HeldDetail.entry == entry)
    said = select(OwnAttestation.recipient).where(OwnAttestation.entry == entry)
    found = select(Recall.recipient).where(
        Recall.entry == entry,
        Recall.acknowledged_at_s.is_(None),
        or_(Recall.recipient.in_(held), Recall.recipient.in_(said)),
    )
    return session.scalar(found.limit(1)) is not None
