"""Records are tagged with the signatures of the replicas that hold them."""

from alembic import op

from node.migrations.frozen import metadata, rebuild, table

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

#: (name, columns, key, indexes, the column that comes with what older rows hold there): the
#: contracts of an earlier release knew no signatures of replicas.
_TABLES = (
    (
        "sealed_records",
        "entry:bytes32 key_epoch:big loc:bytes32 record:blob {salt:bytes32} sealed_at_ms:big",
        "entry key_epoch",
        ((), ()),
        ("salt", bytes(32)),
    ),
    (
        "entry_tags",
        (
            "entry:bytes32 key_epoch:big {record:bytes32} "
            "untagged_block:big? untagged_log_index:int? "
            "block_number:big log_index:int tx_hash:bytes32 block_time_s:big"
        ),
        "entry key_epoch",
        (("key_epoch block_number log_index", "untagged_block", "block_number"), ()),
        ("record", bytes(32)),
    ),
    (
        "deposits",
        (
            "key_epoch:big entry:bytes32 uploader:int loc:bytes32 leaf:bytes32 hash:bytes32 "
            "record:blob {salt:blob} taken:bool removed:bool received_at_ms:big"
        ),
        "key_epoch entry",
        (("key_epoch taken removed",), ("key_epoch uploader loc", "key_epoch leaf")),
        ("salt", b""),
    ),
    (
        "record_deliveries",
        "key_epoch:big entry:bytes32 replica:int {signature:blob} delivered_at_ms:big",
        "key_epoch entry replica",
        ((), ()),
        ("signature", b""),
    ),
)


def upgrade() -> None:
    for name, columns, key, (index, more), (column, older) in _TABLES:
        words = columns.replace("{", "").replace("}", "")
        made = table(metadata(), name, words, key=key, index=(*index, *more))
        rebuild(op.get_bind(), made, added={column: older})


def downgrade() -> None:
    for name, columns, key, (index, _), _added in _TABLES:
        before, _, rest = columns.partition("{")
        words = before + rest.partition("} ")[2]
        rebuild(op.get_bind(), table(metadata(), name, words, key=key, index=index))
