"""The committee's countersignatures beside a confirmed hit."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("own_attestations", sa.Column("countersigned", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("own_attestations") as attestations:
        attestations.drop_column("countersigned")
