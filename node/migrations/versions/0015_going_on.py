"""Where entries went that moved since a run was made."""

import sqlalchemy as sa
from alembic import op

from node.migrations.frozen import TYPES, metadata, table

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def _table() -> sa.Table:
    tables = metadata()
    # Made by an earlier migration; named here for the foreign key.
    sa.Table("match_runs", tables, sa.Column("id", TYPES["id"], primary_key=True))
    return table(
        tables,
        "run_ref_parts",
        "run_id:ref>>match_runs.id side:int part:int first_ref:blob ref_count:int body:blob",
        key="run_id side part first_ref",
    )


def upgrade() -> None:
    _table().create(op.get_bind())


def downgrade() -> None:
    _table().drop(op.get_bind())
