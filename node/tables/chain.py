"""Rows that follow from the chain: cursor, control-plane facts and the state folded from them.

`ChainEvent` is append-only apart from rewinds; the folded tables (`Member` … `EpochKey`) are
emptied and folded again from it whenever the chain is rewound.
"""

from __future__ import annotations

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from node.tables.base import (
    DERIVED,
    Base,
    Big,
    Blob,
    Bytes20,
    Bytes32,
    Json,
    LongText,
    Name,
    OnChain,
    RowId,
    Word,
)


class Cursor(Base):
    """Where the follower stands. One row, id 1: everything up to `block_number` is in rows.

    `head_block` and `final_block` are the chain's, as last seen. `deployed_block` is the first
    block that may hold our logs. `blacklist_address` is null where the network has none.
    """

    __tablename__ = "cursors"
    __table_args__ = (DERIVED,)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    chain_id: Mapped[Big]
    registry_address: Mapped[Bytes20]
    ledger_address: Mapped[Bytes20]
    blacklist_address: Mapped[Bytes20 | None]
    deployed_block: Mapped[Big]
    block_number: Mapped[Big]
    block_hash: Mapped[Bytes32]
    head_block: Mapped[Big]
    head_time_s: Mapped[Big]
    final_block: Mapped[Big]
    seen_at_ms: Mapped[Big]


class Block(Base):
    """A block this node has read: the last ones all, older ones where they hold our logs."""

    __tablename__ = "blocks"
    __table_args__ = (DERIVED,)

    number: Mapped[Big] = mapped_column(primary_key=True, autoincrement=False)
    hash: Mapped[Bytes32]
    parent_hash: Mapped[Bytes32]
    time_s: Mapped[Big]
    has_logs: Mapped[bool]


class ChainEvent(OnChain, Base):
    """One fact of the control plane, as decoded. `args`: names of the ABI; bytes as 0x-hex.

    uint64 and wider integers are decimal strings in `args`.
    """

    __tablename__ = "chain_events"
    __table_args__ = (UniqueConstraint("block_number", "log_index"), DERIVED)

    id: Mapped[RowId]
    contract: Mapped[Word]
    name: Mapped[Word] = mapped_column(index=True)
    args: Mapped[Json]
    tx_hash: Mapped[Bytes32]
    block_time_s: Mapped[Big]
    agreement: Mapped[Bytes32 | None] = mapped_column(index=True)
    member: Mapped[int | None] = mapped_column(index=True)


class Member(OnChain, Base):
    """A member: `kind` FULL or PARTICIPANT, `state` ACTIVE, SUSPENDED or REVOKED.

    `code` is public text for full members; a participant has `code_hash`, its salted commitment.
    """

    __tablename__ = "members"
    __table_args__ = (DERIVED,)

    member: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[Word]
    state: Mapped[Word]
    sponsor: Mapped[int | None]
    code: Mapped[Name | None]
    code_hash: Mapped[Bytes32]
    generation: Mapped[int]
    admitted_at_s: Mapped[Big]


class MemberKey(OnChain, Base):
    """A signing key: `role` ADMIN, POSTER or APPROVER, `state` ACTIVE, ENDED or CANCELLED.

    Valid in blocks `valid_from` … `valid_to`, both inclusive; a uint64 above 63 bits is clipped.
    `ending_from` is the `valid_to` to return to while a pending ending can be cancelled.
    `compromised_since_s` is the date said by the member; it changes no past verdict.
    """

    __tablename__ = "member_keys"
    __table_args__ = (DERIVED,)

    address: Mapped[Bytes20] = mapped_column(primary_key=True)
    member: Mapped[int] = mapped_column(index=True)
    role: Mapped[Word]
    state: Mapped[Word]
    valid_from: Mapped[Big]
    valid_to: Mapped[Big]
    ending_from: Mapped[Big | None]
    compromised_since_s: Mapped[Big | None]


