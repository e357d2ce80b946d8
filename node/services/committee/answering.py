"""What a committee node answers over mutual TLS, and its log's roots on the ledger."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec
from cryptography import x509
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from node.committees import EpochCommittee
from node.crypto.eip712 import Domain
from node.crypto.oprf.threshold import ShareHolder
from node.crypto.signer import Signer
from node.doors import Doors
from node.lookup_calls import LookupCalls
from node.screening.consents import evaluation_digest
from node.screening.countersigning import countersigned_digest
from node.screening.evaluations import Asked, log_leaf, log_root, read_request, write_answer
from node.screening.states import DAY_S
from node.services.committee.evaluating import (
    evaluate,
    make_desk,
    note_all,
)
from node.services.committee.planning import final_block
from node.services.committee.remembering import learn_head, must_learn
from node.tables import Block, Evaluation, EvaluationRefusal, KeyEpoch, LookupLog
from node.tables.tip import tip_of
from reconcile.model import ProtocolError, Where

EVALUATE: Final = "lookups/evaluate"
LOG: Final = "lookups/log"
MAX_LOG_ROWS: Final = 50_000
HolderOf = Callable[[Session, int], tuple[ShareHolder, EpochCommittee]]


@dataclass(frozen=True, slots=True)
class RefusalView:
    """A refused request: who, when (ms), for which ticket, and why."""

    at_ms: int
    reader: int
    ticket: int
    code: str
    says: str


@dataclass(frozen=True, slots=True)
class DayView:
    """A day of this node's log: evaluations, its root, and whether that is on the ledger."""

    day: int
    count: int
    root: bytes
    anchored: bool


class LogRow(msgspec.Struct, forbid_unknown_fields=True):
    """One evaluation as a regulator reads it; bytes are hexadecimal."""

    reader: int
    ticket: str
    subject: str
    blinded: str
    key_epoch: int
    level: int
    signature: str


class AnsweringService:
    """Evaluates for readers and uploaders, and anchors what it logged."""

    def __init__(
        self,
        doors: Doors,
        holder_of: HolderOf,
        *,
        authorities: Callable[[], Sequence[x509.Certificate]],
        regulator: Callable[[Session], int | None],
    ) -> None:
        """Take how a share is opened, whose certificates count at level 2, and who audits."""
        self._doors = doors
        self._holder_of = holder_of
        self._authorities = authorities
        self._regulator = regulator
        self._calls = LookupCalls(doors.identity)

    def handlers(self) -> Mapping[str, Callable[[int, bytes], bytes]]:
        """Return what other nodes may ask, by word."""
        return {EVALUATE: self.answer, LOG: self.show_log}

    def answer(self, member: int, body: bytes) -> bytes:
        """Evaluate a request of a member's node.

        Raises for the whole of it `ProtocolError` REQUEST_MALFORMED, COMMITTEE_UNKNOWN,
        NOT_IN_COMMITTEE, SHARE_MISSING, SHARING_DIFFERS, KEY_EPOCH_NOT_USABLE or
        MEMBER_NOT_ACTIVE; single items are refused in the answer.
        """
        key_epoch, sharing, items = read_request(body)
        domain = self._doors.identity.place.lookups_domain
        with self._doors.reading() as session:
            # A share is opened before the lock of writers is held.
            holder, epoch = self._holder_of(session, key_epoch)
        if epoch.sharing != sharing:
            # Its proof would fail against the shares that the caller knows, and frame this node.
            raise _refuse(
                "SHARING_DIFFERS",
                "key_epoch",
                f"key epoch {key_epoch} stands at sharing {epoch.sharing} here, not {sharing}",
            )
        with self._doors.writing() as session:
            desk = make_desk(
                session,
                domain,
                epoch,
                now_ms=self._doors.identity.clock(),
                authorities=self._authorities(),
            )
            accepted, refused = note_all(desk, member, items)
        # Committed: what is answered from here on is remembered.
        answer = evaluate(holder, items, accepted, refused)
        signer = self._doors.identity.keys.approver
        signed = _countersign(domain, member, key_epoch, items, accepted, signer)
        return write_answer(replace(answer, countersigned=signed))

    # ------------------------------------------------------------------------ the log
    def react(self) -> int:
        """Anchor the log of each day that is over in a final block, in order."""
        with self._doors.reading() as session:
            restored = must_learn(session)
            member = self._doors.identity.member(session)
            day = _first_unanchored(session, member)
            due = day is not None and member is not None and self._may_anchor(session, member)
        if restored:
            with self._doors.writing() as session:
                learn_head(session)
        if day is None or not due:
            return 0
        with self._doors.writing() as session:
            rows = _day_rows(session, day)
            root = log_root([_leaf(row) for row in rows])
            return int(self._calls.anchor_log(session, day, root, len(rows)) is not None)

    def _may_anchor(self, session: Session, member: int) -> bool:
        """The contract takes logs of whoever ever sat in a committee: a last day is over later."""
        return any(member in members for members in session.scalars(select(KeyEpoch.members)))

    def days(self) -> tuple[DayView, ...]:
        """Return the days of the log, newest first."""
        with self._doors.reading() as session:
            member = self._doors.identity.member(session)
            found = session.scalars(
                select(Evaluation.day).distinct().order_by(Evaluation.day.desc())
            ).all()
            views = []
            for day in found:
                rows = _day_rows(session, day)
                root = log_root([_leaf(row) for row in rows])
                anchored = session.get(LookupLog, (member, day)) if member else None
                views.append(DayView(day, len(rows), root, anchored is not None))
            return tuple(views)

    def refusals(self, *, limit: int = 200) -> tuple[RefusalView, ...]:
        """Return what was refused, newest first."""
        with self._doors.reading() as session:
            rows = session.scalars(
                select(EvaluationRefusal).order_by(EvaluationRefusal.id.desc()).limit(limit)
            )
            return tuple(
                RefusalView(row.at_ms, row.reader, row.ticket, row.code, row.says) for row in rows
            )

    def show_log(self, member: int, body: bytes) -> bytes:
        """Show a day's log to the regulator, and to a reader its own rows.

        Raises `ProtocolError` REQUEST_MALFORMED, LOG_TOO_LONG.
        """
        try:
            day = int(msgspec.json.decode(body, type=dict[str, int])["day"])
        except (msgspec.DecodeError, KeyError):
            raise _refuse("REQUEST_MALFORMED", "day", "a day is asked for by its number") from None
        with self._doors.reading() as session:
            rows = _day_rows(session, day)
            if member != self._regulator(session):
                rows = [row for row in rows if row.reader == member]
        if len(rows) > MAX_LOG_ROWS:
            raise _refuse("LOG_TOO_LONG", "day", f"the day holds {len(rows)} evaluations")
        return msgspec.json.encode([_shown(row) for row in rows])


