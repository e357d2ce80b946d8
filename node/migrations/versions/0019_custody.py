"""Custody of evidence: given to others, kept for others, asked for."""

import sqlalchemy as sa
from alembic import op

from node.migrations.frozen import metadata, table

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def _tables() -> sa.MetaData:
    tables = metadata()
    table(
        tables,
        "own_custodies",
        "entry:bytes32 generation:int circle:bytes32 consent:bytes32 manifest:blob secret:blob "
        "made_at_ms:big",
        key="entry generation",
        index=("consent",),
    )
    table(
        tables,
        "custody_deliveries",
        "entry:bytes32 generation:int custodian:int tries:int taken_at_ms:big? "
        "ended_at_ms:big? certificate:blob?",
        key="entry generation custodian",
        index=("custodian taken_at_ms", "custodian ended_at_ms"),
    )
    table(
        tables,
        "held_custodies",
        "entry:bytes32 generation:int uploader:int consent:bytes32 manifest:blob share:blob "
        "detail:blob received_at_ms:big destroyed_at_ms:big? certificate:blob?",
        key="entry generation",
        index=("consent",),
    )
    table(
        tables,
        "custody_asks",
        "ticket:big entry:bytes32 reader:int uploader:int request:blob sealing:int enclosed:blob "
        "asked_at_s:big tries:int package:blob refusal_code:word? refusal_says:text? "
        "released_at_ms:big? receipts:blob told_at_ms:big?",
        key="ticket",
        index=("entry",),
    )
    table(
        tables,
        "own_custody_asks",
        "ticket:big entry:bytes32 uploader:int request:blob sealing:int enclosed:blob "
        "consent:bytes32 recipient:bytes32 secret:blob silence:word asked_at_s:big due_at_s:big? "
        "done_at_ms:big?",
        key="ticket",
    )
    table(
        tables,
        "custody_notices",
        "ticket:big custodian:int entry:bytes32 reader:int consent:bytes32 recipient:bytes32 "
        "request:blob receipts:blob told_at_ms:big",
        key="ticket custodian",
        index=("entry",),
    )
    return tables


def upgrade() -> None:
    _tables().create_all(op.get_bind())


def downgrade() -> None:
    _tables().drop_all(op.get_bind())
