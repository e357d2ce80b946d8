"""What every part of the posting service shares: sessions, the audit row, room in the queue."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from node.acts import record_act
from node.agreements import Facts, facts_of
from node.attempts import Attempts
from node.calls import Calls
from node.db import Database, translated
from node.errors import BackPressure
from node.identity import Identity
from node.services.posting.judging import RulesOf
from node.services.posting.queue import QUEUED
from node.tables import QueuedRecord
from reconcile.statements import Profile

RETRY_AFTER_S: Final = 5


class Base:
    """Sessions, audit rows and back-pressure."""

    def __init__(
        self,
        database: Database,
        identity: Identity,
        calls: Calls,
        *,
        attempts: Attempts,
        rules_of: RulesOf,
        queue_limit: int,
        outbox_limit: int,
        own_profiles: Callable[[], tuple[Profile, ...]] = tuple,
    ) -> None:
        self._database = database
        self._identity = identity
        self._calls = calls
        self._attempts = attempts
        self._rules_of = rules_of
        self._queue_limit = queue_limit
        self._outbox_limit = outbox_limit
        self.own_profiles = own_profiles

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Session]:
        with translated(), self._database.writing.begin() as session:
            yield session

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Session]:
        with translated(), self._database.reading() as session:
            yield session

    def _act(self, session: Session, actor: str, act: str, subject: str, **details: str) -> None:
        record_act(
            session,
            actor=actor,
            act=act,
            subject=subject,
            now_ms=self._identity.clock(),
            details=details,
        )

    def _facts(self, session: Session, agreement: bytes) -> Facts:
        return facts_of(session, agreement, self._identity.require_member(session))

    def _require_room(self, session: Session, coming: int) -> None:
        """Refuse what the queue cannot hold, instead of growing without bound."""
        stands = session.execute(
            select(func.count(QueuedRecord.id)).where(QueuedRecord.state == QUEUED)
        ).scalar_one()
        if stands + coming > self._queue_limit:
            raise BackPressure(
                "QUEUE_FULL",
                f"{stands:,} records wait already, at most {self._queue_limit:,} may",
                retry_after_s=RETRY_AFTER_S,
                help="wait until the ledger has taken some; is the chain up?",
            )
