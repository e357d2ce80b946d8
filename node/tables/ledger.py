"""Rows of the data plane, as the follower saw it: batches, records, closings, attestations.

All are keyed by (agreement, side, …) and carry their block; a rewind deletes from the fork.
"""

from __future__ import annotations

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from node.tables.base import (
    DERIVED,
    Base,
    Big,
    Blob,
    Bytes32,
    Json,
    LongText,
    Name,
    OnChain,
    Sum,
    Word,
)


class Batch(OnChain, Base):
    """One `BatchPosted`. `state`: SEALED (this node holds no key for it yet), VALID or INVALID.

    `reason` says why INVALID, as the report says it. `header` is the opened batch header as
    JSON, `generation` the poster's (raised by a restore). `entry_count` counts the entries that
    count, `repeat_count` the byte-equal repeats. `complete_until_ms` is the batch's watermark.
    """

    __tablename__ = "batches"
    __table_args__ = (
        Index(None, "agreement", "side", "window"),
        # Few states, many batches: only in this order is a page of one state a short read.
        Index(None, "state", "block_number", "log_index"),
        DERIVED,
    )

    agreement: Mapped[Bytes32] = mapped_column(primary_key=True)
    side: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[Big] = mapped_column(primary_key=True, autoincrement=False)
    window: Mapped[Big]
    epoch: Mapped[Big]
    commitment: Mapped[Bytes32]
    prev_head: Mapped[Bytes32]
    head: Mapped[Bytes32]
    payload: Mapped[Blob] = mapped_column(deferred=True)
    payload_bytes: Mapped[int]
    tx_hash: Mapped[Bytes32] = mapped_column(index=True)
    block_time_s: Mapped[Big]
    state: Mapped[Word]
    reason: Mapped[LongText | None]
    header: Mapped[Json | None] = mapped_column(deferred=True)
    entry_count: Mapped[int]
    repeat_count: Mapped[int]
    decision_count: Mapped[int]
    complete_until_ms: Mapped[Big | None]
    generation: Mapped[Big | None]


class PostedEntry(Base):
    """One entry of a VALID batch: every version is kept, the highest counts.

    `leaf` is its index in the batch's tree (0 is the header). `record` is the canonical bytes,
    the truth; the other columns are copies to search by, and no more than is searched by: each
    costs every entry. `repeat` marks a byte-equal repeat, which counts once. `latest` is true on
    the version that counts. A rewind deletes them by their batches, so `block_number` needs no
    index.
    """

    __tablename__ = "entries"
    __table_args__ = (
        Index(None, "agreement", "side", "entry_ref", "version"),
        Index(None, "agreement", "side", "window"),
        Index(None, "agreement", "side", "booking_date"),
        # Equal amounts are few: narrowed to the agreement after the look-up.
        Index(None, "amount_minor"),
        DERIVED,
    )

    agreement: Mapped[Bytes32] = mapped_column(primary_key=True)
    side: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[Big] = mapped_column(primary_key=True, autoincrement=False)
    leaf: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    window: Mapped[Big]
    entry_ref: Mapped[Name]
    version: Mapped[int]
    record: Mapped[Blob]
    repeat: Mapped[bool]
    latest: Mapped[bool]
    direction: Mapped[int]
    amount_minor: Mapped[Big]
    currency: Mapped[Word]
    booking_date: Mapped[int]
    status: Mapped[int]
    block_number: Mapped[Big]
    log_index: Mapped[int]


class PostedDecision(OnChain, Base):
    """One decision record of a VALID batch. `servicer`, `owner`: lists of entry_refs."""

    __tablename__ = "decisions"
    __table_args__ = (Index(None, "agreement", "subject"), DERIVED)

    agreement: Mapped[Bytes32] = mapped_column(primary_key=True)
    side: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[Big] = mapped_column(primary_key=True, autoincrement=False)
    leaf: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    window: Mapped[Big]
    record: Mapped[Blob]
    subject: Mapped[Bytes32]
    previous: Mapped[Bytes32]
    verdict: Mapped[Word]
    servicer: Mapped[Json]
    owner: Mapped[Json]
    decider: Mapped[Name]


