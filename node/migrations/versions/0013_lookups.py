"""This node's lookups, and its part as a replica."""

import sqlalchemy as sa
from alembic import op

from node.migrations.frozen import metadata, table

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def _tables() -> sa.MetaData:
    tables = metadata()
    table(
        tables,
        "own_lookups",
        "id:id state:word purpose:int scope:int valid_from_s:big valid_to_s:big person:blob "
        "element:bytes32 digest:bytes32? consent:blob? ticket:big? key_epoch:big? outcome:word? "
        "level:int? receipt:blob? made_at_ms:big done_at_ms:big?",
        key="id",
        index=("state", "ticket", "digest"),
    )
    table(
        tables,
        "deposits",
        "key_epoch:big entry:bytes32 uploader:int loc:bytes32 leaf:bytes32 hash:bytes32 "
        "record:blob taken:bool removed:bool received_at_ms:big",
        key="key_epoch entry",
        index=("key_epoch taken removed",),
    )
    table(
        tables,
        "record_deliveries",
        "key_epoch:big entry:bytes32 replica:int delivered_at_ms:big",
        key="key_epoch entry replica",
    )
    table(
        tables,
        "checked_roots",
        "version:big revision:int replica:int missing:int checked_at_ms:big",
        key="version revision",
    )
    return tables


def upgrade() -> None:
    _tables().create_all(op.get_bind())


def downgrade() -> None:
    _tables().drop_all(op.get_bind())
