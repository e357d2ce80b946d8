"""The reconciliation service: provisional runs, proofs, attestations, states."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session, undefer

from node.acts import record_act
from node.agreements import ACTIVE, ENDING, Facts, all_facts, facts_of, final_block, terms_at
from node.calls import Calls
from node.db import Database, translated
from node.identity import Identity
from node.services.reconciliation import attesting, states
from node.services.reconciliation.inputs import Prepared, last_agreed, prepare
from node.services.reconciliation.storing import (
    PROOF,
    PROVISIONAL,
    SUPERSEDED,
    store_report,
    store_run,
)
from node.services.reconciliation.views import (
    SETTLED_STATES,
    Latency,
    RunView,
    StoredReport,
    TodayTotals,
    WindowStatus,
)
from node.tables import (
    AgreedResult,
    Agreement,
    Batch,
    Closing,
    LatencySample,
    MatchRun,
    ReportRow,
    SealedPayload,
    StreamState,
)
from node.telemetry import logger
from reconcile.model import (
    InputError,
    KanheError,
    ProtocolError,
    SectionDigest,
    Side,
    UsageError,
)
from reconcile.report import Result, group_from_json, reconcile

# The next provisional run waits as long as this many of the last one took, so that matching
# never takes more than a part of the machine however fast batches come.
REST_FACTOR: Final = 2
NS_PER_MS: Final = 1_000_000
_log = logger("reconciliation")


class QueueSections(Protocol):
    """Queues a section digest to be sealed, inside the caller's transaction."""

    def __call__(self, session: Session, agreement: bytes, record: SectionDigest) -> bool:
        """Return False when the same record stands already."""
        ...


@dataclass(frozen=True, slots=True)
class Reactions:
    """What other services do for this one; given by the composition root."""

    queue_sections: QueueSections
    close_window: Callable[[bytes, int], object]


