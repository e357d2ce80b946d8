"""Rows that follow from the `Blacklist` contract: facts, entries, disputes, index, recalls.

What time does to an entry or a dispute stands in no row: it is computed from the block's time
when it is read (`node.screening.states`). Facts are append-only apart from rewinds; an entry and
a dispute are folded from their own facts alone, so that a rewind folds only what it touched.
"""

from __future__ import annotations

from sqlalchemy import Index, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column

from node.tables.base import (
    DERIVED,
    Base,
    Big,
    Bytes32,
    Json,
    OnChain,
    RowId,
    Word,
)


class BlacklistFact(OnChain, Base):
    """One event of `Blacklist`, as decoded. `args`: names of the ABI; bytes as 0x-hex.

    `entry` and `dispute` say whom it concerns; an event of a dispute names its entry too.
    """

    __tablename__ = "blacklist_facts"
    __table_args__ = (
        UniqueConstraint("block_number", "log_index"),
        Index(None, "entry", "block_number", "log_index"),
        Index(None, "dispute", "block_number", "log_index"),
        DERIVED,
    )

    id: Mapped[RowId]
    name: Mapped[Word]
    args: Mapped[Json]
    entry: Mapped[Bytes32 | None]
    dispute: Mapped[Big | None]
    tx_hash: Mapped[Bytes32] = mapped_column(index=True)
    block_time_s: Mapped[Big]


class ListedEntry(OnChain, Base):
    """An entry: `stage` TICKETED, LISTED, SUSPENDED, CORRECTED, REMOVED or ERASED.

    `commitment` covers statement and identifier under a salt; days are since 1970. `expires_day` is
    its statement's and never changes; `ends_day` is its last day, an earlier one from the place
    `shortened_*` in the log on, where that is set. `stake_held`: the listing stake is bound.
    `dispute` is the open one. `posted_at_s` is its ticket's block time.
    """

    __tablename__ = "listed_entries"
    __table_args__ = (Index(None, "uploader", "posted_at_s"), DERIVED)

    entry: Mapped[Bytes32] = mapped_column(primary_key=True)
    uploader: Mapped[int]
    profile: Mapped[int]
    commitment: Mapped[Bytes32]
    notice_day: Mapped[Big]
    effective_day: Mapped[Big]
    expires_day: Mapped[Big]
    ends_day: Mapped[Big] = mapped_column(index=True, server_default=text("0"))
    shortened_block: Mapped[Big | None]
    shortened_log_index: Mapped[int | None]
    supersedes: Mapped[Bytes32 | None] = mapped_column(index=True)
    stage: Mapped[Word]
    stake_held: Mapped[bool]
    dispute: Mapped[Big | None]
    posted_at_s: Mapped[Big]
    vested_at_s: Mapped[Big | None]
    tx_hash: Mapped[Bytes32]


class EntryTag(OnChain, Base):
    """An entry has a leaf in a key epoch from here on, up to `untagged_*` where that is set.

    `record` is the salted hash of the one record that every replica puts into the index.
    Both ends are places in the log, so that what a cut holds follows from rows alone.
    """

    __tablename__ = "entry_tags"
    __table_args__ = (Index(None, "key_epoch", "block_number", "log_index"), DERIVED)

    entry: Mapped[Bytes32] = mapped_column(primary_key=True)
    key_epoch: Mapped[Big] = mapped_column(primary_key=True, autoincrement=False)
    record: Mapped[Bytes32]
    tx_hash: Mapped[Bytes32]
    block_time_s: Mapped[Big]
    untagged_block: Mapped[Big | None] = mapped_column(index=True)
    untagged_log_index: Mapped[int | None]


class IndexCut(OnChain, Base):
    """The log is cut here for an index version; `leaf_count` is the contract's own."""

    __tablename__ = "index_cuts"
    __table_args__ = (DERIVED,)

    version: Mapped[Big] = mapped_column(primary_key=True, autoincrement=False)
    key_epoch: Mapped[Big]
    leaf_count: Mapped[Big]
    tx_hash: Mapped[Bytes32]
    block_time_s: Mapped[Big]


