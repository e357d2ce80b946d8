"""Batches: from queued records to a sealed payload and its intent, in one SQL transaction.

A batch has one window. The next seq and head follow from the last sealed payload, not from the
chain: batches leave in one lane, in order, so what is sealed is what will stand. Batches fill by
size, age (the terms' posting interval) and bytes; a single entry need not wait for others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from node.agreements import Facts
from node.crypto.sealing import SealedBatch, fit_batch, seal_batch
from node.keyring import KeyRing
from node.services.posting.balances import (
    CLOSING,
    OPENING,
    balance_of,
    waiting_balances,
)
from node.services.posting.judging import RulesOf, hold, judge_own
from node.services.posting.queue import QUEUED, SEALED
from node.services.posting.watermark import WITHDRAWN, carry_until, waiting_until
from node.tables import (
    EpochKey,
    ImportedFile,
    QueuedRecord,
    SealedPayload,
    StatedBalance,
    StreamState,
)
from reconcile.commitment.bulk import decode_records
from reconcile.commitment.header import BatchHeader, PlainBatch, build_batch
from reconcile.commitment.heads import BatchPlace, Stream, next_head
from reconcile.commitment.validity import Validity
from reconcile.model import Balance, Record, Side
from reconcile.terms import Terms

# About 3,000 entries fill a payload; some more are read so that fitting has something to cut.
RECORDS_AT_ONCE: Final = 4_000
READY: Final = "READY"
ACKNOWLEDGED: Final = "ACKNOWLEDGED"
PUBLISHED: Final = "PUBLISHED"
ACK_BY_S: Final = 86_400


class Poster(Protocol):
    """Appends the intent that posts a sealed batch; given by the composition root."""

    def __call__(self, session: Session, payload: SealedPayload) -> int:
        """Return the intent's id."""
        ...


@dataclass(frozen=True, slots=True)
class Tip:
    """Where a side's own stream stands, sealed batches included."""

    seq: int
    head: bytes


@dataclass(frozen=True, slots=True)
class UsableEpoch:
    """The newest epoch key a side may post under."""

    epoch: int
    key: bytes


def tip_of(session: Session, stream: Stream) -> Tip:
    """Return the last sealed or posted batch's seq and head; the zero head before the first."""
    where = (SealedPayload.agreement == stream.agreement, SealedPayload.side == int(stream.side))
    sealed = session.execute(
        select(SealedPayload.seq, SealedPayload.head)
        .where(*where, SealedPayload.state != WITHDRAWN)
        .order_by(SealedPayload.seq.desc())
        .limit(1)
    ).first()
    state = session.get(StreamState, (stream.agreement, int(stream.side)))
    if state is not None and state.last_seq and (sealed is None or state.last_seq > sealed.seq):
        return Tip(state.last_seq, state.head)
    return Tip(sealed.seq, sealed.head) if sealed is not None else Tip(0, stream.head0)


def usable_epoch(
    session: Session, ring: KeyRing, facts: Facts, side: Side, *, chain_time_s: int
) -> UsableEpoch | None:
    """Return the newest own epoch that the other side acknowledged (or never answered)."""
    for epoch in _usable_epochs(session, facts, side, chain_time_s):
        key = ring.epoch_key(session, facts.agreement, int(side), epoch)
        if key is not None:
            return UsableEpoch(epoch, key)
    return None


def newest_usable_epoch(
    session: Session, facts: Facts, side: Side, chain_time_s: int
) -> int | None:
    """Return the number of a side's newest usable epoch, None without one."""
    return next(iter(_usable_epochs(session, facts, side, chain_time_s)), None)


def _usable_epochs(session: Session, facts: Facts, side: Side, chain_time_s: int) -> Iterator[int]:
    rows = session.execute(
        select(EpochKey.epoch, EpochKey.state, EpochKey.published_at_s)
        .where(EpochKey.agreement == facts.agreement, EpochKey.side == int(side))
        .order_by(EpochKey.epoch.desc())
    )
    for epoch, state, published_s in rows:
        # A represented side has nobody to acknowledge its key.
        unanswered = facts.represented is not None or chain_time_s >= published_s + ACK_BY_S
        if state == ACKNOWLEDGED or (state == PUBLISHED and unanswered):
            yield epoch


