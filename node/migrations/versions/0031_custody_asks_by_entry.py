"""Requests to custodians by the entry that they are about."""

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

_INDEX = "ix_own_custody_asks_entry"


def upgrade() -> None:
    op.create_index(_INDEX, "own_custody_asks", ["entry"])


def downgrade() -> None:
    op.drop_index(_INDEX, "own_custody_asks")
