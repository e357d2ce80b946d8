"""An entry's last day, which a suspension brings forward, beside its statement's."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_TABLE = "listed_entries"


def upgrade() -> None:
    ends = sa.Column("ends_day", sa.BigInteger(), nullable=False, server_default=sa.text("0"))
    op.add_column(_TABLE, ends)
    op.add_column(_TABLE, sa.Column("shortened_block", sa.BigInteger(), nullable=True))
    op.add_column(_TABLE, sa.Column("shortened_log_index", sa.Integer(), nullable=True))
    entries = sa.table(_TABLE, sa.column("ends_day"), sa.column("expires_day"))
    op.execute(entries.update().values(ends_day=entries.c.expires_day))
    op.drop_index(f"ix_{_TABLE}_expires_day", _TABLE)
    op.create_index(f"ix_{_TABLE}_ends_day", _TABLE, ["ends_day"])


def downgrade() -> None:
    op.drop_index(f"ix_{_TABLE}_ends_day", _TABLE)
    op.create_index(f"ix_{_TABLE}_expires_day", _TABLE, ["expires_day"])
    with op.batch_alter_table(_TABLE) as entries:
        entries.drop_column("shortened_log_index")
        entries.drop_column("shortened_block")
        entries.drop_column("ends_day")
