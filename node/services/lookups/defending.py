"""The accused's node: it tells its people, shows what it can open, and keeps the regulator's word.

A regulator that took the opening and closes nothing cannot fine: a day before the audit's days are
over this node puts the word on the ledger itself.
"""

from __future__ import annotations

import functools
import time
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, bindparam, exists, or_, select
from sqlalchemy.orm import Session

from node.audits import (
    NOT_ENDED,
    audits_not_ended,
    audits_running,
    due_s,
    logged_of,
    state_of_audit,
)
from node.blacklist import Now, now_of
from node.crypto.signer import recover_address
from node.errors import DatabaseError
from node.keyholders import was_key
from node.resting import Rests
from node.screening.auditing import Logged, write_opening
from node.screening.points import AUDIT_FINE, MICRO
from node.screening.states import DAY_S, AuditState
from node.services.lookups.opening import (
    SHOW,
    OpeningActs,
    Shown,
    Told,
    asked_of,
    read_asked,
    refuse,
)
from node.tables import EvaluationAudit, Incident, OpeningWord
from reconcile.commitment.fields import as_hex
from reconcile.model import KanheError, OutsideError

AUDITED: Final = "AUDITED"
FIRST_PAUSE_MS: Final = 5_000
MAX_PAUSE_MS: Final = 3_600_000
#: So long before the last second the accused answers by itself.
ANSWER_BEFORE_S: Final = DAY_S
_CLOSED: Final = {
    AuditState.OPENED.name: "the evaluation was opened",
    AuditState.LAPSED.name: "nobody ended it in time; nobody is fined",
    AuditState.FINED.name: f"{AUDIT_FINE // MICRO} points were taken or are owed",
}


