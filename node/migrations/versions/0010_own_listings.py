"""Own listings, sealed records, ballots, papers, certificates, attestations, releases."""

import sqlalchemy as sa
from alembic import op

from node.migrations.frozen import metadata, table

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def _listings(tables: sa.MetaData) -> None:
    table(
        tables,
        "own_listings",
        "entry:bytes32 statement:blob? signature:blob? secret:blob documents:blob "
        "fingerprint:bytes32? listed_at_ms:big erased_at_ms:big?",
        key="entry",
        index=("fingerprint",),
    )
    table(
        tables,
        "sealed_records",
        "entry:bytes32 key_epoch:big loc:bytes32 record:blob sealed_at_ms:big",
        key="entry key_epoch",
    )
    table(
        tables,
        "known_statements",
        "entry:bytes32 statement:blob signature:blob salt:blob source:word seen_at_ms:big",
        key="entry",
    )
    table(
        tables,
        "erasures",
        "entry:bytes32 asked_at_ms:big asked_by:name envelope:blob? hash:bytes32? "
        "destroyed_at_ms:big?",
        key="entry",
    )


def _words(tables: sa.MetaData) -> None:
    table(
        tables,
        "own_ballots",
        "dispute:big commitment:bytes32 secret:blob voted_at_ms:big",
        key="dispute",
    )
    table(
        tables,
        "own_papers",
        "id:id kind:word entry:bytes32 hash:bytes32 secret:blob staked:bool written_at_ms:big",
        key="id",
        unique=("hash",),
        index=("entry",),
    )
    table(
        tables,
        "own_attestations",
        "entry:bytes32 ticket:big uploader:int verdict:word envelope:blob recall_secret:blob "
        "recipient:bytes32 made_at_ms:big",
        key="entry",
    )


def _releases(tables: sa.MetaData) -> None:
    table(
        tables,
        "releases",
        "ticket:big entry:bytes32 reader:int consent:bytes32 recipient:bytes32 package:blob "
        "receipt:blob released_at_ms:big",
        key="ticket",
        index=("entry",),
    )
    table(
        tables,
        "held_details",
        "ticket:big entry:bytes32 uploader:int recipient:bytes32 secret:blob documents:blob "
        "receipt:blob received_at_ms:big erased_at_ms:big?",
        key="ticket",
        index=("entry",),
    )


def _tables() -> sa.MetaData:
    tables = metadata()
    for part in (_listings, _words, _releases):
        part(tables)
    return tables


def upgrade() -> None:
    for item in _tables().sorted_tables:
        item.create(op.get_bind())


def downgrade() -> None:
    for item in reversed(_tables().sorted_tables):
        item.drop(op.get_bind())
