"""Settlements that a member of the committee signed, and the hits it counted."""

import sqlalchemy as sa
from alembic import op

from node.migrations.frozen import metadata, table

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def _tables() -> sa.MetaData:
    tables = metadata()
    table(
        tables,
        "signed_settlements",
        "reader:int period:big digest:bytes32 signed_at_ms:big",
        key="reader period",
    )
    table(tables, "counted_attestations", "reader:int entry:bytes32 period:big", key="reader entry")
    return tables


def upgrade() -> None:
    op.add_column("own_attestations", sa.Column("period", sa.BigInteger(), nullable=True))
    for item in _tables().sorted_tables:
        item.create(op.get_bind())


def downgrade() -> None:
    for item in reversed(_tables().sorted_tables):
        item.drop(op.get_bind())
    with op.batch_alter_table("own_attestations") as attestations:
        attestations.drop_column("period")
