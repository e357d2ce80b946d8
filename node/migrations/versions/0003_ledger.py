"""The data plane: batches, records, windows, attestations."""

import sqlalchemy as sa
from alembic import op

from node.migrations.frozen import metadata, table

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _part_1(tables: sa.MetaData) -> None:
    table(
        tables,
        "agreed_results",
        "agreement:bytes32 window:big digest:bytes32 state:word tx_hash:bytes32 "
        "block_time_s:big block_number:big log_index:int",
        key="agreement window",
        index=("block_number",),
    )
    table(
        tables,
        "attestations",
        "agreement:bytes32 side:int window:big revision:int servicer_head:bytes32 "
        "owner_head:bytes32 previous_agreed_digest:bytes32 digest:bytes32 flags:int "
        "signature:blob signer:blob? tx_hash:bytes32 block_time_s:big block_number:big "
        "log_index:int",
        key="agreement side window revision",
        index=("block_number",),
    )
    table(
        tables,
        "batches",
        "agreement:bytes32 side:int seq:big window:big epoch:big commitment:bytes32 "
        "prev_head:bytes32 head:bytes32 payload:blob payload_bytes:int tx_hash:bytes32 "
        "block_time_s:big state:word reason:text? header:json? entry_count:int "
        "repeat_count:int decision_count:int complete_until_ms:big? generation:big? "
        "block_number:big log_index:int",
        key="agreement side seq",
        index=(
            "agreement side window",
            "block_number",
            "state block_number log_index",
            "tx_hash",
        ),
    )
    table(
        tables,
        "closings",
        "agreement:bytes32 side:int window:big last_seq:big head:bytes32 by_default:bool "
        "tx_hash:bytes32 block_time_s:big block_number:big log_index:int",
        key="agreement side window",
        index=("block_number",),
    )
    table(
        tables,
        "decisions",
        "agreement:bytes32 side:int seq:big leaf:int window:big record:blob subject:bytes32 "
        "previous:bytes32 verdict:word servicer:json owner:json decider:name "
        "block_number:big log_index:int",
        key="agreement side seq leaf",
        index=("agreement subject", "block_number"),
    )


def _part_2(tables: sa.MetaData) -> None:
    table(
        tables,
        "entries",
        "agreement:bytes32 side:int seq:big leaf:int window:big entry_ref:name version:int "
        "record:blob repeat:bool latest:bool direction:int amount_minor:big currency:word "
        "booking_date:int status:int block_number:big log_index:int",
        key="agreement side seq leaf",
        index=(
            "agreement side booking_date",
            "agreement side entry_ref version",
            "agreement side window",
            "amount_minor",
        ),
    )
    table(
        tables,
        "section_digests",
        "agreement:bytes32 side:int seq:big leaf:int window:big of_window:big "
        "report_digest:bytes32 sections:json record:blob block_number:big log_index:int",
        key="agreement side seq leaf",
        index=("block_number",),
    )
    table(
        tables,
        "stream_states",
        "agreement:bytes32 side:int last_seq:big head:bytes32 posted_window:big? "
        "closed_window:big? closed_seq:big? closed_head:bytes32? entry_count:big "
        "batch_count:big invalid_count:big sealed_count:big complete_until_ms:big? "
        "last_posted_at_s:big? contiguous:bool",
        key="agreement side",
    )
    table(
        tables,
        "window_totals",
        "agreement:bytes32 side:int window:big currency:word entry_count:big in_minor:word "
        "out_minor:word last_seq:big",
        key="agreement side window currency",
    )


def _tables() -> sa.MetaData:
    tables = metadata()
    _part_1(tables)
    _part_2(tables)
    return tables


def _own() -> list[sa.Table]:
    return _tables().sorted_tables


def upgrade() -> None:
    for item in _own():
        item.create(op.get_bind())


def downgrade() -> None:
    for item in reversed(_own()):
        item.drop(op.get_bind())
