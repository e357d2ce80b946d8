"""Matching: runs, reports."""

import sqlalchemy as sa
from alembic import op

from node.migrations.frozen import TYPES, metadata, table

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def _part_1(tables: sa.MetaData) -> None:
    table(
        tables,
        "latency_samples",
        "id:id agreement:bytes32 window:big what:word at_ms:big ms:int",
        key="id",
        index=("agreement window", "at_ms"),
    )
    table(
        tables,
        "match_runs",
        "id:id agreement:bytes32 window:big kind:word previous_window:big? servicer_seq:big "
        "owner_seq:big servicer_entries:int owner_entries:int servicer_matched:int "
        "owner_matched:int group_count:int proposal_count:int break_count:int "
        "breaks_by_kind:json totals:json identities:json oldest_age_days:int complete:bool "
        "balance_proven:bool basis:word? digest:bytes32? timing_ms:json latency_ms:int? "
        "run_at_ms:big",
        key="id",
        unique=("agreement window kind",),
    )
    table(
        tables,
        "reports",
        "id:id agreement:bytes32 window:big previous_window:big? digest:bytes32 "
        "previous_agreed_digest:bytes32 servicer_head:bytes32 owner_head:bytes32 "
        "report:blob groups:blob groups_format:word proposals:blob carried:blob "
        "complete:bool balance_proven:bool state:word revision:int? signature:blob? "
        "signer:blob? flags:int computed_at_ms:big attested_at_ms:big?",
        key="id",
        unique=("agreement window digest",),
        index=("agreement window state",),
    )
    table(
        tables,
        "break_notes",
        "id:id agreement:bytes32 break_key:bytes32 person_id:ref?>people.id "
        "assignee_id:ref?>people.id text:text at_ms:big",
        key="id",
        index=("agreement break_key",),
    )
    table(
        tables,
        "run_breaks",
        "id:id run_id:ref>>match_runs.id number:int break_key:bytes32 kind:word "
        "servicer:json owner:json signed:json sort_minor:big age_days:int marks:json "
        "also:json proposals:json merged_keys:json",
        key="id",
        unique=("run_id break_key",),
        index=("break_key", "run_id kind number"),
    )


def _part_2(tables: sa.MetaData) -> None:
    table(
        tables,
        "run_group_blocks",
        "run_id:ref>>match_runs.id first_number:int body:blob",
        key="run_id first_number",
    )
    table(
        tables,
        "run_ref_blocks",
        "run_id:ref>>match_runs.id side:int first_ref:blob body:blob",
        key="run_id side first_ref",
    )
    table(
        tables,
        "run_proposals",
        "id:id run_id:ref>>match_runs.id proposal_key:bytes32 pass_name:name servicer:json "
        "owner:json servicer_count:int owner_count:int reason:word",
        key="id",
        index=("run_id proposal_key",),
    )


def _tables() -> sa.MetaData:
    tables = metadata()
    # Made by earlier migrations; named here for the foreign keys.
    sa.Table("people", tables, sa.Column("id", TYPES["id"], primary_key=True))
    _part_1(tables)
    _part_2(tables)
    return tables


EARLIER = frozenset({"people"})


def _own() -> list[sa.Table]:
    return [item for item in _tables().sorted_tables if item.name not in EARLIER]


def upgrade() -> None:
    for item in _own():
        item.create(op.get_bind())


def downgrade() -> None:
    for item in reversed(_own()):
        item.drop(op.get_bind())
