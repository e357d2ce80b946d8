"""What every part of the network service shares: sessions, the audit row, local names."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.orm import Session

from node.acts import record_act
from node.attempts import Attempts
from node.calls import Calls
from node.db import Database, translated
from node.identity import Identity
from node.moves import Moves
from node.tables import PartyName

ACCOUNT_DIGITS = 4


class Base:
    """Sessions, audit rows and local names."""

    def __init__(
        self,
        database: Database,
        identity: Identity,
        calls: Calls,
        *,
        attempts: Attempts,
        moves: Moves | None = None,
        backup_folder: Path,
    ) -> None:
        self._database = database
        self._identity = identity
        self._calls = calls
        self._attempts = attempts
        self._moves = moves or Moves()
        # Whether the agreement that is looked at did not come through; it is tried again.
        self._failed = False
        self._backup_folder = backup_folder

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

    def set_name(self, member: int, name: str, *, actor: str = "node") -> None:
        """Keep what this node calls a member; it never goes on the chain."""
        self._name(f"member/{member}", name, None, actor)

    def label_agreement(
        self, agreement: bytes, label: str, account: str | None = None, *, actor: str = "node"
    ) -> None:
        """Keep what this node calls an agreement and the end of its account's number."""
        self._name(f"agreement/{agreement.hex()}", label, account, actor)

    def _name(self, subject: str, name: str, account: str | None, actor: str) -> None:
        with self._writing() as session:
            self._put_name(session, subject, name, account)
            self._act(session, actor, "name", subject)

    def _put_name(self, session: Session, subject: str, name: str, account: str | None) -> None:
        row = session.get(PartyName, subject)
        if row is None:
            row = PartyName(subject=subject, name=name)
            session.add(row)
        row.name = name
        if account is not None:
            row.account_masked = f"···{account[-ACCOUNT_DIGITS:]}"
