"""Every act leaves one row in a hash-chained audit log, and every write call happens once.

A row's hash is SHA-256(previous hash ‖ canonical JSON of the other columns), so that a changed,
removed or inserted row is found. Idempotency (node.md, "Out", 2): same key and body, same answer;
same key with another body is refused.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping
from typing import Any, Final

import rfc8785
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from node.tables import AuditRow, IdempotencyKey
from reconcile.model import ZERO32, ProtocolError

STATUS_DONE: Final = 200
STATUS_RUNNING: Final = 102
# A claim older than this is of a process that died.
CLAIM_MS: Final = 600_000


class Running(enum.Enum):
    """Says that another call with the same key is at work."""

    RUNNING = enum.auto()


RUNNING: Final = Running.RUNNING


def record_act(
    session: Session,
    *,
    actor: str,
    act: str,
    subject: str | None,
    now_ms: int,
    details: Mapping[str, Any] | None = None,
) -> AuditRow:
    """Append one act to the audit log, inside the caller's transaction.

    `details` holds strings, lists, maps, booleans and small integers; no account numbers, names
    or secrets belong in it.
    """
    last = session.execute(
        select(AuditRow.hash).order_by(AuditRow.id.desc()).limit(1)
    ).scalar_one_or_none()
    row = AuditRow(
        at_ms=now_ms,
        actor=actor,
        act=act,
        subject=subject,
        details=dict(details or {}),
        previous=last or ZERO32,
    )
    row.hash = audit_hash(row)
    session.add(row)
    session.flush()
    return row


def audit_hash(row: AuditRow) -> bytes:
    """Return what `row.hash` must be."""
    body = {
        "at_ms": str(row.at_ms),
        "actor": row.actor,
        "act": row.act,
        "subject": row.subject,
        "details": row.details,
    }
    return hashlib.sha256(row.previous + rfc8785.dumps(body)).digest()


def verify_chain(session: Session) -> list[str]:
    """Return, in words, every place where the audit log does not hold; empty when it does."""
    wrong: list[str] = []
    previous = ZERO32
    for row in session.execute(select(AuditRow).order_by(AuditRow.id)).scalars():
        if row.previous != previous:
            wrong.append(f"row {row.id}: the row before it was removed or changed")
        if audit_hash(row) != row.hash:
            wrong.append(f"row {row.id}: its content was changed")
        previous = row.hash
    return wrong


def claim(
    session: Session, scope: str, key: str, body: bytes, *, now_ms: int
) -> bytes | Running | None:
    """Claim a key before its act; None: it is ours, bytes: the answer it had, `RUNNING`: wait.

    A claim whose process died is taken over after `CLAIM_MS`: the acts underneath happen once too.
    Raises `ProtocolError` IDEMPOTENCY_CONFLICT when the key was used with another body.
    """
    digest = hashlib.sha256(body).digest()
    row = session.get(IdempotencyKey, (scope, key), with_for_update=True)
    if row is None:
        return _claim_new(session, scope, key, digest, now_ms)
    if row.body_sha256 != digest:
        raise ProtocolError(
            "IDEMPOTENCY_CONFLICT",
            f"the key {key!r} was used for another {scope}",
            help="send a new key with a new request",
        )
    if row.status == STATUS_DONE:
        return row.answer
    if row.at_ms + CLAIM_MS > now_ms:
        return RUNNING
    row.at_ms = now_ms
    return None


def _claim_new(
    session: Session, scope: str, key: str, digest: bytes, now_ms: int
) -> Running | None:
    row = IdempotencyKey(
        scope=scope,
        key=key,
        body_sha256=digest,
        status=STATUS_RUNNING,
        answer=b"",
        at_ms=now_ms,
    )
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        # Another call claimed it between our look and our row (PostgreSQL).
        return RUNNING
    return None


def remember(session: Session, scope: str, key: str, answer: bytes, *, now_ms: int) -> None:
    """Keep a claimed call's answer, inside the caller's transaction."""
    row = session.get_one(IdempotencyKey, (scope, key))
    row.status, row.answer, row.at_ms = STATUS_DONE, answer, now_ms


def give_up(session: Session, scope: str, key: str) -> None:
    """Free a claimed key whose act was refused or failed."""
    row = session.get(IdempotencyKey, (scope, key))
    if row is not None and row.status == STATUS_RUNNING:
        session.delete(row)
