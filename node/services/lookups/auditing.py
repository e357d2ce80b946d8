"""Audit by opening: the regulator reads each node's log and has a sample of it opened.

A log is held against its root on the ledger, each row against its reader's signature, all nodes'
rows against each other (one ticket, one element). What a member cannot open, or opens falsely, is
an incident with the signed row as evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from cryptography import x509
from sqlalchemy import select
from sqlalchemy.orm import Session

from node.blacklist import current_key_epoch, now_of, openable_from
from node.crypto.signer import recover_address
from node.doors import Doors
from node.errors import NotAllowed
from node.index_reading import Ask, Wrong, keep_wrong
from node.keyholders import key_check, trust_of
from node.listings import blind_of, open_listing
from node.screening.auditing import (
    ONE_OF,
    TEST_IDENTIFIER,
    Draw,
    Logged,
    Opening,
    check_opening,
    draw,
    is_sampled,
    read_opening,
    seed_of,
    write_opening,
)
from node.screening.evaluations import log_leaf, log_root
from node.screening.listings import pack_listing
from node.services.lookups.consenting import LOOKUP_ERASED, consent_of, subject_of
from node.tables import DeletionCertificate, ListedEntry, LookupLog, OwnLookup
from reconcile.commitment.fields import as_hex
from reconcile.model import KanheError, ProtocolError, Where, day_iso

LOG: Final = "lookups/log"
OPEN: Final = "lookups/open"
NOT_OPENED: Final = "AUDIT_NOT_OPENED"
LOG_WRONG: Final = "LOOKUP_LOG_WRONG"
TWICE: Final = "TICKET_TWICE"
#: Of the vault: what the key that draws samples follows from.
DRAWS: Final = b"audit/draw"
#: What a member says of a listing whose keys it destroyed, and of a lookup that found one.
ERASED: Final = frozenset({"LISTING_ERASED", LOOKUP_ERASED})


class _Row(msgspec.Struct, forbid_unknown_fields=True):
    reader: int
    ticket: str
    subject: str
    blinded: str
    key_epoch: int
    level: int
    signature: str


class _Asked(msgspec.Struct, forbid_unknown_fields=True):
    ticket: str
    subject: str
    key_epoch: int


@dataclass(slots=True)
class AuditReport:
    """What an audit of a day found; `wrong` says who did what, in words.

    `drawn` and `roots`, by member, let anybody draw the sample again.
    `erased`: sampled listings that nobody can open any more, whose certificates of deletion stand
    on the ledger, and lookups that found one, once no audit reaches their key epoch. `unread`:
    openings that this node's setting does not let it read.
    """

    day: int
    roots: Mapping[int, bytes]
    drawn: Draw
    logs: int = 0
    evaluations: int = 0
    sampled: int = 0
    opened: int = 0
    erased: int = 0
    unread: list[Wrong] = field(default_factory=list)
    wrong: list[Wrong] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Say whether every log held and each sampled evaluation opened, or was rightly erased."""
        return not self.wrong and not self.unread

    def to_json(self) -> dict[str, Any]:
        """Return the report; what proves a wrong stays with the node's incident."""
        return {
            "day": day_iso(self.day),
            "logs": str(self.logs),
            "evaluations": str(self.evaluations),
            "sampled": str(self.sampled),
            "opened": str(self.opened),
            "draw": {
                **self.drawn.to_json(),
                "roots": {str(member): root.hex() for member, root in self.roots.items()},
            },
            "erased": str(self.erased),
            "unread": [_plain(item) for item in self.unread],
            "wrong": [_plain(item) for item in self.wrong],
            "holds": self.holds,
        }


def _plain(item: Wrong) -> dict[str, str]:
    return {"kind": item.kind, "member": str(item.replica), "says": item.says}


