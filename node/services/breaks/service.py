"""The break service: pages of breaks and groups of the latest run, and decisions on them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from typing import Any, Final, Protocol

from sqlalchemy import String, cast, or_, select
from sqlalchemy.orm import Session

from node.acts import record_act
from node.agreements import facts_of, require_side, terms_at
from node.db import Database, translated
from node.identity import Identity
from node.services.breaks import deciding
from node.services.breaks.explaining import (
    bare_sentence,
    differing_fields,
    sentence,
    tried_passes,
)
from node.services.breaks.views import (
    BreakDetail,
    BreakRow,
    DecisionView,
    GroupRow,
    ProposalRow,
)
from node.tables import (
    Draft,
    MatchRun,
    PostedEntry,
    ReportRow,
    RunBreak,
    RunGroup,
    RunProposal,
)
from reconcile.commitment.records import decode_record
from reconcile.model import Decision, Entry, Side, UsageError

PROOF: Final = "PROOF"
MIN_PREFIX: Final = 4
KEY_HEX: Final = 64
MAX_ENTRIES: Final = 400


class QueueDecision(Protocol):
    """Queues a decision to be sealed, inside the caller's transaction."""

    def __call__(self, session: Session, agreement: bytes, record: Decision, *, actor: str) -> bool:
        """Return False when the same record stands already."""
        ...


