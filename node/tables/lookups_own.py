"""Rows of this node's own lookups and of its part as a replica; none follow from the ledger."""

from __future__ import annotations

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from node.tables.base import Base, Big, Blob, Bytes32, RowId, Word


class OwnLookup(Base):
    """A lookup of this node: whom it concerns is sealed by the vault, in every column.

    `person`: identifier, salt and blind. `element` is B. `consent` is the signed consent and the
    secret that revokes it where this node made it. `state`: PREPARED, CONSENTED, DONE. `outcome` is
    one of `node.services.lookups.outcomes`, `receipt` the envelope. `ticket` is bound before
    anybody is asked; `refusal` is the code with which the lookup was refused last.

    `kept` is null before there is a receipt, then one of `node.kept_receipts`. Once an entry that
    it found is erased (`destroyed_for`), `reduced` is what is left of the receipt, which is null
    then; `person` is empty once no audit can open the lookup any more, from `forget_from_s` on, by
    the chain's time.
    """

    __tablename__ = "own_lookups"
    __table_args__ = (Index(None, "state"), Index(None, "ticket"), Index(None, "kept"))

    id: Mapped[RowId]
    state: Mapped[Word]
    purpose: Mapped[int]
    scope: Mapped[int]
    valid_from_s: Mapped[Big]
    valid_to_s: Mapped[Big]
    person: Mapped[Blob]
    element: Mapped[Bytes32]
    digest: Mapped[Bytes32 | None] = mapped_column(index=True)
    consent: Mapped[Blob | None]
    ticket: Mapped[Big | None]
    key_epoch: Mapped[Big | None]
    outcome: Mapped[Word | None]
    refusal: Mapped[Word | None]
    level: Mapped[int | None]
    receipt: Mapped[Blob | None] = mapped_column(deferred=True)
    made_at_ms: Mapped[Big]
    done_at_ms: Mapped[Big | None]
    kept: Mapped[Word | None]
    reduced: Mapped[Blob | None] = mapped_column(deferred=True)
    destroyed_for: Mapped[Bytes32 | None]
    destroyed_at_ms: Mapped[Big | None]
    forget_from_s: Mapped[Big | None]


class AuditedEvaluation(Base):
    """An evaluation that this node, the regulator's, has audited, as its log showed it.

    `mark` is SHA-256 of what has one element for ever: the ticket, or the entry in its key epoch.
    """

    __tablename__ = "audited_evaluations"
    __table_args__ = (Index(None, "key_epoch"),)

    mark: Mapped[Bytes32] = mapped_column(primary_key=True)
    day: Mapped[Big]
    reader: Mapped[int]
    ticket: Mapped[Big]
    subject: Mapped[Bytes32]
    blinded: Mapped[Bytes32]
    key_epoch: Mapped[Big]
    level: Mapped[int]
    signature: Mapped[Blob]


class LookupEntry(Base):
    """An entry that an own lookup found: where its receipt holds salt and statement of it."""

    __tablename__ = "lookup_entries"
    __table_args__ = (Index(None, "entry"),)

    lookup: Mapped[Big] = mapped_column(primary_key=True, autoincrement=False)
    entry: Mapped[Bytes32] = mapped_column(primary_key=True)


class Deposit(Base):
    """A record that an uploader left with this replica for a key epoch.

    `hash` is the salted one that this replica signs to and the ledger holds. `taken` into the
    replica's files, `removed` from them; `record` and `salt` are empty once its entry is over for
    good.
    """

    __tablename__ = "deposits"
    __table_args__ = (
        Index(None, "key_epoch", "taken", "removed"),
        Index(None, "key_epoch", "uploader", "loc"),
        Index(None, "key_epoch", "leaf"),
    )

    key_epoch: Mapped[Big] = mapped_column(primary_key=True, autoincrement=False)
    entry: Mapped[Bytes32] = mapped_column(primary_key=True)
    uploader: Mapped[int]
    loc: Mapped[Bytes32]
    leaf: Mapped[Bytes32]
    hash: Mapped[Bytes32]
    record: Mapped[Blob]
    salt: Mapped[Blob]
    taken: Mapped[bool]
    removed: Mapped[bool]
    received_at_ms: Mapped[Big]


class RecordDelivery(Base):
    """An own record that a replica has taken, with its signature to it."""

    __tablename__ = "record_deliveries"

    key_epoch: Mapped[Big] = mapped_column(primary_key=True, autoincrement=False)
    entry: Mapped[Bytes32] = mapped_column(primary_key=True)
    replica: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    signature: Mapped[Blob]
    delivered_at_ms: Mapped[Big]


class CheckedRoot(Base):
    """A published root in which this uploader has looked for its own leaves."""

    __tablename__ = "checked_roots"

    version: Mapped[Big] = mapped_column(primary_key=True, autoincrement=False)
    revision: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    replica: Mapped[int]
    missing: Mapped[int]
    checked_at_ms: Mapped[Big]
