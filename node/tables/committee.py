"""Rows of this node's own part in a committee: its runs, what it evaluated, what it refused."""

from __future__ import annotations

from sqlalchemy import Index, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from node.tables.base import (
    Base,
    Big,
    Blob,
    Bytes32,
    LongText,
    Name,
    RowId,
    Word,
)


class CommitteeRun(Base):
    """A run of key generation or re-sharing that this node joined.

    `state`: JOINED, HELD (a share lies in the key store), LATE (a re-sharing that was not approved
    in time, and that the ledger may install yet: its share is kept), DEALT (an old node that keeps
    none), INSTALLED, RETIRED (the share is destroyed) or FAILED with `error_code`. `secret` holds
    this node's polynomials, sealed by the vault, until the run is over.
    """

    __tablename__ = "committee_runs"
    __table_args__ = (Index(None, "state"),)

    run: Mapped[Bytes32] = mapped_column(primary_key=True)
    plan: Mapped[Blob]
    key_epoch: Mapped[Big]
    sharing: Mapped[int]
    state: Mapped[Word]
    secret: Mapped[Blob | None] = mapped_column(deferred=True)
    error_code: Mapped[Word | None]
    error: Mapped[LongText | None]
    joined_at_ms: Mapped[Big]
    ended_at_ms: Mapped[Big | None]


class DealtShare(Base):
    """A share that a dealer sent this node in a run, sealed by the vault; the first one counts."""

    __tablename__ = "dealt_shares"

    run: Mapped[Bytes32] = mapped_column(primary_key=True)
    dealer: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sealed: Mapped[Blob]
    received_at_ms: Mapped[Big]


class ShareDelivery(Base):
    """A share of this node's deal that its receiver has taken."""

    __tablename__ = "share_deliveries"

    run: Mapped[Bytes32] = mapped_column(primary_key=True)
    receiver: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    delivered_at_ms: Mapped[Big]


class Evaluation(Base):
    """One evaluation by this node's share: the row is there before the answer leaves.

    `subject` is what one element B is for, for ever: a ticket, or an entry in a key epoch.
    `consent` is the consent's digest, the entry's id for a listing. `blinded` is SHA-256 of B;
    `signature` the reader's over (ticket, B, consent, key epoch). `day` is of the chain's time.
    `own_record`: a person's free query about herself, which counts against a cap of its own.
    """

    __tablename__ = "evaluations"
    __table_args__ = (
        UniqueConstraint("subject"),
        Index(None, "consent"),
        Index(None, "day", "reader", "own_record"),
    )

    id: Mapped[RowId]
    day: Mapped[Big]
    at_s: Mapped[Big]
    subject: Mapped[Name]
    reader: Mapped[int]
    ticket: Mapped[Big]
    consent: Mapped[Bytes32]
    blinded: Mapped[Bytes32]
    key_epoch: Mapped[Big]
    level: Mapped[int]
    own_record: Mapped[bool] = mapped_column(default=False, server_default=false())
    signature: Mapped[Blob]


class EvaluationRefusal(Base):
    """A request that this node did not evaluate, and why: an unconsented lookup leaves a trace."""

    __tablename__ = "evaluation_refusals"
    __table_args__ = (Index(None, "reader", "at_ms"),)

    id: Mapped[RowId]
    at_ms: Mapped[Big]
    reader: Mapped[int]
    ticket: Mapped[Big]
    consent: Mapped[Bytes32 | None]
    blinded: Mapped[Bytes32]
    code: Mapped[Word]
    says: Mapped[LongText]
