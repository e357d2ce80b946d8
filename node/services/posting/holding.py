"""What waits for a person: records that do not count, and calls the chain would not take.

A record is held when its batch was judged INVALID on the ledger, or would have been. It counts as
not posted (ledger.md, "Bytes"); it is posted again when a person releases it, or imports the entry
anew. Every round needs a person, and each batch is judged before it is sent, so nothing loops.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from node.agreements import Facts, require_side, terms_at
from node.errors import Conflict, NotFound
from node.outbox import confirm_adoption
from node.outbox import release as release_held_intent
from node.outbox.settling import withdraw
from node.services.posting import closing as wishes
from node.services.posting.base import Base
from node.services.posting.judging import HELD
from node.services.posting.queue import QUEUED, lowest_open_window
from node.services.posting.settled import settle_incidents
from node.services.posting.views import HeldIntent, HeldRecords, StoppedLane
from node.services.posting.watermark import forget_carrier
from node.tables import Adoption, Incident, Intent, NonceLane, QueuedRecord, StatedBalance
from reconcile.model import Side, UsageError

MAX_SHOWN: Final = 500
MIN_REASON: Final = 3


@dataclass(frozen=True, slots=True)
class Released:
    """What a release did: records queued again, those whose window had closed meanwhile."""

    records: int
    late: int
    incidents_closed: int


class Holding(Base):
    """Shows and releases what is held."""

    def held_records(self) -> tuple[HeldRecords, ...]:
        """Return held records by agreement, side, batch and verdict; no content."""
        with self._reading() as session:
            return held_records(session)

    def held_intents(self) -> tuple[HeldIntent, ...]:
        """Return the calls that wait for a person, oldest first."""
        with self._reading() as session:
            return held_intents(session)

    def release_records(
        self,
        agreement: bytes,
        *,
        reason: str,
        side: Side | None = None,
        seq: int | None = None,
        actor: str = "node",
        person_id: int | None = None,
    ) -> Released:
        """Queue held records again, in their old order; `seq` names one batch, None all.

        A record whose window closed meanwhile is late: the lowest open one takes it. Raises
        `UsageError` REASON_MISSING, `Conflict` NOTHING_HELD.
        """
        words = _required(reason)
        with self._writing() as session:
            facts = self._facts(session, agreement)
            chosen = require_side(facts, side)
            found = _requeue(session, facts, chosen, seq)
            if not found.records:
                raise Conflict(
                    "NOTHING_HELD",
                    "no record of this side is held",
                    help="see `kanhe outbox list`",
                )
            closed = settle_incidents(
                session,
                facts.agreement,
                chosen,
                None if seq is None else {seq},
                words=words,
                now_ms=self._identity.clock(),
                person_id=person_id,
            )
            self._act(
                session,
                actor,
                "outbox-release",
                agreement.hex(),
                side=chosen.word,
                records=str(found.records),
                reason=words,
            )
            return Released(found.records, found.late, closed)

    def release_intent(
        self, intent_id: int, *, reason: str, reseal: bool = False, actor: str = "node"
    ) -> int:
        """Let a held call be tried again; with `reseal` its batch and all later ones anew.

        Returns how many payloads were withdrawn. Raises `UsageError` REASON_MISSING, `Conflict`
        INTENT_NOT_HELD or INTENT_NOT_BATCH.
        """
        words = _required(reason)
        with self._writing() as session:
            intent = session.get(Intent, intent_id)
            if intent is None or intent.state != HELD:
                raise Conflict(
                    "INTENT_NOT_HELD",
                    f"call {intent_id} is not held",
                    help="see `kanhe outbox list`",
                )
            withdrawn = 0
            if reseal:
                withdrawn = _reseal(session, intent)
            else:
                release_held_intent(session, intent_id)
            self._act(
                session,
                actor,
                "outbox-reseal" if reseal else "outbox-release",
                f"intent/{intent_id}",
                call=intent.call,
                reason=words,
            )
            return withdrawn

    def confirm_adoption(
        self, address: bytes, *, reason: str, actor: str = "node", person_id: int | None = None
    ) -> int:
        """Take over what another copy of this node sent by one of our keys; return how many calls.

        Raises `UsageError` REASON_MISSING, `Conflict` NOTHING_TO_ADOPT.
        """
        words = _required(reason)
        with self._writing() as session:
            listed = session.scalar(
                select(func.count())
                .select_from(Adoption)
                .where(Adoption.address == address, Adoption.confirmed_at_ms.is_(None))
            )
            confirm_adoption(session, address, person_id=person_id, now_ms=self._identity.clock())
            self._act(
                session,
                actor,
                "outbox-adopt",
                "0x" + address.hex(),
                calls=str(listed),
                reason=words,
            )
            return listed or 0

    def stopped_lanes(self) -> tuple[StoppedLane, ...]:
        """Return the sending keys that wait for a person, with what they sent unknown to us."""
        with self._reading() as session:
            return stopped_lanes(session)

    def incidents(self, *, everything: bool = False) -> tuple[Incident, ...]:
        """Return open incidents, or with `everything` closed ones too, newest first."""
        query = select(Incident).order_by(Incident.id.desc()).limit(MAX_SHOWN)
        if not everything:
            query = query.where(Incident.closed_at_ms.is_(None))
        with self._reading() as session:
            return tuple(session.scalars(query))

    def close_incident(
        self,
        incident_id: int,
        *,
        reason: str,
        actor: str = "node",
        person_id: int | None = None,
    ) -> None:
        """Close an incident after a person has looked at it; what it stopped goes on.

        Raises `UsageError` REASON_MISSING, `NotFound` INCIDENT_UNKNOWN.
        """
        with self._writing() as session:
            row = close_incident(
                session,
                incident_id,
                reason=reason,
                person_id=person_id,
                now_ms=self._identity.clock(),
            )
            self._act(session, actor, "INCIDENT_CLOSED", f"incident/{incident_id}", kind=row.kind)

    def held_up_to(self, agreement: bytes, window: int, side: Side | None = None) -> int:
        """Count the side's records held for a window or an earlier one."""
        with self._reading() as session:
            chosen = require_side(self._facts(session, agreement), side)
            return wishes.held_up_to(session, agreement, chosen, window)


