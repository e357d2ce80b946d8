"""Who took an answer to the panel, and a cap of its own for people's free queries."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_INDEX = "ix_evaluations_day_reader"


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false())


def upgrade() -> None:
    op.add_column("disputes", sa.Column("contested_by", sa.Integer(), nullable=True))
    op.add_column("disputes", _flag("contest_staked"))
    op.create_index("ix_disputes_contested_by", "disputes", ["contested_by"])
    op.add_column("evaluations", _flag("own_record"))
    op.drop_index(_INDEX, "evaluations")
    op.create_index(f"{_INDEX}_own_record", "evaluations", ["day", "reader", "own_record"])


def downgrade() -> None:
    op.drop_index(f"{_INDEX}_own_record", "evaluations")
    op.create_index(_INDEX, "evaluations", ["day", "reader"])
    with op.batch_alter_table("evaluations") as evaluations:
        evaluations.drop_column("own_record")
    op.drop_index("ix_disputes_contested_by", "disputes")
    with op.batch_alter_table("disputes") as disputes:
        disputes.drop_column("contest_staked")
        disputes.drop_column("contested_by")
