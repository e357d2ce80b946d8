"""The own books: imports, keys, terms."""

import sqlalchemy as sa
from alembic import op

from node.migrations.frozen import metadata, table

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def _part_1(tables: sa.MetaData) -> None:
    table(
        tables,
        "backups",
        "id:id path:text sha256:bytes32 key_ids:json made_at_ms:big",
        key="id",
    )
    table(
        tables,
        "imported_files",
        "id:id agreement:bytes32 side:int file_sha256:bytes32 name:name size_bytes:big "
        "format:word profile:word? lenient:bool provable:bool entry_count:int "
        "statements:json contradictions:json person_id:ref? imported_at_ms:big",
        key="id",
        unique=("agreement side file_sha256",),
    )
    table(
        tables,
        "local_keys",
        "id:id purpose:word agreement:bytes32 side:int generation:big public:blob "
        "secret:blob created_at_ms:big backed_up_at_ms:big? destroyed_at_ms:big?",
        key="id",
        unique=("purpose agreement side generation",),
    )
    table(
        tables,
        "party_names",
        "subject:name name:name code:name? code_salt:blob? account_masked:name? note:text?",
        key="subject",
    )
    table(
        tables,
        "terms_documents",
        "terms_hash:bytes32 body:blob kept_at_ms:big",
        key="terms_hash",
    )
    table(
        tables,
        "stated_balances",
        "id:id agreement:bytes32 side:int window:big currency:word which:word "
        "signed_minor:big date:int basis:word file_id:ref?>imported_files.id seq:big?",
        key="id",
        index=("agreement side window currency",),
    )


def _tables() -> sa.MetaData:
    tables = metadata()
    _part_1(tables)
    return tables


def _own() -> list[sa.Table]:
    return _tables().sorted_tables


def upgrade() -> None:
    for item in _own():
        item.create(op.get_bind())


def downgrade() -> None:
    for item in reversed(_own()):
        item.drop(op.get_bind())
