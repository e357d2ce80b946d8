"""What every part of the screening service shares: sessions, audit rows, the ledger's time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from cryptography import x509
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from node.acts import record_act
from node.attempts import Attempts
from node.blacklist import Now, now_of
from node.blacklist_calls import BlacklistCalls
from node.db import Database, translated
from node.errors import ChainStalled, NotFound
from node.identity import Identity
from node.keyholders import trust_of
from node.keyring import KeyRing
from node.peers.peering import Peering
from node.resting import Rests
from node.screening.consents import Trust
from node.services.screening.watching import Watch
from node.tables import ListedEntry, OwnListing
from reconcile.model import UsageError

MIN_PREFIX: Final = 6
ID_HEX: Final = 64


class Base:
    """Sessions, audit rows, who we are, and what time it is on the ledger."""

    # A start empties the log once: the last process may have died before it did.
    _destroyed = True

    def __init__(
        self,
        database: Database,
        identity: Identity,
        calls: BlacklistCalls,
        *,
        attempts: Attempts,
        authorities: Callable[[], Sequence[x509.Certificate]],
        peers: Peering | None = None,
    ) -> None:
        self._database = database
        self._identity = identity
        self._calls = calls
        self._attempts = attempts
        self._authorities = authorities
        # Without it, messages to other members travel as files.
        self._peers = peers
        self._rests = Rests(identity.clock, "custody")
        # Custodies that this node gave to others, and those it keeps for them.
        self._given, self._kept = Watch(), Watch()
        # What this node holds of entries that their uploaders erased, or that it certified itself.
        self._erased, self._certified = Watch(), Watch()

    def _require_peers(self) -> Peering:
        if self._peers is None:
            raise UsageError("PEER_UNKNOWN", "this node speaks to no others", help="use files")
        return self._peers

    @property
    def _ring(self) -> KeyRing:
        return self._identity.keys.ring

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Session]:
        self._identity.place.require_blacklist()
        with translated(), self._database.writing.begin() as session:
            yield session

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Session]:
        self._identity.place.require_blacklist()
        with translated(), self._database.reading() as session:
            yield session

    def _trust(self, session: Session) -> Trust:
        """Return whom this node believes, authorities of consents of level 2 included."""
        return trust_of(session, self._authorities())

    def _act(self, session: Session, actor: str, act: str, subject: str, **details: str) -> None:
        record_act(
            session,
            actor=actor,
            act=act,
            subject=subject,
            now_ms=self._identity.clock(),
            details=details,
        )

    def _now(self, session: Session) -> Now:
        """Return the newest block; `ChainStalled` before the first was read."""
        now = now_of(session)
        if not now.time_s:
            raise ChainStalled("no block was read yet", help="let the node run, then try again")
        return now

    def _held_more(self, session: Session) -> None:
        """Let a turn look at everything that was erased once this is committed: more may be held.

        Sooner, a turn between would look in vain, and none again before the day is over.
        """

        def again(_session: Session) -> None:
            self._erased.look_again()
            self._certified.look_again()

        event.listen(session, "after_commit", again, once=True)

    def _empty_log(self) -> int:
        """Empty the database's own log of what was destroyed; a reader may hold it for a while."""
        if self._destroyed and self._database.empty_log():
            self._destroyed = False
        return 0

    def fingerprint(self, words: bytes) -> bytes:
        """Return what tells a call's words from others' without telling them; for idempotency."""
        return self._ring.fingerprint(b"call/" + words)

    @property
    def present(self) -> bool:
        """Say whether this network has a blacklist, as this node was told."""
        return bool(self._identity.place.blacklist)

    def find_entry(self, text: str) -> bytes:
        """Return the entry that an id or its beginning means.

        Raises `NotFound` ENTRY_UNKNOWN, `UsageError` ENTRY_AMBIGUOUS.
        """
        wanted = text.lower().removeprefix("0x").removesuffix("…")
        with self._reading() as session:
            found = _entries_from(session, wanted)
        if len(found) == 1:
            return found.pop()
        says = f"{text[:ID_HEX]!r} means {len(found) or 'no'} entries"
        hint = f"give its id, {ID_HEX} hexadecimal digits, or at least {MIN_PREFIX} of them"
        if found:
            raise UsageError("ENTRY_AMBIGUOUS", says, help=hint)
        raise NotFound("ENTRY_UNKNOWN", says, help=hint)


def _entries_from(session: Session, wanted: str) -> set[bytes]:
    """Return the entries, on the ledger or waiting for it, whose id begins so."""
    if not MIN_PREFIX <= len(wanted) <= ID_HEX or not set(wanted) <= set("0123456789abcdef"):
        return set()
    first = bytes.fromhex(wanted.ljust(ID_HEX, "0"))
    last = bytes.fromhex(wanted.ljust(ID_HEX, "f"))
    found: set[bytes] = set()
    for column in (ListedEntry.entry, OwnListing.entry):
        found |= set(session.scalars(select(column).where(column.between(first, last)).limit(2)))
    return found