def close_incident(
    session: Session, incident_id: int, *, reason: str, person_id: int | None, now_ms: int
) -> Incident:
    """Close an open incident; `UsageError` REASON_MISSING, `NotFound` INCIDENT_UNKNOWN."""
    words = _required(reason)
    row = session.get(Incident, incident_id)
    if row is None or row.closed_at_ms is not None:
        raise NotFound("INCIDENT_UNKNOWN", f"no open incident {incident_id}")
    row.closed_at_ms, row.closed_by, row.closed_reason = now_ms, person_id, words
    return row


def held_records(session: Session) -> tuple[HeldRecords, ...]:
    """Return held records in groups of one verdict."""
    keys = (
        QueuedRecord.agreement,
        QueuedRecord.side,
        QueuedRecord.seq,
        QueuedRecord.held_reason,
    )
    rows = session.execute(
        select(
            *keys,
            func.count(),
            func.min(QueuedRecord.window),
            func.min(QueuedRecord.queued_at_ms),
        )
        .where(QueuedRecord.state == HELD)
        .group_by(*keys)
        .order_by(*keys)
        .limit(MAX_SHOWN)
    )
    return tuple(
        HeldRecords(agreement, Side(side), seq, reason or "", count, window, since)
        for agreement, side, seq, reason, count, window, since in rows
    )


def held_intents(session: Session) -> tuple[HeldIntent, ...]:
    """Return held calls."""
    rows = session.scalars(
        select(Intent).where(Intent.state == HELD).order_by(Intent.id).limit(MAX_SHOWN)
    )
    return tuple(
        HeldIntent(
            intent_id=row.id,
            call=row.call,
            agreement=row.agreement,
            side=None if row.side is None else Side(row.side),
            seq=row.seq,
            attempts=row.attempts,
            code=row.error_code or "",
            says=row.error or "",
            created_at_ms=row.created_at_ms,
        )
        for row in rows
    )


