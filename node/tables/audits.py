"""Audits of single evaluations: the ledger's, and this node's part in them.

The first table follows from the chain; the others do not.
"""

from __future__ import annotations

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from node.tables.base import DERIVED, Base, Big, Blob, Bytes32, OnChain, Word


class EvaluationAudit(OnChain, Base):
    """A member (`member`) that was asked on the ledger to open an evaluation.

    `subject` is a consent's digest, or for ticket 0 an entry; `blinded` SHA-256 of the element.
    `outcome`: OPENED, FINED or LAPSED, None before its end.
    """

    __tablename__ = "evaluation_audits"
    __table_args__ = (
        Index(None, "member"),
        Index(None, "outcome"),
        Index(None, "subject"),
        DERIVED,
    )

    audit: Mapped[Big] = mapped_column(primary_key=True, autoincrement=False)
    member: Mapped[int]
    ticket: Mapped[Big]
    subject: Mapped[Bytes32]
    blinded: Mapped[Bytes32]
    key_epoch: Mapped[Big]
    tx_hash: Mapped[Bytes32]
    block_time_s: Mapped[Big]
    outcome: Mapped[Word | None]
    ended_block: Mapped[Big | None] = mapped_column(index=True)
    ended_at_s: Mapped[Big | None]
    ended_tx: Mapped[Bytes32 | None] = mapped_column(index=True)


class Accusation(Base):
    """On the regulator's node: an evaluation that was not opened, named by its signed digest.

    `signature` is the reader's, empty where the ledger alone told of it. `asked_first_s` and
    `asked_last_s`: from when to when (the chain's time) this node asked in vain, `refusal` the last
    answer's code. `opened_at_ms`: it was opened since; the word of it is given to whoever asks.
    """

    __tablename__ = "accusations"
    __table_args__ = (Index(None, "opened_at_ms"),)

    evaluation: Mapped[Bytes32] = mapped_column(primary_key=True)
    reader: Mapped[int]
    ticket: Mapped[Big]
    subject: Mapped[Bytes32]
    blinded: Mapped[Bytes32]
    key_epoch: Mapped[Big]
    signature: Mapped[Blob]
    found_at_ms: Mapped[Big]
    asked_first_s: Mapped[Big | None]
    asked_last_s: Mapped[Big | None]
    refusal: Mapped[Word | None]
    opened_at_ms: Mapped[Big | None]


class OpeningWord(Base):
    """On the accused's node: the regulator's signed word that it was shown an evaluation opened."""

    __tablename__ = "opening_words"

    evaluation: Mapped[Bytes32] = mapped_column(primary_key=True)
    word: Mapped[Blob]
    given_at_ms: Mapped[Big]
