"""Rows of the own books: imported files, provenance of every line, stated balances, terms."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from node.tables.base import Base, Big, Blob, Bytes32, Json, LongText, Name, Ref, RowId, Word


class ImportedFile(Base):
    """A file whose entries were taken. `statements` is [{account, statement_ref, currency, …}].

    The same file twice for one (agreement, side) is recognised by its SHA-256.
    """

    __tablename__ = "imported_files"
    __table_args__ = (UniqueConstraint("agreement", "side", "file_sha256"),)

    id: Mapped[RowId]
    agreement: Mapped[Bytes32]
    side: Mapped[int]
    file_sha256: Mapped[Bytes32]
    name: Mapped[Name]
    size_bytes: Mapped[Big]
    format: Mapped[Word]
    profile: Mapped[Word | None]
    lenient: Mapped[bool]
    provable: Mapped[bool]
    entry_count: Mapped[int]
    statements: Mapped[Json]
    contradictions: Mapped[Json]
    person_id: Mapped[Ref | None]
    imported_at_ms: Mapped[Big]


class StatedBalance(Base):
    """An own statement's balance of a window, to be sealed into the next batch header.

    `which` is OPENING or CLOSING; `signed_minor` IN +; `basis` STATED, RUNNING or DERIVED.
    `seq` is the batch that carries it, null while it waits.
    """

    __tablename__ = "stated_balances"
    __table_args__ = (Index(None, "agreement", "side", "window", "currency"),)

    id: Mapped[RowId]
    agreement: Mapped[Bytes32]
    side: Mapped[int]
    window: Mapped[Big]
    currency: Mapped[Word]
    which: Mapped[Word]
    signed_minor: Mapped[Big]
    date: Mapped[int]
    basis: Mapped[Word]
    file_id: Mapped[Ref | None] = mapped_column(ForeignKey("imported_files.id"))
    seq: Mapped[Big | None]


class TermsDocument(Base):
    """Terms in clear, by hash: own ones, and those opened from the ledger's sealed terms."""

    __tablename__ = "terms_documents"

    terms_hash: Mapped[Bytes32] = mapped_column(primary_key=True)
    body: Mapped[Blob]
    kept_at_ms: Mapped[Big]


class PartyName(Base):
    """What this node calls a member or an agreement; a participant's opened code stands here too.

    `subject` is "member/3" or "agreement/<hex>". `account_masked` shows the last digits only.
    """

    __tablename__ = "party_names"

    subject: Mapped[Name] = mapped_column(primary_key=True)
    name: Mapped[Name]
    code: Mapped[Name | None]
    code_salt: Mapped[Blob | None]
    account_masked: Mapped[Name | None]
    note: Mapped[LongText | None]


class LocalKey(Base):
    """A secret this node holds, encrypted at rest under the keystore's secret.

    `purpose`: EPOCH (agreement, side, generation = epoch), SEALING (agreement, generation; side
    -1). `public` is the key commitment or the public sealing key. A key is published only
    when `backed_up_at_ms` is set; `destroyed_at_ms` is erasure, after which `secret` is empty.
    """

    __tablename__ = "local_keys"
    __table_args__ = (UniqueConstraint("purpose", "agreement", "side", "generation"),)

    id: Mapped[RowId]
    purpose: Mapped[Word]
    agreement: Mapped[Bytes32]
    side: Mapped[int]
    generation: Mapped[Big]
    public: Mapped[Blob]
    secret: Mapped[Blob] = mapped_column(deferred=True)
    created_at_ms: Mapped[Big]
    backed_up_at_ms: Mapped[Big | None]
    destroyed_at_ms: Mapped[Big | None]


class Backup(Base):
    """A recorded backup: which keys it holds, so that they may be published."""

    __tablename__ = "backups"

    id: Mapped[RowId]
    path: Mapped[LongText]
    sha256: Mapped[Bytes32]
    key_ids: Mapped[Json]
    made_at_ms: Mapped[Big]
