"""Audits of single evaluations: rows, and what the newest block's time makes of them."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence

from cryptography import x509
from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import Session

from node.blacklist import Now, current_key_epoch, openable_from
from node.crypto.eip712 import Domain
from node.crypto.signer import recover_address
from node.keyholders import held_key, is_full, was_key
from node.screening.auditing import Logged
from node.screening.consents import Trust
from node.screening.points import MAX_AUDITS
from node.screening.states import (
    AUDIT_S,
    DAY_S,
    LAPSE_S,
    OPENABLE_DAYS,
    AuditState,
    Stage,
    audit_state,
)
from node.tables import Accusation, BlacklistFact, Block, EvaluationAudit, ListedEntry
from node.tables.tip import tip_of
from reconcile.model import ProtocolError

NOT_ENDED: ColumnElement[bool] = EvaluationAudit.outcome.is_(None)


def logged_of(row: EvaluationAudit) -> Logged:
    """Return the evaluation that an audit names; the ledger's rows hold no signature."""
    return Logged(row.member, row.ticket, row.subject, row.blinded, row.key_epoch, 0, b"")


def accused_of(row: Accusation) -> Logged:
    """Return the evaluation that an accusation names, with its reader's signature."""
    return Logged(row.reader, row.ticket, row.subject, row.blinded, row.key_epoch, 0, row.signature)


def state_of_audit(row: EvaluationAudit, now: Now) -> AuditState:
    """Return where an audit stands at a block's time."""
    outcome = AuditState.NONE if row.outcome is None else AuditState[row.outcome]
    return audit_state(row.block_time_s, now.time_s, outcome=outcome)


def due_s(row: EvaluationAudit) -> int:
    """Return the last second (Unix) in which the accused may open."""
    return row.block_time_s + AUDIT_S


def openable_until_s(session: Session, entry: ListedEntry) -> int:
    """Return the second (Unix) from which no audit of an entry's evaluations begins.

    Its uploader destroys nothing before. As the ledger stands now: it comes forward with the end.
    """
    last = entry.ends_day
    staged = select(BlacklistFact.args, BlacklistFact.block_time_s).where(
        BlacklistFact.entry == entry.entry, BlacklistFact.name == "EntryStaged"
    )
    for args, time_s in session.execute(staged):
        if Stage(args["stage"]) > Stage.SUSPENDED:
            last = min(last, time_s // DAY_S)
    return (last + OPENABLE_DAYS) * DAY_S


def final_read(session: Session) -> Now | None:
    """Return the newest final block, None until it is read: rows may lack what it holds."""
    cursor = tip_of(session)
    block = None if cursor is None else session.get(Block, cursor.final_block)
    return None if block is None else Now(block.number, block.time_s)


def holds_erasure(session: Session, entry: ListedEntry) -> bool:
    """Say whether what was evaluated for an own entry may still be to be opened.

    By blocks that are final and were read: every audit that could begin is a row by then, however
    far the chain went on while this node was away.
    """
    final = final_read(session)
    if final is None or final.time_s < openable_until_s(session, entry):
        return True
    asked = exists().where(
        NOT_ENDED,
        EvaluationAudit.ticket == 0,
        EvaluationAudit.subject == entry.entry,
        EvaluationAudit.member == entry.uploader,
        EvaluationAudit.block_time_s >= final.time_s - LAPSE_S,
    )
    return bool(session.scalar(select(asked)))


def audits_running(session: Session, member: int, now: Now) -> Sequence[EvaluationAudit]:
    """Return audits of a member that may still be opened, or fined, oldest first."""
    rows = audits_not_ended(session, member=member)
    return [row for row in rows if state_of_audit(row, now) is not AuditState.LAPSED]


def audits_not_ended(session: Session, *, member: int | None = None) -> Sequence[EvaluationAudit]:
    """Return audits that did not end, oldest first; of one member, or of all."""
    found = select(EvaluationAudit).where(NOT_ENDED)
    if member is not None:
        found = found.where(EvaluationAudit.member == member)
    return session.scalars(found.order_by(EvaluationAudit.audit)).all()


class Admissible(enum.Enum):
    """Whether the contract takes an accusation."""

    NOW = enum.auto()
    #: The member has its greatest number of lookups' audits that did not end.
    LATER = enum.auto()
    NEVER = enum.auto()


def admissible(
    session: Session, logged: Logged, now: Now, *, domain: Domain, regulator: int, asked: int
) -> Admissible:
    """Say whether the contract takes an accusation; `asked`: of its lookups, on their way.

    The questions of `Audits.beginAudit`, and nothing else.
    """
    first = openable_from(current_key_epoch(session, now))
    if logged.key_epoch < first or logged.reader == regulator:
        return Admissible.NEVER
    try:
        signer = recover_address(logged.digest(domain), logged.signature)
    except ProtocolError:
        return Admissible.NEVER
    if not held_key(session, logged.reader, signer):
        return Admissible.NEVER
    known = select(func.count()).where(
        EvaluationAudit.member == logged.reader, EvaluationAudit.ticket == logged.ticket
    )
    if not logged.ticket:
        known = known.where(
            EvaluationAudit.subject == logged.subject,
            EvaluationAudit.key_epoch == logged.key_epoch,
        )
    if session.scalar(known):
        return Admissible.NEVER
    if not logged.ticket:
        entry = session.get(ListedEntry, logged.subject)
        if entry is None or now.time_s >= openable_until_s(session, entry):
            return Admissible.NEVER
        return Admissible.NOW
    waiting = select(func.count()).where(
        EvaluationAudit.member == logged.reader, EvaluationAudit.ticket != 0, NOT_ENDED
    )
    full = (session.scalar(waiting) or 0) + asked >= MAX_AUDITS
    return Admissible.LATER if full else Admissible.NOW


def trust_in_audits(session: Session, authorities: Sequence[x509.Certificate]) -> Trust:
    """Return whom an audit believes: keys count whatever became of them since.

    The nodes judged them when they evaluated; who changed its keys meanwhile opens all the same.
    """
    was: Callable[[int, str], bool] = lambda member, key: was_key(session, member, key)  # noqa: E731
    return Trust(
        was,
        tuple(authorities),
        was_key_of=was,
        may_certify=lambda member: is_full(session, member),
    )
