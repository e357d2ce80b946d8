"""Rows of the way out: records in the queue, sealed payloads, intents, transactions, lanes."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from node.tables.base import (
    Base,
    Big,
    Blob,
    Bytes20,
    Bytes32,
    Json,
    LongText,
    Name,
    Ref,
    RowId,
    Word,
)


class QueuedRecord(Base):
    """A record waiting to be posted, or what became of it.

    `state`: QUEUED, SEALED (in payload `seq`), POSTED, HELD, DISCARDED (two people gave it up: a
    draft of kind `discard` says who and why).
    `record_type` is ENTRY, DECISION or SECTION_DIGEST; `entry_ref` is null but for entries.
    One (agreement, side, entry_ref, version) exists once. POSTED: seen in a VALID final batch.
    HELD: its batch was judged INVALID (`seq` names it), or would have been and was not sent (`seq`
    is null); `held_reason` is the verdict, kept once a person released it. It counts as not posted.
    `line` is where in the file `file_id` it came from; both stay in the node.
    """

    __tablename__ = "queued_records"
    __table_args__ = (
        UniqueConstraint("agreement", "side", "entry_ref", "version"),
        # One index for all: what waits (no seq) in its order, and what a payload carries.
        Index(None, "agreement", "side", "state", "seq", "id"),
    )

    id: Mapped[RowId]
    agreement: Mapped[Bytes32]
    side: Mapped[int]
    window: Mapped[Big]
    record_type: Mapped[Word] = mapped_column(default="ENTRY")
    entry_ref: Mapped[Name | None]
    version: Mapped[int | None]
    record: Mapped[Blob]
    file_id: Mapped[Ref | None] = mapped_column(ForeignKey("imported_files.id"))
    line: Mapped[int | None]
    state: Mapped[Word]
    seq: Mapped[Big | None]
    held_reason: Mapped[LongText | None]
    queued_at_ms: Mapped[Big]


class SealedPayload(Base):
    """The sealed payload of (agreement, side, seq), kept apart from the transactions around it.

    `state`: READY, POSTED (seen final), WITHDRAWN (its window, epoch or key closed finally; its
    records went back to the queue and `seq` is sealed again).
    """

    __tablename__ = "sealed_payloads"
    __table_args__ = (Index(None, "agreement", "side", "seq"), Index(None, "state"))

    id: Mapped[RowId]
    agreement: Mapped[Bytes32]
    side: Mapped[int]
    seq: Mapped[Big]
    window: Mapped[Big]
    epoch: Mapped[Big]
    prev_head: Mapped[Bytes32]
    head: Mapped[Bytes32]
    commitment: Mapped[Bytes32]
    payload: Mapped[Blob] = mapped_column(deferred=True)
    record_count: Mapped[int]
    generation: Mapped[int]
    intent_id: Mapped[Ref | None] = mapped_column(ForeignKey("intents.id"))
    state: Mapped[Word]
    sealed_at_ms: Mapped[Big]


class Intent(Base):
    """An outbox row: one contract call this node wants made, written with its business rows.

    `state`: WAITING, SIGNED (a transaction exists), DONE (final and succeeded, or its effect was
    seen), REFUSED (rejected for good, `error` says why), HELD (an operator must look).
    `lane_key` groups what must go in order: "agreement-hex/side", "registry" (poster) or "admin"
    (sent by the admin key). `contract` is Registry or Ledger. `subject`
    identifies the effect, e.g. "post/agreement/side/seq"; a REFUSED row gives its subject up.
    `call` names the contract function; `calldata` is its bytes, but for `post`, whose bytes are
    built from the sealed payload. `alone` keeps it out of `postMany`. `tx_hash` is the present
    transaction's; `intent.attempts` counts transactions signed for it.
    """

    __tablename__ = "intents"
    __table_args__ = (
        UniqueConstraint("subject"),
        Index(None, "state", "lane_key", "id"),
    )

    id: Mapped[RowId]
    kind: Mapped[Word]
    subject: Mapped[Name]
    lane_key: Mapped[Name]
    agreement: Mapped[Bytes32 | None] = mapped_column(index=True)
    side: Mapped[int | None]
    seq: Mapped[Big | None]
    window: Mapped[Big | None]
    contract: Mapped[Word]
    call: Mapped[Word]
    calldata: Mapped[Blob] = mapped_column(deferred=True)
    alone: Mapped[bool] = mapped_column(default=False)
    state: Mapped[Word]
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[LongText | None]
    error_code: Mapped[Word | None]
    wake_at_ms: Mapped[Big] = mapped_column(default=0)
    created_at_ms: Mapped[Big]
    done_at_ms: Mapped[Big | None]
    tx_hash: Mapped[Bytes32 | None] = mapped_column(index=True)
    person_id: Mapped[Ref | None]


class Transaction(Base):
    """A signed transaction, persisted before its first send; `raw` is re-sent unchanged.

    `state`: SIGNED, SENT, MINED (in a block, not final), FINAL, REVERTED (finally),
    REPLACED (another transaction of this nonce is final), ADOPTED (found on the chain).
    `purpose`: CALL (of `intent_id`), MANY (a `postMany` of the intents that name it) or FILLER.
    """

    __tablename__ = "transactions"
    __table_args__ = (Index(None, "address", "nonce"), Index(None, "state"))

    tx_hash: Mapped[Bytes32] = mapped_column(primary_key=True)
    intent_id: Mapped[Ref | None] = mapped_column(ForeignKey("intents.id"), index=True)
    address: Mapped[Bytes20]
    nonce: Mapped[Big]
    purpose: Mapped[Word]
    raw: Mapped[Blob] = mapped_column(deferred=True)
    gas_limit: Mapped[Big]
    gas_price_wei: Mapped[Big]
    state: Mapped[Word]
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[LongText | None]
    signed_at_ms: Mapped[Big]
    sent_at_ms: Mapped[Big | None]
    block_number: Mapped[Big | None]
    block_hash: Mapped[Bytes32 | None]


class NonceLane(Base):
    """One per poster key, row-locked while a nonce is taken.

    `state`: OPEN, STOPPED (`reason`: used elsewhere, adoption to confirm, incident).
    `in_flight_limit` is learned: halved when the pool refuses, raised on success.
    """

    __tablename__ = "nonce_lanes"

    address: Mapped[Bytes20] = mapped_column(primary_key=True)
    next_nonce: Mapped[Big]
    state: Mapped[Word]
    reason: Mapped[LongText | None]
    in_flight_limit: Mapped[int]
    generation: Mapped[int]
    checked_at_ms: Mapped[Big | None]


class SideLane(Base):
    """Which poster key sends for (agreement, side), or for the registry; changed only when idle."""

    __tablename__ = "side_lanes"

    lane_key: Mapped[Name] = mapped_column(primary_key=True)
    address: Mapped[Bytes20] = mapped_column(index=True)


class Adoption(Base):
    """A transaction of an own key that this database did not know; an operator confirms the list.

    `verdict`: ADOPTABLE (batch or epoch key this node opens, closing at the stored head,
    acknowledgement, own attestation, filler, reverted) or FOREIGN. `confirmed_by` is a person.
    """

    __tablename__ = "adoptions"

    tx_hash: Mapped[Bytes32] = mapped_column(primary_key=True)
    address: Mapped[Bytes20] = mapped_column(index=True)
    nonce: Mapped[Big]
    block_number: Mapped[Big]
    verdict: Mapped[Word]
    what: Mapped[LongText]
    details: Mapped[Json]
    found_at_ms: Mapped[Big]
    confirmed_at_ms: Mapped[Big | None]
    confirmed_by: Mapped[Ref | None]
