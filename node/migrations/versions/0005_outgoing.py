"""The way out: queue, payloads, intents, transactions."""

import sqlalchemy as sa
from alembic import op

from node.migrations.frozen import TYPES, metadata, table

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def _part_1(tables: sa.MetaData) -> None:
    table(
        tables,
        "adoptions",
        "tx_hash:bytes32 address:bytes20 nonce:big block_number:big verdict:word what:text "
        "details:json found_at_ms:big confirmed_at_ms:big? confirmed_by:ref?",
        key="tx_hash",
        index=("address",),
    )
    table(
        tables,
        "intents",
        "id:id kind:word subject:name lane_key:name agreement:bytes32? side:int? seq:big? "
        "window:big? contract:word call:word calldata:blob alone:bool state:word "
        "attempts:int error:text? error_code:word? wake_at_ms:big created_at_ms:big "
        "done_at_ms:big? tx_hash:bytes32? person_id:ref?",
        key="id",
        unique=("subject",),
        index=("agreement", "state lane_key id", "tx_hash"),
    )
    table(
        tables,
        "nonce_lanes",
        "address:bytes20 next_nonce:big state:word reason:text? in_flight_limit:int "
        "generation:int checked_at_ms:big?",
        key="address",
    )
    table(
        tables,
        "side_lanes",
        "lane_key:name address:bytes20",
        key="lane_key",
        index=("address",),
    )
    table(
        tables,
        "queued_records",
        "id:id agreement:bytes32 side:int window:big record_type:word entry_ref:name? "
        "version:int? record:blob file_id:ref?>imported_files.id line:int? "
        "state:word seq:big? queued_at_ms:big",
        key="id",
        unique=("agreement side entry_ref version",),
        index=("agreement side state seq id",),
    )
    table(
        tables,
        "sealed_payloads",
        "id:id agreement:bytes32 side:int seq:big window:big epoch:big prev_head:bytes32 "
        "head:bytes32 commitment:bytes32 payload:blob record_count:int generation:int "
        "intent_id:ref?>intents.id state:word sealed_at_ms:big",
        key="id",
        index=("agreement side seq", "state"),
    )


def _part_2(tables: sa.MetaData) -> None:
    table(
        tables,
        "transactions",
        "tx_hash:bytes32 intent_id:ref?>intents.id address:bytes20 nonce:big purpose:word "
        "raw:blob gas_limit:big gas_price_wei:big state:word attempts:int error:text? "
        "signed_at_ms:big sent_at_ms:big? block_number:big? block_hash:bytes32?",
        key="tx_hash",
        index=("address nonce", "intent_id", "state"),
    )


def _tables() -> sa.MetaData:
    tables = metadata()
    # Made by earlier migrations; named here for the foreign keys.
    sa.Table("imported_files", tables, sa.Column("id", TYPES["id"], primary_key=True))
    _part_1(tables)
    _part_2(tables)
    return tables


EARLIER = frozenset({"imported_files"})


def _own() -> list[sa.Table]:
    return [item for item in _tables().sorted_tables if item.name not in EARLIER]


def upgrade() -> None:
    for item in _own():
        item.create(op.get_bind())


def downgrade() -> None:
    for item in reversed(_own()):
        item.drop(op.get_bind())
