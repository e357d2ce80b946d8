"""This node's runs of key generation and re-sharing."""

import sqlalchemy as sa
from alembic import op

from node.migrations.frozen import metadata, table

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def _tables() -> sa.MetaData:
    tables = metadata()
    table(
        tables,
        "committee_runs",
        "run:bytes32 plan:blob key_epoch:big sharing:int state:word secret:blob? error_code:word? "
        "error:text? joined_at_ms:big ended_at_ms:big?",
        key="run",
        index=("state",),
    )
    table(
        tables,
        "dealt_shares",
        "run:bytes32 dealer:int sealed:blob received_at_ms:big",
        key="run dealer",
    )
    table(
        tables,
        "share_deliveries",
        "run:bytes32 receiver:int delivered_at_ms:big",
        key="run receiver",
    )
    return tables


def upgrade() -> None:
    _tables().create_all(op.get_bind())


def downgrade() -> None:
    _tables().drop_all(op.get_bind())
