"""Audits of single evaluations: rows, and what the newest block's time makes of them."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence

from cryptography import x509
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from node.blacklist import Now, current_key_epoch, openable_from
from node.crypto.eip712 import Domain
from node.crypto.signer import recover_address
from node.keyholders import held_key, is_full, was_key
from node.screening.auditing import Logged
from node.screening.consents import Trust
from node.screening.points import MAX_AUDITS
from node.screening.states import AUDIT_S, AuditState, audit_state
from node.tables import Accusation, DeletionCertificate, EvaluationAudit
from reconcile.model import ProtocolError

NOT_ENDED: ColumnElement[bool] = EvaluationAudit.outcome.is_(None)


def logged_of(row: EvaluationAudit) -> Logged:
    """Return the evaluation that an audit names; the ledger's rows hold no signature."""
    return Logged(row.member, row.ticket, row.subject, row.blinded, row.key_epoch, 0, b"")


def accused_of(row: Accusation) -> Logged:
    """Return the evaluation that an accusation names, with its reader's signature."""
    return Logged(row.reader, row.ticket, row.subject, row.blinded, row.key_epoch, 0, row.signature)


def state_of_audit(session: Session, row: EvaluationAudit, now: Now) -> AuditState:
    """Return where an audit stands at a block's time."""
    outcome = AuditState.NONE if row.outcome is None else AuditState[row.outcome]
    erased = is_erased(session, logged_of(row))
    return audit_state(row.block_time_s, now.time_s, outcome=outcome, erased=erased)


def due_s(row: EvaluationAudit) -> int:
    """Return the last second (Unix) in which the accused may open."""
    return row.block_time_s + AUDIT_S


def is_erased(session: Session, logged: Logged) -> bool:
    """Say whether a listing's uploader certified on the ledger that it destroyed it."""
    if logged.ticket:
        return False
    return session.get(DeletionCertificate, (logged.subject, logged.reader)) is not None


def audits_not_ended(session: Session, *, member: int | None = None) -> Sequence[EvaluationAudit]:
    """Return audits that did not end, oldest first; of one member, or of all."""
    found = select(EvaluationAudit).where(NOT_ENDED)
    if member is not None:
        found = found.where(EvaluationAudit.member == member)
    return session.scalars(found.order_by(EvaluationAudit.audit)).all()


class Admissible(enum.Enum):
    """Whether the contract takes an accusation."""

    NOW = enum.auto()
    #: The member has its greatest number of audits that did not end.
    LATER = enum.auto()
    NEVER = enum.auto()


def admissible(
    session: Session, logged: Logged, now: Now, *, domain: Domain, regulator: int, asked: int
) -> Admissible:
    """Say whether the contract takes an accusation; `asked`: of this member, on their way.

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
    if session.scalar(known) or is_erased(session, logged):
        return Admissible.NEVER
    waiting = select(func.count()).where(EvaluationAudit.member == logged.reader, NOT_ENDED)
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
