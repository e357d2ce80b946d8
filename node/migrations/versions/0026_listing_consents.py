"""Under which digest an uploader records what a listing rests on."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

_TABLES = ("own_listings", "known_statements")


def upgrade() -> None:
    for table in _TABLES:
        op.add_column(table, sa.Column("consent", sa.LargeBinary(32), nullable=True))


def downgrade() -> None:
    for table in _TABLES:
        with op.batch_alter_table(table) as altered:
            altered.drop_column("consent")
