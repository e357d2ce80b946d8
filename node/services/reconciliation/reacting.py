"""What happens by itself: matching, proving, following results, closing on schedule."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from node.agreements import ACTIVE, ENDING, Facts, all_facts, final_block, terms_at
from node.services.reconciliation import attesting, refusing
from node.services.reconciliation.agreed import last_agreed
from node.services.reconciliation.running import Runs
from node.services.reconciliation.storing import (
    PROVISIONAL,
    SUPERSEDED,
)
from node.tables import (
    Agreement,
    Batch,
    Closing,
    MatchRun,
    ReportRow,
    StreamState,
)
from node.telemetry import logger
from reconcile.model import (
    InputError,
    ProtocolError,
    Side,
    UsageError,
)

# The next provisional run waits as long as this many of the last one worked, so that matching
# never takes more than a part of the machine however fast batches come.
REST_FACTOR: Final = 1
SHORT_RUN_MS: Final = 500
# A run that nothing followed for so long is taken over; a closing may follow an import at once.
TAKE_OVER_AFTER_MS: Final = 1_000
RECOMPUTE_AGAIN_MS: Final = 60_000
LAST_WINDOW: Final = 2**32 - 2
MATCH: Final = "match"
NS_PER_MS: Final = 1_000_000
_log = logger("reconciliation")


class _Due(NamedTuple):
    """What one agreement's rows ask for."""

    missing: bool
    provisional: bool
    provable: list[int]
    follows: bool
    unclosed: bool


