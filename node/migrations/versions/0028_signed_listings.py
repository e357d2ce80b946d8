"""With which hash the consent that an own listing's person signed is revoked."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

_TABLE, _COLUMN = "own_listings", "revocation_hash"


def upgrade() -> None:
    op.add_column(_TABLE, sa.Column(_COLUMN, sa.LargeBinary(32), nullable=True))
    op.create_index(f"ix_{_TABLE}_{_COLUMN}", _TABLE, [_COLUMN])


def downgrade() -> None:
    op.drop_index(f"ix_{_TABLE}_{_COLUMN}", _TABLE)
    with op.batch_alter_table(_TABLE) as altered:
        altered.drop_column(_COLUMN)
