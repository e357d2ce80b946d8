"""What the regulator's node has audited, day by day, to hold other days against."""

import sqlalchemy as sa
from alembic import op

from node.migrations.frozen import metadata, table

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def _tables() -> sa.MetaData:
    tables = metadata()
    table(
        tables,
        "audited_evaluations",
        "mark:bytes32 day:big reader:int ticket:big subject:bytes32 blinded:bytes32 key_epoch:big "
        "level:int signature:blob",
        key="mark",
        index=("key_epoch",),
    )
    return tables


def upgrade() -> None:
    _tables().create_all(op.get_bind())


def downgrade() -> None:
    _tables().drop_all(op.get_bind())
