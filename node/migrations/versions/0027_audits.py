"""Audits of single evaluations on the ledger, the regulator's part in them and the accused's."""

import sqlalchemy as sa
from alembic import op

from node.migrations.frozen import metadata, table

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def _tables() -> sa.MetaData:
    tables = metadata()
    table(
        tables,
        "evaluation_audits",
        "audit:big member:int ticket:big subject:bytes32 blinded:bytes32 key_epoch:big "
        "tx_hash:bytes32 block_time_s:big outcome:word? ended_block:big? ended_at_s:big? "
        "ended_tx:bytes32? block_number:big log_index:int",
        key="audit",
        index=("member", "outcome", "subject", "ended_block", "ended_tx", "block_number"),
    )
    table(
        tables,
        "accusations",
        "evaluation:bytes32 reader:int ticket:big subject:bytes32 blinded:bytes32 key_epoch:big "
        "signature:blob found_at_ms:big asked_first_s:big? asked_last_s:big? refusal:word? "
        "opened_at_ms:big?",
        key="evaluation",
        index=("opened_at_ms",),
    )
    table(
        tables,
        "opening_words",
        "evaluation:bytes32 word:blob given_at_ms:big",
        key="evaluation",
    )
    return tables


def upgrade() -> None:
    _tables().create_all(op.get_bind())


def downgrade() -> None:
    _tables().drop_all(op.get_bind())
