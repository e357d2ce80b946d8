"""The reconciliation service: provisional runs, proofs, attestations, states."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import undefer

from node.acts import record_act
from node.agreements import all_facts, require_standing
from node.services.reconciliation import attesting, states
from node.services.reconciliation.adjusting import adjustment_of, bookings_of
from node.services.reconciliation.chaining import Chains, head_office_of, load_chains
from node.services.reconciliation.reacting import Reacting
from node.services.reconciliation.replaying import ReplayedWindow, replay, replayed_windows
from node.services.reconciliation.running import Reactions
from node.services.reconciliation.views import (
    SETTLED_STATES,
    Adjustment,
    Latency,
    StoredReport,
    TodayTotals,
    WindowStatus,
)
from node.tables import (
    ReportRow,
)
from reconcile.report import ChainState, SuggestedBooking, group_from_json
from reconcile.terms import Terms

__all__ = ["Reactions", "ReconciliationService"]


# How many of the newest windows are replayed where nobody names more.
REPLAY_WINDOWS = 10


class ReconciliationService(Reacting):
    """Runs, proofs and results of one node."""

    def attest(
        self,
        agreement: bytes,
        window: int,
        *,
        single: bool = False,
        shown: int | None = None,
        digest: str | None = None,
        actor: str = "node",
    ) -> int:
        """Sign a window's proof as APPROVER and hand it to the outbox; return the intent.

        `single` marks a one-person enterprise that signed alone (flag bit 0). `shown`: the row of
        the report that the person saw, `digest`: its digest or the beginning; `ProtocolError`
        REPORT_MOVED where another one stands.
        """
        with self._writing() as session:
            facts = self._facts(session, agreement)
            require_standing(session, self._identity.member(session))
            row = attesting.current_report(session, agreement, window)
            attesting.require_shown(row, shown, digest)
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

    def status(self, agreement: bytes | None = None) -> tuple[WindowStatus, ...]:
        """Return agreements × windows, newest window first; only those this member reads."""
        now_ms = self._identity.clock()
        with self._reading() as session:
            member = self._identity.member(session)
            found = [
                facts
                for facts in all_facts(session, member)
                if agreement in {None, facts.agreement}
                and (facts.sides or member in facts.observers)
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

    def adjustment(self, agreement: bytes, window: int) -> Adjustment:
        """Return a window's 余额调节表; `UsageError` REPORT_NOT_COMPUTED."""
        stored = self.report(agreement, window)
        with self._reading() as session:
            return adjustment_of(session, agreement, stored)

    def replay(
        self,
        agreement: bytes,
        terms: Terms,
        *,
        first_day: int | None = None,
        last_day: int | None = None,
        limit: int = REPLAY_WINDOWS,
    ) -> tuple[ReplayedWindow, ...]:
        """Return what past proven windows would match differently under other terms.

        Raises `UsageError` NOTHING_TO_REPLAY, `ProtocolError` BATCH_NOT_OPENED, REPORT_MISSING.
        """
        with self._reading() as session:
            facts = self._facts(session, agreement)
            windows = replayed_windows(
                session, facts, first_day=first_day, last_day=last_day, limit=limit
            )
            return tuple(replay(session, facts, terms, windows))

    def chains(
        self,
        *,
        only: Collection[bytes] | None = None,
        voucher_no: str | None = None,
        state: ChainState | None = None,
        open_only: bool = False,
        limit: int = 200,
    ) -> Chains:
        """Return head office's vouchers from branch to branch; `only` these agreements."""
        with self._reading() as session:
            ours = head_office_of(all_facts(session, self._identity.member(session)))
            agreements = [f.agreement for f in ours if only is None or f.agreement in only]
            return load_chains(
                session,
                agreements,
                voucher_no=voucher_no,
                state=state,
                open_only=open_only,
                limit=limit,
            )

    def bookings(
        self, agreement: bytes, window: int, *, booking_date: str | None = None
    ) -> tuple[StoredReport, tuple[SuggestedBooking, ...]]:
        """Return a window's proof and the vouchers that would settle what it leaves open.

        `booking_date` (ISO 8601): by default the next day on which both sides work. Raises
        `UsageError` REPORT_NOT_COMPUTED.
        """
        stored = self.report(agreement, window)
        with self._reading() as session:
            return stored, bookings_of(session, agreement, stored, booking_date)

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