class AuditingService:
    """Opens own evaluations to the regulator; on the regulator's node, audits all others'."""

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
        self._authorities = authorities
        self._allow_test = allow_test

    def handlers(self) -> Mapping[str, Callable[[int, bytes], bytes]]:
        """Return what other nodes may ask, by word."""
        return {OPEN: self.open_to}

    # ------------------------------------------------------------------------ opening
    def open_to(self, member: int, body: bytes) -> bytes:
        """Open an own evaluation to the regulator, and to nobody else; the act is kept.

        Raises `NotAllowed` NOT_REGULATOR, `ProtocolError` REQUEST_MALFORMED, AUDIT_UNKNOWN, and
        `NotFound` LISTING_ERASED, LOOKUP_ERASED for what was erased.
        """
        try:
            asked = msgspec.json.decode(body, type=_Asked)
            ticket, subject = int(asked.ticket), as_hex(asked.subject, "subject", 32)
        except (msgspec.DecodeError, ValueError, KanheError):
            raise _refuse("REQUEST_MALFORMED", "the request does not read") from None
        with self._doors.writing() as session:
            if member != self._regulator(session):
                raise NotAllowed(
                    "NOT_REGULATOR",
                    f"evaluations are opened to the regulator, not to member {member}",
                )
            opening = self._opening(session, ticket, subject, asked.key_epoch)
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
            raise _refuse("AUDIT_UNKNOWN", f"this node made no lookup with ticket {ticket}")
        person, (file, _) = subject_of(ring, row), consent_of(ring, row)
        return Opening(person.identifier, bytes(person.blinded.blind), file.signed)

    # ------------------------------------------------------------------------ auditing
    def audit(
        self, day: int, *, one_of: int = ONE_OF, allow_test: bool = False, actor: str = "node"
    ) -> AuditReport:
        """Audit a day: every anchored log, and one of `one_of` evaluations by opening.

        `allow_test` takes people of region 99, as the setting does. An erased listing whose
        certificate stands on the ledger, and an opening that only the setting keeps from being
        read, are no incidents. Raises `NotAllowed` NOT_REGULATOR, `ProtocolError` AUDIT_NOTHING.
        """
        with self._doors.reading() as session:
            member = self._doors.identity.require_member(session)
            if member != self._regulator(session):
                raise NotAllowed("NOT_REGULATOR", "the regulator's node audits")
            query = select(LookupLog).where(LookupLog.day == day).order_by(LookupLog.member)
            anchored = session.scalars(query).all()
        if not anchored:
            raise _refuse("AUDIT_NOTHING", f"no log of {day_iso(day)} is on the ledger yet")
        rows: dict[bytes, Logged] = {}
        domain = self._doors.identity.place.lookups_domain
        roots = {log.member: log.root for log in anchored}
        secret = self._doors.identity.keys.ring.fingerprint(DRAWS)
        report = AuditReport(day, roots, draw(secret, domain, day, list(roots.values())))
        for log in anchored:
            self._read_log(log, rows, report)
        seed = seed_of(report.drawn, domain, day, list(roots.values()))
        for key, logged in sorted(rows.items()):
            if is_sampled(seed, key, one_of):
                self._open_one(logged, report, allow_test=allow_test or self._allow_test)
        with self._doors.writing() as session:
            now_ms = self._doors.identity.clock()
            for number, wrong in enumerate(report.wrong):
                keep_wrong(session, wrong, day * 1_000 + number, now_ms=now_ms)
            found, drawn_by = str(len(report.wrong)), report.drawn.key.hex()
            self._doors.act(session, actor, "audit", str(day), wrong=found, key=drawn_by)
        return report

    def _read_log(self, log: LookupLog, rows: dict[bytes, Logged], report: AuditReport) -> None:
        """Read a node's log and hold it against its root, its signatures and the others' rows."""
        try:
            data = self._ask(log.member, LOG, msgspec.json.encode({"day": log.day}))
            found = [_logged(row) for row in msgspec.json.decode(data, type=list[_Row])]
        except (msgspec.DecodeError, KanheError) as error:
            says = error.message if isinstance(error, KanheError) else "its log does not read"
            report.wrong.append(_wrong(LOG_WRONG, log.member, says, {"day": str(log.day)}))
            return
        leaves = [
            log_leaf(r.reader, r.ticket, r.subject, r.blinded, r.key_epoch, r.signature)
            for r in found
        ]
        if len(found) != log.count or log_root(leaves) != log.root:
            says = f"the log that is shown is not the one whose root is on the ledger ({log.count})"
            evidence: dict[str, object] = {"root": log.root.hex(), "shown": str(len(found))}
            report.wrong.append(_wrong(LOG_WRONG, log.member, says, evidence))
            return
        report.logs += 1
        for row in found:
            self._weigh(log.member, row, rows, report)

    def _weigh(
        self, node: int, row: Logged, rows: dict[bytes, Logged], report: AuditReport
    ) -> None:
        digest = row.digest(self._doors.identity.place.lookups_domain)
        with self._doors.reading() as session:
            signed = _recovers(digest, row.signature)
            if signed is None or not key_check(session)(row.reader, signed):
                says = f"a row is not signed by member {row.reader}, in whose name it stands"
                report.wrong.append(_wrong(LOG_WRONG, node, says, _evidence(row)))
                return
        standing = rows.setdefault(row.key, row)
        if standing is row:
            report.evaluations += 1
        elif standing.blinded != row.blinded:
            says = "two elements were evaluated for one ticket; both signatures are kept"
            evidence: dict[str, object] = {"one": _evidence(standing), "other": _evidence(row)}
            report.wrong.append(_wrong(TWICE, row.reader, says, evidence))

    def _open_one(self, logged: Logged, report: AuditReport, *, allow_test: bool) -> None:
        """Have one evaluation opened; whatever stands in the way is the reader's to explain."""
        report.sampled += 1
        asked = _Asked(str(logged.ticket), logged.subject.hex(), logged.key_epoch)
        try:
            data = self._ask(logged.reader, OPEN, msgspec.json.encode(asked))
            opening = read_opening(data, allow_test=allow_test)
            with self._doors.reading() as session:
                entry = session.get(ListedEntry, logged.subject)
                check_opening(
                    logged,
                    opening,
                    self._doors.identity.place.lookups_domain,
                    trust_of(session, self._authorities()),
                    None if entry is None else entry.commitment,
                )
        except KanheError as error:
            if error.code in ERASED and self._is_erased(logged):
                report.erased += 1
                return
            if error.code == TEST_IDENTIFIER:
                unread = _wrong(TEST_IDENTIFIER, logged.reader, error.message, _evidence(logged))
                report.unread.append(unread)
                return
            says = f"an evaluation was not opened: {error.code}, {error.message}"
            report.wrong.append(_wrong(NOT_OPENED, logged.reader, says, _evidence(logged)))
            return
        report.opened += 1

    def _is_erased(self, logged: Logged) -> bool:
        """Say whether a member certified on the ledger that it destroyed what was to be opened.

        A listing by its entry. A lookup's entries only its reader knows: it certified some
        entry's, and the lookup's key epoch is one that it need not open any more.
        """
        certified = DeletionCertificate.member == logged.reader
        if not logged.ticket:
            certified &= DeletionCertificate.entry == logged.subject
        with self._doors.reading() as session:
            if logged.ticket:
                now = now_of(session)
                if logged.key_epoch >= openable_from(current_key_epoch(session, now)):
                    return False
            found = select(DeletionCertificate.entry).where(certified).limit(1)
            return session.scalars(found).first() is not None


def _logged(row: _Row) -> Logged:
    if not row.ticket.isascii() or not row.ticket.isdecimal():
        raise _refuse("AUDIT_MALFORMED", "a row's ticket is no number")
    return Logged(
        row.reader,
        int(row.ticket),
        as_hex(row.subject, "subject", 32),
        as_hex(row.blinded, "blinded", 32),
        row.key_epoch,
        row.level,
        as_hex(row.signature, "signature", 65),
    )


def _recovers(digest: bytes, signature: bytes) -> str | None:
    try:
        return recover_address(digest, signature)
    except ProtocolError:
        return None


def _evidence(row: Logged) -> dict[str, object]:
    return {
        "reader": str(row.reader),
        "ticket": str(row.ticket),
        "subject": row.subject.hex(),
        "blinded": row.blinded.hex(),
        "key_epoch": str(row.key_epoch),
        "signature": row.signature.hex(),
    }


def _wrong(kind: str, member: int, says: str, evidence: dict[str, object]) -> Wrong:
    return Wrong(kind, member, f"member {member}: {says}", evidence)


def _refuse(code: str, says: str) -> ProtocolError:
    return ProtocolError(code, says, where=Where(field="audit"), help="nothing was opened")
