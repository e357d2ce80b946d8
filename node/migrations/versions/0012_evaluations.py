"""What a committee node evaluated and refused."""

import sqlalchemy as sa
from alembic import op

from node.migrations.frozen import metadata, table

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def _tables() -> sa.MetaData:
    tables = metadata()
    table(
        tables,
        "evaluations",
        "id:id day:big at_s:big subject:name reader:int ticket:big consent:bytes32 "
        "blinded:bytes32 key_epoch:big level:int signature:blob",
        key="id",
        unique=("subject",),
        index=("consent", "day reader"),
    )
    table(
        tables,
        "evaluation_refusals",
        "id:id at_ms:big reader:int ticket:big consent:bytes32? blinded:bytes32 code:word "
        "says:text",
        key="id",
        index=("reader at_ms",),
    )
    return tables


def upgrade() -> None:
    _tables().create_all(op.get_bind())


def downgrade() -> None:
    _tables().drop_all(op.get_bind())
