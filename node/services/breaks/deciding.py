"""Decisions: made by one person, checked by another, queued as a sealed record.

`body` of a draft is exactly what the checker sees and what is then posted; its SHA-256 pins it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import rfc8785
from sqlalchemy import select
from sqlalchemy.orm import Session

from node.services.breaks.views import DecisionView
from node.tables import Draft, Person, PostedDecision
from reconcile.commitment.records import VERDICTS, decode_record
from reconcile.matching.keys import decision_hash, group_subject, sorted_refs
from reconcile.model import ZERO32, Decision, ProtocolError, UsageError

KIND: Final = "decision"
DRAFTED: Final = "DRAFTED"
DONE: Final = "DONE"
REJECTED: Final = "REJECTED"
WRITE_OFF: Final = "write_off"


def subject_of(
    agreement: bytes,
    verdict: str,
    servicer: Sequence[str],
    owner: Sequence[str],
    break_key: bytes | None,
) -> bytes:
    """Return what a decision is about: the break for a write-off, else the set of entries."""
    if verdict not in VERDICTS:
        raise UsageError(
            "VERDICT_UNKNOWN", f"{verdict!r} is no verdict", help=", ".join(sorted(VERDICTS))
        )
    if not servicer and not owner:
        raise UsageError("DECISION_EMPTY", "a decision names at least one entry")
    if verdict == WRITE_OFF:
        if break_key is None:
            raise UsageError("BREAK_MISSING", "a write-off names the break it is about")
        return break_key
    return group_subject(agreement, servicer, owner)


def previous_of(session: Session, agreement: bytes, subject: bytes) -> bytes:
    """Return the hash of the last decision on a subject that both sides posted, else zeros."""
    rows = session.execute(
        select(PostedDecision.side, PostedDecision.record)
        .where(PostedDecision.agreement == agreement, PostedDecision.subject == subject)
        .order_by(PostedDecision.block_number, PostedDecision.log_index, PostedDecision.leaf)
    ).all()
    held: tuple[set[bytes], set[bytes]] = (set(), set())
    chain: dict[bytes, bytes] = {}
    for side, record in rows:
        decision = decode_record(record)
        assert isinstance(decision, Decision), "the decisions table holds decisions"
        digest = decision_hash(decision)
        held[side].add(digest)
        chain[decision.previous] = digest
    both = held[0] & held[1]
    last = ZERO32
    while chain.get(last) in both:
        last = chain[last]
    return last


def draft(
    session: Session,
    agreement: bytes,
    *,
    verdict: str,
    subject: bytes,
    servicer: Sequence[str],
    owner: Sequence[str],
    reason: str,
    window: int | None,
    maker: Person,
    now_ms: int,
) -> Draft:
    """Keep a maker's decision until a checker looks at it; `UsageError` REASON_MISSING."""
    if not reason.strip():
        raise UsageError("REASON_MISSING", "a decision needs a reason", help="say why in words")
    body: dict[str, Any] = {
        "subject": subject.hex(),
        "previous": previous_of(session, agreement, subject).hex(),
        "verdict": verdict,
        "servicer": list(sorted_refs(servicer)),
        "owner": list(sorted_refs(owner)),
    }
    row = Draft(
        kind=KIND,
        agreement=agreement,
        window=window,
        subject=subject.hex(),
        body=body,
        body_sha256=_pin(body),
        reason=reason,
        state=DRAFTED,
        single=False,
        maker_id=maker.id,
        made_at_ms=now_ms,
    )
    session.add(row)
    session.flush()
    return row


def _pin(body: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(rfc8785.dumps(dict(body))).digest()


def require_draft(session: Session, decision_id: int) -> Draft:
    """Return a drafted decision; `UsageError` DECISION_UNKNOWN, DECISION_SETTLED."""
    row = session.get(Draft, decision_id)
    if row is None or row.kind != KIND:
        raise UsageError("DECISION_UNKNOWN", f"no decision {decision_id} is drafted here")
    if row.state != DRAFTED:
        raise UsageError("DECISION_SETTLED", f"decision {decision_id} is {row.state.lower()}")
    return row


def check(row: Draft, checker: Person, *, single: bool, now_ms: int) -> Decision:
    """Return the record that a checked draft posts.

    Raises `ProtocolError` SAME_PERSON when maker and checker are one, unless `single`;
    DRAFT_CHANGED when the body is not the one that was drafted.
    """
    if row.maker_id == checker.id and not single:
        raise ProtocolError(
            "SAME_PERSON",
            "the maker of a decision cannot check it",
            help="a second person approves it",
        )
    if _pin(row.body) != row.body_sha256:
        raise ProtocolError("DRAFT_CHANGED", "the draft is not what its maker wrote")
    row.state, row.checker_id, row.checked_at_ms, row.single = DONE, checker.id, now_ms, single
    return Decision(
        subject=bytes.fromhex(row.body["subject"]),
        previous=bytes.fromhex(row.body["previous"]),
        verdict=row.body["verdict"],
        servicer=tuple(row.body["servicer"]),
        owner=tuple(row.body["owner"]),
        decider=checker.pseudonym,
    )


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


def view(session: Session, row: Draft) -> DecisionView:
    """Return a decision as it is shown."""
    maker = session.get_one(Person, row.maker_id)
    checker = None if row.checker_id is None else session.get_one(Person, row.checker_id)
    return DecisionView(
        decision_id=row.id,
        verdict=row.body["verdict"],
        subject=bytes.fromhex(row.body["subject"]),
        servicer=tuple(row.body["servicer"]),
        owner=tuple(row.body["owner"]),
        reason=row.reason,
        state=row.state,
        maker=maker.login,
        made_at_ms=row.made_at_ms,
        checker=None if checker is None else checker.login,
        checked_at_ms=row.checked_at_ms,
    )
