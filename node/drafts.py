"""Acts that one person drafts and another checks; what is drafted is pinned by its hash.

`body` of a draft is exactly what the checker sees and what is then done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import rfc8785
from sqlalchemy import select
from sqlalchemy.orm import Session

from node.tables import Draft, Person
from reconcile.model import ProtocolError, UsageError

DRAFTED: Final = "DRAFTED"
DONE: Final = "DONE"
REJECTED: Final = "REJECTED"


def new_draft(
    session: Session,
    kind: str,
    agreement: bytes,
    body: Mapping[str, Any],
    *,
    subject: str | None,
    window: int | None,
    reason: str,
    maker: Person,
    now_ms: int,
) -> Draft:
    """Keep a maker's act until a checker looks at it; `body` is JSON."""
    row = Draft(
        kind=kind,
        agreement=agreement,
        window=window,
        subject=subject,
        body=dict(body),
        body_sha256=pin(body),
        reason=reason.strip(),
        state=DRAFTED,
        single=False,
        maker_id=maker.id,
        made_at_ms=now_ms,
    )
    session.add(row)
    session.flush()
    return row


def pin(body: Mapping[str, Any]) -> bytes:
    """Return the hash that pins a body: SHA-256 of its RFC 8785 bytes."""
    return hashlib.sha256(rfc8785.dumps(dict(body))).digest()


def require_reason(reason: str, what: str = "a decision") -> None:
    """Refuse an act without a reason; `UsageError` REASON_MISSING."""
    if not reason.strip():
        raise UsageError("REASON_MISSING", f"{what} needs a reason", help="say why in words")


def approve(
    row: Draft, checker: Person, *, single: bool, now_ms: int, what: str = "a decision"
) -> None:
    """Mark a draft as done by its checker.

    Raises `ProtocolError` SAME_PERSON when maker and checker are one, unless `single`;
    DRAFT_CHANGED when the body is not the one that was drafted.
    """
    if row.maker_id == checker.id and not single:
        raise ProtocolError(
            "SAME_PERSON",
            f"the maker of {what} cannot check it",
            help="a second person approves it",
        )
    if pin(row.body) != row.body_sha256:
        raise ProtocolError("DRAFT_CHANGED", "the draft is not what its maker wrote")
    row.state, row.checker_id, row.checked_at_ms, row.single = DONE, checker.id, now_ms, single


def reject(row: Draft, checker: Person, *, reason: str, now_ms: int) -> None:
    """Mark a draft as refused by its checker, with the reason."""
    row.state, row.checker_id, row.checked_at_ms = REJECTED, checker.id, now_ms
    row.check_reason = reason.strip()


def person_of(session: Session, login: str, *, now_ms: int) -> Person:
    """Return who acts; someone of the command line is noted by login, without a password."""
    row = session.execute(select(Person).where(Person.login == login)).scalar_one_or_none()
    if row is None:
        pseudonym = "p-" + hashlib.sha256(b"kanhe/pseudonym/1" + login.encode()).hexdigest()[:16]
        row = Person(
            login=login,
            display_name=login,
            pseudonym=pseudonym,
            language="en",
            active=True,
            failed_logins=0,
            created_at_ms=now_ms,
        )
        session.add(row)
        session.flush()
    return row
