"""What is left of a lookup once an entry that it found is erased, and until when."""

import sqlalchemy as sa
from alembic import op

from node.migrations.frozen import metadata, table

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_KEPT = "ix_own_lookups_kept"
_LATER = ("kept", "reduced", "destroyed_for", "destroyed_at_ms", "forget_from_s")


def _tables() -> sa.MetaData:
    tables = metadata()
    table(
        tables, "lookup_entries", "lookup:big entry:bytes32", key="lookup entry", index=("entry",)
    )
    return tables


def upgrade() -> None:
    _tables().create_all(op.get_bind())
    op.add_column("own_lookups", sa.Column("kept", sa.String(40), nullable=True))
    op.add_column("own_lookups", sa.Column("reduced", sa.LargeBinary(), nullable=True))
    op.add_column("own_lookups", sa.Column("destroyed_for", sa.LargeBinary(32), nullable=True))
    op.add_column("own_lookups", sa.Column("destroyed_at_ms", sa.BigInteger(), nullable=True))
    op.add_column("own_lookups", sa.Column("forget_from_s", sa.BigInteger(), nullable=True))
    op.create_index(_KEPT, "own_lookups", ["kept"])
    # Receipts are sealed: the node reads which entries they found once it runs.
    op.execute("UPDATE own_lookups SET kept = 'UNREAD' WHERE receipt IS NOT NULL")
    op.add_column("erasures", sa.Column("receipts_until_s", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("erasures", "receipts_until_s")
    op.drop_index(_KEPT, "own_lookups")
    with op.batch_alter_table("own_lookups") as lookups:
        for name in _LATER:
            lookups.drop_column(name)
    _tables().drop_all(op.get_bind())
