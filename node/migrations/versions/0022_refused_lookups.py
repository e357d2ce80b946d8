"""Why a lookup was refused last."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("own_lookups", sa.Column("refusal", sa.String(40), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("own_lookups") as lookups:
        lookups.drop_column("refusal")
