"""Streams: sealing what is due, closing windows, going on with closings that had to wait."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from node.agreements import (
    ACTIVE,
    ENDING,
    Facts,
    all_facts,
    last_closing,
    require_active,
    require_side,
    terms_at,
)
from node.identity import chain_time_s
from node.outbox import GENERATION, catches_up
from node.services.posting import closing as wishes
from node.services.posting.balances import derived_opening, waiting_balances
from node.services.posting.due import sides_waiting
from node.services.posting.queue import QUEUED, closed_or_closing, move_late
from node.services.posting.records import Records
from node.services.posting.sealing import (
    is_due,
    newest_usable_epoch,
    seal_next,
    tip_of,
    usable_epoch,
    waiting,
)
from node.services.posting.watermark import waiting_until
from node.tables import NodeFact, QueuedRecord, SealedPayload
from reconcile.model import (
    Balance,
    Entry,
    OutsideError,
    Side,
    UsageError,
    day_iso,
    window_day,
)
from reconcile.report.memory import no_collection

OPENING_WINDOW: Final = 0
BATCHES_A_TURN: Final = 64


class Streams(Records):
    """Seals batches and closes windows."""

    def open_position(
        self,
        agreement: bytes,
        *,
        items: Sequence[Entry] = (),
        closing: Mapping[str, Balance] | None = None,
        side: Side | None = None,
        actor: str = "node",
    ) -> int | None:
        """Post and close window 0: the items in transit, and the book balance as its closing.

        The opening is closing − Σ items (ledger.md, "Header"). Returns the closing's intent, or
        None when an epoch key is awaited first; `seal_due` then goes on by itself.
        """
        with self._reading() as session:
            facts = self._facts(session, agreement)
            chosen = require_side(facts, side)
        stated = dict(closing or {})
        self.queue_entries(
            agreement,
            items,
            side=chosen,
            window=OPENING_WINDOW,
            opening=derived_opening(items, stated),
            closing=stated,
            source="opening position",
            actor=actor,
        )
        return self.close_window(agreement, OPENING_WINDOW, side=chosen, actor=actor)

    def seal_due(self, *, flush: bool = False, agreement: bytes | None = None) -> int:
        """Seal what is due and hand it to the outbox; return how many batches.

        `flush` does not wait for the posting interval. Pauses while the outbox is full.
        """
        sealed = 0
        with self._reading() as session:
            member = self._identity.member(session)
            if member is None:
                return 0
            some = sides_waiting(session)
            found = [
                (facts, side)
                for facts in (all_facts(session, member) if some else ())
                if facts.state in {ACTIVE, ENDING} and agreement in {None, facts.agreement}
                for side in facts.sides
                if (facts.agreement, side) in some
            ]
        for facts, side in found:
            sealing = functools.partial(self._seal_side, facts, side, flush=flush)
            sealed += self._attempts.run(f"seal {side.word}", sealing, agreement=facts.agreement)
        return sealed

    def _seal_side(self, facts: Facts, side: Side, *, flush: bool) -> int:
        for sealed in range(BATCHES_A_TURN):
            with self._writing() as session:
                if not self._seal_one(session, facts, side, flush=flush):
                    return sealed
        return BATCHES_A_TURN

    def _seal_one(self, session: Session, facts: Facts, side: Side, *, flush: bool) -> bool:
        terms = terms_at(session, facts.agreement, None)
        other = bool(waiting_balances(session, facts.agreement, side)) or (
            waiting_until(session, facts.agreement, side) is not None
        )
        now_ms = self._identity.clock()
        found = waiting(session, facts.agreement, side)
        if not is_due(found, terms, now_ms=now_ms, flush=flush, other=other):
            return False
        if self._in_flight(session) >= self._outbox_limit or catches_up(session):
            return False
        epoch = usable_epoch(
            session,
            self._identity.keys.ring,
            facts,
            side,
            chain_time_s=chain_time_s(session),
        )
        if epoch is None:
            return False
        move_late(session, facts.agreement, side, terms)
        payload = seal_next(
            session,
            facts,
            side,
            self._identity.place.stream(facts.agreement, side),
            epoch,
            terms,
            self._calls.post,
            rules_of=self._rules_of,
            generation=self._generation(session),
            now_ms=now_ms,
        )
        return payload is not None

    def _in_flight(self, session: Session) -> int:
        return session.execute(
            select(func.count(SealedPayload.id)).where(SealedPayload.state == "READY")
        ).scalar_one()

    def _generation(self, session: Session) -> int:
        fact = session.get(NodeFact, GENERATION)
        return 0 if fact is None else int(fact.value)

    @no_collection()
    def close_window(
        self, agreement: bytes, window: int, *, side: Side | None = None, actor: str = "node"
    ) -> int | None:
        """Close a window: "this is all I have"; what waits for it is sealed first.

        Returns the intent's id, or None when records must first wait for an epoch key: the
        wish is kept and `react` goes on. Records that are held stay behind: an incident says so,
        and `held_up_to` counts them for who closes. Raises `UsageError` WINDOW_CLOSED.
        """
        with self._writing() as session:
            facts = self._facts(session, agreement)
            chosen = require_side(facts, side)
            require_active(facts)
            closed = closed_or_closing(session, agreement, chosen)
            if closed is not None and window <= closed:
                raise UsageError(
                    "WINDOW_CLOSED",
                    f"window {window} is closed on this side (the last is {closed})",
                    help="see `kanhe status`",
                )
            if closed is None and window != OPENING_WINDOW:
                raise UsageError(
                    "OPENING_NOT_CLOSED",
                    "the opening position, window 0, is closed first",
                    help="post it with the items in transit, or close it empty",
                )
            self._require_come(session, facts, window)
            wishes.wish(session, agreement, chosen, window)
            now_ms = self._identity.clock()
            held = wishes.report_held(session, agreement, chosen, window, now_ms)
            told = {"held": str(held)} if held else {}
            self._act(
                session,
                actor,
                "close",
                agreement.hex(),
                side=chosen.word,
                window=str(window),
                **told,
            )
        return self._close_wished(facts, chosen, window)

    def _require_come(self, session: Session, facts: Facts, window: int) -> None:
        """Refuse to close a day that has not come where the agreement's account is."""
        local_day = (chain_time_s(session) + facts.utc_offset_min * 60) // 86_400
        if window_day(window) > local_day:
            raise UsageError(
                "WINDOW_AHEAD",
                f"window {window} is {day_iso(window_day(window))}, today is {day_iso(local_day)}",
                help="a day is closed when it has come",
            )

    def _close_wished(self, facts: Facts, side: Side, window: int) -> int | None:
        """Seal what waits up to the window, then ask for the closing in one transaction."""
        while True:
            with self._writing() as session:
                if self._waits_up_to(session, facts, side, window):
                    if not self._seal_one(session, facts, side, flush=True):
                        return None
                    continue
                subject = self._calls.close_subject(facts.agreement, side, window)
                if self._calls.pending(session, subject) or self._shown(
                    session, facts, side, window
                ):
                    return None
                tip = tip_of(session, self._identity.place.stream(facts.agreement, side))
                return self._calls.close_window(
                    session, facts.agreement, side, window, tip.seq, tip.head
                )

    def _shown(self, session: Session, facts: Facts, side: Side, window: int) -> bool:
        row = last_closing(session, facts.agreement, side)
        return row is not None and row.window >= window

    def _waits_up_to(self, session: Session, facts: Facts, side: Side, window: int) -> bool:
        queued = session.execute(
            select(QueuedRecord.id)
            .where(
                QueuedRecord.agreement == facts.agreement,
                QueuedRecord.side == int(side),
                QueuedRecord.state == QUEUED,
                QueuedRecord.seq.is_(None),
                QueuedRecord.window <= window,
            )
            .limit(1)
        ).first()
        balances = waiting_balances(session, facts.agreement, side)
        return queued is not None or any(row.window <= window for row in balances)

    def close_by_default(
        self, agreement: bytes, side: Side, window: int, *, actor: str = "node"
    ) -> int:
        """Close the other, silent side's window at its head, once the terms' days are over."""
        with self._writing() as session:
            facts = self._facts(session, agreement)
            if facts.our_side is None or side is facts.our_side:
                raise UsageError("NOT_AGREEMENT_PARTY", "only the other side is closed by default")
            epoch = newest_usable_epoch(session, facts, side, chain_time_s(session))
            if epoch is None:
                raise OutsideError(
                    "EPOCH_NOT_USABLE",
                    f"the {side.word} has no usable epoch key",
                    help="a side that never had a key cannot be closed by default",
                )
            intent = self._calls.close_by_default(session, agreement, side, window, epoch)
            self._act(
                session, actor, "close-default", agreement.hex(), side=side.word, window=str(window)
            )
            return intent

    def react(self) -> int:
        """Seal what is due; ask (again) for closings that are wished and not on their way."""
        done = self.seal_due()
        with self._reading() as session:
            member = self._identity.member(session)
            found = wishes.all_wished(session)
            sides = [
                (facts, side, wishes.wished_of(found, facts.agreement, side))
                for facts in (all_facts(session, member) if found else ())
                for side in facts.sides
            ]
        for facts, side, windows in sides:
            if windows:
                closing = functools.partial(self._close_all, facts, side, windows)
                done += self._attempts.run(f"close {side.word}", closing, agreement=facts.agreement)
        return done

    def _close_all(self, facts: Facts, side: Side, windows: Sequence[int]) -> int:
        done = sum(self._close_wished(facts, side, window) is not None for window in windows)
        with self._writing() as session:
            return done + wishes.forget_done(session, facts.agreement, side)
