"""One ticket's lookup finds several entries of an uploader: a release is of ticket and entry."""

from alembic import op

from node.migrations.frozen import metadata, rebuild, table

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_COLUMNS = (
    "ticket:big entry:bytes32 reader:int consent:bytes32 recipient:bytes32 package:blob "
    "receipt:blob released_at_ms:big"
)


def _rebuild(key: str) -> None:
    made = table(metadata(), "releases", _COLUMNS, key=key, index=("entry",))
    rebuild(op.get_bind(), made)


def upgrade() -> None:
    _rebuild("ticket entry")


def downgrade() -> None:
    # Of a ticket's several entries one is kept.
    op.execute(
        "DELETE FROM releases WHERE EXISTS (SELECT 1 FROM releases AS other"
        " WHERE other.ticket = releases.ticket AND other.entry < releases.entry)"
    )
    _rebuild("ticket")