class PostedSectionDigest(OnChain, Base):
    """One section-digest record of a VALID batch: posted when two reports differ.

    `sections` is a list of [section name, digest as hex].
    """

    __tablename__ = "section_digests"
    __table_args__ = (DERIVED,)

    agreement: Mapped[Bytes32] = mapped_column(primary_key=True)
    side: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[Big] = mapped_column(primary_key=True, autoincrement=False)
    leaf: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    window: Mapped[Big]
    of_window: Mapped[Big]
    report_digest: Mapped[Bytes32]
    sections: Mapped[Json]
    record: Mapped[Blob]


class Closing(OnChain, Base):
    """A side closed a window at (last_seq, head); `by_default` when the other side did it."""

    __tablename__ = "closings"
    __table_args__ = (DERIVED,)

    agreement: Mapped[Bytes32] = mapped_column(primary_key=True)
    side: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    window: Mapped[Big] = mapped_column(primary_key=True, autoincrement=False)
    last_seq: Mapped[Big]
    head: Mapped[Bytes32]
    by_default: Mapped[bool]
    tx_hash: Mapped[Bytes32]
    block_time_s: Mapped[Big]


class Attestation(OnChain, Base):
    """A side's signed result of a window; `signer` is the approver's address where known."""

    __tablename__ = "attestations"
    __table_args__ = (DERIVED,)

    agreement: Mapped[Bytes32] = mapped_column(primary_key=True)
    side: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    window: Mapped[Big] = mapped_column(primary_key=True, autoincrement=False)
    revision: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    servicer_head: Mapped[Bytes32]
    owner_head: Mapped[Bytes32]
    previous_agreed_digest: Mapped[Bytes32]
    digest: Mapped[Bytes32]
    flags: Mapped[int]
    signature: Mapped[Blob]
    signer: Mapped[Blob | None]
    tx_hash: Mapped[Bytes32]
    block_time_s: Mapped[Big]


class AgreedResult(OnChain, Base):
    """The ledger recorded one result: `state` AGREED, or ONE_SIDED where a side is represented."""

    __tablename__ = "agreed_results"
    __table_args__ = (DERIVED,)

    agreement: Mapped[Bytes32] = mapped_column(primary_key=True)
    window: Mapped[Big] = mapped_column(primary_key=True, autoincrement=False)
    digest: Mapped[Bytes32]
    state: Mapped[Word]
    tx_hash: Mapped[Bytes32]
    block_time_s: Mapped[Big]


class StreamState(Base):
    """Kept per side, so that a page counts nothing: the tip of its stream and its totals.

    `posted_window` is the highest posted to, `closed_window` the last closed (null: none).
    `contiguous` is false after a gap, fork or head that differs: an incident says which.
    """

    __tablename__ = "stream_states"
    __table_args__ = (DERIVED,)

    agreement: Mapped[Bytes32] = mapped_column(primary_key=True)
    side: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    last_seq: Mapped[Big]
    head: Mapped[Bytes32]
    posted_window: Mapped[Big | None]
    closed_window: Mapped[Big | None]
    closed_seq: Mapped[Big | None]
    closed_head: Mapped[Bytes32 | None]
    entry_count: Mapped[Big]
    batch_count: Mapped[Big]
    invalid_count: Mapped[Big]
    sealed_count: Mapped[Big]
    complete_until_ms: Mapped[Big | None]
    last_posted_at_s: Mapped[Big | None]
    contiguous: Mapped[bool]


class WindowTotals(Base):
    """Kept per side, window and currency: what the VALID batches say, repeats left out.

    Every version posted counts in its own window; the sums are over statuses that move balances.
    """

    __tablename__ = "window_totals"
    __table_args__ = (DERIVED,)

    agreement: Mapped[Bytes32] = mapped_column(primary_key=True)
    side: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    window: Mapped[Big] = mapped_column(primary_key=True, autoincrement=False)
    currency: Mapped[Word] = mapped_column(primary_key=True)
    entry_count: Mapped[Big]
    in_minor: Mapped[Sum]
    out_minor: Mapped[Sum]
    last_seq: Mapped[Big]