class DefendingActs(OpeningActs):
    """What a member's node does about audits of its own evaluations."""

    @functools.cached_property
    def _shows(self) -> Rests:
        """When this process shows the regulator its openings again."""
        clock = self._doors.identity.clock
        return Rests(clock, "an opening", first_ms=FIRST_PAUSE_MS, max_ms=MAX_PAUSE_MS)

    # ------------------------------------------------------------------------ the word
    def told_opened(self, member: int, body: bytes) -> bytes:
        """Keep the regulator's word that an own evaluation was opened.

        Raises `NotAllowed` NOT_REGULATOR, `ProtocolError` REQUEST_MALFORMED, AUDIT_UNKNOWN,
        AUDIT_WORD where the word is none.
        """
        told, (ticket, subject, key_epoch) = read_asked(body, Told)
        with self._doors.writing() as session:
            self._require_regulator(session, member)
            own = self._doors.identity.require_member(session)
            for row in audits_not_ended(session, member=own):
                if (row.ticket, row.subject, row.key_epoch) == (ticket, subject, key_epoch):
                    self._keep_word(session, logged_of(row), told.word)
                    return b""
        raise refuse("AUDIT_UNKNOWN", "this node knows of no such audit")

    def _keep_word(self, session: Session, logged: Logged, text: str) -> None:
        """Keep a word once it is the regulator's own of this evaluation, once."""
        evaluation = self._evaluation(logged)
        word = as_hex(text, "word", 65)
        signer = recover_address(self._opened_digest(evaluation), word)
        regulator = self._regulator(session)
        if regulator is None or not was_key(session, regulator, signer):
            raise refuse("AUDIT_WORD", "the word is not signed by the regulator")
        if session.get(OpeningWord, evaluation) is None:
            now_ms = self._doors.identity.clock()
            session.add(OpeningWord(evaluation=evaluation, word=word, given_at_ms=now_ms))
            self._doors.act(session, "node", "audit-word", logged.subject.hex())

    # ------------------------------------------------------------------------ by itself
    def _defend(self) -> int:
        """Tell of audits of ours, show what can be opened, answer where nobody closes."""
        run = self._doors.attempts.run
        shown = run("show openings", self._show_openings)
        return shown + run("answer audits", self._answer_audits)

    def _show_openings(self) -> int:
        with self._doors.reading() as session:
            regulator = self._regulator(session)
            if regulator is None or not self._shows.is_awake(regulator):
                return 0
            own = self._doors.identity.require_member(session)
            wanted = [
                (row.audit, logged_of(row))
                for row in audits_running(session, own, now_of(session))
                if session.get(OpeningWord, self._evaluation(logged_of(row))) is None
            ]
        failed: dict[int, KanheError] = {}
        shown = 0
        for audit, logged in wanted:
            try:
                self._show_one(regulator, logged)
                shown += 1
            except DatabaseError:
                raise
            except KanheError as error:
                failed[audit] = error
                if isinstance(error, OutsideError):
                    break
        if failed:
            self._shows.rest(regulator, next(iter(failed.values())))
            self._tell_failures(failed)
        else:
            self._shows.wake(regulator)
        return shown

    def _show_one(self, regulator: int, logged: Logged) -> None:
        asked = asked_of(logged)
        with self._doors.reading() as session:
            opening = self._opening(session, logged.ticket, logged.subject, logged.key_epoch)
        text = write_opening(opening).decode()
        shown = Shown(asked.ticket, asked.subject, asked.key_epoch, text)
        word = self._ask(regulator, SHOW, msgspec.json.encode(shown))
        with self._doors.writing() as session:
            self._keep_word(session, logged, word.hex())

    def _answer_audits(self) -> int:
        """Tell of audits and answer what is due; only then is the writers' lock taken."""
        with self._doors.reading() as session:
            now = now_of(session)
            own = self._doors.identity.require_member(session)
            rows = audits_running(session, own, now)
            untold = [row.audit for row in rows if not self._is_told(session, row)]
            answers = [row.audit for row in rows if self._must_answer(session, row, now)]
            over = [item.id for item in self._told_of_none(session)]
        if not (untold or answers or over):
            return 0
        with self._doors.writing() as session:
            for audit in untold:
                self._tell(session, session.get_one(EvaluationAudit, audit))
            for audit in answers:
                row = session.get_one(EvaluationAudit, audit)
                evaluation = self._evaluation(logged_of(row))
                word = session.get_one(OpeningWord, evaluation).word
                self._calls.answer_audit(session, audit, evaluation, word)
            for incident in self._told_of_none(session):
                self._close(session, incident)
        return len(untold) + len(answers) + len(over)

    def _must_answer(self, session: Session, row: EvaluationAudit, now: Now) -> bool:
        """Say whether the regulator took an opening, closes nothing, and the end is near."""
        evaluation = self._evaluation(logged_of(row))
        if now.time_s < due_s(row) - ANSWER_BEFORE_S:
            return False
        if session.get(OpeningWord, evaluation) is None:
            return False
        return not self._calls.waits(session, self._calls.answer_subject(row.audit, evaluation))

    # ------------------------------------------------------------------------ our people
    def _tell(self, session: Session, row: EvaluationAudit) -> None:
        """Open the incident of an audit of ours, or open it again after a fork."""
        evaluation = self._evaluation(logged_of(row))
        says = f"{self._says(row)} This node shows it by itself."
        evidence = {
            "audit": str(row.audit),
            "ticket": str(row.ticket),
            "subject": row.subject.hex(),
            "key_epoch": str(row.key_epoch),
            "transaction": row.tx_hash.hex(),
        }
        told = _told(session, evaluation)
        if told is None:
            told = Incident(
                kind=AUDITED,
                fingerprint=_fingerprint(evaluation),
                stops_signing=False,
                opened_at_ms=self._doors.identity.clock(),
            )
        elif told.closed_by is None:
            told.closed_at_ms = told.closed_reason = None
        told.says, told.evidence = says, evidence
        session.add(told)
        session.flush()

    def _tell_failures(self, failed: dict[int, KanheError]) -> None:
        """Say in an audit's incident why the opening was not taken, and what to do."""
        with self._doors.writing() as session:
            for audit, error in failed.items():
                row = session.get(EvaluationAudit, audit)
                if row is None or row.outcome is not None:
                    continue
                if not self._is_told(session, row):
                    self._tell(session, row)
                incident = _told(session, self._evaluation(logged_of(row)))
                if incident is not None:
                    incident.says = (
                        f"{self._says(row)} This node did not bring it about yet: {error.code}, "
                        f"{error.message}. It tries again by itself. If the row is lost, a copy of "
                        "the database that holds it opens it: put it back."
                    )

    def _says(self, row: EvaluationAudit) -> str:
        until = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(due_s(row)))
        what = f"the lookup with ticket {row.ticket}"
        if not row.ticket:
            what = f"the listing {row.subject.hex()[:16]}… in key epoch {row.key_epoch}"
        return (
            f"audit {row.audit}: the regulator asks on the ledger to have the evaluation for "
            f"{what} opened until {until}, else {AUDIT_FINE // MICRO} points are taken."
        )

    def _is_told(self, session: Session, row: EvaluationAudit) -> bool:
        told = _told(session, self._evaluation(logged_of(row)))
        # What a fork took back stands again; what a person closed stays closed.
        return told is not None and (told.closed_at_ms is None or told.closed_by is not None)

    def _told_of_none(self, session: Session) -> list[Incident]:
        """Return open incidents of audits that ended, or that a fork took back."""
        found = select(Incident).where(Incident.kind == AUDITED, Incident.closed_at_ms.is_(None))
        incidents = session.scalars(found).all()
        return [item for item in incidents if self._standing(session, item) is None]

    def _standing(self, session: Session, incident: Incident) -> EvaluationAudit | None:
        """Return the audit that an incident tells of while it waits for its end."""
        row = session.get(EvaluationAudit, int(str(incident.evidence["audit"])))
        if row is None or row.outcome is not None:
            return None
        if state_of_audit(row, now_of(session)) is AuditState.LAPSED:
            return None
        same = _fingerprint(self._evaluation(logged_of(row))) == incident.fingerprint
        return row if same else None

    def _close(self, session: Session, incident: Incident) -> None:
        row = session.get(EvaluationAudit, int(str(incident.evidence["audit"])))
        outcome = "" if row is None else state_of_audit(row, now_of(session)).name
        incident.closed_at_ms = self._doors.identity.clock()
        incident.closed_reason = _CLOSED.get(outcome, "the ledger took the audit back")


def _fingerprint(evaluation: bytes) -> str:
    return f"{AUDITED}/{evaluation.hex()}"


def anything_to_defend() -> ColumnElement[bool]:
    """Say whether an audit of `:member` waits for its end, or an incident of one is open."""
    told = exists().where(Incident.kind == AUDITED, Incident.closed_at_ms.is_(None))
    waits = exists().where(NOT_ENDED, EvaluationAudit.member == bindparam("member"))
    return or_(waits, told)


def _told(session: Session, evaluation: bytes) -> Incident | None:
    found = select(Incident).where(Incident.fingerprint == _fingerprint(evaluation))
    return session.scalars(found).first()
