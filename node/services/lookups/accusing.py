"""The regulator's node: what was not opened goes to the ledger, is asked for again, ends there.

Found by an audit, it is kept as an accusation in the transaction that keeps the incident; a turn
puts it on the ledger, so that a crash between costs one turn. While the audit runs this node asks
again by itself and takes what the accused shows, and its signed word says that it was opened. Once
the days are over it asks once more before anybody is fined.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, delete, exists, or_, select
from sqlalchemy.orm import Session

from node.audits import (
    NOT_ENDED,
    Admissible,
    accused_of,
    admissible,
    audits_not_ended,
    due_s,
    logged_of,
    state_of_audit,
)
from node.blacklist import Now, now_of
from node.errors import DatabaseError
from node.resting import Rests
from node.screening.auditing import UNREAD, Logged
from node.screening.states import DAY_S, AuditState
from node.services.lookups.opening import (
    OPEN,
    OPENED,
    OpeningActs,
    Shown,
    Told,
    asked_of,
    is_own_fault,
    read_asked,
    refuse,
)
from node.tables import Accusation, EvaluationAudit
from node.telemetry import logger
from reconcile.model import KanheError, OutsideError

#: The pauses between two askings of one member.
FIRST_PAUSE_MS: Final = 60_000
MAX_PAUSE_MS: Final = 3_600_000
#: The regulator has asked in vain for so long before it has anybody fined, its own outage or not.
ASKED_S: Final = DAY_S
#: Appends the intent that ends an audit; None where it waits already.
End = Callable[[Session], int | None]
_log = logger("audits")


class AccusingActs(OpeningActs):
    """What the regulator's node does with an evaluation that was not opened."""

    @functools.cached_property
    def _rests(self) -> Rests:
        """Whom this process asks again when."""
        clock = self._doors.identity.clock
        return Rests(clock, "an audit", first_ms=FIRST_PAUSE_MS, max_ms=MAX_PAUSE_MS)

    # ------------------------------------------------------------------------ what an audit found
    def _accuse(self, session: Session, found: Iterable[Logged]) -> None:
        """Keep what was not opened; what was accused before stays as it is."""
        for logged in found:
            evaluation = self._evaluation(logged)
            row = session.get(Accusation, evaluation)
            if row is None:
                session.add(self._accusation(logged, evaluation))
            elif not row.signature:
                row.signature = logged.signature

    def _accusation(self, logged: Logged, evaluation: bytes) -> Accusation:
        return Accusation(
            evaluation=evaluation,
            reader=logged.reader,
            ticket=logged.ticket,
            subject=logged.subject,
            blinded=logged.blinded,
            key_epoch=logged.key_epoch,
            signature=logged.signature,
            found_at_ms=self._doors.identity.clock(),
        )

    def _acquit_known(self, session: Session, shown: Iterable[Logged], actor: str) -> None:
        """Keep of what was accused before that it is opened now."""
        for logged in shown:
            if session.get(Accusation, self._evaluation(logged)) is not None:
                self._acquit(session, logged, actor)

    def _acquit(self, session: Session, logged: Logged, actor: str) -> bytes:
        """Keep that an evaluation was opened and return this node's word of it, 65 bytes."""
        evaluation = self._evaluation(logged)
        row = session.get(Accusation, evaluation)
        if row is None:
            row = self._accusation(logged, evaluation)
            session.add(row)
        if row.opened_at_ms is None:
            row.opened_at_ms = self._doors.identity.clock()
            self._doors.act(session, actor, "audit-opened", logged.subject.hex())
        approver = self._doors.identity.keys.approver
        return approver.sign_digest(self._opened_digest(evaluation))

    # ------------------------------------------------------------------------ what is shown
    def take_opening(self, member: int, body: bytes) -> bytes:
        """Take an opening that the accused shows by itself; return this node's signed word.

        Raises `NotAllowed` NOT_REGULATOR, `ProtocolError` REQUEST_MALFORMED, AUDIT_UNKNOWN where
        the ledger asks the caller for no such evaluation, and what `check_opening` refuses.
        """
        shown, (ticket, subject, key_epoch) = read_asked(body, Shown)
        with self._doors.reading() as session:
            self._require_regulator(session, self._doors.identity.require_member(session))
            found = select(EvaluationAudit).where(
                EvaluationAudit.member == member,
                EvaluationAudit.ticket == ticket,
                EvaluationAudit.subject == subject,
                EvaluationAudit.key_epoch == key_epoch,
                NOT_ENDED,
            )
            row = session.scalars(found).first()
            if row is None:
                raise refuse("AUDIT_UNKNOWN", f"no such audit of member {member} waits")
            logged = logged_of(row)
            self._hold(session, logged, shown.opening.encode())
        with self._doors.writing() as session:
            return self._acquit(session, logged, f"member {member}")

    def _hold(self, session: Session, logged: Logged, opening: bytes) -> None:
        """Hold an opening against an evaluation on the ledger, whatever this node's setting is.

        A person who cannot exist is as good as another, once the element is hers.
        """
        try:
            self._check(session, logged, opening, allow_test=True)
        except KanheError as error:
            if error.code not in UNREAD:
                raise

    # ------------------------------------------------------------------------ by itself
    def _prosecute(self) -> int:
        """Put accusations on the ledger, ask again, close what was opened and fine the rest."""
        run = self._doors.attempts.run
        # What was opened since is closed in this very turn.
        asked = run("ask for openings again", self._ask_again)
        return asked + run("move audits", self._move_audits)

    def _move_audits(self) -> int:
        """Ask the ledger for what is due; only then is the writers' lock taken."""
        with self._doors.reading() as session:
            now = now_of(session)
            ends = {
                row.audit: end
                for row in audits_not_ended(session)
                if (end := self._end_of(session, row, now)) is not None
            }
            begins, void = self._begins(session, now)
        if not (ends or begins or void):
            return 0
        with self._doors.writing() as session:
            session.execute(delete(Accusation).where(Accusation.evaluation.in_(void)))
            asked = [end(session) for end in ends.values()]
            for evaluation in begins:
                logged = accused_of(session.get_one(Accusation, evaluation))
                asked.append(self._calls.begin_audit(session, logged, evaluation))
        return sum(one is not None for one in asked)

    def _end_of(self, session: Session, row: EvaluationAudit, now: Now) -> End | None:
        """Return the call that ends an audit where one is due and was not asked for."""
        evaluation = self._evaluation(logged_of(row))
        accusation = session.get(Accusation, evaluation)
        if accusation is not None and accusation.opened_at_ms is not None:
            subject = self._calls.close_subject(row.audit, evaluation)
            call = self._calls.close_audit
        elif (state := state_of_audit(row, now)) is AuditState.LAPSED or (
            state is AuditState.DUE and _asked_in_vain(accusation, row)
        ):
            subject = self._calls.settle_subject(row.audit, evaluation)
            call = self._calls.settle_audit
        else:
            return None
        if self._calls.waits(session, subject):
            return None
        return functools.partial(call, audit=row.audit, evaluation=evaluation)

    def _begins(self, session: Session, now: Now) -> tuple[list[bytes], list[bytes]]:
        """Return what the ledger takes now, of each member the oldest first, and what never.

        The latter is no accusation any more; its incident stays.
        """
        begins: list[bytes] = []
        void: list[bytes] = []
        own = self._doors.identity.require_member(session)
        domain = self._doors.identity.place.lookups_domain
        for reader in session.scalars(
            select(Accusation.reader).where(not_begun()).distinct()
        ).all():
            asked, full = 0, False
            of = select(Accusation).where(not_begun(), Accusation.reader == reader)
            for row in session.scalars(of.order_by(Accusation.found_at_ms)).all():
                if full and row.ticket:
                    continue
                logged = accused_of(row)
                found = admissible(session, logged, now, domain=domain, regulator=own, asked=asked)
                if found is Admissible.LATER:
                    # There is room for listings alone, and many lookups may wait.
                    full = True
                    continue
                if found is Admissible.NEVER:
                    void.append(row.evaluation)
                    continue
                asked += logged.ticket != 0
                if not self._calls.waits(session, self._calls.audit_subject(row.evaluation)):
                    begins.append(row.evaluation)
        return begins, void

    def _ask_again(self) -> int:
        """Ask the accused that are awake again; return how many evaluations were opened."""
        with self._doors.reading() as session:
            now = now_of(session)
            wanted: dict[int, list[Logged]] = {}
            for row in audits_not_ended(session):
                logged = logged_of(row)
                accusation = session.get(Accusation, self._evaluation(logged))
                if accusation is not None and accusation.opened_at_ms is not None:
                    continue
                due = state_of_audit(row, now) is AuditState.DUE
                last = due and not _asked_since_due(accusation, row)
                if last or self._rests.is_awake(row.member):
                    wanted.setdefault(row.member, []).append(logged)
        return sum(self._ask_member(member, found, now) for member, found in wanted.items())

    def _ask_member(self, member: int, wanted: list[Logged], now: Now) -> int:
        opened: list[Logged] = []
        failed: KanheError | None = None
        for logged in wanted:
            try:
                self._ask_one(member, logged)
                opened.append(logged)
            except DatabaseError:
                raise
            except KanheError as error:
                failed = error
                if is_own_fault(error):
                    break
                if isinstance(error, OutsideError):
                    # It answers nothing now: each further call would wait as long.
                    self._note([one for one in wanted if one not in opened], error, now)
                    break
                self._note([logged], error, now)
        if failed is not None:
            self._rests.rest(member, failed)
        else:
            self._rests.wake(member)
        return len(opened)

    def _ask_one(self, member: int, logged: Logged) -> None:
        asked = asked_of(logged)
        data = self._ask(member, OPEN, msgspec.json.encode(asked))
        with self._weighing() as session:
            self._hold(session, logged, data)
        with self._doors.writing() as session:
            word = self._acquit(session, logged, "node")
        told = Told(asked.ticket, asked.subject, asked.key_epoch, word.hex())
        try:
            self._ask(member, OPENED, msgspec.json.encode(told))
        except KanheError as error:
            # It is closed by this node in any case, and given its word whenever it shows it.
            _log.warning("the word was not taken", member=member, code=error.code)

    def _note(self, wanted: Iterable[Logged], error: KanheError, now: Now) -> None:
        """Keep since when this node asks in vain, and what came of it last."""
        with self._doors.writing() as session:
            for logged in wanted:
                evaluation = self._evaluation(logged)
                row = session.get(Accusation, evaluation)
                if row is None:
                    row = self._accusation(logged, evaluation)
                    session.add(row)
                if row.asked_first_s is None:
                    row.asked_first_s = now.time_s
                row.asked_last_s, row.refusal = now.time_s, error.code[:40]


