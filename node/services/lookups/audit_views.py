"""Audits in a list, as the ledger has them and as this node has a part in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.agreements import member_name
from node.audits import due_s, logged_of, state_of_audit
from node.blacklist import Now
from node.screening.auditing import Logged
from node.tables import Accusation, EvaluationAudit, OpeningWord
from reconcile.days import time_iso


@dataclass(frozen=True, slots=True)
class AuditView:
    """An audit of one evaluation; `entry` for a listing, else `ticket` and the consent's digest.

    `state` is an `AuditState`; `due_s` the last second in which the accused may open. `ours`: we
    are the accused, and `word` says that the regulator's word of our opening is kept here. On the
    regulator's node `asked_s` and `refusal` are the last asking in vain and the code of its answer.
    """

    audit: int
    member: int
    name: str
    ticket: int | None
    consent: bytes | None
    entry: bytes | None
    key_epoch: int
    state: str
    begun_at_s: int
    due_s: int
    ended_at_s: int | None
    ours: bool
    word: bool
    asked_s: int | None
    refusal: str | None
    tx_hash: bytes
    ended_tx: bytes | None

    def to_json(self) -> dict[str, str | bool | None]:
        """Return the audit: decimal strings, hexadecimal, ISO times."""
        return {
            "audit": str(self.audit),
            "member": str(self.member),
            "ticket": None if self.ticket is None else str(self.ticket),
            "consent": None if self.consent is None else self.consent.hex(),
            "entry": None if self.entry is None else self.entry.hex(),
            "key_epoch": str(self.key_epoch),
            "state": self.state,
            "begun_at": time_iso(self.begun_at_s),
            "due_at": time_iso(self.due_s),
            "ended_at": None if self.ended_at_s is None else time_iso(self.ended_at_s),
            "ours": self.ours,
            "word": self.word,
            "asked_at": None if self.asked_s is None else time_iso(self.asked_s),
            "refusal": self.refusal,
            "tx": self.tx_hash.hex(),
            "ended_tx": None if self.ended_tx is None else self.ended_tx.hex(),
        }


@dataclass(frozen=True, slots=True)
class AuditsView:
    """Audits, those that wait for their end first; `waiting` of this node's own not begun yet."""

    audits: tuple[AuditView, ...]
    waiting: int

    def to_json(self) -> dict[str, object]:
        """Return the audits and how many accusations wait."""
        return {"audits": [one.to_json() for one in self.audits], "waiting": str(self.waiting)}


def view_of_audit(
    session: Session,
    row: EvaluationAudit,
    now: Now,
    *,
    member: int,
    named: Callable[[Logged], bytes],
) -> AuditView:
    """Return what a list shows of an audit; `named` gives an evaluation's digest."""
    evaluation = named(logged_of(row))
    accusation = session.get(Accusation, evaluation)
    return AuditView(
        audit=row.audit,
        member=row.member,
        name=member_name(session, row.member),
        ticket=row.ticket or None,
        consent=row.subject if row.ticket else None,
        entry=None if row.ticket else row.subject,
        key_epoch=row.key_epoch,
        state=state_of_audit(row, now).name,
        begun_at_s=row.block_time_s,
        due_s=due_s(row),
        ended_at_s=row.ended_at_s,
        ours=row.member == member,
        word=session.get(OpeningWord, evaluation) is not None,
        asked_s=None if accusation is None else accusation.asked_last_s,
        refusal=None if accusation is None else accusation.refusal,
        tx_hash=row.tx_hash,
        ended_tx=row.ended_tx,
    )


def newest_audits(session: Session, *, member: int | None, limit: int) -> list[EvaluationAudit]:
    """Return audits of one member or of all: those that did not end first, then the newest."""
    found = select(EvaluationAudit)
    if member is not None:
        found = found.where(EvaluationAudit.member == member)
    order = (EvaluationAudit.outcome.is_not(None), EvaluationAudit.audit.desc())
    return list(session.scalars(found.order_by(*order).limit(limit)))
