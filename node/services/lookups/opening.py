"""Opening an own evaluation to the regulator, and holding an opening against what was logged."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

import msgspec
from cryptography import x509
from sqlalchemy import select
from sqlalchemy.orm import Session

from node.audits import trust_in_audits
from node.doors import Doors
from node.errors import NotAllowed
from node.index_reading import Ask
from node.keyholders import was_key
from node.listings import blind_of, open_listing
from node.lookup_calls import LookupCalls
from node.screening.auditing import (
    Logged,
    Opening,
    check_opening,
    opened_digest,
    read_opening,
    require_real,
    write_opening,
)
from node.screening.listings import pack_listing
from node.services.lookups.consenting import consent_of, subject_of
from node.tables import ListedEntry, OwnLookup
from node.tables.base import MAX_BIGINT, MAX_INTEGER
from reconcile.commitment.fields import as_hex
from reconcile.model import KanheError, ProtocolError, UsageError, Where

#: Words between nodes: open one to the regulator; show it one; its word that one was opened.
OPEN: Final = "lookups/open"
SHOW: Final = "lookups/show"
OPENED: Final = "lookups/opened"


class Asked(msgspec.Struct, forbid_unknown_fields=True):
    """Which evaluation; numbers as decimal strings where they may pass 2**53."""

    ticket: str
    subject: str
    key_epoch: int


class Shown(Asked, forbid_unknown_fields=True):
    """An evaluation and its opening, as `write_opening` writes it: it names the person."""

    opening: str


class Told(Asked, forbid_unknown_fields=True):
    """An evaluation and the regulator's signature (hex) that it was opened."""

    word: str


AnyAsked = TypeVar("AnyAsked", bound=Asked)


def asked_of(logged: Logged) -> Asked:
    """Return the words that name an evaluation to the member that made it."""
    return Asked(str(logged.ticket), logged.subject.hex(), logged.key_epoch)


def is_own_fault(error: KanheError) -> bool:
    """Say whether this node itself could not ask: it pinned nobody there, or its pins do not read.

    Then it did not ask in vain. What another node answers is a `PeerRefusal`, whatever its code.
    """
    return isinstance(error, UsageError)


class AuthoritiesUnread(UsageError):  # noqa: N818 - a statement
    """Raised when this node's own file of an authority does not read: no opening can be weighed."""


def _own_authorities(
    authorities: Callable[[], Sequence[x509.Certificate]],
) -> Sequence[x509.Certificate]:
    try:
        return authorities()
    except (KanheError, OSError) as error:
        code = error.code if isinstance(error, KanheError) else "AUTHORITY_UNREAD"
        raise AuthoritiesUnread(
            code, f"this node's own authorities do not read: {error}", help="correct the file"
        ) from error


