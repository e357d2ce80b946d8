"""Rows of matching: the latest runs with their groups, proposals and breaks, and the reports.

A window has at most one PROVISIONAL and one PROOF run; a new run replaces the old rows in one
SQL transaction. Counts stand in `MatchRun`, so a page never counts.
"""

from __future__ import annotations

import hashlib
import struct

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from node.tables.base import Base, Big, Blob, Bytes32, Json, LongText, Name, Ref, RowId, Word


class MatchRun(Base):
    """The latest run of (agreement, window, kind): `kind` PROVISIONAL or PROOF.

    `totals`: per currency {"currency", "servicer": {count, in_minor, out_minor}, "owner": {…},
    "proof_minor", "residual_minor"}, decimal strings. `breaks_by_kind`: {kind: count}.
    `identities`: [{"name", "ok", "says"}]. `basis` is the weaker balance basis.
    A provisional run goes on: its row and what stands under it are changed where something moved,
    at `run_at_ms`; then numbers of groups and breaks are names and no places, and `digest` is null.
    `servicer_seq`, `owner_seq`: the last batch read. `latency_ms`: newest batch's block seen to
    rows written.
    """

    __tablename__ = "match_runs"
    __table_args__ = (UniqueConstraint("agreement", "window", "kind"),)

    id: Mapped[RowId]
    agreement: Mapped[Bytes32]
    window: Mapped[Big]
    kind: Mapped[Word]
    previous_window: Mapped[Big | None]
    servicer_seq: Mapped[Big]
    owner_seq: Mapped[Big]
    servicer_entries: Mapped[int]
    owner_entries: Mapped[int]
    servicer_matched: Mapped[int]
    owner_matched: Mapped[int]
    group_count: Mapped[int]
    proposal_count: Mapped[int]
    break_count: Mapped[int]
    breaks_by_kind: Mapped[Json]
    totals: Mapped[Json]
    identities: Mapped[Json]
    oldest_age_days: Mapped[int]
    complete: Mapped[bool]
    balance_proven: Mapped[bool]
    basis: Mapped[Word | None]
    digest: Mapped[Bytes32 | None]
    timing_ms: Mapped[Json]
    latency_ms: Mapped[int | None]
    run_at_ms: Mapped[Big]

    @property
    def mark(self) -> bytes:
        """Name what the run shows now: its digest; of one that went on, its number and time."""
        if self.digest is not None:
            return self.digest
        numbers = struct.pack(">qq", self.id, self.run_at_ms)
        return hashlib.sha256(b"kanhe/run/1" + self.agreement + numbers).digest()


class RunGroupBlock(Base):
    """Confirmed groups of a run, in canonical order from `first_number` on, so many in one row.

    `body` is MessagePack, [[pass_name, [servicer ref], [owner ref], currency, residual]], nil where
    a group stands no more: `node.runs` writes and reads it.
    """

    __tablename__ = "run_group_blocks"

    run_id: Mapped[Ref] = mapped_column(
        ForeignKey("match_runs.id", ondelete="CASCADE"), primary_key=True
    )
    first_number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    body: Mapped[Blob]


class RunProposal(Base):
    """Candidates that nobody confirmed, of a run."""

    __tablename__ = "run_proposals"
    __table_args__ = (Index(None, "run_id", "proposal_key"),)

    id: Mapped[RowId]
    run_id: Mapped[Ref] = mapped_column(ForeignKey("match_runs.id", ondelete="CASCADE"))
    proposal_key: Mapped[Bytes32]
    pass_name: Mapped[Name]
    servicer: Mapped[Json]
    owner: Mapped[Json]
    servicer_count: Mapped[int]
    owner_count: Mapped[int]
    reason: Mapped[Word]


class RunBreak(Base):
    """A break of a run. `signed`: [[currency, minor as string]]; `sort_minor` orders pages.

    `sort_minor` is the absolute signed amount of the first currency, clipped to 63 bits.
    """

    __tablename__ = "run_breaks"
    __table_args__ = (
        UniqueConstraint("run_id", "break_key"),
        Index(None, "run_id", "kind", "number"),
        Index(None, "break_key"),
    )

    id: Mapped[RowId]
    run_id: Mapped[Ref] = mapped_column(ForeignKey("match_runs.id", ondelete="CASCADE"))
    number: Mapped[int]
    break_key: Mapped[Bytes32]
    kind: Mapped[Word]
    servicer: Mapped[Json]
    owner: Mapped[Json]
    signed: Mapped[Json]
    sort_minor: Mapped[Big]
    age_days: Mapped[int]
    marks: Mapped[Json]
    also: Mapped[Json]
    proposals: Mapped[Json]
    merged_keys: Mapped[Json]