class BreakService:
    """Breaks, groups and decisions of one node."""

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
    def breaks(
        self,
        agreement: bytes,
        window: int | None = None,
        *,
        kind: str | None = None,
        after: int | None = None,
        limit: int = 100,
    ) -> tuple[BreakRow, ...]:
        """Return breaks of a window's run (None: the newest), from behind number `after`."""
        with self._reading() as session:
            run = self._run(session, agreement, window)
            if run is None:
                return ()
            query = select(RunBreak).where(RunBreak.run_id == run.id)
            if kind is not None:
                query = query.where(RunBreak.kind == kind)
            if after is not None:
                query = query.where(RunBreak.number > after)
            rows = session.execute(query.order_by(RunBreak.number).limit(limit)).scalars()
            return tuple(_row(item, run.window) for item in rows)

    def show(self, agreement: bytes, key: bytes | str, window: int | None = None) -> BreakDetail:
        """Return one break with both sides' entries and what each pass made of them.

        `key` may be the beginning of its hex. Raises `UsageError` BREAK_UNKNOWN, BREAK_AMBIGUOUS.
        """
        with self._reading() as session:
            run = self._run(session, agreement, window)
            found = self._find(session, run, key)
            assert run is not None, "a break was found in it"
            row = _row(found, run.window)
            servicer = self._entries(session, agreement, Side.SERVICER, row.servicer)
            owner = self._entries(session, agreement, Side.OWNER, row.owner)
            terms = terms_at(session, agreement, run.window)
            return BreakDetail(
                row=row,
                servicer=servicer,
                owner=owner,
                differing=differing_fields(servicer, owner),
                tried=tried_passes(terms, servicer, owner),
                proposals=self._proposals(session, run.id, row.proposals),
                sentence=sentence(servicer, owner, dict(terms.currencies))
                if servicer or owner
                else bare_sentence(row, _named(session, run)),
            )

    def groups(
        self,
        agreement: bytes,
        window: int | None = None,
        *,
        search: str | None = None,
        after: int = -1,
        limit: int = 100,
    ) -> tuple[GroupRow, ...]:
        """Return confirmed groups; `search` is part of a ref of either side."""
        with self._reading() as session:
            run = self._run(session, agreement, window)
            if run is None:
                return ()
            query = select(RunGroup).where(RunGroup.run_id == run.id, RunGroup.number > after)
            if search:
                text = search.replace("%", r"\%").replace("_", r"\_")
                query = query.where(
                    or_(
                        cast(RunGroup.servicer, String).like(f"%{text}%", escape="\\"),
                        cast(RunGroup.owner, String).like(f"%{text}%", escape="\\"),
                    )
                )
            rows = session.execute(query.order_by(RunGroup.number).limit(limit)).scalars()
            return tuple(
                GroupRow(
                    number=item.number,
                    pass_name=item.pass_name,
                    servicer=tuple(item.servicer),
                    owner=tuple(item.owner),
                    currency=item.currency,
                    residual_minor=int(item.residual_minor),
                )
                for item in rows
            )

    def _run(self, session: Session, agreement: bytes, window: int | None) -> MatchRun | None:
        """Return a window's proof, else its provisional run; None: the newest window's."""
        query = select(MatchRun).where(MatchRun.agreement == agreement)
        if window is not None:
            query = query.where(MatchRun.window == window)
        rows = session.execute(query.order_by(MatchRun.window.desc())).scalars().all()
        newest = [row for row in rows if row.window == rows[0].window]
        return next((row for row in newest if row.kind == PROOF), newest[0] if newest else None)

    def _find(self, session: Session, run: MatchRun | None, key: bytes | str) -> RunBreak:
        wanted = key.hex() if isinstance(key, bytes) else key.lower().removeprefix("0x")
        if run is not None and len(wanted) >= MIN_PREFIX:
            rows = session.execute(select(RunBreak).where(RunBreak.run_id == run.id)).scalars()
            found = [row for row in rows if row.break_key.hex().startswith(wanted)]
            if len(found) == 1:
                return found[0]
            if found:
                raise UsageError(
                    "BREAK_AMBIGUOUS",
                    f"{wanted} begins {len(found)} keys",
                    help="give more of the key",
                )
        raise UsageError(
            "BREAK_UNKNOWN", f"no break {wanted} in this run", help="see `kanhe break list`"
        )

    def _entries(
        self, session: Session, agreement: bytes, side: Side, refs: Sequence[str]
    ) -> tuple[Entry, ...]:
        """Return the versions that count, in the order of the refs."""
        some = list(refs)[:MAX_ENTRIES]
        rows = session.execute(
            select(PostedEntry.entry_ref, PostedEntry.record)
            .where(
                PostedEntry.agreement == agreement,
                PostedEntry.side == int(side),
                PostedEntry.repeat.is_(False),
                PostedEntry.entry_ref.in_(some),
            )
            .order_by(PostedEntry.version)
        )
        found: dict[str, Entry] = {}
        for ref, record in rows:
            entry = decode_record(record)
            assert isinstance(entry, Entry), "the entries table holds entries"
            found[ref] = entry
        return tuple(found[ref] for ref in some if ref in found)

    def _proposals(
        self, session: Session, run_id: int, keys: Sequence[str]
    ) -> tuple[ProposalRow, ...]:
        if not keys:
            return ()
        rows = session.execute(
            select(RunProposal).where(
                RunProposal.run_id == run_id,
                RunProposal.proposal_key.in_([bytes.fromhex(key) for key in keys]),
            )
        ).scalars()
        return tuple(
            ProposalRow(
                key=row.proposal_key,
                pass_name=row.pass_name,
                servicer=tuple(row.servicer),
                owner=tuple(row.owner),
                servicer_count=row.servicer_count,
                owner_count=row.owner_count,
                reason=row.reason,
            )
            for row in rows
        )

    # -------------------------------------------------------------------- decisions
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
        """Draft a decision as maker: on a break (`key`), or on entries of both sides."""
        with self._reading() as session:
            require_side(facts_of(session, agreement, self._identity.member(session)), None)
            row = None
            if key is not None:
                run = self._run(session, agreement, window)
                row = self._find(session, run, key)
                servicer, owner = tuple(row.servicer), tuple(row.owner)
        with self._writing() as session:
            now_ms = self._identity.clock()
            subject = deciding.subject_of(
                agreement, verdict, servicer, owner, None if row is None else row.break_key
            )
            drafted = deciding.draft(
                session,
                agreement,
                verdict=verdict,
                subject=subject,
                servicer=servicer,
                owner=owner,
                reason=reason,
                window=window,
                maker=deciding.person_of(session, actor, now_ms=now_ms),
                now_ms=now_ms,
            )
            self._act(session, actor, "decision-draft", drafted)
            return deciding.view(session, drafted)

    def approve_decision(
        self, decision_id: int, *, actor: str, single: bool = False
    ) -> DecisionView:
        """Check a drafted decision as another person; its record is queued to be sealed.

        It takes effect in the first run in which both sides hold an equal one.
        """
        with self._writing() as session:
            now_ms = self._identity.clock()
            row = deciding.require_draft(session, decision_id)
            checker = deciding.person_of(session, actor, now_ms=now_ms)
            decision = deciding.check(row, checker, single=single, now_ms=now_ms)
            agreement = row.agreement
            assert agreement is not None, "a decision is about an agreement"
            self._act(session, actor, "decision-approve", row)
            self._queue_decision(session, agreement, decision, actor=actor)
            return deciding.view(session, row)

    def reject_decision(self, decision_id: int, *, actor: str, reason: str) -> DecisionView:
        """Refuse a drafted decision, with the reason."""
        with self._writing() as session:
            now_ms = self._identity.clock()
            row = deciding.require_draft(session, decision_id)
            checker = deciding.person_of(session, actor, now_ms=now_ms)
            row.state, row.checker_id, row.checked_at_ms = deciding.REJECTED, checker.id, now_ms
            row.check_reason = reason
            self._act(session, actor, "decision-reject", row)
            return deciding.view(session, row)

    def decisions(self, agreement: bytes) -> tuple[DecisionView, ...]:
        """Return this side's decisions, newest first."""
        with self._reading() as session:
            rows = session.execute(
                select(Draft)
                .where(Draft.kind == deciding.KIND, Draft.agreement == agreement)
                .order_by(Draft.id.desc())
            ).scalars()
            return tuple(deciding.view(session, row) for row in rows)

    def _act(self, session: Session, actor: str, act: str, row: Draft) -> None:
        record_act(
            session,
            actor=actor,
            act=act,
            subject=None if row.agreement is None else row.agreement.hex(),
            now_ms=self._identity.clock(),
            details={"decision": str(row.id), "body": row.body_sha256.hex()},
        )


def _row(item: RunBreak, window: int) -> BreakRow:
    return BreakRow(
        key=item.break_key,
        kind=item.kind,
        window=window,
        number=item.number,
        servicer=tuple(item.servicer),
        owner=tuple(item.owner),
        signed=tuple((code, int(minor)) for code, minor in item.signed),
        age_days=item.age_days,
        marks=tuple(item.marks),
        also=tuple(item.also),
        proposals=tuple(item.proposals),
    )


def _named(session: Session, run: MatchRun) -> dict[str, Any]:
    """Return the identities of a run, with the gaps that its report names, if one was kept."""
    kept = session.execute(
        select(ReportRow.report).where(
            ReportRow.agreement == run.agreement,
            ReportRow.window == run.window,
            ReportRow.digest == run.digest,
        )
    ).scalar_one_or_none()
    if kept is not None:
        report: dict[str, Any] = json.loads(kept)
        return report
    return {"identities": run.identities, "gaps": {side.word: () for side in Side}}