class OpeningActs:
    """What both sides of an audit share."""

    def __init__(
        self,
        doors: Doors,
        ask: Ask,
        *,
        regulator: Callable[[Session], int | None],
        authorities: Callable[[], Sequence[x509.Certificate]],
        allow_test: bool = False,
    ) -> None:
        """Take who the regulator is; `allow_test` takes people of region 99."""
        self._doors = doors
        self._ask = ask
        self._regulator = regulator
        self._authorities = functools.partial(_own_authorities, authorities)
        self._allow_test = allow_test
        self._calls = LookupCalls(doors.identity)

    # ------------------------------------------------------------------------ by who evaluated
    def open_to(self, member: int, body: bytes) -> bytes:
        """Open an own evaluation to the regulator, and to nobody else; the act is kept.

        Raises `NotAllowed` NOT_REGULATOR, `ProtocolError` REQUEST_MALFORMED, AUDIT_UNKNOWN, and
        `NotFound` LISTING_ERASED, LOOKUP_ERASED for what was erased.
        """
        ticket, subject, key_epoch = read_asked(body, Asked)[1]
        with self._doors.writing() as session:
            self._require_regulator(session, member)
            opening = self._opening(session, ticket, subject, key_epoch)
            self._doors.act(session, f"member {member}", "audit-open", subject.hex())
        return write_opening(opening)

    def _opening(self, session: Session, ticket: int, subject: bytes, key_epoch: int) -> Opening:
        ring = self._doors.identity.keys.ring
        if not ticket:
            owned = open_listing(session, ring, subject)
            blind = blind_of(ring, subject, key_epoch)
            statement, salt = pack_listing(owned.opened.listing), owned.opened.salt
            return Opening(owned.identifier, bytes(blind), None, statement, salt)
        row = session.scalars(
            select(OwnLookup).where(OwnLookup.ticket == ticket, OwnLookup.digest == subject)
        ).first()
        if row is None:
            raise refuse("AUDIT_UNKNOWN", f"this node made no lookup with ticket {ticket}")
        person, (file, _) = subject_of(ring, row), consent_of(ring, row)
        return Opening(person.identifier, bytes(person.blinded.blind), file.signed)

    # ------------------------------------------------------------------------ by the regulator
    @contextlib.contextmanager
    def _weighing(self) -> Iterator[Session]:
        """Read rows to weigh an opening; a number in it that no row can have is its maker's doing.

        Raises `ProtocolError` AUDIT_MALFORMED for it: it is no fault of this node's.
        """
        try:
            with self._doors.reading() as session:
                yield session
        except AuthoritiesUnread:
            raise
        except UsageError as error:
            raise refuse("AUDIT_MALFORMED", error.message) from None

    def _check(self, session: Session, logged: Logged, data: bytes, *, allow_test: bool) -> None:
        """Hold an opening's bytes against an evaluation; raises what both readers refuse."""
        opening = read_opening(data)
        entry = None if logged.ticket else session.get(ListedEntry, logged.subject)
        check_opening(
            logged,
            opening,
            self._doors.identity.place.lookups_domain,
            trust_in_audits(session, self._authorities()),
            None if entry is None else entry.commitment,
        )
        if not allow_test:
            require_real(opening.identifier)

    def is_regulator(self, member: int) -> bool:
        """Say whether a member is the regulator, who audits and is not audited."""
        with self._doors.reading() as session:
            return member == self._regulator(session)

    def _require_regulator(self, session: Session, member: int) -> None:
        if member != self._regulator(session):
            raise NotAllowed(
                "NOT_REGULATOR",
                f"evaluations are opened to the regulator, not to member {member}",
            )

    def _evaluation(self, logged: Logged) -> bytes:
        """Return an evaluation's name: the digest that who asked for it signed."""
        return logged.digest(self._doors.identity.place.lookups_domain)

    def _opened_digest(self, evaluation: bytes) -> bytes:
        return opened_digest(self._doors.identity.place.points_domain, evaluation)

    def _was_key(self, session: Session) -> Callable[[int, str], bool]:
        return lambda member, key: was_key(session, member, key)


def read_asked(body: bytes, shape: type[AnyAsked]) -> tuple[AnyAsked, tuple[int, bytes, int]]:
    """Read a message that names an evaluation: the message, and (ticket, subject, key epoch).

    Raises `ProtocolError` REQUEST_MALFORMED.
    """
    try:
        asked = msgspec.json.decode(body, type=shape)
        ticket, subject = int(asked.ticket), as_hex(asked.subject, "subject", 32)
    except (msgspec.DecodeError, ValueError, KanheError):
        raise refuse("REQUEST_MALFORMED", "the request does not read") from None
    if not (0 <= ticket <= MAX_BIGINT and 0 <= asked.key_epoch <= MAX_INTEGER):
        raise refuse("REQUEST_MALFORMED", "the request names what nobody counted to")
    return asked, (ticket, subject, asked.key_epoch)


def refuse(code: str, says: str) -> ProtocolError:
    """Return a refusal in an audit."""
    return ProtocolError(code, says, where=Where(field="audit"), help="nothing was opened")