def stopped_lanes(session: Session) -> tuple[StoppedLane, ...]:
    """Return stopped keys and the list that a person confirms."""
    lanes = session.scalars(
        select(NonceLane).where(NonceLane.state == "STOPPED").order_by(NonceLane.address)
    ).all()
    return tuple(StoppedLane(row.address, row.reason or "", _listed(session, row)) for row in lanes)


def _listed(session: Session, lane: NonceLane) -> tuple[tuple[bytes, int, str, str], ...]:
    rows = session.execute(
        select(Adoption.tx_hash, Adoption.nonce, Adoption.verdict, Adoption.what)
        .where(Adoption.address == lane.address, Adoption.confirmed_at_ms.is_(None))
        .order_by(Adoption.nonce)
        .limit(MAX_SHOWN)
    )
    return tuple((row[0], row[1], row[2], row[3]) for row in rows)


def _required(reason: str) -> str:
    words = reason.strip()
    if len(words) < MIN_REASON:
        raise UsageError(
            "REASON_MISSING",
            "a release needs a reason: it stands in the audit log",
            help="say in words what was mended",
        )
    return words


def _reseal(session: Session, intent: Intent) -> int:
    if intent.call != "post":
        raise Conflict(
            "INTENT_NOT_BATCH",
            f"call {intent.id} is a {intent.call}, only a batch is sealed anew",
            help="release it without --reseal",
        )
    assert intent.agreement is not None, "a post names its side"
    assert intent.side is not None, "a post names its side"
    assert intent.seq is not None, "a post names its side"
    return withdraw(session, intent.agreement, intent.side, intent.seq, "RESEALED")


def _requeue(session: Session, facts: Facts, side: Side, seq: int | None) -> Released:
    where: list[ColumnElement[bool]] = [
        QueuedRecord.agreement == facts.agreement,
        QueuedRecord.side == int(side),
        QueuedRecord.state == HELD,
    ]
    if seq is not None:
        where.append(QueuedRecord.seq == seq)
    lowest = lowest_open_window(session, facts.agreement, side, terms_at(session, facts.agreement))
    batches = session.scalars(select(QueuedRecord.seq).where(*where).distinct()).all()
    late = session.scalar(
        select(func.count()).select_from(QueuedRecord).where(*where, QueuedRecord.window < lowest)
    )
    records = session.scalar(select(func.count()).select_from(QueuedRecord).where(*where)) or 0
    session.execute(
        update(QueuedRecord)
        .where(*where, QueuedRecord.window < lowest)
        .values(window=lowest)
        .execution_options(synchronize_session=False)
    )
    session.execute(
        update(QueuedRecord)
        .where(*where)
        # The reason stays: such a record is judged against everything before it is sent.
        .values(state=QUEUED, seq=None)
        .execution_options(synchronize_session=False)
    )
    carry_again(session, facts.agreement, side, batches)
    return Released(records, late or 0, 0)


def carry_again(
    session: Session, agreement: bytes, side: Side, batches: Collection[int | None]
) -> None:
    """Let balances and the watermark of batches that do not count wait for the next ones."""
    seqs = sorted(item for item in batches if item is not None)
    lowest = lowest_open_window(session, agreement, side, terms_at(session, agreement))
    session.execute(
        update(StatedBalance)
        .where(
            StatedBalance.agreement == agreement,
            StatedBalance.side == int(side),
            StatedBalance.seq.in_(seqs),
            # What a closed window was stated to hold cannot be said any more.
            StatedBalance.window >= lowest,
        )
        .values(seq=None)
        .execution_options(synchronize_session=False)
    )
    forget_carrier(session, agreement, side, seqs)
