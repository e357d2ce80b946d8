"""Custody of evidence: what this node gave others to keep, keeps for others, and asked for.

Nothing here follows from the chain. Shares and secrets are sealed by the vault; what is destroyed
is emptied, and the row stays, so that a late message brings nothing back.
"""

from __future__ import annotations

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from node.tables.base import Base, Big, Blob, Bytes32, LongText, Word


class OwnCustody(Base):
    """A custody of an own entry's evidence, counted from generation 1.

    `circle` is SHA-256 over custodians and threshold; `consent` names the record of what the
    listing rests on (`consent_key`).
    `secret` seals the polynomial and is empty once every custodian has taken its share.
    """

    __tablename__ = "own_custodies"
    __table_args__ = (Index(None, "consent"),)

    entry: Mapped[Bytes32] = mapped_column(primary_key=True)
    generation: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    circle: Mapped[Bytes32]
    consent: Mapped[Bytes32]
    manifest: Mapped[Blob]
    secret: Mapped[Blob] = mapped_column(deferred=True)
    made_at_ms: Mapped[Big]


class CustodyDelivery(Base):
    """One custodian's part in an own custody: made with it, before anything is sent.

    `taken_at_ms` says that the custodian keeps it, `ended_at_ms` that it is to be taken back,
    `certificate` is its signed word that it destroyed it. `tries` lets what was refused wait
    behind what was not tried.
    """

    __tablename__ = "custody_deliveries"
    __table_args__ = (
        Index(None, "custodian", "taken_at_ms"),
        Index(None, "custodian", "ended_at_ms"),
    )

    entry: Mapped[Bytes32] = mapped_column(primary_key=True)
    generation: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    custodian: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tries: Mapped[int]
    taken_at_ms: Mapped[Big | None]
    ended_at_ms: Mapped[Big | None]
    certificate: Mapped[Blob | None]


class HeldCustody(Base):
    """A custody kept for an uploader: `share` sealed by the vault, `detail` as it came.

    Both are empty once destroyed; `certificate` then says so.
    """

    __tablename__ = "held_custodies"
    __table_args__ = (Index(None, "consent"),)

    entry: Mapped[Bytes32] = mapped_column(primary_key=True)
    generation: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    uploader: Mapped[int]
    consent: Mapped[Bytes32]
    manifest: Mapped[Blob]
    share: Mapped[Blob] = mapped_column(deferred=True)
    detail: Mapped[Blob] = mapped_column(deferred=True)
    received_at_ms: Mapped[Big]
    destroyed_at_ms: Mapped[Big | None]
    certificate: Mapped[Blob | None]


class CustodyAsk(Base):
    """A reader's request at this custodian. `asked_at_s` is the chain's time when it came.

    `enclosed` is its request to the uploader, sealed to that one. `package` or `refusal` is what
    the uploader answered meanwhile; `receipts` what this custodian signed when it released, and
    `told_at_ms` when the uploader's node took notice of that. What was asked and answered is empty
    once nothing of the entry is kept here.
    """

    __tablename__ = "custody_asks"
    __table_args__ = (Index(None, "entry"),)

    ticket: Mapped[Big] = mapped_column(primary_key=True, autoincrement=False)
    entry: Mapped[Bytes32]
    reader: Mapped[int]
    uploader: Mapped[int]
    request: Mapped[Blob]
    sealing: Mapped[int]
    enclosed: Mapped[Blob] = mapped_column(deferred=True)
    asked_at_s: Mapped[Big]
    tries: Mapped[int]
    package: Mapped[Blob] = mapped_column(deferred=True)
    refusal_code: Mapped[Word | None]
    refusal_says: Mapped[LongText | None]
    released_at_ms: Mapped[Big | None]
    receipts: Mapped[Blob]
    told_at_ms: Mapped[Big | None]


class OwnCustodyAsk(Base):
    """A request of this reader to custodians: one a ticket, for ever.

    `secret` seals what names this reader in a recall; `silence` is what the uploader's node failed
    with, by code. `request` and `enclosed` are empty once the entry is erased.
    """

    __tablename__ = "own_custody_asks"
    __table_args__ = (Index(None, "entry"),)

    ticket: Mapped[Big] = mapped_column(primary_key=True, autoincrement=False)
    entry: Mapped[Bytes32]
    uploader: Mapped[int]
    request: Mapped[Blob]
    sealing: Mapped[int]
    enclosed: Mapped[Blob] = mapped_column(deferred=True)
    consent: Mapped[Bytes32]
    recipient: Mapped[Bytes32]
    secret: Mapped[Blob] = mapped_column(deferred=True)
    silence: Mapped[Word]
    asked_at_s: Mapped[Big]
    due_at_s: Mapped[Big | None]
    done_at_ms: Mapped[Big | None]


class CustodyNotice(Base):
    """A release of a custodian that this uploader was told of; a recall reaches its reader too.

    `request` is empty once the entry is erased.
    """

    __tablename__ = "custody_notices"
    __table_args__ = (Index(None, "entry"),)

    ticket: Mapped[Big] = mapped_column(primary_key=True, autoincrement=False)
    custodian: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    entry: Mapped[Bytes32]
    reader: Mapped[int]
    consent: Mapped[Bytes32]
    recipient: Mapped[Bytes32]
    request: Mapped[Blob]
    receipts: Mapped[Blob]
    told_at_ms: Mapped[Big]
