"""The control plane: cursor, facts, folded state."""

import sqlalchemy as sa
from alembic import op

from node.migrations.frozen import metadata, table

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def _part_1(tables: sa.MetaData) -> None:
    table(
        tables,
        "agreement_terms",
        "id:id agreement:bytes32 terms_hash:bytes32 from_window:big proposed_from:big "
        "observers:json sealed_terms:blob side:int? state:word proposed_at_s:big "
        "accepted_at_s:big? block_number:big log_index:int",
        key="id",
        index=("agreement from_window", "block_number", "terms_hash"),
    )
    table(
        tables,
        "agreements",
        "agreement:bytes32 kind:int servicer:int owner:int observers:json "
        "represented_side:int? party_commitment:bytes32 predecessor:bytes32 "
        "successor:bytes32? terms_hash:bytes32 utc_offset_min:int default_after_days:int "
        "sealed_terms:blob state:word opened_at_s:big activated_at_s:big? last_window:big? "
        "ended_at_s:big? block_number:big log_index:int",
        key="agreement",
        index=("block_number", "owner", "servicer", "state"),
    )
    table(
        tables,
        "blocks",
        "number:big hash:bytes32 parent_hash:bytes32 time_s:big has_logs:bool",
        key="number",
    )
    table(
        tables,
        "chain_events",
        "id:id contract:word name:word args:json tx_hash:bytes32 block_time_s:big "
        "agreement:bytes32? member:int? block_number:big log_index:int",
        key="id",
        unique=("block_number log_index",),
        index=("agreement", "block_number", "member", "name"),
    )
    table(
        tables,
        "cursors",
        "id:int chain_id:big registry_address:bytes20 ledger_address:bytes20 "
        "deployed_block:big block_number:big block_hash:bytes32 head_block:big "
        "head_time_s:big final_block:big seen_at_ms:big",
        key="id",
    )
    table(
        tables,
        "epoch_keys",
        "agreement:bytes32 side:int epoch:big key_commitment:bytes32 wraps:json state:word "
        "reason:text? published_at_s:big answered_at_s:big? block_number:big log_index:int",
        key="agreement side epoch",
        index=("block_number",),
    )


def _part_2(tables: sa.MetaData) -> None:
    table(
        tables,
        "member_keys",
        "address:bytes20 member:int role:word state:word valid_from:big valid_to:big "
        "ending_from:big? compromised_since_s:big? block_number:big log_index:int",
        key="address",
        index=("block_number", "member"),
    )
    table(
        tables,
        "members",
        "member:int kind:word state:word sponsor:int? code:name? code_hash:bytes32 "
        "generation:int admitted_at_s:big block_number:big log_index:int",
        key="member",
        index=("block_number",),
    )
    table(
        tables,
        "motions",
        "motion:bytes32 action:word target:bytes32 argument:blob proposer:int "
        "approvers:json state:word generation:int round:int expires_at:big opened_at_s:big "
        "block_number:big log_index:int",
        key="motion",
        index=("block_number",),
    )
    table(
        tables,
        "sealing_keys",
        "member:int agreement:bytes32 generation:int key_hash:bytes32 public_key:blob "
        "ends_at_s:big published_at_s:big block_number:big log_index:int",
        key="member agreement generation",
        index=("block_number",),
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
