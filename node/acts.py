"""Every act leaves one row in a hash-chained audit log, and every write call happens once.

A row's hash is SHA-256(previous hash ‖ canonical JSON of the other columns), so that a changed,
removed or inserted row is found. Idempotency (node.md, "Out", 2): same key and body, same answer;
same key with another body is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import rfc8785
from sqlalchemy import select
from sqlalchemy.orm import Session

from node.tables import AuditRow, IdempotencyKey
from reconcile.model import ZERO32, ProtocolError

STATUS_DONE: Final = 200


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


def once(session: Session, scope: str, key: str, body: bytes) -> bytes | None:
    """Return the answer this key had before, or None for the first time.

    Raises `ProtocolError` IDEMPOTENCY_CONFLICT when the key was used with another body.
    """
    row = session.get(IdempotencyKey, (scope, key))
    if row is None:
        return None
    if row.body_sha256 != hashlib.sha256(body).digest():
        raise ProtocolError(
            "IDEMPOTENCY_CONFLICT",
            f"the key {key!r} was used for another {scope}",
            help="send a new key with a new request",
        )
    return row.answer


def remember(
    session: Session, scope: str, key: str, body: bytes, answer: bytes, *, now_ms: int
) -> None:
    """Keep a call's answer under its key, inside the caller's transaction."""
    session.add(
        IdempotencyKey(
            scope=scope,
            key=key,
            body_sha256=hashlib.sha256(body).digest(),
            status=STATUS_DONE,
            answer=answer,
            at_ms=now_ms,
        )
    )
