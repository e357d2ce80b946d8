"""Which own listings rest on one document of one person."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

_TABLE, _COLUMN = "own_listings", "rests_on"


def upgrade() -> None:
    op.add_column(_TABLE, sa.Column(_COLUMN, sa.LargeBinary(32), nullable=True))
    op.create_index(f"ix_{_TABLE}_{_COLUMN}", _TABLE, [_COLUMN])


def downgrade() -> None:
    op.drop_index(f"ix_{_TABLE}_{_COLUMN}", _TABLE)
    with op.batch_alter_table(_TABLE) as altered:
        altered.drop_column(_COLUMN)