def seal_next(
    session: Session,
    facts: Facts,
    side: Side,
    stream: Stream,
    epoch: UsableEpoch,
    terms: Terms,
    post: Poster,
    *,
    rules_of: RulesOf,
    generation: int,
    now_ms: int,
) -> SealedPayload | Validity | None:
    """Seal the next batch of one side and hand it to the outbox; None when nothing waits.

    A batch that would not count is not sealed: what it stumbles over is held, and the verdict is
    returned. The next call goes on with the rest.
    """
    rows = _next_rows(session, facts.agreement, side)
    window = rows[0].window if rows else _waiting_window(session, facts.agreement, side)
    if window is None:
        return None
    tip = tip_of(session, stream)
    balances = waiting_balances(session, facts.agreement, side, window)
    mark = waiting_until(session, facts.agreement, side)
    records = decode_records([row.record for row in rows])
    raw = {id(record): row.record for record, row in zip(records, rows, strict=True)}
    queued = waiting(session, facts.agreement, side).records
    # Fewer than asked for are all that wait in the window.
    queued_here = len(rows)
    if queued_here >= RECORDS_AT_ONCE:
        queued_here = _waiting_in(session, facts.agreement, side, window)

    def build(some: Sequence[Record]) -> PlainBatch:
        return build_batch(
            agreement=facts.agreement,
            side=side,
            seq=tip.seq + 1,
            window=window,
            records=some,
            record_bytes=[raw[id(record)] for record in some],
            generation=generation,
            opening=_latest(balances, OPENING),
            # A closing goes with the last records of its window, a watermark with the very last.
            closing=_latest(balances, CLOSING) if len(some) == queued_here else {},
            complete_until=mark.until_ms if mark and len(some) == queued else None,
            sources=_sources(session, rows[: len(some)]),
            represented=side is facts.represented,
        )

    plain = fit_batch(records, build, compression=terms.compression)
    taken = rows[: plain.header.count]
    place = BatchPlace(stream, tip.seq + 1, window, epoch.epoch)
    rules = rules_of(session, facts.agreement, window)
    again = any(row.was_held for row in taken)
    verdict = judge_own(session, plain, place, rules, again=again)
    # A batch of balances alone has nothing to hold; the ledger's verdict is then seen by both.
    if not verdict.valid and taken:
        hold(session, plain, [row.row_id for row in taken], verdict, rules, now_ms=now_ms)
        return verdict
    sealed = seal_batch(plain, epoch.key, place, compression=terms.compression)
    payload = _payload_row(tip, place, sealed, plain.header, now_ms=now_ms)
    session.add(payload)
    session.flush()
    _mark(session, taken, balances, plain.header)
    if plain.header.complete_until is not None:
        carry_until(session, facts.agreement, side, payload.id)
    payload.intent_id = post(session, payload)
    return payload


def _payload_row(
    tip: Tip, place: BatchPlace, sealed: SealedBatch, header: BatchHeader, *, now_ms: int
) -> SealedPayload:
    return SealedPayload(
        agreement=header.agreement,
        side=int(header.side),
        seq=place.seq,
        window=place.window,
        epoch=place.epoch,
        prev_head=tip.head,
        head=next_head(
            tip.head,
            place.seq,
            place.window,
            place.epoch,
            sealed.commitment,
            sealed.payload_hash,
        ),
        commitment=sealed.commitment,
        payload=sealed.payload,
        record_count=header.count,
        generation=header.generation,
        state=READY,
        sealed_at_ms=now_ms,
    )


@dataclass(frozen=True, slots=True)
class _Waiting:
    """One queued record."""

    row_id: int
    window: int
    record: bytes
    file_id: int | None
    was_held: bool


def _next_rows(session: Session, agreement: bytes, side: Side) -> list[_Waiting]:
    """Return the oldest queued records of one window, in the order they were queued."""
    first = session.execute(
        select(QueuedRecord.window)
        .where(
            QueuedRecord.agreement == agreement,
            QueuedRecord.side == int(side),
            QueuedRecord.state == QUEUED,
            QueuedRecord.seq.is_(None),
        )
        .order_by(QueuedRecord.id)
        .limit(1)
    ).scalar_one_or_none()
    if first is None:
        return []
    found = session.execute(
        select(
            QueuedRecord.id,
            QueuedRecord.window,
            QueuedRecord.record,
            QueuedRecord.file_id,
            QueuedRecord.held_reason.is_not(None),
        )
        .where(
            QueuedRecord.agreement == agreement,
            QueuedRecord.side == int(side),
            QueuedRecord.state == QUEUED,
            QueuedRecord.seq.is_(None),
            QueuedRecord.window == first,
        )
        .order_by(QueuedRecord.id)
        .limit(RECORDS_AT_ONCE)
    )
    return [_Waiting(*row) for row in found]


