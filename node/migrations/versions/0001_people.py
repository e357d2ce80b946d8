"""People, their acts, incidents."""

import sqlalchemy as sa
from alembic import op

from node.migrations.frozen import metadata, table

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _part_1(tables: sa.MetaData) -> None:
    table(
        tables,
        "audit_log",
        "id:id at_ms:big actor:name act:word subject:name? details:json previous:bytes32 "
        "hash:bytes32",
        key="id",
        unique=("hash",),
    )
    table(
        tables,
        "idempotency_keys",
        "scope:name key:name body_sha256:bytes32 status:int answer:blob at_ms:big",
        key="scope key",
    )
    table(
        tables,
        "incidents",
        "id:id kind:word fingerprint:name agreement:bytes32? side:int? seq:big? "
        "block_number:big? says:text evidence:json stops_signing:bool opened_at_ms:big "
        "closed_at_ms:big? closed_by:ref? closed_reason:text?",
        key="id",
        unique=("fingerprint",),
        index=("closed_at_ms",),
    )
    table(
        tables,
        "node_facts",
        "name:word value:json",
        key="name",
    )
    table(
        tables,
        "people",
        "id:id login:name display_name:name pseudonym:name password_hash:text? "
        "language:word active:bool failed_logins:int locked_until_ms:big? created_at_ms:big",
        key="id",
        unique=("login", "pseudonym"),
    )
    table(
        tables,
        "api_tokens",
        "id:id token_sha256:bytes32 person_id:ref>>people.id label:name roles:json "
        "created_at_ms:big expires_at_ms:big? used_at_ms:big? revoked_at_ms:big?",
        key="id",
        unique=("token_sha256",),
    )
    table(
        tables,
        "drafts",
        "id:id kind:word agreement:bytes32? window:big? subject:name? body:json "
        "body_sha256:bytes32 reason:text state:word single:bool maker_id:ref>people.id "
        "made_at_ms:big checker_id:ref?>people.id checked_at_ms:big? check_reason:text?",
        key="id",
        index=("agreement subject", "state kind"),
    )


def _part_2(tables: sa.MetaData) -> None:
    table(
        tables,
        "person_roles",
        "id:id person_id:ref>>people.id role:word agreement:bytes32?",
        key="id",
        unique=("person_id role agreement",),
    )
    table(
        tables,
        "setup_links",
        "token_sha256:bytes32 person_id:ref>>people.id expires_at_ms:big used_at_ms:big?",
        key="token_sha256",
    )
    table(
        tables,
        "web_sessions",
        "token_sha256:bytes32 person_id:ref>>people.id csrf_sha256:bytes32 "
        "created_at_ms:big seen_at_ms:big expires_at_ms:big",
        key="token_sha256",
    )


def _tables() -> sa.MetaData:
    tables = metadata()
    _part_1(tables)
    _part_2(tables)
    return tables


def _own() -> list[sa.Table]:
    return _tables().sorted_tables


def upgrade() -> None:
    for item in _own():
        item.create(op.get_bind())


def downgrade() -> None:
    for item in reversed(_own()):
        item.drop(op.get_bind())
