"""Reading sessions of one snapshot, and whether anything was committed since one last looked.

A turn asks many small questions, mostly in vain. Inside `Readers.shared()` those of one thread are
answered from one snapshot, so that each costs its statement and no transaction of its own.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Final, Protocol, Self, TypeVar

from sqlalchemy import Engine, PoolProxiedConnection, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

#: A shared snapshot is given up after so long: other processes write, and calls may take a while.
SHARED_S: Final = 0.1
#: So many answers are remembered; who asks for more asks the database.
MAX_FACTS: Final = 10_000
_FACTS: Final = "facts"
_SOURCE: Final = "source of facts"
_SQLITE_VERSION: Final = "PRAGMA data_version"
# The commits that are seen: it differs as soon as one more is.
_POSTGRESQL_VERSION: Final = "SELECT pg_current_snapshot()::text"


Answer = TypeVar("Answer")


class Facts:
    """Answers that the ledger's rows gave, kept until a turn moves them.

    Only a node's follower writes those rows. While none runs here, another process may, and
    nothing is kept beyond one snapshot.
    """

    def __init__(self) -> None:
        self._stands_at: object = None
        self._kept: dict[object, Any] = {}
        self.now: dict[object, Any] | None = None

    def let_move(self) -> None:
        """Give none out from here to `stand`: the rows may move."""
        self.now = None

    def stand(self, at: object) -> None:
        """Give them out again, where the rows stand at the same place; else begin anew."""
        if at != self._stands_at:
            self._stands_at, self._kept = at, {}
        self.now = self._kept

    def forget(self) -> None:
        """Begin anew with the next turn: rows change without a block."""
        self._stands_at = self.now = None


def remembered(session: Session, question: tuple[object, ...], ask: Callable[[], Answer]) -> Answer:
    """Return the ledger's answer to a question, asked once as long as its rows do not move.

    For what follows from the ledger's rows alone. A session that reads sees the answers of when it
    was opened; one that writes, those of its transaction, in which no turn moves the rows.
    """
    source: Facts | None = session.info.get(_SOURCE)
    facts = session.info.get(_FACTS) if source is None else _within(session, source)
    if facts is None:
        return ask()
    if question in facts:
        known: Answer = facts[question]
        return known
    answer = ask()
    if len(facts) < MAX_FACTS:
        facts[question] = answer
    return answer


def _within(session: Session, source: Facts) -> dict[object, Any] | None:
    """Return the answers of a transaction that may write, those given out once it has its lock."""
    # Without its lock a turn could move the rows between an answer and what is written by it: an
    # evaluation would be noted for a day whose log is closed.
    session.connection()
    begun = session.get_transaction()
    known: tuple[object, dict[object, Any] | None] = session.info.get(_FACTS, (None, None))
    if known[0] is not begun:
        known = session.info[_FACTS] = (begun, source.now)
    return known[1]


class Counted(Protocol):
    """Who counts this process's commits."""

    ever: int


class _Shared(Session):
    """A session that stays open between uses; what was read in one is detached at its end."""

    used = False
    broken = False

    def __enter__(self) -> Self:
        self.used = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.used = False
        # A server takes nothing more in a transaction in which a statement failed.
        self.broken = self.broken or kind is not None
        self.expunge_all()


class Writers(sessionmaker[Session]):
    """Makes sessions whose transactions may write."""

    def __init__(self, bind: Engine, facts: Facts, committed: Callable[[Session], None]) -> None:
        """Take what hears of each commit that is done."""
        super().__init__(bind, expire_on_commit=False)
        self._facts = facts
        event.listen(self, "after_commit", committed)

    def __call__(self, **local_kw: Any) -> Session:  # noqa: ANN401 - as SQLAlchemy says it
        """Open a session."""
        session = super().__call__(**local_kw)
        session.info[_SOURCE] = self._facts
        return session


class Readers(sessionmaker[Session]):
    """Makes sessions that see one snapshot each and never wait for a writer."""

    def __init__(self, bind: Engine, commits: Counted, facts: Facts) -> None:
        """Take an engine whose transactions only read, and what counts this process's commits."""
        super().__init__(bind, expire_on_commit=False)
        self._engine = bind
        self._facts = facts
        self._commits = commits
        self._here = threading.local()

    def __call__(self, **local_kw: Any) -> Session:  # noqa: ANN401 - as SQLAlchemy says it
        """Open a session; inside of `shared()` the thread's, unless that is in use."""
        session: _Shared | None = getattr(self._here, "session", None)
        if not getattr(self._here, "sharing", False) or (session is not None and session.used):
            apart = super().__call__(**local_kw)
            apart.info[_FACTS] = self._known()
            return apart
        fresh = (self._commits.ever, time.monotonic())
        if session is None or session.broken or self._is_over(*fresh):
            self.let_go()
            # It never writes: what a use changed in a row of its own must not be flushed.
            session = _Shared(self._engine, expire_on_commit=False, autoflush=False)
            session.info[_FACTS] = self._known()
            self._here.session, self._here.since = session, fresh
        return session

    def _known(self) -> dict[object, Any]:
        # A snapshot's own, where none are given out.
        facts = self._facts.now
        return {} if facts is None else facts

    def _is_over(self, commits: int, now_s: float) -> bool:
        before: int
        since_s: float
        before, since_s = self._here.since
        return commits != before or now_s - since_s > SHARED_S

    @contextlib.contextmanager
    def shared(self) -> Iterator[None]:
        """Let this thread's reads share a snapshot until somebody of this process commits.

        For `SHARED_S` at most. What is read stays true of its own moment: who writes by it asks
        again in the transaction that writes, as after any reading.
        """
        if getattr(self._here, "sharing", False):
            yield
            return
        self._here.sharing, self._here.session = True, None
        try:
            yield
        finally:
            self._here.sharing = False
            self.let_go()

    def let_go(self) -> None:
        """End this thread's shared snapshot, unless it is in use; the next read begins another.

        Whoever is about to wait for something outside says so: as long as a snapshot stands,
        SQLite's log is not emptied of what was destroyed.
        """
        session: _Shared | None = getattr(self._here, "session", None)
        if session is None or session.used:
            return
        self._here.session = None
        try:
            session.close()
        except SQLAlchemyError:
            # The server has ended it already.
            session.invalidate()


class Changes:
    """Says whether anything was committed to a database, by whatever process; for one thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._sqlite = engine.dialect.name == "sqlite"
        self._words = _SQLITE_VERSION if self._sqlite else _POSTGRESQL_VERSION
        self._connection: PoolProxiedConnection | None = None
        self._seen: object = None

    def any(self) -> bool:
        """Say whether anything may have been committed since this was asked last; at first, yes."""
        now = self._version()
        changed, self._seen = now != self._seen, now
        return changed

    def _version(self) -> object:
        try:
            cursor = self._open().cursor()
            try:
                cursor.execute(self._words)
                return cursor.fetchone()
            finally:
                cursor.close()
        except Exception:  # noqa: BLE001 - the driver's own: whoever reads next meets it and says so
            self.close()
            return object()

    def _open(self) -> PoolProxiedConnection:
        # One of its own: SQLite counts what others commit, and not what the asking does.
        if self._connection is None:
            pooled = self._engine.raw_connection()
            # Kept before anything may fail; the counts of two connections are not to be compared.
            self._connection, self._seen = pooled, None
            # Asked for first: a detached connection does not name its driver's.
            driver: Any = pooled.driver_connection
            pooled.detach()
            if not self._sqlite:
                driver.autocommit = True
        return self._connection

    def close(self) -> None:
        """Close the connection; the next question opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.close()
