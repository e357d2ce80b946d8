"""Decisions: made by one person, checked by another, queued as a sealed record.

`body` of a draft is exactly what the checker sees and what is then posted; its SHA-256 pins it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from node import drafts
from node.drafts import DONE, DRAFTED
from node.services.breaks.standing import (
    PENDING,
    WAITING,
    StandingDecision,
    last_effective,
    standing_decisions,
)
from node.services.breaks.views import DecisionView
from node.tables import Draft, Person
from reconcile.commitment.records import VERDICTS
from reconcile.matching.keys import decision_hash, group_subject, sorted_refs
from reconcile.model import Decision, Side, UsageError

KIND: Final = "decision"
WRITE_OFF: Final = "write_off"
Refs = tuple[Sequence[str], Sequence[str]]


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


def require_undecided(
    session: Session, agreement: bytes, sides: Sequence[Side], decision: Decision
) -> None:
    """Refuse a decision that could only be void, or that would void another.

    Raises `UsageError` DECISION_WAITING where one on the subject waits for its checker,
    DECISION_STANDS where an equal one is queued or posted, DECISION_REPEATED where an equal one
    is settled, DECISION_EFFECTIVE where the last of both sides that is not void says the same,
    DECISION_PENDING where another of ours waits for the other side: two of one `previous` that
    both sides hold would both be void (rule 4).
    """
    hashed = decision_hash(decision)
    rows = session.execute(
        select(Draft).where(
            Draft.kind == KIND,
            Draft.agreement == agreement,
            Draft.subject == decision.subject.hex(),
            Draft.state.in_((DRAFTED, DONE)),
        )
    ).scalars()
    made = [(row, decision_hash(record_of(row, ""))) for row in rows]
    waiting = [row.id for row, _ in made if row.state == DRAFTED]
    if waiting:
        raise UsageError(
            "DECISION_WAITING",
            f"decision {waiting[0]} on the same entries waits for its checker",
            help="approve or reject that one first",
        )
    standing = {
        item.hash: item for item in standing_decisions(session, agreement, [decision.subject])
    }
    queued = {digest for _, digest in made} - standing.keys()
    same = standing.get(hashed)
    ours = {
        digest
        for digest, item in standing.items()
        if item.effect == WAITING and any(item.posted_by(side) for side in sides)
    }
    if hashed in queued | ours or (same is not None and same.effect == PENDING):
        raise UsageError(
            "DECISION_STANDS",
            "this very decision is posted already",
            help="it takes effect once the other side has posted the same",
        )
    _require_new(decision, standing.get(decision.previous))
    if same is not None and same.effect != WAITING:
        raise UsageError(
            "DECISION_REPEATED",
            "an equal decision was already read"
            + (f" and is void: {same.void_reason}" if same.void_reason else ""),
            help="reject the set first; a confirmation then names that decision",
        )
    if queued | ours and same is None:
        raise UsageError(
            "DECISION_PENDING",
            "another decision of ours on the same entries is not settled yet",
            help="wait for the other side, or propose what it has posted",
        )


def _require_new(decision: Decision, before: StandingDecision | None) -> None:
    """Refuse what says the same as the last decision before; `UsageError` DECISION_EFFECTIVE."""
    if before is None or before.decision.verdict != decision.verdict:
        return
    # A break that was written off may be open again: what unmatches it has another subject.
    if before.effect == PENDING or decision.verdict != WRITE_OFF:
        raise UsageError(
            "DECISION_EFFECTIVE",
            f"the entries stand decided so: both sides posted this {decision.verdict}"
            + ("" if before.effect == PENDING else ", and it took effect"),
            help="look at the newest window, or export the workbook again",
        )


def draft(
    session: Session,
    agreement: bytes,
    *,
    verdict: str,
    subject: bytes,
    refs: Refs,
    reason: str,
    window: int | None,
    maker: Person,
    sides: Sequence[Side],
    seen: Mapping[str, Any],
    workbook: bytes | None = None,
    now_ms: int,
) -> Draft:
    """Keep a maker's decision until a checker looks at it.

    `seen`: what the maker had before the eyes. `workbook`: hash of the file it came in. Raises
    `UsageError` REASON_MISSING, and what `require_undecided` raises.
    """
    drafts.require_reason(reason)
    body: dict[str, Any] = {
        "subject": subject.hex(),
        "previous": last_effective(session, agreement, subject).hex(),
        "verdict": verdict,
        "servicer": list(sorted_refs(refs[0])),
        "owner": list(sorted_refs(refs[1])),
        "seen": dict(seen),
    }
    if workbook is not None:
        body["workbook"] = workbook.hex()
    require_undecided(session, agreement, sides, _record(body, ""))
    return drafts.new_draft(
        session,
        KIND,
        agreement,
        body,
        subject=subject.hex(),
        window=window,
        reason=reason,
        maker=maker,
        now_ms=now_ms,
    )


def record_of(row: Draft, decider: str) -> Decision:
    """Return the record that a draft posts."""
    return _record(row.body, decider)


def _record(body: Mapping[str, Any], decider: str) -> Decision:
    return Decision(
        subject=bytes.fromhex(body["subject"]),
        previous=bytes.fromhex(body["previous"]),
        verdict=body["verdict"],
        servicer=tuple(body["servicer"]),
        owner=tuple(body["owner"]),
        decider=decider,
    )


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
    drafts.approve(row, checker, single=single, now_ms=now_ms)
    return record_of(row, checker.pseudonym)


def view(session: Session, row: Draft) -> DecisionView:
    """Return a decision as it is shown."""
    maker = session.get_one(Person, row.maker_id)
    checker = None if row.checker_id is None else session.get_one(Person, row.checker_id)
    return DecisionView(
        decision_id=row.id,
        agreement=row.agreement or b"",
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
        check_reason=row.check_reason,
        window=row.window,
        body_sha256=row.body_sha256,
        workbook=row.body.get("workbook"),
        seen=row.body.get("seen") or {},
    )