class IndexRoot(OnChain, Base):
    """A version's root in one revision. `signatures`: the committee's over it, 0x-hex."""

    __tablename__ = "index_roots"
    __table_args__ = (DERIVED,)

    version: Mapped[Big] = mapped_column(primary_key=True, autoincrement=False)
    revision: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    root: Mapped[Bytes32]
    leaf_count: Mapped[Big]
    signatures: Mapped[Json]
    tx_hash: Mapped[Bytes32]
    block_time_s: Mapped[Big]


class RootChallenge(OnChain, Base):
    """An uploader did not find its leaf: the root of this revision does not stand."""

    __tablename__ = "root_challenges"
    __table_args__ = (DERIVED,)

    version: Mapped[Big] = mapped_column(primary_key=True, autoincrement=False)
    revision: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    member: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    entry: Mapped[Bytes32]
    tx_hash: Mapped[Bytes32]
    block_time_s: Mapped[Big]


class Dispute(OnChain, Base):
    """A dispute: `by` raised it against `target`, the entry's uploader.

    `by_person`: for the person, without a stake. `contested_by` took the answer to the panel, and
    staked for it itself where `contest_staked`. `answer` and `outcome` are the contract's words
    of a verdict. `panel` lists members, the first `seats` of them sit in the first round.
    `draw_after` is the block whose second successor draws it.
    """

    __tablename__ = "disputes"
    __table_args__ = (DERIVED,)

    dispute: Mapped[Big] = mapped_column(primary_key=True, autoincrement=False)
    entry: Mapped[Bytes32] = mapped_column(index=True)
    by: Mapped[int] = mapped_column(index=True)
    target: Mapped[int] = mapped_column(index=True)
    by_person: Mapped[bool]
    grounds: Mapped[Bytes32]
    opened_at_s: Mapped[Big]
    extended: Mapped[bool]
    answer: Mapped[Word | None]
    answer_hash: Mapped[Bytes32 | None]
    answered_at_s: Mapped[Big | None]
    contested_at_s: Mapped[Big | None]
    contested_by: Mapped[int | None] = mapped_column(index=True)
    contest_staked: Mapped[bool] = mapped_column(default=False, server_default=false())
    draw_after: Mapped[Big | None]
    panel: Mapped[Json | None]
    seats: Mapped[int | None]
    outcome: Mapped[Word | None] = mapped_column(index=True)
    settled_at_s: Mapped[Big | None]
    tx_hash: Mapped[Bytes32]


class Ballot(OnChain, Base):
    """A panelist's hidden vote; `verdict` once it is revealed."""

    __tablename__ = "ballots"
    __table_args__ = (DERIVED,)

    dispute: Mapped[Big] = mapped_column(primary_key=True, autoincrement=False)
    member: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    commitment: Mapped[Bytes32]
    verdict: Mapped[Word | None]
    tx_hash: Mapped[Bytes32]
    block_time_s: Mapped[Big]


class Recall(OnChain, Base):
    """A change that one reader must acknowledge; who it is, only its secret tells."""

    __tablename__ = "recalls"
    __table_args__ = (DERIVED,)

    entry: Mapped[Bytes32] = mapped_column(primary_key=True)
    recipient: Mapped[Bytes32] = mapped_column(primary_key=True)
    tx_hash: Mapped[Bytes32]
    block_time_s: Mapped[Big]
    acknowledged_block: Mapped[Big | None] = mapped_column(index=True)
    acknowledged_at_s: Mapped[Big | None]
    acknowledged_tx: Mapped[Bytes32 | None]


class DeletionCertificate(OnChain, Base):
    """A member's certificate, by its hash, that it destroyed salts, keys and records."""

    __tablename__ = "deletion_certificates"
    __table_args__ = (DERIVED,)

    entry: Mapped[Bytes32] = mapped_column(primary_key=True)
    member: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    certificate: Mapped[Bytes32]
    tx_hash: Mapped[Bytes32]
    block_time_s: Mapped[Big]
