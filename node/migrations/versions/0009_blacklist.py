"""The blacklist's log: facts, entries, disputes, index, key epochs, consents, points."""

import sqlalchemy as sa
from alembic import op

from node.migrations.frozen import metadata, table

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

PLACE = "block_number:big log_index:int tx_hash:bytes32"
ROW = f"{PLACE} block_time_s:big"


def _entries(tables: sa.MetaData) -> None:
    table(
        tables,
        "blacklist_facts",
        f"id:id name:word args:json entry:bytes32? dispute:big? {ROW}",
        key="id",
        unique=("block_number log_index",),
        index=(
            "entry block_number log_index",
            "dispute block_number log_index",
            "tx_hash",
            "block_number",
        ),
    )
    table(
        tables,
        "listed_entries",
        "entry:bytes32 uploader:int profile:int commitment:bytes32 notice_day:big "
        "effective_day:big expires_day:big supersedes:bytes32? stage:word stake_held:bool "
        f"dispute:big? posted_at_s:big vested_at_s:big? {PLACE}",
        key="entry",
        index=("uploader posted_at_s", "expires_day", "supersedes", "block_number"),
    )
    table(
        tables,
        "entry_tags",
        f"entry:bytes32 key_epoch:big untagged_block:big? untagged_log_index:int? {ROW}",
        key="entry key_epoch",
        index=("key_epoch block_number log_index", "untagged_block", "block_number"),
    )
    table(
        tables,
        "recalls",
        "entry:bytes32 recipient:bytes32 acknowledged_block:big? acknowledged_at_s:big? "
        f"acknowledged_tx:bytes32? {ROW}",
        key="entry recipient",
        index=("acknowledged_block", "block_number"),
    )
    table(
        tables,
        "deletion_certificates",
        f"entry:bytes32 member:int certificate:bytes32 {ROW}",
        key="entry member",
        index=("block_number",),
    )


def _index_and_disputes(tables: sa.MetaData) -> None:
    table(
        tables,
        "index_cuts",
        f"version:big key_epoch:big leaf_count:big {ROW}",
        key="version",
        index=("block_number",),
    )
    table(
        tables,
        "index_roots",
        f"version:big revision:int root:bytes32 leaf_count:big signatures:json {ROW}",
        key="version revision",
        index=("block_number",),
    )
    table(
        tables,
        "root_challenges",
        f"version:big member:int revision:int entry:bytes32 {ROW}",
        key="version member",
        index=("block_number",),
    )
    table(
        tables,
        "disputes",
        "dispute:big entry:bytes32 by:int target:int by_person:bool grounds:bytes32 "
        "opened_at_s:big extended:bool answer:word? answer_hash:bytes32? answered_at_s:big? "
        "contested_at_s:big? draw_after:big? panel:json? seats:int? outcome:word? "
        f"settled_at_s:big? {PLACE}",
        key="dispute",
        index=("entry", "by", "target", "outcome", "block_number"),
    )
    table(
        tables,
        "ballots",
        f"dispute:big member:int commitment:bytes32 verdict:word? {ROW}",
        key="dispute member",
        index=("block_number",),
    )


def _lookups(tables: sa.MetaData) -> None:
    table(
        tables,
        "key_epochs",
        "key_epoch:big sharing:int threshold:int members:json public_key:bytes32 "
        f"shares_hash:bytes32 switch_block:big {ROW}",
        key="key_epoch sharing",
        index=("block_number",),
    )
    table(
        tables,
        "key_epoch_approvals",
        f"digest:bytes32 member:int key_epoch:big {ROW}",
        key="digest member",
        index=("block_number",),
    )
    table(
        tables,
        "committee_words",
        f"id:id session:bytes32 member:int phase:int body:blob {ROW}",
        key="id",
        index=("session block_number log_index", "block_number"),
    )
    table(
        tables,
        "lookup_logs",
        f"member:int day:big root:bytes32 count:big {ROW}",
        key="member day",
        index=("block_number",),
    )
    table(
        tables,
        "recorded_consents",
        "consent:bytes32 reader:int level:int valid_to_s:big revoked_block:big? "
        f"revoked_at_s:big? revoked_tx:bytes32? {ROW}",
        key="consent",
        index=("reader", "revoked_block", "block_number"),
    )
    table(
        tables,
        "ticket_ranges",
        f"first:big count:int member:int kind:word day:big {ROW}",
        key="first",
        index=("member", "block_number"),
    )


def _points(tables: sa.MetaData) -> None:
    table(
        tables,
        "point_movements",
        f"id:id member:int kind:word amount:big reason:word? {ROW}",
        key="id",
        index=("member block_number log_index", "tx_hash", "block_number"),
    )
    table(
        tables,
        "point_counts",
        f"id:id member:int upheld:bool {ROW}",
        key="id",
        index=("member", "block_number"),
    )
    table(
        tables,
        "point_accounts",
        "member:int minted:big burned:big owed:big earned:big upheld:int overturned:int",
        key="member",
    )
    table(
        tables,
        "settlements",
        f"reader:int period:big attestations_root:bytes32 paid:big {ROW}",
        key="reader period",
        index=("block_number",),
    )
    table(
        tables,
        "settlement_rows",
        f"reader:int period:big uploader:int hits:int burned:big pair_hits:big paid:big {ROW}",
        key="reader period uploader",
        index=("block_number",),
    )


def _tables() -> sa.MetaData:
    tables = metadata()
    for part in (_entries, _index_and_disputes, _lookups, _points):
        part(tables)
    return tables


def upgrade() -> None:
    for item in _tables().sorted_tables:
        item.create(op.get_bind())


def downgrade() -> None:
    for item in reversed(_tables().sorted_tables):
        item.drop(op.get_bind())