def _waiting_window(session: Session, agreement: bytes, side: Side) -> int | None:
    """Return the window of a batch that carries balances or a watermark alone."""
    balances = waiting_balances(session, agreement, side)
    if balances:
        return balances[0].window
    mark = waiting_until(session, agreement, side)
    return None if mark is None else mark.window


def _latest(rows: Sequence[StatedBalance], which: str) -> dict[str, Balance]:
    found: dict[str, Balance] = {}
    for row in rows:
        if row.which == which and (which == CLOSING or row.currency not in found):
            found[row.currency] = balance_of(row)
    return found


def _sources(session: Session, rows: Sequence[_Waiting]) -> list[bytes]:
    ids = {row.file_id for row in rows if row.file_id is not None}
    if not ids:
        return []
    found = session.execute(select(ImportedFile.file_sha256).where(ImportedFile.id.in_(ids)))
    return sorted(found.scalars())


def _mark(
    session: Session,
    taken: Sequence[_Waiting],
    balances: Sequence[StatedBalance],
    header: BatchHeader,
) -> None:
    """Note in which batch everything left, in the transaction that seals it."""
    if taken:
        # They were read in this order under this very filter: one statement marks them all.
        session.execute(
            update(QueuedRecord)
            .where(
                QueuedRecord.agreement == header.agreement,
                QueuedRecord.side == int(header.side),
                QueuedRecord.state == QUEUED,
                QueuedRecord.seq.is_(None),
                QueuedRecord.window == header.window,
                QueuedRecord.id <= taken[-1].row_id,
            )
            .values(state=SEALED, seq=header.seq)
            .execution_options(synchronize_session=False)
        )
    for row in balances:
        if row.which == OPENING or header.closing:
            row.seq = header.seq


# ------------------------------------------------------------------------ when is it due
@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits on one side; `sealed_ms`: when it sealed its last batch, 0 before any."""

    records: int
    oldest_ms: int | None
    sealed_ms: int = 0


def waiting(session: Session, agreement: bytes, side: Side) -> Waiting:
    """Count what is queued on one side, by the index alone; the oldest was queued first."""
    queued = (
        QueuedRecord.agreement == agreement,
        QueuedRecord.side == int(side),
        QueuedRecord.state == QUEUED,
        QueuedRecord.seq.is_(None),
    )
    oldest = session.execute(
        select(QueuedRecord.queued_at_ms).where(*queued).order_by(QueuedRecord.id).limit(1)
    ).scalar_one_or_none()
    if oldest is None:
        return Waiting(0, None)
    count = session.execute(select(func.count()).where(*queued)).scalar_one()
    sealed = session.execute(
        select(SealedPayload.sealed_at_ms)
        .where(SealedPayload.agreement == agreement, SealedPayload.side == int(side))
        .order_by(SealedPayload.seq.desc())
        .limit(1)
    ).scalar_one_or_none()
    return Waiting(count, oldest, sealed or 0)


def _waiting_in(session: Session, agreement: bytes, side: Side, window: int) -> int:
    return session.execute(
        select(func.count()).where(
            QueuedRecord.agreement == agreement,
            QueuedRecord.side == int(side),
            QueuedRecord.state == QUEUED,
            QueuedRecord.seq.is_(None),
            QueuedRecord.window == window,
        )
    ).scalar_one()


def is_due(found: Waiting, terms: Terms, *, now_ms: int, flush: bool, other: bool) -> bool:
    """Say whether a batch leaves now: flushed, enough records, or old enough.

    A side that sealed nothing for a whole interval does not wait: its first records leave at once,
    and those that come within the interval after them leave together.
    """
    if flush:
        return found.records > 0 or other
    if found.records >= RECORDS_AT_ONCE:
        return True
    if found.oldest_ms is None:
        return other
    since_ms = min(found.oldest_ms, found.sealed_ms)
    return now_ms - since_ms >= terms.posting_interval_ms