def _asked_in_vain(accusation: Accusation | None, row: EvaluationAudit) -> bool:
    """Say whether this node asked for a day, and once more after the accused's days were over."""
    if accusation is None or accusation.asked_first_s is None or accusation.asked_last_s is None:
        return False
    long = accusation.asked_last_s - accusation.asked_first_s >= ASKED_S
    return long and _asked_since_due(accusation, row)


def _asked_since_due(accusation: Accusation | None, row: EvaluationAudit) -> bool:
    return accusation is not None and (accusation.asked_last_s or 0) > due_s(row)


def not_begun() -> ColumnElement[bool]:
    """Say of an accusation that it is neither opened nor on the ledger."""
    begun = exists().where(
        EvaluationAudit.member == Accusation.reader,
        EvaluationAudit.ticket == Accusation.ticket,
        EvaluationAudit.subject == Accusation.subject,
        EvaluationAudit.blinded == Accusation.blinded,
        EvaluationAudit.key_epoch == Accusation.key_epoch,
    )
    return Accusation.opened_at_ms.is_(None) & ~begun


def anything_to_prosecute() -> ColumnElement[bool]:
    """Say whether an audit waits for its end, or an accusation for the ledger."""
    return or_(exists().where(NOT_ENDED), exists().where(not_begun()))
