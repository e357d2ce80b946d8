"""Runs: provisional as batches arrive, proofs over closed windows, both kept as rows."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from node.acts import record_act
from node.agreements import Facts, facts_of, final_block
from node.attempts import Attempts
from node.calls import Calls
from node.db import Database, translated
from node.identity import Identity
from node.moves import Moves
from node.services.reconciliation.agreed import last_agreed
from node.services.reconciliation.going_on import Going, GoingOn
from node.services.reconciliation.inputs import Prepared, prepare
from node.services.reconciliation.memory import Memory
from node.services.reconciliation.storing import (
    PROOF,
    PROVISIONAL,
    promote_run,
    row_of,
    store_moved,
    store_report,
    store_run,
)
from node.services.reconciliation.views import (
    RunView,
)
from node.services.reconciliation.waiting import Waiting
from node.tables import (
    AgreedResult,
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
    ProtocolError,
    SectionDigest,
    Side,
    UsageError,
)
from reconcile.report import Result, reconcile
from reconcile.report.memory import no_collection

# A newer run of more entries is not kept in memory: a proof then computes it again.
KEPT_ENTRIES: Final = 1_000_000
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


@dataclass(frozen=True, slots=True)
class _Newest:
    """An agreement's newest provisional run, in memory alone: a restart computes it again.

    `closed`: both sides' closings of its window had been read. `result`: None of one that went on.
    """

    prepared: Prepared
    result: Result | None
    run_id: int
    closed: bool


class Runs:
    """Makes runs and keeps them."""

    def __init__(
        self,
        database: Database,
        identity: Identity,
        calls: Calls,
        reactions: Reactions,
        *,
        attempts: Attempts,
        moves: Moves | None = None,
        threads: int | None = None,
    ) -> None:
        self._database = database
        self._identity = identity
        self._calls = calls
        self._attempts = attempts
        self._moves = moves or Moves()
        self._reactions = reactions
        self._threads = threads
        self._rest_until_ms: dict[bytes, int] = {}
        self._resting = False
        # Whether the agreement that is looked at did not come through, or was refused something.
        self._refused = False
        self._newest: dict[bytes, _Newest] = {}
        self._memory = Memory()
        self._going = GoingOn()
        self._waiting = Waiting()
        self._recompute_at_ms: dict[bytes, int] = {}
        # What the engine refused is refused again, so long as nothing else is given: it rests.
        self._refused_until_ms: dict[tuple[bytes, int], int] = {}

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

    def provisional(self, agreement: bytes) -> RunView:
        """Match everything read so far (T+0); unconfirmed rows count."""
        prepared, closed = self._prepare_now(agreement)
        return self._run_whole(agreement, prepared, closed=closed, before=None)

    def match_new(self, agreement: bytes) -> None:
        """Bring the provisional run up to date: by what is new where that is enough."""
        prepared, closed = self._prepare_now(agreement)
        before = self._going.take(agreement)
        if before is None or closed or not self._go_on(agreement, before, prepared):
            self._run_whole(agreement, prepared, closed=closed, before=before)

    def _prepare_now(self, agreement: bytes) -> tuple[Prepared, bool]:
        """Return the input of a provisional run, and whether both sides closed its window."""
        with self._reading() as session:
            facts = self._facts(session, agreement)
            window = self._open_window(session, agreement)
            if window is None:
                raise UsageError(
                    "NOTHING_TO_MATCH",
                    "nothing was posted behind the last agreed window",
                    help="import a file first",
                )
            closed = self._both_closed(session, agreement, window)
            prepared = prepare(
                session,
                facts,
                window,
                memory=self._memory,
                provisional=True,
                threads=self._threads,
            )
        return prepared, closed

    def _run_whole(
        self, agreement: bytes, prepared: Prepared, *, closed: bool, before: Going | None
    ) -> RunView:
        self._newest.pop(agreement, None)
        with no_collection():
            result = self._run(prepared)
            with self._writing() as session:
                now_ms = self._identity.clock()
                latency = self._sample(session, prepared, now_ms)
                row = store_run(
                    session, prepared, result, kind=PROVISIONAL, latency_ms=latency, now_ms=now_ms
                )
        if before is not None:
            comparing = functools.partial(_compare, before, prepared, result)
            self._attempts.run("compare what went on", comparing, agreement=agreement)
        if not closed:
            # What follows a closing is run as a whole anyway.
            self._going.put(agreement, Going(row.id, now_ms, prepared, result))
        if sum(len(prepared.run.book(side).entries) for side in Side) <= KEPT_ENTRIES:
            self._newest[agreement] = _Newest(prepared, result, row.id, closed)
        return _view(prepared, result, provisional=True)

    def _go_on(self, agreement: bytes, going: Going, prepared: Prepared) -> bool:
        """Match what is new and store what moved; False where everything must be run.

        What is refused here the whole run refuses too, and says it better.
        """
        try:
            moved = going.go_on(prepared)
        except InputError as error:
            _log.info("run again as a whole", agreement=agreement, code=error.code)
            return False
        if moved is None:
            return False
        with no_collection(), self._writing() as session:
            now_ms = max(self._identity.clock(), going.run_at_ms + 1)
            row = row_of(session, going)
            if row is None:
                return False
            latency = self._sample(session, prepared, now_ms)
            store_moved(session, row, prepared, moved, latency_ms=latency, now_ms=now_ms)
        going.run_at_ms = now_ms
        self._going.put(agreement, going)
        self._newest[agreement] = _Newest(prepared, None, going.run_id, closed=False)
        return True

    def _both_closed(self, session: Session, agreement: bytes, window: int) -> bool:
        """Say whether both sides closed a window, finally or not."""
        closings = (session.get(Closing, (agreement, int(side), window)) for side in Side)
        return all(closing is not None for closing in closings)

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
            return self._missing(session, agreement, window)

    def _missing(self, session: Session, agreement: bytes, window: int) -> list[int]:
        """Return the agreed windows below one whose reports are not here."""
        agreed = session.execute(
            select(AgreedResult.window, AgreedResult.digest)
            .where(AgreedResult.agreement == agreement, AgreedResult.window < window)
            .order_by(AgreedResult.window)
        ).all()
        rows = session.execute(
            select(ReportRow.window, ReportRow.digest).where(ReportRow.agreement == agreement)
        )
        known = {(row.window, row.digest) for row in rows}
        return [row.window for row in agreed if (row.window, row.digest) not in known]

    def _prove_one(self, agreement: bytes, window: int) -> RunView:
        with self._reading() as session:
            facts = self._facts(session, agreement)
            prepared = prepare(
                session,
                facts,
                window,
                memory=self._memory,
                provisional=False,
                threads=self._threads,
            )
            self._require_final(session, agreement, window)
        known = self._newest.pop(agreement, None)
        if known is None or known.result is None or known.prepared != prepared:
            known = None
        result = self._run(prepared) if known is None or known.result is None else known.result
        with no_collection(), self._writing() as session:
            now_ms = self._identity.clock()
            store_report(session, prepared, result, now_ms=now_ms)
            if known is None or not promote_run(
                session, known.run_id, prepared, result, now_ms=now_ms
            ):
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
        # A provisional run becomes the proof it turned out to be: both kinds have been read.
        before = session.execute(
            select(func.max(MatchRun.servicer_seq), func.max(MatchRun.owner_seq)).where(
                MatchRun.agreement == run.agreement
            )
        ).one()
        worst = None
        for side in Side:
            seen = before[side] or 0
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


def _compare(before: Going, prepared: Prepared, result: Result) -> int:
    before.require_same(prepared, result.groups)
    return 1


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
            open_counts[0] + len(result.groups.refs(Side.SERVICER)),
            open_counts[1] + len(result.groups.refs(Side.OWNER)),
        ),
        groups=len(result.groups),
        breaks=result.breaks,
        timing_ms=result.timing_ms,
    )
