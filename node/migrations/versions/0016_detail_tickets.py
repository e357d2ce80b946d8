"""For which use a DETAIL ticket was bought."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("ticket_ranges", sa.Column("use", sa.LargeBinary(32), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("ticket_ranges") as tickets:
        tickets.drop_column("use")