class Motion(OnChain, Base):
    """A vote of the full members: `state` OPEN or EXECUTED; it expires after `expires_at` (block).

    `approvers` is the list of members in order. `action` is the contract's word, e.g. SUSPEND.
    """

    __tablename__ = "motions"
    __table_args__ = (DERIVED,)

    motion: Mapped[Bytes32] = mapped_column(primary_key=True)
    action: Mapped[Word]
    target: Mapped[Bytes32]
    argument: Mapped[Blob]
    proposer: Mapped[int]
    approvers: Mapped[Json]
    state: Mapped[Word]
    generation: Mapped[int]
    round: Mapped[int]
    expires_at: Mapped[Big]
    opened_at_s: Mapped[Big]


class SealingKey(OnChain, Base):
    """A public sealing key of (member, agreement); agreement zeros is the general one."""

    __tablename__ = "sealing_keys"
    __table_args__ = (DERIVED,)

    member: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    agreement: Mapped[Bytes32] = mapped_column(primary_key=True)
    generation: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    key_hash: Mapped[Bytes32]
    public_key: Mapped[Blob]
    ends_at_s: Mapped[Big]
    published_at_s: Mapped[Big]


class Agreement(OnChain, Base):
    """An agreement: `state` OPENED, ACTIVE, ENDING (notice given), ENDED or WITHDRAWN.

    `kind` is an `AgreementKind`. A represented side is member 0; `terms_hash`: the first terms.

    `represented_side` is 0 or 1 where that side has no node, else null. `activated_at_s` is the
    block time at which posting became possible.
    """

    __tablename__ = "agreements"
    __table_args__ = (DERIVED,)

    agreement: Mapped[Bytes32] = mapped_column(primary_key=True)
    kind: Mapped[int]
    servicer: Mapped[int] = mapped_column(index=True)
    owner: Mapped[int] = mapped_column(index=True)
    observers: Mapped[Json]
    represented_side: Mapped[int | None]
    party_commitment: Mapped[Bytes32]
    predecessor: Mapped[Bytes32]
    successor: Mapped[Bytes32 | None]
    terms_hash: Mapped[Bytes32]
    utc_offset_min: Mapped[int]
    default_after_days: Mapped[int]
    sealed_terms: Mapped[Blob]
    state: Mapped[Word] = mapped_column(index=True)
    opened_at_s: Mapped[Big]
    activated_at_s: Mapped[Big | None]
    last_window: Mapped[Big | None]
    ended_at_s: Mapped[Big | None]


class AgreementTerms(OnChain, Base):
    """Terms of an agreement: `state` PROPOSED, IN_FORCE, or REPLACED by a newer proposal.

    In force from `from_window` on; the highest `from_window` not above a window rules it.
    `proposed_from` is what both signed. The opening's terms are from window 0; `side` proposed.
    """

    __tablename__ = "agreement_terms"
    __table_args__ = (Index(None, "agreement", "from_window"), DERIVED)

    id: Mapped[RowId]
    agreement: Mapped[Bytes32]
    terms_hash: Mapped[Bytes32] = mapped_column(index=True)
    from_window: Mapped[Big]
    proposed_from: Mapped[Big]
    observers: Mapped[Json]
    sealed_terms: Mapped[Blob]
    side: Mapped[int | None]
    state: Mapped[Word]
    proposed_at_s: Mapped[Big]
    accepted_at_s: Mapped[Big | None]


class EpochKey(OnChain, Base):
    """A side's epoch key: `state` PUBLISHED, ACKNOWLEDGED or REJECTED (with `reason`).

    A published one is usable unanswered after the ledger's `ACK_BY_S`. `wraps` is a list of
    {"recipient", "generation", "hpke": 0x-hex}. The key itself, where this node could open
    it, is in `local_keys`.
    """

    __tablename__ = "epoch_keys"
    __table_args__ = (DERIVED,)

    agreement: Mapped[Bytes32] = mapped_column(primary_key=True)
    side: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    epoch: Mapped[Big] = mapped_column(primary_key=True, autoincrement=False)
    key_commitment: Mapped[Bytes32]
    wraps: Mapped[Json]
    state: Mapped[Word]
    reason: Mapped[LongText | None]
    published_at_s: Mapped[Big]
    answered_at_s: Mapped[Big | None]
