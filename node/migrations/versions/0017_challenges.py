"""An uploader challenges each revision of a root, where it was each version."""

from alembic import op

from node.migrations.frozen import metadata, rebuild, table

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_COLUMNS = (
    "version:big revision:int member:int entry:bytes32 tx_hash:bytes32 block_time_s:big "
    "block_number:big log_index:int"
)


def _rebuild(key: str) -> None:
    made = table(metadata(), "root_challenges", _COLUMNS, key=key, index=("block_number",))
    rebuild(op.get_bind(), made)


def upgrade() -> None:
    _rebuild("version revision member")


def downgrade() -> None:
    # Of several challenges by one member, the first one of a version is kept.
    op.execute(
        "DELETE FROM root_challenges WHERE EXISTS (SELECT 1 FROM root_challenges AS earlier"
        " WHERE earlier.version = root_challenges.version"
        " AND earlier.member = root_challenges.member"
        " AND earlier.revision < root_challenges.revision)"
    )
    _rebuild("version member")
