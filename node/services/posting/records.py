"""Records that come from no file: entries of programs, decisions, watermarks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from node.agreements import require_active, require_side, terms_at
from node.books import Book
from node.identity import chain_time_s
from node.services.posting.balances import keep_balances, stated_by_window
from node.services.posting.base import Base
from node.services.posting.queue import (
    enqueue,
    enqueue_other,
    lowest_open_window,
    sort_out,
    standing,
)
from node.services.posting.views import Stated
from node.services.posting.watermark import Watermark, set_until
from reconcile.model import Balance, Decision, Entry, SectionDigest, Side


class Records(Base):
    """Queues what programs and people give."""

    def queue_entries(
        self,
        agreement: bytes,
        entries: Sequence[Entry],
        *,
        side: Side | None = None,
        window: int | None = None,
        opening: Mapping[str, Balance] | None = None,
        closing: Mapping[str, Balance] | None = None,
        source: str = "program",
        actor: str = "node",
    ) -> int:
        """Queue entries that come from a program and not from a file; return how many are new.

        All entries go to `window`, or each to its own; balances need a `window`.
        """
        with self._writing() as session:
            facts = self._facts(session, agreement)
            chosen = require_side(facts, side)
            require_active(facts)
            self._require_room(session, len(entries))
            terms = terms_at(session, agreement, window)
            lowest = lowest_open_window(session, agreement, chosen, terms)
            windows = [
                window if window is not None else max(terms.window_for(entry), lowest)
                for entry in entries
            ]
            stands = standing(session, agreement, chosen, (item.entry_ref for item in entries))
            fresh, _ = sort_out(entries, stands, windows, file=source)
            now_ms = self._identity.clock()
            enqueue(session, agreement, chosen, fresh, file_id=None, now_ms=now_ms)
            if opening or closing:
                book = Book("", tuple(entries), (), opening or {}, closing or {}, (), True)
                by_window = (
                    stated_by_window(book, windows)
                    if window is None
                    else {window: Stated(dict(opening or {}), dict(closing or {}))}
                )
                keep_balances(session, agreement, chosen, by_window, file_id=None)
            self._act(
                session, actor, "queue", agreement.hex(), side=chosen.word, queued=str(len(fresh))
            )
            return len(fresh)

    def queue_record(
        self,
        agreement: bytes,
        record: Decision | SectionDigest,
        *,
        side: Side | None = None,
        actor: str = "node",
    ) -> bool:
        """Queue a decision or a section digest; False when it stands already."""
        with self._writing() as session:
            return self.queue_within(session, agreement, record, side=side, actor=actor)

    def queue_within(
        self,
        session: Session,
        agreement: bytes,
        record: Decision | SectionDigest,
        *,
        side: Side | None = None,
        actor: str = "node",
    ) -> bool:
        """Queue a decision or section digest inside the caller's transaction."""
        facts = self._facts(session, agreement)
        side = require_side(facts, side)
        terms = terms_at(session, facts.agreement, None)
        local = chain_time_s(session) + facts.utc_offset_min * 60
        today = max(local // 86_400, 0) * 8
        window = max(lowest_open_window(session, facts.agreement, side, terms), today)
        queued = enqueue_other(
            session, facts.agreement, side, record, window=window, now_ms=self._identity.clock()
        )
        if queued:
            kind = type(record).__name__
            self._act(session, actor, "queue", facts.agreement.hex(), side=side.word, record=kind)
        return queued

    def complete_until(
        self, agreement: bytes, until_ms: int, *, side: Side | None = None, actor: str = "node"
    ) -> None:
        """Say that every entry of ours that occurred up to then is posted or queued."""
        with self._writing() as session:
            facts = self._facts(session, agreement)
            chosen = require_side(facts, side)
            terms = terms_at(session, agreement, None)
            local_day = (until_ms // 1000 + facts.utc_offset_min * 60) // 86_400
            lowest = lowest_open_window(session, agreement, chosen, terms)
            mark = Watermark(until_ms, max(lowest, local_day * 8))
            set_until(session, agreement, chosen, mark)
            self._act(session, actor, "complete-until", agreement.hex(), until_ms=str(until_ms))
