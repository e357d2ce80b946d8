"""Held records given up: drafted by one person, checked by another, kept in the audit log.

Some held records can never be posted: a VERSION_CONFLICT whose right bytes stand on the ledger, a
file of another account. The bytes stay in the queue's table as DISCARDED, under the draft that
pins them by hash, until an entry of the same reference and version is imported anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from node import drafts
from node.agreements import require_side
from node.services.posting.holding import MIN_REASON, Holding, carry_again
from node.services.posting.judging import DISCARDED, HELD, IDS_AT_ONCE
from node.services.posting.settled import settle_incidents
from node.services.posting.views import DiscardView
from node.tables import Draft, Person, QueuedRecord
from reconcile.commitment.header import MAX_RECORDS
from reconcile.model import ProtocolError, Side, UsageError

KIND: Final = "discard"
WHAT: Final = "a discard"


@dataclass(frozen=True, slots=True)
class Choice:
    """Which held records of a side: of one batch, with one verdict, by reference; all of None.

    `unsent` chooses those whose batch was never sent.
    """

    seq: int | None = None
    unsent: bool = False
    verdict: str | None = None
    refs: Collection[str] = ()


class Discarding(Holding):
    """Gives up held records by two people."""

    def propose_discard(
        self,
        agreement: bytes,
        choice: Choice,
        *,
        reason: str,
        side: Side | None = None,
        actor: str = "node",
    ) -> DiscardView:
        """Draft, as maker, to give up held records; the oldest 16,384 of them in one draft.

        Raises `UsageError` REASON_MISSING, NOTHING_HELD, DISCARD_WAITING where one of the records
        is in a draft that waits already.
        """
        drafts.require_reason(reason if len(reason.strip()) >= MIN_REASON else "", WHAT)
        with self._writing() as session:
            facts = self._facts(session, agreement)
            chosen = require_side(facts, side)
            rows = _held_rows(session, agreement, chosen, choice)
            if not rows:
                raise UsageError(
                    "NOTHING_HELD",
                    "no such record of this side is held",
                    help="see `kanhe outbox list`",
                )
            _require_free(session, agreement, rows)
            now_ms = self._identity.clock()
            row = drafts.new_draft(
                session,
                KIND,
                agreement,
                {"side": chosen.word, "records": [_seen(item) for item in rows]},
                subject=None,
                window=min(item.window for item in rows),
                reason=reason,
                maker=drafts.person_of(session, actor, now_ms=now_ms),
                now_ms=now_ms,
            )
            self._note(session, actor, "outbox-discard-draft", row)
            return view(session, row)

    def discards(self, *, waiting: bool = False) -> tuple[DiscardView, ...]:
        """Return drafts to give up records, newest first; with `waiting` only unchecked ones."""
        query = select(Draft).where(Draft.kind == KIND).order_by(Draft.id.desc())
        if waiting:
            query = query.where(Draft.state == drafts.DRAFTED)
        with self._reading() as session:
            return tuple(view(session, row) for row in session.scalars(query))

    def discard(self, draft_id: int) -> DiscardView:
        """Return one draft; `UsageError` DISCARD_UNKNOWN."""
        with self._reading() as session:
            return view(session, _require(session, draft_id, settled=True))

    def require_discard(self, agreement: bytes, draft_id: int) -> DiscardView:
        """Return a draft that is about this agreement; `UsageError` DISCARD_UNKNOWN."""
        found = self.discard(draft_id)
        if found.agreement != agreement:
            raise UsageError("DISCARD_UNKNOWN", f"no discard {draft_id} of this agreement")
        return found

    def approve_discard(
        self,
        draft_id: int,
        *,
        actor: str,
        single: bool = False,
        person_id: int | None = None,
        shown: bytes | None = None,
    ) -> DiscardView:
        """Give up, as checker, exactly the records that a draft names.

        Their incidents close, the balances of their batch are stated again. `shown`: the hash of
        the body that the checker saw. Raises `UsageError` DISCARD_UNKNOWN, DISCARD_SETTLED,
        `ProtocolError` SAME_PERSON, DRAFT_CHANGED, DISCARD_STALE where one of the records is no
        longer held as it was.
        """
        with self._writing() as session:
            now_ms = self._identity.clock()
            row = _require(session, draft_id)
            assert row.agreement is not None, "held records are of an agreement"
            checker = drafts.person_of(session, actor, now_ms=now_ms)
            if shown not in {None, row.body_sha256}:
                raise ProtocolError(
                    "DRAFT_CHANGED", f"discard {row.id} is not what was shown", help="look again"
                )
            records = _still_held(session, row)
            drafts.approve(row, checker, single=single, now_ms=now_ms, what=WHAT)
            ids = [item.id for item in records]
            for start in range(0, len(ids), IDS_AT_ONCE):
                session.execute(
                    update(QueuedRecord)
                    .where(QueuedRecord.id.in_(ids[start : start + IDS_AT_ONCE]))
                    .values(state=DISCARDED)
                )
            side = _side_of(row)
            carry_again(session, row.agreement, side, {item.seq for item in records} - {None})
            settle_incidents(
                session,
                row.agreement,
                side,
                None,
                words=row.reason,
                now_ms=now_ms,
                person_id=person_id,
            )
            self._note(session, actor, "outbox-discard", row)
            return view(session, row)

    def reject_discard(self, draft_id: int, *, actor: str, reason: str) -> DiscardView:
        """Refuse a draft as checker: the records stay held. Raises as `approve_discard`."""
        drafts.require_reason(reason, "a refusal")
        with self._writing() as session:
            now_ms = self._identity.clock()
            row = _require(session, draft_id)
            checker = drafts.person_of(session, actor, now_ms=now_ms)
            drafts.reject(row, checker, reason=reason, now_ms=now_ms)
            self._note(session, actor, "outbox-discard-reject", row)
            return view(session, row)

    def _note(self, session: Session, actor: str, act: str, row: Draft) -> None:
        """Write the act with the hash of the body, which pins every record by its own hash."""
        assert row.agreement is not None, "held records are of an agreement"
        self._act(
            session,
            actor,
            act,
            row.agreement.hex(),
            discard=str(row.id),
            records=str(len(row.body["records"])),
            body=row.body_sha256.hex(),
            reason=row.check_reason or row.reason,
        )


def _held_rows(
    session: Session, agreement: bytes, side: Side, choice: Choice
) -> Sequence[QueuedRecord]:
    where: list[ColumnElement[bool]] = [
        QueuedRecord.agreement == agreement,
        QueuedRecord.side == int(side),
        QueuedRecord.state == HELD,
    ]
    if choice.seq is not None:
        where.append(QueuedRecord.seq == choice.seq)
    if choice.unsent:
        where.append(QueuedRecord.seq.is_(None))
    if choice.verdict is not None:
        where.append(func.coalesce(QueuedRecord.held_reason, "") == choice.verdict)
    if choice.refs:
        where.append(QueuedRecord.entry_ref.in_(list(choice.refs)[:IDS_AT_ONCE]))
    query = select(QueuedRecord).where(*where).order_by(QueuedRecord.id).limit(MAX_RECORDS)
    return session.scalars(query).all()


def _seen(row: QueuedRecord) -> dict[str, Any]:
    """Return what the checker sees of one record."""
    return {
        "row": str(row.id),
        "type": row.record_type,
        "entry_ref": row.entry_ref,
        "version": None if row.version is None else str(row.version),
        "window": str(row.window),
        "batch": None if row.seq is None else str(row.seq),
        "verdict": row.held_reason or "",
        "sha256": hashlib.sha256(row.record).hexdigest(),
    }


def _require_free(session: Session, agreement: bytes, rows: Sequence[QueuedRecord]) -> None:
    """Refuse a second draft on a record: one of the two could only be stale."""
    waiting = session.scalars(
        select(Draft).where(
            Draft.kind == KIND, Draft.agreement == agreement, Draft.state == drafts.DRAFTED
        )
    ).all()
    wanted = {str(row.id) for row in rows}
    for row in waiting:
        if any(item["row"] in wanted for item in row.body["records"]):
            raise UsageError(
                "DISCARD_WAITING",
                f"discard {row.id} names some of these records and waits for its checker",
                help="approve or reject that one first",
            )


def _require(session: Session, draft_id: int, *, settled: bool = False) -> Draft:
    row = session.get(Draft, draft_id)
    if row is None or row.kind != KIND:
        raise UsageError("DISCARD_UNKNOWN", f"no discard {draft_id} is drafted here")
    if row.state != drafts.DRAFTED and not settled:
        raise UsageError("DISCARD_SETTLED", f"discard {draft_id} is {row.state.lower()}")
    return row


def _still_held(session: Session, row: Draft) -> list[QueuedRecord]:
    """Return the rows a draft names; `ProtocolError` DISCARD_STALE where one is another now."""
    found: list[QueuedRecord] = []
    for item in row.body["records"]:
        record = session.get(QueuedRecord, int(item["row"]))
        if (
            record is None
            or record.agreement != row.agreement
            or record.state != HELD
            or _seen(record) != item
        ):
            raise ProtocolError(
                "DISCARD_STALE",
                f"a record of discard {row.id} was released, imported anew or judged again since",
                help="reject it, look at `kanhe outbox list` and draft it again",
            )
        found.append(record)
    return found


def _side_of(row: Draft) -> Side:
    return next(side for side in Side if side.word == row.body["side"])


def view(session: Session, row: Draft) -> DiscardView:
    """Return a draft as it is shown."""
    assert row.agreement is not None, "held records are of an agreement"
    checker = None if row.checker_id is None else session.get_one(Person, row.checker_id)
    return DiscardView(
        discard_id=row.id,
        agreement=row.agreement,
        side=_side_of(row),
        records=tuple(row.body["records"]),
        reason=row.reason,
        state=row.state,
        maker=session.get_one(Person, row.maker_id).login,
        made_at_ms=row.made_at_ms,
        checker=None if checker is None else checker.login,
        check_reason=row.check_reason,
        body_sha256=row.body_sha256,
    )
