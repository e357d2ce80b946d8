"""Audit by opening: the regulator reads each node's log and has a sample of it opened.

A log is held against its root on the ledger, each row against its reader's signature, all nodes'
rows against each other (one ticket, one element). What a member cannot open, or opens falsely, is
an incident with the signed row as evidence, and goes to the ledger (`accusing.py`).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from node.blacklist import current_key_epoch, now_of, openable_from, ticket_range
from node.crypto.signer import recover_address
from node.errors import NotAllowed
from node.index_reading import Wrong, keep_wrong
from node.keyholders import was_key
from node.screening.auditing import ONE_OF, UNREAD, Draw, Logged, draw, is_sampled, seed_of
from node.screening.evaluations import log_leaf, log_root
from node.services.lookups.accusing import (
    AccusingActs,
    anything_to_prosecute,
    not_begun,
)
from node.services.lookups.across_days import hold_against_other_days
from node.services.lookups.audit_views import AuditsView, newest_audits, view_of_audit
from node.services.lookups.consenting import LOOKUP_ERASED
from node.services.lookups.defending import DefendingActs, anything_to_defend
from node.services.lookups.opening import OPEN, OPENED, SHOW, asked_of, is_own_fault, refuse
from node.tables import Accusation, DeletionCertificate, ListedEntry, LookupLog
from node.tables.base import MAX_BIGINT, MAX_INTEGER
from reconcile.canonical import canonical_json
from reconcile.commitment.fields import as_hex
from reconcile.model import KanheError, ProtocolError, day_iso

LOG: Final = "lookups/log"
NOT_OPENED: Final = "AUDIT_NOT_OPENED"
LOG_WRONG: Final = "LOOKUP_LOG_WRONG"
TWICE: Final = "TICKET_TWICE"
#: Of the vault: what the key that draws samples follows from.
DRAWS: Final = b"audit/draw"
#: What a member says of a listing whose keys it destroyed, and of a lookup that found one.
ERASED: Final = frozenset({"LISTING_ERASED", LOOKUP_ERASED})
# Made once: a node asks in every turn.
_PROSECUTE: Final = select(anything_to_prosecute())
_DEFEND: Final = select(anything_to_defend())
_WAITING: Final = select(func.count()).select_from(Accusation).where(not_begun())


_Number = Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]


class _Row(msgspec.Struct, forbid_unknown_fields=True):
    reader: _Number
    ticket: Annotated[str, msgspec.Meta(max_length=len(str(MAX_BIGINT)))]
    subject: str
    blinded: str
    key_epoch: _Number
    level: _Number
    signature: str


@dataclass(slots=True)
class AuditReport:
    """What an audit of a day found; `wrong` says who did what, in words.

    `drawn` and `roots`, by member, let anybody draw the sample again.
    `erased`, by member: sampled listings that nobody can open any more, whose certificates of
    deletion stand on the ledger, and lookups that found one, once no audit reaches their key epoch.
    Who lists, looks and erases before the audit stands out there alone. `unread`:
    openings that this node's setting does not let it read. What was not opened is accused on the
    ledger, what was is acquitted, by the turns that follow.
    """

    day: int
    roots: Mapping[int, bytes]
    drawn: Draw
    logs: int = 0
    evaluations: int = 0
    sampled: int = 0
    opened: int = 0
    erased: Counter[int] = field(default_factory=Counter)
    unread: list[Wrong] = field(default_factory=list)
    wrong: list[Wrong] = field(default_factory=list)
    shown: list[Logged] = field(default_factory=list, repr=False)
    unopened: list[Logged] = field(default_factory=list, repr=False)

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
            "erased": str(self.erased.total()),
            "erased_by": {str(member): str(count) for member, count in self.erased.items()},
            "unread": [_plain(item) for item in self.unread],
            "wrong": [_plain(item) for item in self.wrong],
            "holds": self.holds,
        }


def _plain(item: Wrong) -> dict[str, str]:
    return {"kind": item.kind, "member": str(item.replica), "says": item.says}


class AuditingService(AccusingActs, DefendingActs):
    """Opens own evaluations to the regulator; on the regulator's node, audits all others'."""

    def handlers(self) -> Mapping[str, Callable[[int, bytes], bytes]]:
        """Return what other nodes may ask, by word."""
        return {OPEN: self.open_to, SHOW: self.take_opening, OPENED: self.told_opened}

    def react(self) -> int:
        """Do what audits on the ledger ask of this node by itself; return how much was done."""
        if not self._doors.identity.place.blacklist:
            return 0
        with self._doors.reading() as session:
            member = self._doors.identity.member(session)
            if member is None:
                return 0
            prosecutes = member == self._regulator(session)
            asked = _PROSECUTE if prosecutes else _DEFEND
            if not session.scalar(asked, {"member": member}):
                return 0
        return self._prosecute() if prosecutes else self._defend()

    def audits(self, *, member: int | None = None, limit: int = 50) -> AuditsView:
        """Return audits on the ledger, of one member or of all, those that wait first."""
        with self._doors.reading() as session:
            now, own = now_of(session), self._doors.identity.require_member(session)
            rows = newest_audits(session, member=member, limit=limit)
            views = (
                view_of_audit(session, row, now, member=own, named=self._evaluation) for row in rows
            )
            return AuditsView(tuple(views), session.scalar(_WAITING) or 0)

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
            raise refuse("AUDIT_NOTHING", f"no log of {day_iso(day)} is on the ledger yet")
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
            first = openable_from(current_key_epoch(session, now_of(session)))
            for one, other in hold_against_other_days(
                session, day, rows.values(), openable_from=first
            ):
                report.wrong.append(_twice(one, other))
            for wrong in report.wrong:
                # Audited again, a day's new findings are kept beside those that stand.
                proof = hashlib.sha256(canonical_json(wrong.evidence)).hexdigest()[:32]
                keep_wrong(session, wrong, f"{day}/{proof}", now_ms=now_ms)
            self._accuse(session, report.unopened)
            self._acquit_known(session, report.shown, actor)
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
            if signed is None or not was_key(session, row.reader, signed):
                says = f"a row is not signed by member {row.reader}, in whose name it stands"
                report.wrong.append(_wrong(LOG_WRONG, node, says, _evidence(row)))
                return
            # A node evaluates for whoever the ledger names alone: else it could log a ticket of
            # another member's in its own name, and that one would seem to have used it twice.
            if not _belongs(session, row):
                what = f"ticket {row.ticket}" if row.ticket else "an entry"
                says = f"a row stands in the name of member {row.reader}, whose {what} is not"
                report.wrong.append(_wrong(LOG_WRONG, node, says, _evidence(row)))
                return
        standing = rows.setdefault(row.key, row)
        if standing is row:
            report.evaluations += 1
        elif standing.blinded != row.blinded:
            report.wrong.append(_twice(standing, row))

    def _open_one(self, logged: Logged, report: AuditReport, *, allow_test: bool) -> None:
        """Have one evaluation opened; whatever stands in the way is the reader's to explain."""
        report.sampled += 1
        try:
            data = self._ask(logged.reader, OPEN, msgspec.json.encode(asked_of(logged)))
        except KanheError as error:
            if error.code in ERASED and self._is_erased(logged):
                report.erased[logged.reader] += 1
            else:
                _not_opened(logged, error, report)
            return
        try:
            with self._weighing() as session:
                self._check(session, logged, data, allow_test=allow_test)
        except KanheError as error:
            # Said by this node, of what it read itself: no code that came with an answer counts.
            if error.code in UNREAD:
                unread = _wrong(error.code, logged.reader, error.message, _evidence(logged))
                report.unread.append(unread)
            else:
                _not_opened(logged, error, report)
            return
        report.opened += 1
        report.shown.append(logged)

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


