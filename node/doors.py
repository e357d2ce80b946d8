"""What the services of the blacklist's committee, readers and replicas are all given."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy.orm import Session

from node.acts import record_act
from node.attempts import Attempts
from node.committees import Committees
from node.db import Database, translated
from node.identity import Identity
from node.peers.peering import Peering


@dataclass(frozen=True, slots=True)
class Doors:
    """Rows, who we are, whom we call, what failed, and the committees as they are known."""

    database: Database
    identity: Identity
    peers: Peering
    attempts: Attempts
    committees: Committees

    @contextlib.contextmanager
    def writing(self) -> Iterator[Session]:
        """Open a transaction that may write."""
        with translated(), self.database.writing.begin() as session:
            yield session

    @contextlib.contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a snapshot to read."""
        with translated(), self.database.reading() as session:
            yield session

    def act(self, session: Session, actor: str, act: str, subject: str, **details: str) -> None:
        """Append an act to the audit log, inside the caller's transaction."""
        record_act(
            session,
            actor=actor,
            act=act,
            subject=subject,
            now_ms=self.identity.clock(),
            details=details,
        )