class RunRefBlock(Base):
    """Where entries went in a run, by reference: so many in one row, sorted as UTF-8 bytes.

    `first_ref` is the first reference's bytes, which every database orders alike. `body` is
    MessagePack, [[ref, group number or nil, break number or nil]]: `node.runs` writes and
    reads it.
    """

    __tablename__ = "run_ref_blocks"

    run_id: Mapped[Ref] = mapped_column(
        ForeignKey("match_runs.id", ondelete="CASCADE"), primary_key=True
    )
    side: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    first_ref: Mapped[Blob] = mapped_column(primary_key=True)
    body: Mapped[Blob]


class RunRefPart(Base):
    """Where entries went that moved since a run was made, as in `RunRefBlock`, so many at a time.

    A later `part` goes before an earlier one, and every part before the run's own blocks.
    `ref_count` references stand in a block.
    """

    __tablename__ = "run_ref_parts"

    run_id: Mapped[Ref] = mapped_column(
        ForeignKey("match_runs.id", ondelete="CASCADE"), primary_key=True
    )
    side: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    part: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    first_ref: Mapped[Blob] = mapped_column(primary_key=True)
    ref_count: Mapped[int]
    body: Mapped[Blob]


class ReportRow(Base):
    """A computed report of closed windows: digested JSON bytes, and the groups beside it.

    `state`: COMPUTED, SIGNED, ATTESTED (own attestation seen), AGREED, DIFFERS, ONE_SIDED,
    SUPERSEDED. `groups` is Parquet or JSON bytes as `groups_format` says. `carried` is what
    the next run needs, in clear: it outlives its epoch.
    """

    __tablename__ = "reports"
    __table_args__ = (
        UniqueConstraint("agreement", "window", "digest"),
        Index(None, "agreement", "window", "state"),
    )

    id: Mapped[RowId]
    agreement: Mapped[Bytes32]
    window: Mapped[Big]
    previous_window: Mapped[Big | None]
    digest: Mapped[Bytes32]
    previous_agreed_digest: Mapped[Bytes32]
    servicer_head: Mapped[Bytes32]
    owner_head: Mapped[Bytes32]
    report: Mapped[Blob] = mapped_column(deferred=True)
    groups: Mapped[Blob] = mapped_column(deferred=True)
    groups_format: Mapped[Word]
    proposals: Mapped[Blob] = mapped_column(deferred=True)
    carried: Mapped[Blob] = mapped_column(deferred=True)
    complete: Mapped[bool]
    balance_proven: Mapped[bool]
    state: Mapped[Word]
    revision: Mapped[int | None]
    signature: Mapped[Blob | None]
    signer: Mapped[Blob | None]
    flags: Mapped[int]
    computed_at_ms: Mapped[Big]
    attested_at_ms: Mapped[Big | None]


class LatencySample(Base):
    """One T+0 measurement: own batch queued to provisional match, or batch seen to match."""

    __tablename__ = "latency_samples"
    __table_args__ = (Index(None, "agreement", "window"), Index(None, "at_ms"))

    id: Mapped[RowId]
    agreement: Mapped[Bytes32]
    window: Mapped[Big]
    what: Mapped[Word]
    at_ms: Mapped[Big]
    ms: Mapped[int]


class BreakNote(Base):
    """A person's note on a break, or its owner: append-only, never on the chain."""

    __tablename__ = "break_notes"
    __table_args__ = (Index(None, "agreement", "break_key"),)

    id: Mapped[RowId]
    agreement: Mapped[Bytes32]
    break_key: Mapped[Bytes32]
    person_id: Mapped[Ref | None] = mapped_column(ForeignKey("people.id"))
    assignee_id: Mapped[Ref | None] = mapped_column(ForeignKey("people.id"))
    text: Mapped[LongText]
    at_ms: Mapped[Big]