def _twice(one: Logged, other: Logged) -> Wrong:
    says = "two elements were evaluated for one ticket; both signatures are kept"
    evidence: dict[str, object] = {"one": _evidence(one), "other": _evidence(other)}
    return _wrong(TWICE, other.reader, says, evidence)


def _not_opened(logged: Logged, error: KanheError, report: AuditReport) -> None:
    says = f"an evaluation was not opened: {error.code}, {error.message}"
    report.wrong.append(_wrong(NOT_OPENED, logged.reader, says, _evidence(logged)))
    if not is_own_fault(error):
        report.unopened.append(logged)


def _logged(row: _Row) -> Logged:
    number = row.ticket.isascii() and row.ticket.isdecimal()
    if not number or int(row.ticket) > MAX_BIGINT:
        raise refuse("AUDIT_MALFORMED", "a row's ticket is no number that anybody counted to")
    return Logged(
        row.reader,
        int(row.ticket),
        as_hex(row.subject, "subject", 32),
        as_hex(row.blinded, "blinded", 32),
        row.key_epoch,
        row.level,
        as_hex(row.signature, "signature", 65),
    )


def _belongs(session: Session, row: Logged) -> bool:
    """Say whether the ledger has a row's ticket, or its entry, as its reader's."""
    if not row.ticket:
        entry = session.get(ListedEntry, row.subject)
        return entry is not None and entry.uploader == row.reader
    bought = ticket_range(session, row.ticket)
    return bought is not None and bought.member == row.reader


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
