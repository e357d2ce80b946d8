"""Decisions of one node: made by one person, checked by another, singly or many at once."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from sqlalchemy import select
from sqlalchemy.orm import Session

from node import drafts
from node.acts import record_act
from node.agreements import Facts, facts_of, require_side
from node.db import Database, translated
from node.identity import Identity
from node.services.breaks import deciding
from node.services.breaks.openness import Openness
from node.services.breaks.runs import break_of, run_of
from node.services.breaks.seeing import require_unchanged, seen_of
from node.services.breaks.standing import StandingDecision, standing_decisions
from node.services.breaks.views import DecisionView, Outcome, Wish
from node.services.breaks.wishes import about_of
from node.tables import Draft, MatchRun, RunBreak
from reconcile.model import Decision, KanheError, ProtocolError, UsageError

NOT_DRAFTED = "DECISION_UNKNOWN"


class QueueDecision(Protocol):
    """Queues a decision to be sealed, inside the caller's transaction."""

    def __call__(self, session: Session, agreement: bytes, record: Decision, *, actor: str) -> bool:
        """Return False when the same record stands already."""
        ...


class Decisions:
    """Drafts, checks and the standing of decisions."""

    def __init__(
        self, database: Database, identity: Identity, *, queue_decision: QueueDecision
    ) -> None:
        self._database = database
        self._identity = identity
        self._queue_decision = queue_decision

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Session]:
        with translated(), self._database.writing.begin() as session:
            yield session

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Session]:
        with translated(), self._database.reading() as session:
            yield session

    # ---------------------------------------------------------------------- reading
    def decisions(self, agreement: bytes) -> tuple[DecisionView, ...]:
        """Return this side's decisions, newest first."""
        return self._drafts(Draft.agreement == agreement)

    def waiting_decisions(self, agreement: bytes) -> tuple[DecisionView, ...]:
        """Return the decisions that wait for a checker, newest first."""
        return self._drafts(Draft.agreement == agreement, Draft.state == drafts.DRAFTED)

    def decision(self, decision_id: int) -> DecisionView:
        """Return one decision; `UsageError` DECISION_UNKNOWN."""
        found = self._drafts(Draft.id == decision_id)
        if not found:
            raise UsageError(NOT_DRAFTED, f"no decision {decision_id} is drafted here")
        return found[0]

    def require_about(self, agreement: bytes, decision_id: int) -> DecisionView:
        """Return a decision that is about this agreement; `UsageError` DECISION_UNKNOWN."""
        found = self.decision(decision_id)
        if found.agreement != agreement:
            raise UsageError(NOT_DRAFTED, f"decision {decision_id} is about another agreement")
        return found

    def standing(
        self, agreement: bytes, subjects: Sequence[bytes] | None = None
    ) -> tuple[StandingDecision, ...]:
        """Return what both sides posted and what became of it, in the order of the ledger."""
        with self._reading() as session:
            return standing_decisions(session, agreement, subjects)

    def _drafts(self, *conditions: object) -> tuple[DecisionView, ...]:
        with self._reading() as session:
            rows = session.execute(
                select(Draft)
                .where(Draft.kind == deciding.KIND, *conditions)  # type: ignore[arg-type]
                .order_by(Draft.id.desc())
            ).scalars()
            return tuple(deciding.view(session, row) for row in rows)

    # ----------------------------------------------------------------------- making
    def propose_decision(
        self,
        agreement: bytes,
        *,
        verdict: str,
        reason: str,
        actor: str,
        key: bytes | str | None = None,
        servicer: Sequence[str] = (),
        owner: Sequence[str] = (),
        window: int | None = None,
    ) -> DecisionView:
        """Draft a decision as maker: on a break (`key`), or on entries of both sides.

        Raises what `deciding.require_undecided` and `Openness` refuse.
        """
        with self._writing() as session:
            facts = self._party(session, agreement)
            run = run_of(session, agreement, window)
            row = None if key is None else break_of(session, run, key)
            refs = (servicer, owner) if row is None else (row.servicer, row.owner)
            drafted = self._draft(
                session, facts, run, row, refs, verdict=verdict, reason=reason, actor=actor
            )
            return deciding.view(session, drafted)

    def propose_many(
        self,
        agreement: bytes,
        wishes: Sequence[Wish],
        *,
        window: int,
        digest: str,
        workbook: bytes,
        actor: str,
    ) -> tuple[Outcome, ...]:
        """Draft the rows of a workbook as maker; each is taken whole or refused alone.

        Raises `ProtocolError` WORKBOOK_STALE where the window's run is no longer the one the
        workbook shows: nothing of it is taken.
        """
        with self._writing() as session:
            facts = self._party(session, agreement)
            run = run_of(session, agreement, window)
            if run is None or run.mark.hex() != digest:
                raise ProtocolError(
                    "WORKBOOK_STALE",
                    "the window was matched again since this workbook was written",
                    help="export it again; what both sides see has changed",
                )
            openness = Openness(session, agreement)
            return tuple(
                self._take(session, facts, run, wish, workbook, actor, openness) for wish in wishes
            )

    def _take(
        self,
        session: Session,
        facts: Facts,
        run: MatchRun,
        wish: Wish,
        workbook: bytes,
        actor: str,
        openness: Openness,
    ) -> Outcome:
        """Draft one row inside a savepoint: a refused row leaves nothing behind."""
        key = wish.key.hex()
        try:
            with session.begin_nested():
                row, refs = about_of(session, run, wish)
                # A break as a whole is the subject of a write-off alone.
                target = row if wish.verdict == deciding.WRITE_OFF else None
                drafted = self._draft(
                    session,
                    facts,
                    run,
                    row,
                    refs,
                    verdict=wish.verdict,
                    reason=wish.reason,
                    actor=actor,
                    subject_row=target,
                    workbook=workbook,
                    openness=openness,
                )
                view = deciding.view(session, drafted)
            return Outcome(wish.row, key, wish.verdict, view, listed=wish.listed, cell=wish.cell)
        except KanheError as error:
            return Outcome(
                wish.row,
                key,
                wish.verdict,
                code=error.code,
                message=error.message,
                help=error.help,
                listed=wish.listed,
                cell=wish.cell,
            )

    def _draft(
        self,
        session: Session,
        facts: Facts,
        run: MatchRun | None,
        row: RunBreak | None,
        refs: tuple[Sequence[str], Sequence[str]],
        *,
        verdict: str,
        reason: str,
        actor: str,
        subject_row: RunBreak | None = None,
        workbook: bytes | None = None,
        openness: Openness | None = None,
    ) -> Draft:
        about = subject_row or (row if verdict == deciding.WRITE_OFF else None)
        subject = deciding.subject_of(
            facts.agreement, verdict, refs[0], refs[1], None if about is None else about.break_key
        )
        now_ms = self._identity.clock()
        drafted = deciding.draft(
            session,
            facts.agreement,
            verdict=verdict,
            subject=subject,
            refs=refs,
            reason=reason,
            window=None if run is None else run.window,
            maker=drafts.person_of(session, actor, now_ms=now_ms),
            sides=facts.sides,
            seen=seen_of(session, facts.agreement, run, row, refs),
            workbook=workbook,
            now_ms=now_ms,
        )
        asked = openness or Openness(session, facts.agreement)
        asked.require(deciding.record_of(drafted, ""))
        self._act(session, actor, "decision-draft", drafted)
        return drafted

    def _party(self, session: Session, agreement: bytes) -> Facts:
        facts = facts_of(session, agreement, self._identity.member(session))
        require_side(facts, None)
        return facts

    # --------------------------------------------------------------------- checking
    def approve_decision(
        self, decision_id: int, *, actor: str, single: bool = False
    ) -> DecisionView:
        """Check a drafted decision as another person; its record is queued to be sealed.

        It takes effect in the first run in which both sides hold an equal one. Raises
        `ProtocolError` SAME_PERSON, DRAFT_CHANGED, DECISION_STALE, and what `Openness` refuses.
        """
        with self._writing() as session:
            now_ms = self._identity.clock()
            row = deciding.require_draft(session, decision_id)
            checker = drafts.person_of(session, actor, now_ms=now_ms)
            agreement = row.agreement
            assert agreement is not None, "a decision is about an agreement"
            require_unchanged(session, agreement, row.body)
            decision = deciding.check(row, checker, single=single, now_ms=now_ms)
            Openness(session, agreement).require(decision)
            self._act(session, actor, "decision-approve", row)
            self._queue_decision(session, agreement, decision, actor=actor)
            return deciding.view(session, row)

    def approve_many(
        self,
        agreement: bytes,
        decision_ids: Sequence[int],
        *,
        digest: str,
        actor: str,
        single: bool = False,
    ) -> tuple[Outcome, ...]:
        """Approve the very decisions that a checker was shown; each alone, or refused alone.

        `digest` is `digest_of` what was shown: `ProtocolError` DRAFTS_CHANGED when it is not what
        stands here, and nothing is approved.
        """
        shown = [self.decision(decision_id) for decision_id in decision_ids]
        if digest_of(shown) != digest:
            raise ProtocolError(
                "DRAFTS_CHANGED",
                "the decisions are not those that were shown",
                help="look at them again; somebody proposed, approved or rejected meanwhile",
            )

        def act(view: DecisionView) -> DecisionView:
            return self.approve_decision(view.decision_id, actor=actor, single=single)

        return tuple(
            _outcome_of(agreement, number, view, act) for number, view in enumerate(shown, start=1)
        )

    def reject_decision(self, decision_id: int, *, actor: str, reason: str) -> DecisionView:
        """Refuse a drafted decision, with the reason; `UsageError` REASON_MISSING."""
        drafts.require_reason(reason)
        with self._writing() as session:
            now_ms = self._identity.clock()
            row = deciding.require_draft(session, decision_id)
            checker = drafts.person_of(session, actor, now_ms=now_ms)
            drafts.reject(row, checker, reason=reason, now_ms=now_ms)
            self._act(session, actor, "decision-reject", row)
            return deciding.view(session, row)

    def _act(self, session: Session, actor: str, act: str, row: Draft) -> None:
        record_act(
            session,
            actor=actor,
            act=act,
            subject=None if row.agreement is None else row.agreement.hex(),
            now_ms=self._identity.clock(),
            details={"decision": str(row.id), "body": row.body_sha256.hex()},
        )


def _outcome_of(
    agreement: bytes, number: int, view: DecisionView, act: Callable[[DecisionView], DecisionView]
) -> Outcome:
    key, verdict = view.subject.hex(), view.verdict
    try:
        if view.agreement != agreement:
            raise UsageError(NOT_DRAFTED, f"decision {view.decision_id} is about another agreement")
        return Outcome(number, key, verdict, act(view))
    except KanheError as error:
        return Outcome(
            number, key, verdict, code=error.code, message=error.message, help=error.help
        )


def digest_of(decisions: Iterable[DecisionView]) -> str:
    """Return the hash over decisions as they are shown: their bodies, reasons and states."""
    digest = hashlib.sha256()
    for item in sorted(decisions, key=lambda view: view.decision_id):
        said = f"{item.decision_id}/{item.state}/{item.maker}/{item.reason}"
        digest.update(item.body_sha256 + hashlib.sha256(said.encode()).digest())
    return digest.hexdigest()