def _countersign(
    domain: Domain,
    reader: int,
    key_epoch: int,
    items: Sequence[Asked],
    accepted: Sequence[int],
    signer: Signer,
) -> dict[int, bytes]:
    """Return the node's word by position that it evaluated for a ticket; listings have none."""
    signed = {}
    for position in accepted:
        item = items[position]
        if item.consent is None:
            continue
        request = evaluation_digest(
            domain,
            ticket=item.ticket,
            blinded=item.blinded,
            consent=item.consent.consent.digest(domain),
            key_epoch=key_epoch,
        )
        digest = countersigned_digest(
            domain, reader=reader, ticket=item.ticket, key_epoch=key_epoch, request=request
        )
        signed[position] = signer.sign_digest(digest)
    return signed


def row_leaf(row: LogRow) -> bytes:
    """Return the leaf of a row as it was shown."""
    return log_leaf(
        row.reader,
        int(row.ticket),
        bytes.fromhex(row.subject),
        bytes.fromhex(row.blinded),
        row.key_epoch,
        bytes.fromhex(row.signature),
    )


def _first_unanchored(session: Session, member: int | None) -> int | None:
    """Return the first day with evaluations that is over and has no root on the ledger."""
    final = session.get(Block, final_block(session))
    cursor = tip_of(session)
    if member is None or cursor is None:
        return None
    time_s = cursor.head_time_s if final is None else final.time_s
    last = session.scalar(select(func.max(LookupLog.day)).where(LookupLog.member == member))
    query = select(func.min(Evaluation.day)).where(Evaluation.day < time_s // DAY_S)
    return session.scalar(query.where(Evaluation.day > (last or 0)))


def _day_rows(session: Session, day: int) -> list[Evaluation]:
    query = select(Evaluation).where(Evaluation.day == day).order_by(Evaluation.id)
    return list(session.scalars(query))


def _leaf(row: Evaluation) -> bytes:
    return log_leaf(row.reader, row.ticket, row.consent, row.blinded, row.key_epoch, row.signature)


def _shown(row: Evaluation) -> LogRow:
    return LogRow(
        row.reader,
        str(row.ticket),
        row.consent.hex(),
        row.blinded.hex(),
        row.key_epoch,
        row.level,
        row.signature.hex(),
    )


def _refuse(code: str, field: str, says: str) -> ProtocolError:
    return ProtocolError(code, says, where=Where(field=field), help="nothing was shown")
