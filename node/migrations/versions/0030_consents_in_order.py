"""Consents by who recorded them, in the ledger's order."""

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

_TABLE = "recorded_consents"
_INDEX = "ix_recorded_consents_reader"


def upgrade() -> None:
    op.drop_index(_INDEX, _TABLE)
    op.create_index(f"{_INDEX}_block_number", _TABLE, ["reader", "block_number"])


def downgrade() -> None:
    op.drop_index(f"{_INDEX}_block_number", _TABLE)
    op.create_index(_INDEX, _TABLE, ["reader"])