class ReconciliationService:
    """Runs, proofs and results of one node."""

    def __init__(
        self,
        database: Database,
        identity: Identity,
        calls: Calls,
        reactions: Reactions,
        *,
        threads: int | None = None,
    ) -> None:
        self._database = database
        self._identity = identity
        self._calls = calls
        self._reactions = reactions
        self._threads = threads
        self._rest_until_ms: dict[bytes, int] = {}
        self._resting = False

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Session]:
        with translated(), self._database.writing.begin() as session:
            yield session

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Session]:
        with translated(), self._database.reading() as session:
            yield session

    def _facts(self, session: Session, agreement: bytes) -> Facts:
        return facts_of(session, agreement, self._identity.member(session))

    # ------------------------------------------------------------------------- runs
    def provisional(self, agreement: bytes) -> RunView:
        """Match everything read so far (T+0); unconfirmed rows count."""
        with self._reading() as session:
            facts = self._facts(session, agreement)
            window = self._open_window(session, agreement)
            if window is None:
                raise UsageError(
                    "NOTHING_TO_MATCH",
                    "nothing was posted behind the last agreed window",
                    help="import a file first",
                )
            prepared = prepare(session, facts, window, provisional=True, threads=self._threads)
        result = self._run(prepared)
        with self._writing() as session:
            now_ms = self._identity.clock()
            latency = self._sample(session, prepared, now_ms)
            store_run(
                session, prepared, result, kind=PROVISIONAL, latency_ms=latency, now_ms=now_ms
            )
        return _view(prepared, result, provisional=True)

    def prove(self, agreement: bytes, window: int) -> RunView:
        """Prove a window both sides closed, from the last agreed report on; keep the report.

        Earlier agreed reports that this node has not computed are computed first. Raises
        `ProtocolError` WINDOW_NOT_CLOSED, WINDOW_NOT_FINAL, BATCH_NOT_OPENED, or
        AGREED_DIGEST_DIFFERS when the ledger agreed on another result than this node computes.
        """
        for earlier in self._missing_reports(agreement, window):
            self._prove_one(agreement, earlier)
        return self._prove_one(agreement, window)

    def _missing_reports(self, agreement: bytes, window: int) -> list[int]:
        with self._reading() as session:
            agreed = session.execute(
                select(AgreedResult.window, AgreedResult.digest)
                .where(AgreedResult.agreement == agreement, AgreedResult.window < window)
                .order_by(AgreedResult.window)
            ).all()
            known = {
                (row.window, row.digest)
                for row in session.execute(
                    select(ReportRow.window, ReportRow.digest).where(
                        ReportRow.agreement == agreement
                    )
                )
            }
        return [row.window for row in agreed if (row.window, row.digest) not in known]

    def _prove_one(self, agreement: bytes, window: int) -> RunView:
        with self._reading() as session:
            facts = self._facts(session, agreement)
            prepared = prepare(session, facts, window, provisional=False, threads=self._threads)
            self._require_final(session, agreement, window)
        result = self._run(prepared)
        with self._writing() as session:
            now_ms = self._identity.clock()
            store_report(session, prepared, result, now_ms=now_ms)
            store_run(session, prepared, result, kind=PROOF, latency_ms=None, now_ms=now_ms)
            agreed = session.get(AgreedResult, (agreement, window))
            record_act(
                session,
                actor="node",
                act="prove",
                subject=agreement.hex(),
                now_ms=now_ms,
                details={"window": str(window), "digest": result.digest.hex()},
            )
        if agreed is not None and agreed.digest != result.digest:
            raise ProtocolError(
                "AGREED_DIGEST_DIFFERS",
                f"window {window} was agreed as {agreed.digest.hex()[:16]}…, this node computes "
                f"{result.digest.hex()[:16]}…",
                help="was the database changed? restore it, or replay: `kanhe doctor`",
            )
        return _view(prepared, result, provisional=False)

    def _require_final(self, session: Session, agreement: bytes, window: int) -> None:
        for side in Side:
            closing = session.get(Closing, (agreement, int(side), window))
            if closing is not None and closing.block_number > final_block(session):
                raise ProtocolError(
                    "WINDOW_NOT_FINAL",
                    f"the {side.word}'s closing of window {window} is not final yet",
                    help="a proof waits for it; try again in a few blocks",
                )

    def _run(self, prepared: Prepared) -> Result:
        return reconcile(
            prepared.run,
            previous_agreed_digest=prepared.previous_digest,
            servicer_head=prepared.heads[0],
            owner_head=prepared.heads[1],
            terms_hashes=prepared.terms_hashes,
            invalid_batches=prepared.invalid,
        )

    def _open_window(self, session: Session, agreement: bytes) -> int | None:
        """Return the highest window posted to, None where all of it is agreed."""
        posted = session.execute(
            select(func.max(StreamState.posted_window)).where(StreamState.agreement == agreement)
        ).scalar_one_or_none()
        agreed = last_agreed(session, agreement)
        if posted is None or (agreed is not None and posted <= agreed.window):
            return None
        return int(posted)

    def _sample(self, session: Session, prepared: Prepared, now_ms: int) -> int | None:
        """Keep one latency a newly read own batch: sealed to matched, in ms."""
        run = prepared.run
        before = session.execute(
            select(MatchRun.servicer_seq, MatchRun.owner_seq)
            .where(MatchRun.agreement == run.agreement, MatchRun.kind == PROVISIONAL)
            .limit(1)
        ).first()
        worst = None
        for side in Side:
            seen = 0 if before is None else before[side]
            rows = session.execute(
                select(Batch.window, SealedPayload.sealed_at_ms)
                .join(
                    SealedPayload,
                    (SealedPayload.agreement == Batch.agreement)
                    & (SealedPayload.side == Batch.side)
                    & (SealedPayload.seq == Batch.seq)
                    & (SealedPayload.head == Batch.head),
                )
                .where(
                    Batch.agreement == run.agreement,
                    Batch.side == int(side),
                    Batch.seq > seen,
                    Batch.seq <= prepared.last_seqs[side],
                )
            ).all()
            for window, sealed_at_ms in rows:
                spent = max(now_ms - sealed_at_ms, 0)
                worst = max(worst or 0, spent)
                session.add(
                    LatencySample(
                        agreement=run.agreement,
                        window=window,
                        what="sealed-to-match",
                        at_ms=now_ms,
                        ms=spent,
                    )
                )
        return worst

    # ----------------------------------------------------------------------- results
    def attest(
        self, agreement: bytes, window: int, *, single: bool = False, actor: str = "node"
    ) -> int:
        """Sign a window's proof as APPROVER and hand it to the outbox; return the intent.

        `single` marks a one-person enterprise that signed alone (flag bit 0).
        """
        with self._writing() as session:
            facts = self._facts(session, agreement)
            row = attesting.current_report(session, agreement, window)
            signed = attesting.sign_result(session, self._identity, facts, row, single=single)
            intent = self._calls.attest(session, agreement, signed.side, signed.args)
            record_act(
                session,
                actor=actor,
                act="attest",
                subject=agreement.hex(),
                now_ms=self._identity.clock(),
                details={"window": str(window), "digest": row.digest.hex(), "single": single},
            )
            return intent

    # --------------------------------------------------------------------- reactions
    def react(self, *, scheduled: bool = True) -> int:
        """Match what arrived, prove what both closed, follow results; return how much was done.

        `scheduled` also closes own windows whose `close_at` has come.
        """
        with self._reading() as session:
            member = self._identity.member(session)
            found = [
                facts
                for facts in all_facts(session, member)
                if member is not None
                and (facts.sides or member in facts.observers)
                and facts.state in {ACTIVE, ENDING, "ENDED"}
            ]
        self._resting = False
        return sum(self._react_to(facts, scheduled=scheduled) for facts in found)

    @property
    def resting(self) -> bool:
        """Say whether a provisional run waits because the last one took long."""
        return self._resting

    def _react_to(self, facts: Facts, *, scheduled: bool) -> int:
        done = 0
        if self._provisional_due(facts.agreement):
            started = time.perf_counter_ns()
            done += self._try(lambda: self.provisional(facts.agreement), facts.agreement)
            spent_ms = (time.perf_counter_ns() - started) // NS_PER_MS
            self._rest_until_ms[facts.agreement] = self._identity.clock() + spent_ms * REST_FACTOR
        for window in self._provable(facts.agreement):
            proving = functools.partial(self.prove, facts.agreement, window)
            done += self._try(proving, facts.agreement)
        done += self._follow(facts)
        return done + (self._close_scheduled(facts) if scheduled else 0)

    def _try(self, run: Callable[[], RunView], agreement: bytes) -> int:
        """Run what may be refused for reasons that pass; one agreement never stops the others."""
        try:
            run()
        except (ProtocolError, InputError, UsageError) as error:
            _log.warning("not run", agreement=agreement, code=error.code, says=error.message)
            return 0
        return 1

    def _provisional_due(self, agreement: bytes) -> bool:
        with self._reading() as session:
            window = self._open_window(session, agreement)
            if window is None:
                return False
            run = session.execute(
                select(MatchRun)
                .where(MatchRun.agreement == agreement, MatchRun.kind == PROVISIONAL)
                .limit(1)
            ).scalar_one_or_none()
            agreed = last_agreed(session, agreement)
            tips = [
                state.last_seq if (state := session.get(StreamState, (agreement, int(side)))) else 0
                for side in Side
            ]
        due = run is None or (
            [run.servicer_seq, run.owner_seq] != tips
            or run.previous_window != (None if agreed is None else agreed.window)
        )
        if due and self._identity.clock() < self._rest_until_ms.get(agreement, 0):
            self._resting = True
            return False
        return due

    def _provable(self, agreement: bytes) -> list[int]:
        """Return the windows both closed, finally, whose proof is missing or has moved."""
        with self._reading() as session:
            final = final_block(session)
            closed: dict[int, dict[int, bytes]] = {}
            agreed = last_agreed(session, agreement)
            query = select(Closing).where(
                Closing.agreement == agreement, Closing.block_number <= final
            )
            if agreed is not None:
                query = query.where(Closing.window > agreed.window)
            for row in session.execute(query).scalars():
                closed.setdefault(row.window, {})[row.side] = row.head
            previous = bytes(32) if agreed is None else agreed.digest
            due = []
            for window, heads in sorted(closed.items()):
                if len(heads) == len(Side) and not self._proven(
                    session, agreement, window, heads, previous
                ):
                    due.append(window)
            return due

    def _proven(
        self,
        session: Session,
        agreement: bytes,
        window: int,
        heads: dict[int, bytes],
        previous: bytes,
    ) -> bool:
        found = session.execute(
            select(ReportRow.id).where(
                ReportRow.agreement == agreement,
                ReportRow.window == window,
                ReportRow.servicer_head == heads[Side.SERVICER],
                ReportRow.owner_head == heads[Side.OWNER],
                ReportRow.previous_agreed_digest == previous,
                ReportRow.state != SUPERSEDED,
            )
        ).first()
        return found is not None

    def _follow(self, facts: Facts) -> int:
        with self._writing() as session:
            moved, to_post = attesting.follow(session, facts)
            for _, record in to_post:
                self._reactions.queue_sections(session, facts.agreement, record)
        return moved

    def _close_scheduled(self, facts: Facts) -> int:
        """Close own windows at `close_at`; those due before the agreement began are left alone."""
        side = facts.our_side
        if side is None or facts.state not in {ACTIVE, ENDING}:
            return 0
        now_ms = self._identity.clock()
        with self._reading() as session:
            state = session.get(StreamState, (facts.agreement, int(side)))
            if state is None or state.closed_window is None:
                return 0
            row = session.get(Agreement, facts.agreement)
            began_ms = 0 if row is None else (row.activated_at_s or 0) * 1000
            posted = session.execute(
                select(Batch.window)
                .where(
                    Batch.agreement == facts.agreement,
                    Batch.window > state.closed_window,
                    Batch.block_number <= final_block(session),
                )
                .distinct()
            ).scalars()
            due = [
                window
                for window in posted
                if began_ms
                <= terms_at(session, facts.agreement, window).close_at_ms(window)
                <= now_ms
            ]
        if not due:
            return 0
        try:
            self._reactions.close_window(facts.agreement, max(due))
        except UsageError:
            # On its way already.
            return 0
        return 1

    # ------------------------------------------------------------------------ reading
    def status(self, agreement: bytes | None = None) -> tuple[WindowStatus, ...]:
        """Return agreements × windows, newest window first."""
        now_ms = self._identity.clock()
        with self._reading() as session:
            found = [
                facts
                for facts in all_facts(session, self._identity.member(session))
                if agreement in {None, facts.agreement}
            ]
            return tuple(
                states.status_of(session, facts, window, now_ms=now_ms)
                for facts in found
                for window in states.windows_of(session, facts.agreement)
            )

    def window_status(self, agreement: bytes, window: int) -> WindowStatus:
        """Return one agreement × window."""
        with self._reading() as session:
            facts = self._facts(session, agreement)
            return states.status_of(session, facts, window, now_ms=self._identity.clock())

    def report(self, agreement: bytes, window: int) -> StoredReport:
        """Return a window's proof; `UsageError` REPORT_NOT_COMPUTED."""
        with self._reading() as session:
            found = attesting.current_report(session, agreement, window)
            row = session.execute(
                select(ReportRow)
                .where(ReportRow.id == found.id)
                .options(
                    undefer(ReportRow.report),
                    undefer(ReportRow.groups),
                    undefer(ReportRow.proposals),
                )
            ).scalar_one()
            return StoredReport(
                window=row.window,
                digest=row.digest,
                state=row.state,
                report=msgspec.json.decode(row.report),
                groups=tuple(group_from_json(item) for item in msgspec.json.decode(row.groups)),
                proposals=tuple(msgspec.json.decode(row.proposals)),
                signature=row.signature,
                signer=row.signer,
                revision=row.revision,
            )

    def latencies(self, agreement: bytes | None = None) -> Latency:
        """Return T+0 latencies."""
        with self._reading() as session:
            return states.latency_of(session, agreement)

    def totals(self) -> TodayTotals:
        """Return the first line of the desk, over every agreement's newest window."""
        newest: dict[bytes, WindowStatus] = {}
        for row in self.status():
            newest.setdefault(row.agreement, row)
        unexplained: dict[str, int] = {}
        for row in newest.values():
            for currency, minor in row.proof:
                unexplained[currency] = unexplained.get(currency, 0) + minor
        rows: list[Any] = list(newest.values())
        return TodayTotals(
            agreements=len(rows),
            entries=sum(row.servicer_entries + row.owner_entries for row in rows),
            matched_entries=sum(row.matched_entries for row in rows),
            open_breaks=sum(row.open_breaks for row in rows),
            unexplained=tuple(sorted(unexplained.items())),
            waiting_for_us=sum(
                1 for row in rows if row.state not in SETTLED_STATES | {"ATTESTED", "OPEN"}
            ),
        )


def _view(prepared: Prepared, result: Result, *, provisional: bool) -> RunView:
    open_counts = [len(result.matched.open[side]) for side in Side]
    return RunView(
        agreement=prepared.run.agreement,
        window=prepared.run.window,
        provisional=provisional,
        digest=result.digest,
        complete=result.complete,
        balance_proven=result.balance_proven,
        entries=(
            open_counts[0] + sum(len(group.servicer) for group in result.groups),
            open_counts[1] + sum(len(group.owner) for group in result.groups),
        ),
        groups=len(result.groups),
        breaks=result.breaks,
        timing_ms=result.timing_ms,
    )


def reason_of(error: KanheError) -> str:
    """Return an error in one line."""
    return f"{error.message} [{error.code}]"