class Reacting(Runs):
    """Reacts to what the chain brought and to the clock."""

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
        rests, done = False, 0
        for facts in found:
            if not self._moves.due(MATCH, facts.agreement):
                continue
            self._resting, self._refused = False, True
            reacting = functools.partial(self._react_to, facts, scheduled=scheduled)
            matched = self._attempts.run(MATCH, reacting, agreement=facts.agreement)
            waits = self._resting or self._refused or self._going.waits(facts.agreement)
            self._moves.looked(MATCH, facts.agreement, done=matched > 0, waits=waits)
            rests |= self._resting
            done += matched
        self._resting = rests
        return done

    @property
    def resting(self) -> bool:
        """Say whether a provisional run waits because the last one took long."""
        return self._resting

    def _react_to(self, facts: Facts, *, scheduled: bool) -> int:
        due = self._due(facts, scheduled=scheduled)
        self._refused = False
        done = self._recompute(facts.agreement) if due.missing else 0
        if due.provisional:
            # The work and not the waiting: beside other programs a rest would grow by their share.
            started = time.thread_time_ns()
            matching = functools.partial(self.match_new, facts.agreement)
            with self._reading() as session:
                newest = self._open_window(session, facts.agreement)
            done += self._try("match now", matching, facts.agreement, newest)
            spent_ms = (time.thread_time_ns() - started) // NS_PER_MS
            rest_ms = spent_ms * REST_FACTOR if spent_ms > SHORT_RUN_MS else 0
            self._rest_until_ms[facts.agreement] = self._identity.clock() + rest_ms
        for window in due.provable:
            proving = functools.partial(self.prove, facts.agreement, window)
            done += self._try(f"prove window {window}", proving, facts.agreement, window)
        # What was proven just now is followed in the next turn, which looks again.
        done += self._follow(facts) if due.follows or self._refused else 0
        done += self._close_scheduled(facts) if due.unclosed else 0
        if not done and not self._resting:
            taking_over = functools.partial(self._take_over, facts.agreement)
            self._attempts.run("take over", taking_over, agreement=facts.agreement)
        return done

    def _due(self, facts: Facts, *, scheduled: bool) -> _Due:
        """Say what there is to do, from one reading of the rows."""
        with self._reading() as session:
            return _Due(
                missing=bool(self._missing(session, facts.agreement, LAST_WINDOW + 1)),
                provisional=self._provisional_due(session, facts.agreement),
                provable=self._provable(session, facts.agreement),
                follows=attesting.anything_open(session, facts.agreement),
                unclosed=scheduled and bool(self._unclosed(session, facts)),
            )

    def _take_over(self, agreement: bytes) -> int:
        """Take the last run over while nothing comes, so that the next batch finds it done."""
        going = self._going.take_quiet(agreement, self._identity.clock() - TAKE_OVER_AFTER_MS)
        if going is not None and going.take_over():
            self._going.put(agreement, going)
        return 0

    def _recompute(self, agreement: bytes) -> int:
        """Compute agreed reports that are not here: the results of a database that was replayed."""
        now_ms = self._identity.clock()
        if now_ms < self._recompute_at_ms.get(agreement, 0):
            return 0
        done = 0
        for window in self._missing_reports(agreement, LAST_WINDOW + 1):
            proving = functools.partial(self._prove_one, agreement, window)
            if not self._try(f"prove window {window} again", proving, agreement, window):
                self._recompute_at_ms[agreement] = now_ms + RECOMPUTE_AGAIN_MS
                break
            done += 1
        return done

    def _try(
        self, name: str, run: Callable[[], object], agreement: bytes, window: int | None
    ) -> int:
        """Run what may be refused, or fail: one window never stops the others, nor posting."""
        done = self._tried(name, run, agreement, window)
        # It is tried again: the agreement does not rest.
        self._refused |= not done
        return done

    def _tried(
        self, name: str, run: Callable[[], object], agreement: bytes, window: int | None
    ) -> int:
        now_ms = self._identity.clock()
        place = (agreement, -1 if window is None else window)
        if now_ms < self._refused_until_ms.get(place, 0):
            return 0

        def attempt() -> int:
            try:
                run()
            except (ProtocolError, InputError, UsageError) as error:
                _log.warning("not run", agreement=agreement, code=error.code, says=error.message)
                if isinstance(error, InputError) and window is not None:
                    self._refused_until_ms[place] = now_ms + refusing.AGAIN_MS
                    with self._writing() as session:
                        refusing.report(session, agreement, window, error, now_ms)
                return 0
            self._went_through(agreement, window, now_ms)
            return 1

        return self._attempts.run(name, attempt, agreement=agreement)

    def _went_through(self, agreement: bytes, window: int | None, now_ms: int) -> None:
        """Close the refusal of a window that was run; one of an earlier process too."""
        if window is None:
            return
        self._refused_until_ms.pop((agreement, window), None)
        with self._reading() as session:
            stands = (agreement, window) in refusing.standing(session, [agreement])
        if stands:
            with self._writing() as session:
                refusing.went_through(session, agreement, window, now_ms)

    def _provisional_due(self, session: Session, agreement: bytes) -> bool:
        window = self._open_window(session, agreement)
        if window is None:
            return False
        run = session.execute(
            select(MatchRun)
            .where(
                MatchRun.agreement == agreement,
                or_(MatchRun.kind == PROVISIONAL, MatchRun.window == window),
            )
            .order_by(MatchRun.run_at_ms.desc(), MatchRun.id.desc())
            .limit(1)
        ).scalar_one_or_none()
        agreed = last_agreed(session, agreement)
        after = None if agreed is None else agreed.window
        states = [session.get(StreamState, (agreement, int(side))) for side in Side]
        tips = _by_side(0 if state is None else state.last_seq for state in states)
        alone = sum(_posted_behind(state, after) for state in states) == 1
        closed = self._both_closed(session, agreement, window)
        posted = _by_side(0 if state is None else state.entry_count for state in states)
        due = run is None or (run.servicer_seq, run.owner_seq, run.previous_window) != (
            *tips,
            after,
        )
        if not due and closed and run is not None and run.kind == PROVISIONAL:
            # Computed while the closings become final, so that the proof has it ready.
            newest = self._newest.get(agreement)
            due = newest is not None and not newest.closed
        now_ms = self._identity.clock()
        waits = not closed and self._waiting.waits(
            agreement, tips, posted, alone=alone, now_ms=now_ms
        )
        if due and (waits or now_ms < self._rest_until_ms.get(agreement, 0)):
            self._resting = True
            return False
        if due:
            self._waiting.runs(agreement, posted)
        return due

    def _provable(self, session: Session, agreement: bytes) -> list[int]:
        """Return the windows both closed, finally, whose proof is missing or has moved."""
        final = final_block(session)
        closed: dict[int, dict[int, bytes]] = {}
        agreed = last_agreed(session, agreement)
        query = select(Closing).where(Closing.agreement == agreement, Closing.block_number <= final)
        if agreed is not None:
            query = query.where(Closing.window > agreed.window)
        for row in session.execute(query).scalars():
            closed.setdefault(row.window, {})[row.side] = row.head
        previous = bytes(32) if agreed is None else agreed.digest
        return [
            window
            for window, heads in sorted(closed.items())
            if len(heads) == len(Side)
            and not self._proven(session, agreement, window, heads, previous)
        ]

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

    def _unclosed(self, session: Session, facts: Facts) -> list[int]:
        """Return the windows with final batches that our side has not closed."""
        side = facts.our_side
        if side is None or facts.state not in {ACTIVE, ENDING}:
            return []
        state = session.get(StreamState, (facts.agreement, int(side)))
        if state is None or state.closed_window is None:
            return []
        posted = session.execute(
            select(Batch.window)
            .where(
                Batch.agreement == facts.agreement,
                Batch.window > state.closed_window,
                Batch.block_number <= final_block(session),
            )
            .distinct()
        )
        return list(posted.scalars())

    def _close_scheduled(self, facts: Facts) -> int:
        """Close own windows at `close_at`; those due before the agreement began are left alone."""
        now_ms = self._identity.clock()
        with self._reading() as session:
            row = session.get(Agreement, facts.agreement)
            began_ms = 0 if row is None else (row.activated_at_s or 0) * 1000
            due = [
                window
                for window in self._unclosed(session, facts)
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


def _by_side(numbers: Iterable[int]) -> tuple[int, int]:
    servicer, owner = numbers
    return servicer, owner


def _posted_behind(state: StreamState | None, after: int | None) -> bool:
    """Say whether a side posted behind the last agreed window."""
    if state is None or state.posted_window is None:
        return False
    return after is None or state.posted_window > after
