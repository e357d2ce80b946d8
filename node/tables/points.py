"""Rows that follow from the `Points` contract: every movement, accounts, settlements.

Amounts are micro-points, a million to the point.
"""

from __future__ import annotations

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from node.tables.base import DERIVED, Base, Big, Bytes32, OnChain, RowId, Word


class PointMovement(OnChain, Base):
    """One movement of a member's points: `kind` MINTED, BURNED, STAKED, RELEASED or OWED.

    `reason` is the contract's word; stakes carry none, the fact of their transaction says it.
    """

    __tablename__ = "point_movements"
    __table_args__ = (Index(None, "member", "block_number", "log_index"), DERIVED)

    id: Mapped[RowId]
    member: Mapped[int]
    kind: Mapped[Word]
    amount: Mapped[Big]
    reason: Mapped[Word | None]
    tx_hash: Mapped[Bytes32] = mapped_column(index=True)
    block_time_s: Mapped[Big]


class PointCount(OnChain, Base):
    """An entry counted for (`upheld`) or against an uploader's accuracy."""

    __tablename__ = "point_counts"
    __table_args__ = (DERIVED,)

    id: Mapped[RowId]
    member: Mapped[int] = mapped_column(index=True)
    upheld: Mapped[bool]
    tx_hash: Mapped[Bytes32]
    block_time_s: Mapped[Big]


class PointAccount(Base):
    """A member's points as its movements add up; what is staked follows from entries and disputes.

    balance = minted − burned; owed = OWED − what was burned for DEBT; `earned` is what settlements
    paid. Kept so that no page adds up a member's every movement.
    """

    __tablename__ = "point_accounts"
    __table_args__ = (DERIVED,)

    member: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    minted: Mapped[Big]
    burned: Mapped[Big]
    owed: Mapped[Big]
    earned: Mapped[Big]
    upheld: Mapped[int]
    overturned: Mapped[int]


class Settlement(OnChain, Base):
    """A reader's period of ten days, settled; `paid` to all its uploaders together."""

    __tablename__ = "settlements"
    __table_args__ = (DERIVED,)

    reader: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    period: Mapped[Big] = mapped_column(primary_key=True, autoincrement=False)
    attestations_root: Mapped[Bytes32]
    paid: Mapped[Big]
    tx_hash: Mapped[Bytes32]
    block_time_s: Mapped[Big]


class SettlementRow(OnChain, Base):
    """What a reader's confirmations of one uploader came to; `pair_hits` is the formula's k."""

    __tablename__ = "settlement_rows"
    __table_args__ = (DERIVED,)

    reader: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    period: Mapped[Big] = mapped_column(primary_key=True, autoincrement=False)
    uploader: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    hits: Mapped[int]
    burned: Mapped[Big]
    pair_hits: Mapped[Big]
    paid: Mapped[Big]
    tx_hash: Mapped[Bytes32]
    block_time_s: Mapped[Big]
