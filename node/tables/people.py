"""Rows of people and their acts: roles, sessions, tokens, drafts for four eyes, audit log."""

from __future__ import annotations

from typing import Final

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from node.tables.base import (
    Base,
    Big,
    Blob,
    Bytes32,
    Json,
    LongText,
    Name,
    Ref,
    RowId,
    Word,
)

REBUILDS: Final = "rebuilds"


class Person(Base):
    """Someone who logs in. `password_hash` is argon2id; null until the set-up link is used.

    `pseudonym` is what a decision's `decider` shows to the counterparty.
    """

    __tablename__ = "people"

    id: Mapped[RowId]
    login: Mapped[Name] = mapped_column(unique=True)
    display_name: Mapped[Name]
    pseudonym: Mapped[Name] = mapped_column(unique=True)
    password_hash: Mapped[LongText | None]
    language: Mapped[Word] = mapped_column(default="zh")
    active: Mapped[bool] = mapped_column(default=True)
    failed_logins: Mapped[int] = mapped_column(default=0)
    locked_until_ms: Mapped[Big | None]
    created_at_ms: Mapped[Big]


class PersonRole(Base):
    """A role of a person: viewer, maker, checker, operator, auditor, single.

    `agreement` null means every agreement of this node. `bookkeeper` as a role on an agreement
    keeps that person from reconciling it.
    """

    __tablename__ = "person_roles"
    __table_args__ = (UniqueConstraint("person_id", "role", "agreement"),)

    id: Mapped[RowId]
    person_id: Mapped[Ref] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    role: Mapped[Word]
    agreement: Mapped[Bytes32 | None]


class WebSession(Base):
    """A logged-in browser: only the SHA-256 of its token is kept."""

    __tablename__ = "web_sessions"

    token_sha256: Mapped[Bytes32] = mapped_column(primary_key=True)
    person_id: Mapped[Ref] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    csrf_sha256: Mapped[Bytes32]
    created_at_ms: Mapped[Big]
    seen_at_ms: Mapped[Big]
    expires_at_ms: Mapped[Big]


class ApiToken(Base):
    """A token for programs, stored hashed; acts as its person within `roles`."""

    __tablename__ = "api_tokens"

    id: Mapped[RowId]
    token_sha256: Mapped[Bytes32] = mapped_column(unique=True)
    person_id: Mapped[Ref] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    label: Mapped[Name]
    roles: Mapped[Json]
    created_at_ms: Mapped[Big]
    expires_at_ms: Mapped[Big | None]
    used_at_ms: Mapped[Big | None]
    revoked_at_ms: Mapped[Big | None]


class SetupLink(Base):
    """A one-time link that sets a password; stored hashed."""

    __tablename__ = "setup_links"

    token_sha256: Mapped[Bytes32] = mapped_column(primary_key=True)
    person_id: Mapped[Ref] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    expires_at_ms: Mapped[Big]
    used_at_ms: Mapped[Big | None]


class Draft(Base):
    """An act made by one person and checked by another.

    `kind`: decision, discard, closing, attestation, terms, agreement, motion, key. `body` is
    exactly what the checker sees and what is then done; `body_sha256` pins it. `state`: DRAFTED,
    APPROVED, REJECTED, WITHDRAWN, DONE. `single` when a one-person enterprise approved its own.
    """

    __tablename__ = "drafts"
    __table_args__ = (Index(None, "state", "kind"), Index(None, "agreement", "subject"))

    id: Mapped[RowId]
    kind: Mapped[Word]
    agreement: Mapped[Bytes32 | None]
    window: Mapped[Big | None]
    subject: Mapped[Name | None]
    body: Mapped[Json]
    body_sha256: Mapped[Bytes32]
    reason: Mapped[LongText]
    state: Mapped[Word]
    single: Mapped[bool] = mapped_column(default=False)
    maker_id: Mapped[Ref] = mapped_column(ForeignKey("people.id"))
    made_at_ms: Mapped[Big]
    checker_id: Mapped[Ref | None] = mapped_column(ForeignKey("people.id"))
    checked_at_ms: Mapped[Big | None]
    check_reason: Mapped[LongText | None]


class AuditRow(Base):
    """One act, chained: hash = SHA-256(previous hash ‖ canonical JSON of the row's other columns).

    `actor` is a login, or a part of the program ("relay", "follower", "cli").
    """

    __tablename__ = "audit_log"

    id: Mapped[RowId]
    at_ms: Mapped[Big]
    actor: Mapped[Name]
    act: Mapped[Word]
    subject: Mapped[Name | None]
    details: Mapped[Json]
    previous: Mapped[Bytes32]
    hash: Mapped[Bytes32] = mapped_column(unique=True)


class IdempotencyKey(Base):
    """A write call's key: same key and body give the same answer, another body is refused."""

    __tablename__ = "idempotency_keys"

    scope: Mapped[Name] = mapped_column(primary_key=True)
    key: Mapped[Name] = mapped_column(primary_key=True)
    body_sha256: Mapped[Bytes32]
    status: Mapped[int]
    answer: Mapped[Blob]
    at_ms: Mapped[Big]


class Incident(Base):
    """Something that must not happen, kept with its evidence through every rewind.

    `kind`: REORG_BELOW_FINAL, SEQUENCE_GAP, HEAD_DIFFERS, CONTRADICTION, POISON,
    KEY_USED_ELSEWHERE, OWN_BATCH_INVALID, OWN_RECORDS_REFUSED, CLOSED_WITH_HELD, RUN_REFUSED,
    WORK_FAILED, CHAIN_STALLED, CLOCK, COMMITMENT. `stops_signing` holds the relay until an operator
    closes it. `fingerprint` keeps one from being opened twice.
    """

    __tablename__ = "incidents"
    __table_args__ = (UniqueConstraint("fingerprint"), Index(None, "closed_at_ms"))

    id: Mapped[RowId]
    kind: Mapped[Word]
    fingerprint: Mapped[Name]
    agreement: Mapped[Bytes32 | None]
    side: Mapped[int | None]
    seq: Mapped[Big | None]
    block_number: Mapped[Big | None]
    says: Mapped[LongText]
    evidence: Mapped[Json]
    stops_signing: Mapped[bool]
    opened_at_ms: Mapped[Big]
    closed_at_ms: Mapped[Big | None]
    closed_by: Mapped[Ref | None]
    closed_reason: Mapped[LongText | None]


class NodeFact(Base):
    """Small facts of this node by name, e.g. `member`, `generation`, `wake`; value is JSON.

    `rebuilds` counts how often derived rows were taken back (a fork, a key that came later, a
    replay), so that whatever was read of them before is read again.
    """

    __tablename__ = "node_facts"

    name: Mapped[Word] = mapped_column(primary_key=True)
    value: Mapped[Json]
