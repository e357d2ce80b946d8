"""Rows that follow from the `Lookups` contract: key epochs, committees' words, logs, consents."""

from __future__ import annotations

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from node.tables.base import DERIVED, Base, Big, Blob, Bytes32, Json, OnChain, RowId, Word


class KeyEpoch(OnChain, Base):
    """A key epoch as one sharing of its key holds it; the highest `sharing` counts.

    `members` of the committee ascend. `shares_hash` is SHA-256 over their public shares in that
    order. Lookups use the epoch from `switch_block` on.
    """

    __tablename__ = "key_epochs"
    __table_args__ = (DERIVED,)

    key_epoch: Mapped[Big] = mapped_column(primary_key=True, autoincrement=False)
    sharing: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    threshold: Mapped[int]
    members: Mapped[Json]
    public_key: Mapped[Bytes32]
    shares_hash: Mapped[Bytes32]
    switch_block: Mapped[Big]
    tx_hash: Mapped[Bytes32]
    block_time_s: Mapped[Big]


class KeyEpochApproval(OnChain, Base):
    """A member approved the words of this digest for a key epoch."""

    __tablename__ = "key_epoch_approvals"
    __table_args__ = (DERIVED,)

    digest: Mapped[Bytes32] = mapped_column(primary_key=True)
    member: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    key_epoch: Mapped[Big]
    tx_hash: Mapped[Bytes32]
    block_time_s: Mapped[Big]


class CommitteeWord(OnChain, Base):
    """A word of key generation or re-sharing; the nodes judge it, the contract did not."""

    __tablename__ = "committee_words"
    __table_args__ = (Index(None, "session", "block_number", "log_index"), DERIVED)

    id: Mapped[RowId]
    session: Mapped[Bytes32]
    member: Mapped[int]
    phase: Mapped[int]
    body: Mapped[Blob]
    tx_hash: Mapped[Bytes32]
    block_time_s: Mapped[Big]


class LookupLog(OnChain, Base):
    """A committee node's log of a day's evaluations, by its root. `day` is since 1970."""

    __tablename__ = "lookup_logs"
    __table_args__ = (DERIVED,)

    member: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    day: Mapped[Big] = mapped_column(primary_key=True, autoincrement=False)
    root: Mapped[Bytes32]
    count: Mapped[Big]
    tx_hash: Mapped[Bytes32]
    block_time_s: Mapped[Big]


class RecordedConsent(OnChain, Base):
    """A reader's record of a consent: whose it is nobody sees. `level` is what the reader claims.

    `consent` is `node.screening.consents.consent_key` of reader and digest: another member's record
    of the same digest is another row.
    """

    __tablename__ = "recorded_consents"
    __table_args__ = (Index(None, "reader", "block_number"), DERIVED)

    consent: Mapped[Bytes32] = mapped_column(primary_key=True)
    reader: Mapped[int]
    level: Mapped[int]
    valid_to_s: Mapped[Big]
    tx_hash: Mapped[Bytes32]
    block_time_s: Mapped[Big]
    revoked_block: Mapped[Big | None] = mapped_column(index=True)
    revoked_at_s: Mapped[Big | None]
    revoked_tx: Mapped[Bytes32 | None]


class TicketRange(OnChain, Base):
    """Tickets `first` … `first + count - 1` that a member bought.

    `kind` is LOOKUP, DETAIL or OWN_RECORD; `day` is the day whose caps they count against. `use` is
    a DETAIL ticket's salted hash of its entry.
    """

    __tablename__ = "ticket_ranges"
    __table_args__ = (DERIVED,)

    first: Mapped[Big] = mapped_column(primary_key=True, autoincrement=False)
    count: Mapped[int]
    member: Mapped[int] = mapped_column(index=True)
    kind: Mapped[Word]
    day: Mapped[Big]
    use: Mapped[Bytes32 | None]
    tx_hash: Mapped[Bytes32]
    block_time_s: Mapped[Big]
