"""Which blacklist the follower reads beside the ledger."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("cursors", sa.Column("blacklist_address", sa.LargeBinary(20), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("cursors") as table:
        table.drop_column("blacklist_address")
