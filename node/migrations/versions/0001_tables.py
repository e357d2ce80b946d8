"""Every table of a node's database."""

# ruff: noqa: PLR0915 - as long as there are tables

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "adoptions",
        sa.Column("tx_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("address", sa.LargeBinary(length=20), nullable=False),
        sa.Column("nonce", sa.BigInteger(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("verdict", sa.String(length=40), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("found_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("confirmed_at_ms", sa.BigInteger(), nullable=True),
        sa.Column(
            "confirmed_by", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.PrimaryKeyConstraint("tx_hash", name=op.f("pk_adoptions")),
    )
    with op.batch_alter_table("adoptions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_adoptions_address"), ["address"], unique=False)

    op.create_table(
        "agreed_results",
        sa.Column("agreement", sa.LargeBinary(length=32), nullable=False),
        sa.Column("window", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("tx_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("block_time_s", sa.BigInteger(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("agreement", "window", name=op.f("pk_agreed_results")),
        info={"origin": "chain"},
    )
    with op.batch_alter_table("agreed_results", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_agreed_results_block_number"), ["block_number"], unique=False
        )

    op.create_table(
        "agreement_terms",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("agreement", sa.LargeBinary(length=32), nullable=False),
        sa.Column("terms_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("from_window", sa.BigInteger(), nullable=False),
        sa.Column("proposed_from", sa.BigInteger(), nullable=False),
        sa.Column("observers", sa.JSON(), nullable=False),
        sa.Column("sealed_terms", sa.LargeBinary(), nullable=False),
        sa.Column("side", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("proposed_at_s", sa.BigInteger(), nullable=False),
        sa.Column("accepted_at_s", sa.BigInteger(), nullable=True),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agreement_terms")),
        info={"origin": "chain"},
    )
    with op.batch_alter_table("agreement_terms", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_agreement_terms_agreement_from_window"),
            ["agreement", "from_window"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_agreement_terms_block_number"), ["block_number"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_agreement_terms_terms_hash"), ["terms_hash"], unique=False
        )

    op.create_table(
        "agreements",
        sa.Column("agreement", sa.LargeBinary(length=32), nullable=False),
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("servicer", sa.Integer(), nullable=False),
        sa.Column("owner", sa.Integer(), nullable=False),
        sa.Column("observers", sa.JSON(), nullable=False),
        sa.Column("represented_side", sa.Integer(), nullable=True),
        sa.Column("party_commitment", sa.LargeBinary(length=32), nullable=False),
        sa.Column("predecessor", sa.LargeBinary(length=32), nullable=False),
        sa.Column("successor", sa.LargeBinary(length=32), nullable=True),
        sa.Column("terms_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("utc_offset_min", sa.Integer(), nullable=False),
        sa.Column("default_after_days", sa.Integer(), nullable=False),
        sa.Column("sealed_terms", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("opened_at_s", sa.BigInteger(), nullable=False),
        sa.Column("activated_at_s", sa.BigInteger(), nullable=True),
        sa.Column("last_window", sa.BigInteger(), nullable=True),
        sa.Column("ended_at_s", sa.BigInteger(), nullable=True),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("agreement", name=op.f("pk_agreements")),
        info={"origin": "chain"},
    )
    with op.batch_alter_table("agreements", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_agreements_block_number"), ["block_number"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_agreements_owner"), ["owner"], unique=False)
        batch_op.create_index(batch_op.f("ix_agreements_servicer"), ["servicer"], unique=False)
        batch_op.create_index(batch_op.f("ix_agreements_state"), ["state"], unique=False)

    op.create_table(
        "attestations",
        sa.Column("agreement", sa.LargeBinary(length=32), nullable=False),
        sa.Column("side", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("window", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("servicer_head", sa.LargeBinary(length=32), nullable=False),
        sa.Column("owner_head", sa.LargeBinary(length=32), nullable=False),
        sa.Column("previous_agreed_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("flags", sa.Integer(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("signer", sa.LargeBinary(), nullable=True),
        sa.Column("tx_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("block_time_s", sa.BigInteger(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "agreement", "side", "window", "revision", name=op.f("pk_attestations")
        ),
        info={"origin": "chain"},
    )
    with op.batch_alter_table("attestations", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_attestations_block_number"), ["block_number"], unique=False
        )

    op.create_table(
        "audit_log",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=256), nullable=False),
        sa.Column("act", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=256), nullable=True),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("previous", sa.LargeBinary(length=32), nullable=False),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
        sa.UniqueConstraint("hash", name=op.f("uq_audit_log_hash")),
    )
    op.create_table(
        "backups",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("key_ids", sa.JSON(), nullable=False),
        sa.Column("made_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_backups")),
    )
    op.create_table(
        "batches",
        sa.Column("agreement", sa.LargeBinary(length=32), nullable=False),
        sa.Column("side", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("window", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("commitment", sa.LargeBinary(length=32), nullable=False),
        sa.Column("prev_head", sa.LargeBinary(length=32), nullable=False),
        sa.Column("head", sa.LargeBinary(length=32), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("payload_bytes", sa.Integer(), nullable=False),
        sa.Column("tx_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("block_time_s", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("header", sa.JSON(), nullable=True),
        sa.Column("entry_count", sa.Integer(), nullable=False),
        sa.Column("repeat_count", sa.Integer(), nullable=False),
        sa.Column("decision_count", sa.Integer(), nullable=False),
        sa.Column("complete_until_ms", sa.BigInteger(), nullable=True),
        sa.Column("generation", sa.BigInteger(), nullable=True),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("agreement", "side", "seq", name=op.f("pk_batches")),
        info={"origin": "chain"},
    )
    with op.batch_alter_table("batches", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_batches_agreement_side_window"),
            ["agreement", "side", "window"],
            unique=False,
        )
        batch_op.create_index(batch_op.f("ix_batches_block_number"), ["block_number"], unique=False)
        batch_op.create_index(batch_op.f("ix_batches_state"), ["state"], unique=False)

    op.create_table(
        "blocks",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("parent_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("time_s", sa.BigInteger(), nullable=False),
        sa.Column("has_logs", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_blocks")),
        info={"origin": "chain"},
    )
    op.create_table(
        "chain_events",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("contract", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("args", sa.JSON(), nullable=False),
        sa.Column("tx_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("block_time_s", sa.BigInteger(), nullable=False),
        sa.Column("agreement", sa.LargeBinary(length=32), nullable=True),
        sa.Column("member", sa.Integer(), nullable=True),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chain_events")),
        sa.UniqueConstraint(
            "block_number", "log_index", name=op.f("uq_chain_events_block_number_log_index")
        ),
        info={"origin": "chain"},
    )
    with op.batch_alter_table("chain_events", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_chain_events_agreement"), ["agreement"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_chain_events_block_number"), ["block_number"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_chain_events_member"), ["member"], unique=False)
        batch_op.create_index(batch_op.f("ix_chain_events_name"), ["name"], unique=False)

    op.create_table(
        "closings",
        sa.Column("agreement", sa.LargeBinary(length=32), nullable=False),
        sa.Column("side", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("window", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("head", sa.LargeBinary(length=32), nullable=False),
        sa.Column("by_default", sa.Boolean(), nullable=False),
        sa.Column("tx_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("block_time_s", sa.BigInteger(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("agreement", "side", "window", name=op.f("pk_closings")),
        info={"origin": "chain"},
    )
    with op.batch_alter_table("closings", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_closings_block_number"), ["block_number"], unique=False
        )

    op.create_table(
        "cursors",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("registry_address", sa.LargeBinary(length=20), nullable=False),
        sa.Column("ledger_address", sa.LargeBinary(length=20), nullable=False),
        sa.Column("deployed_block", sa.BigInteger(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("block_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("head_block", sa.BigInteger(), nullable=False),
        sa.Column("head_time_s", sa.BigInteger(), nullable=False),
        sa.Column("final_block", sa.BigInteger(), nullable=False),
        sa.Column("seen_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cursors")),
        info={"origin": "chain"},
    )
    op.create_table(
        "decisions",
        sa.Column("agreement", sa.LargeBinary(length=32), nullable=False),
        sa.Column("side", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("leaf", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("window", sa.BigInteger(), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.Column("subject", sa.LargeBinary(length=32), nullable=False),
        sa.Column("previous", sa.LargeBinary(length=32), nullable=False),
        sa.Column("verdict", sa.String(length=40), nullable=False),
        sa.Column("servicer", sa.JSON(), nullable=False),
        sa.Column("owner", sa.JSON(), nullable=False),
        sa.Column("decider", sa.String(length=256), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("agreement", "side", "seq", "leaf", name=op.f("pk_decisions")),
        info={"origin": "chain"},
    )
    with op.batch_alter_table("decisions", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_decisions_agreement_subject"), ["agreement", "subject"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_decisions_block_number"), ["block_number"], unique=False
        )

    op.create_table(
        "entries",
        sa.Column("agreement", sa.LargeBinary(length=32), nullable=False),
        sa.Column("side", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("leaf", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("window", sa.BigInteger(), nullable=False),
        sa.Column("entry_ref", sa.String(length=256), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.Column("repeat", sa.Boolean(), nullable=False),
        sa.Column("latest", sa.Boolean(), nullable=False),
        sa.Column("direction", sa.Integer(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=40), nullable=False),
        sa.Column("booking_date", sa.Integer(), nullable=False),
        sa.Column("value_date", sa.Integer(), nullable=True),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("occurred_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("end_to_end_id", sa.Text(), nullable=True),
        sa.Column("counterparty_name", sa.Text(), nullable=True),
        sa.Column("counterparty_account", sa.Text(), nullable=True),
        sa.Column("remittance", sa.Text(), nullable=True),
        sa.Column("group_ref", sa.Text(), nullable=True),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("agreement", "side", "seq", "leaf", name=op.f("pk_entries")),
        info={"origin": "chain"},
    )
    with op.batch_alter_table("entries", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_entries_agreement_amount_minor"),
            ["agreement", "amount_minor"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_entries_agreement_booking_date_side_entry_ref"),
            ["agreement", "booking_date", "side", "entry_ref"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_entries_agreement_side_entry_ref_version"),
            ["agreement", "side", "entry_ref", "version"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_entries_agreement_side_window"),
            ["agreement", "side", "window"],
            unique=False,
        )
        batch_op.create_index(batch_op.f("ix_entries_block_number"), ["block_number"], unique=False)

    op.create_table(
        "epoch_keys",
        sa.Column("agreement", sa.LargeBinary(length=32), nullable=False),
        sa.Column("side", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key_commitment", sa.LargeBinary(length=32), nullable=False),
        sa.Column("wraps", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("published_at_s", sa.BigInteger(), nullable=False),
        sa.Column("answered_at_s", sa.BigInteger(), nullable=True),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("agreement", "side", "epoch", name=op.f("pk_epoch_keys")),
        info={"origin": "chain"},
    )
    with op.batch_alter_table("epoch_keys", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_epoch_keys_block_number"), ["block_number"], unique=False
        )

    op.create_table(
        "idempotency_keys",
        sa.Column("scope", sa.String(length=256), nullable=False),
        sa.Column("key", sa.String(length=256), nullable=False),
        sa.Column("body_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_table(
        "imported_files",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("agreement", sa.LargeBinary(length=32), nullable=False),
        sa.Column("side", sa.Integer(), nullable=False),
        sa.Column("file_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("format", sa.String(length=40), nullable=False),
        sa.Column("profile", sa.String(length=40), nullable=True),
        sa.Column("lenient", sa.Boolean(), nullable=False),
        sa.Column("provable", sa.Boolean(), nullable=False),
        sa.Column("entry_count", sa.Integer(), nullable=False),
        sa.Column("statements", sa.JSON(), nullable=False),
        sa.Column("contradictions", sa.JSON(), nullable=False),
        sa.Column("person_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("imported_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imported_files")),
        sa.UniqueConstraint(
            "agreement",
            "side",
            "file_sha256",
            name=op.f("uq_imported_files_agreement_side_file_sha256"),
        ),
    )
    op.create_table(
        "incidents",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("fingerprint", sa.String(length=256), nullable=False),
        sa.Column("agreement", sa.LargeBinary(length=32), nullable=True),
        sa.Column("side", sa.Integer(), nullable=True),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("block_number", sa.BigInteger(), nullable=True),
        sa.Column("says", sa.Text(), nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("stops_signing", sa.Boolean(), nullable=False),
        sa.Column("opened_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("closed_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("closed_by", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("closed_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incidents")),
        sa.UniqueConstraint("fingerprint", name=op.f("uq_incidents_fingerprint")),
    )
    with op.batch_alter_table("incidents", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_incidents_closed_at_ms"), ["closed_at_ms"], unique=False
        )

    op.create_table(
        "intents",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=256), nullable=False),
        sa.Column("lane_key", sa.String(length=256), nullable=False),
        sa.Column("agreement", sa.LargeBinary(length=32), nullable=True),
        sa.Column("side", sa.Integer(), nullable=True),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("window", sa.BigInteger(), nullable=True),
        sa.Column("contract", sa.String(length=40), nullable=False),
        sa.Column("call", sa.String(length=40), nullable=False),
        sa.Column("calldata", sa.LargeBinary(), nullable=False),
        sa.Column("alone", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("error_code", sa.String(length=40), nullable=True),
        sa.Column("wake_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("done_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("tx_hash", sa.LargeBinary(length=32), nullable=True),
        sa.Column("person_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_intents")),
        sa.UniqueConstraint("subject", name=op.f("uq_intents_subject")),
    )
    with op.batch_alter_table("intents", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_intents_agreement"), ["agreement"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_intents_state_lane_key_id"), ["state", "lane_key", "id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_intents_tx_hash"), ["tx_hash"], unique=False)

    op.create_table(
        "latency_samples",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("agreement", sa.LargeBinary(length=32), nullable=False),
        sa.Column("window", sa.BigInteger(), nullable=False),
        sa.Column("what", sa.String(length=40), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("ms", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_latency_samples")),
    )
    with op.batch_alter_table("latency_samples", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_latency_samples_agreement_window"), ["agreement", "window"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_latency_samples_at_ms"), ["at_ms"], unique=False)

    op.create_table(
        "local_keys",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("purpose", sa.String(length=40), nullable=False),
        sa.Column("agreement", sa.LargeBinary(length=32), nullable=False),
        sa.Column("side", sa.Integer(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("public", sa.LargeBinary(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("backed_up_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("destroyed_at_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_local_keys")),
        sa.UniqueConstraint(
            "purpose",
            "agreement",
            "side",
            "generation",
            name=op.f("uq_local_keys_purpose_agreement_side_generation"),
        ),
    )
    op.create_table(
        "match_runs",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("agreement", sa.LargeBinary(length=32), nullable=False),
        sa.Column("window", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("previous_window", sa.BigInteger(), nullable=True),
        sa.Column("servicer_seq", sa.BigInteger(), nullable=False),
        sa.Column("owner_seq", sa.BigInteger(), nullable=False),
        sa.Column("servicer_entries", sa.Integer(), nullable=False),
        sa.Column("owner_entries", sa.Integer(), nullable=False),
        sa.Column("servicer_matched", sa.Integer(), nullable=False),
        sa.Column("owner_matched", sa.Integer(), nullable=False),
        sa.Column("group_count", sa.Integer(), nullable=False),
        sa.Column("proposal_count", sa.Integer(), nullable=False),
        sa.Column("break_count", sa.Integer(), nullable=False),
        sa.Column("breaks_by_kind", sa.JSON(), nullable=False),
        sa.Column("totals", sa.JSON(), nullable=False),
        sa.Column("identities", sa.JSON(), nullable=False),
        sa.Column("oldest_age_days", sa.Integer(), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("balance_proven", sa.Boolean(), nullable=False),
        sa.Column("basis", sa.String(length=40), nullable=True),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=True),
        sa.Column("timing_ms", sa.JSON(), nullable=False),
        sa.Column("latency_ms", sa.Integer(), nullable=True),
        sa.Column("run_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_match_runs")),
        sa.UniqueConstraint(
            "agreement", "window", "kind", name=op.f("uq_match_runs_agreement_window_kind")
        ),
    )
    op.create_table(
        "member_keys",
        sa.Column("address", sa.LargeBinary(length=20), nullable=False),
        sa.Column("member", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("valid_from", sa.BigInteger(), nullable=False),
        sa.Column("valid_to", sa.BigInteger(), nullable=False),
        sa.Column("ending_from", sa.BigInteger(), nullable=True),
        sa.Column("compromised_since_s", sa.BigInteger(), nullable=True),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("address", name=op.f("pk_member_keys")),
        info={"origin": "chain"},
    )
    with op.batch_alter_table("member_keys", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_member_keys_block_number"), ["block_number"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_member_keys_member"), ["member"], unique=False)

    op.create_table(
        "members",
        sa.Column("member", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("sponsor", sa.Integer(), nullable=True),
        sa.Column("code", sa.String(length=256), nullable=True),
        sa.Column("code_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("admitted_at_s", sa.BigInteger(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("member", name=op.f("pk_members")),
        info={"origin": "chain"},
    )
    with op.batch_alter_table("members", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_members_block_number"), ["block_number"], unique=False)

    op.create_table(
        "motions",
        sa.Column("motion", sa.LargeBinary(length=32), nullable=False),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("target", sa.LargeBinary(length=32), nullable=False),
        sa.Column("argument", sa.LargeBinary(), nullable=False),
        sa.Column("proposer", sa.Integer(), nullable=False),
        sa.Column("approvers", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("opened_at_s", sa.BigInteger(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("motion", name=op.f("pk_motions")),
        info={"origin": "chain"},
    )
    with op.batch_alter_table("motions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_motions_block_number"), ["block_number"], unique=False)

    op.create_table(
        "node_facts",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_node_facts")),
    )
    op.create_table(
        "nonce_lanes",
        sa.Column("address", sa.LargeBinary(length=20), nullable=False),
        sa.Column("next_nonce", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("in_flight_limit", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("checked_at_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("address", name=op.f("pk_nonce_lanes")),
    )
    op.create_table(
        "party_names",
        sa.Column("subject", sa.String(length=256), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("code", sa.String(length=256), nullable=True),
        sa.Column("code_salt", sa.LargeBinary(), nullable=True),
        sa.Column("account_masked", sa.String(length=256), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_party_names")),
    )
    op.create_table(
        "people",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("login", sa.String(length=256), nullable=False),
        sa.Column("display_name", sa.String(length=256), nullable=False),
        sa.Column("pseudonym", sa.String(length=256), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("language", sa.String(length=40), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("failed_logins", sa.Integer(), nullable=False),
        sa.Column("locked_until_ms", sa.BigInteger(), nullable=True),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_people")),
        sa.UniqueConstraint("login", name=op.f("uq_people_login")),
        sa.UniqueConstraint("pseudonym", name=op.f("uq_people_pseudonym")),
    )
    op.create_table(
        "reports",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("agreement", sa.LargeBinary(length=32), nullable=False),
        sa.Column("window", sa.BigInteger(), nullable=False),
        sa.Column("previous_window", sa.BigInteger(), nullable=True),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("previous_agreed_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("servicer_head", sa.LargeBinary(length=32), nullable=False),
        sa.Column("owner_head", sa.LargeBinary(length=32), nullable=False),
        sa.Column("report", sa.LargeBinary(), nullable=False),
        sa.Column("groups", sa.LargeBinary(), nullable=False),
        sa.Column("groups_format", sa.String(length=40), nullable=False),
        sa.Column("proposals", sa.LargeBinary(), nullable=False),
        sa.Column("carried", sa.LargeBinary(), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("balance_proven", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=True),
        sa.Column("signature", sa.LargeBinary(), nullable=True),
        sa.Column("signer", sa.LargeBinary(), nullable=True),
        sa.Column("flags", sa.Integer(), nullable=False),
        sa.Column("computed_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("attested_at_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reports")),
        sa.UniqueConstraint(
            "agreement", "window", "digest", name=op.f("uq_reports_agreement_window_digest")
        ),
    )
    with op.batch_alter_table("reports", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_reports_agreement_window_state"),
            ["agreement", "window", "state"],
            unique=False,
        )

    op.create_table(
        "sealing_keys",
        sa.Column("member", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("agreement", sa.LargeBinary(length=32), nullable=False),
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("ends_at_s", sa.BigInteger(), nullable=False),
        sa.Column("published_at_s", sa.BigInteger(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("member", "agreement", "generation", name=op.f("pk_sealing_keys")),
        info={"origin": "chain"},
    )
    with op.batch_alter_table("sealing_keys", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_sealing_keys_block_number"), ["block_number"], unique=False
        )

    op.create_table(
        "section_digests",
        sa.Column("agreement", sa.LargeBinary(length=32), nullable=False),
        sa.Column("side", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("leaf", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("window", sa.BigInteger(), nullable=False),
        sa.Column("of_window", sa.BigInteger(), nullable=False),
        sa.Column("report_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("sections", sa.JSON(), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "agreement", "side", "seq", "leaf", name=op.f("pk_section_digests")
        ),
        info={"origin": "chain"},
    )
    with op.batch_alter_table("section_digests", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_section_digests_block_number"), ["block_number"], unique=False
        )

    op.create_table(
        "side_lanes",
        sa.Column("lane_key", sa.String(length=256), nullable=False),
        sa.Column("address", sa.LargeBinary(length=20), nullable=False),
        sa.PrimaryKeyConstraint("lane_key", name=op.f("pk_side_lanes")),
    )
    with op.batch_alter_table("side_lanes", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_side_lanes_address"), ["address"], unique=False)

    op.create_table(
        "stream_states",
        sa.Column("agreement", sa.LargeBinary(length=32), nullable=False),
        sa.Column("side", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("head", sa.LargeBinary(length=32), nullable=False),
        sa.Column("posted_window", sa.BigInteger(), nullable=True),
        sa.Column("closed_window", sa.BigInteger(), nullable=True),
        sa.Column("closed_seq", sa.BigInteger(), nullable=True),
        sa.Column("closed_head", sa.LargeBinary(length=32), nullable=True),
        sa.Column("entry_count", sa.BigInteger(), nullable=False),
        sa.Column("batch_count", sa.BigInteger(), nullable=False),
        sa.Column("invalid_count", sa.BigInteger(), nullable=False),
        sa.Column("sealed_count", sa.BigInteger(), nullable=False),
        sa.Column("complete_until_ms", sa.BigInteger(), nullable=True),
        sa.Column("last_posted_at_s", sa.BigInteger(), nullable=True),
        sa.Column("contiguous", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("agreement", "side", name=op.f("pk_stream_states")),
        info={"origin": "chain"},
    )
    op.create_table(
        "terms_documents",
        sa.Column("terms_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("kept_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("terms_hash", name=op.f("pk_terms_documents")),
    )
    op.create_table(
        "window_totals",
        sa.Column("agreement", sa.LargeBinary(length=32), nullable=False),
        sa.Column("side", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("window", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("currency", sa.String(length=40), nullable=False),
        sa.Column("entry_count", sa.BigInteger(), nullable=False),
        sa.Column("in_minor", sa.String(length=40), nullable=False),
        sa.Column("out_minor", sa.String(length=40), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "agreement", "side", "window", "currency", name=op.f("pk_window_totals")
        ),
        info={"origin": "chain"},
    )
    op.create_table(
        "api_tokens",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("token_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column(
            "person_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("label", sa.String(length=256), nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("used_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_api_tokens_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_api_tokens_token_sha256")),
    )
    op.create_table(
        "break_notes",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("agreement", sa.LargeBinary(length=32), nullable=False),
        sa.Column("break_key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("person_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column(
            "assignee_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["assignee_id"], ["people.id"], name=op.f("fk_break_notes_assignee_id")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_break_notes_person_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_break_notes")),
    )
    with op.batch_alter_table("break_notes", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_break_notes_agreement_break_key"),
            ["agreement", "break_key"],
            unique=False,
        )

    op.create_table(
        "drafts",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("agreement", sa.LargeBinary(length=32), nullable=True),
        sa.Column("window", sa.BigInteger(), nullable=True),
        sa.Column("subject", sa.String(length=256), nullable=True),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("body_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("single", sa.Boolean(), nullable=False),
        sa.Column("maker_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("made_at_ms", sa.BigInteger(), nullable=False),
        sa.Column(
            "checker_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.Column("checked_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("check_reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["checker_id"], ["people.id"], name=op.f("fk_drafts_checker_id")),
        sa.ForeignKeyConstraint(["maker_id"], ["people.id"], name=op.f("fk_drafts_maker_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drafts")),
    )
    with op.batch_alter_table("drafts", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_drafts_agreement_subject"), ["agreement", "subject"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_drafts_state_kind"), ["state", "kind"], unique=False)

    op.create_table(
        "person_roles",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column(
            "person_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("role", sa.String(length=40), nullable=False),
        sa.Column("agreement", sa.LargeBinary(length=32), nullable=True),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_person_roles_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person_roles")),
        sa.UniqueConstraint(
            "person_id", "role", "agreement", name=op.f("uq_person_roles_person_id_role_agreement")
        ),
    )
    op.create_table(
        "queued_records",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("agreement", sa.LargeBinary(length=32), nullable=False),
        sa.Column("side", sa.Integer(), nullable=False),
        sa.Column("window", sa.BigInteger(), nullable=False),
        sa.Column("record_type", sa.String(length=40), nullable=False),
        sa.Column("entry_ref", sa.String(length=256), nullable=True),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.Column("record_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("file_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("queued_at_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["file_id"], ["imported_files.id"], name=op.f("fk_queued_records_file_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_queued_records")),
        sa.UniqueConstraint(
            "agreement",
            "side",
            "entry_ref",
            "version",
            name=op.f("uq_queued_records_agreement_side_entry_ref_version"),
        ),
    )
    with op.batch_alter_table("queued_records", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_queued_records_agreement_side_seq"),
            ["agreement", "side", "seq"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_queued_records_agreement_side_state_id"),
            ["agreement", "side", "state", "id"],
            unique=False,
        )

    op.create_table(
        "run_breaks",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("run_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("break_key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("servicer", sa.JSON(), nullable=False),
        sa.Column("owner", sa.JSON(), nullable=False),
        sa.Column("signed", sa.JSON(), nullable=False),
        sa.Column("sort_minor", sa.BigInteger(), nullable=False),
        sa.Column("age_days", sa.Integer(), nullable=False),
        sa.Column("marks", sa.JSON(), nullable=False),
        sa.Column("also", sa.JSON(), nullable=False),
        sa.Column("proposals", sa.JSON(), nullable=False),
        sa.Column("merged_keys", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["match_runs.id"], name=op.f("fk_run_breaks_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run_breaks")),
        sa.UniqueConstraint("run_id", "break_key", name=op.f("uq_run_breaks_run_id_break_key")),
    )
    with op.batch_alter_table("run_breaks", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_run_breaks_break_key"), ["break_key"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_run_breaks_run_id_kind_number"),
            ["run_id", "kind", "number"],
            unique=False,
        )

    op.create_table(
        "run_groups",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("run_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("pass_name", sa.String(length=256), nullable=False),
        sa.Column("servicer", sa.JSON(), nullable=False),
        sa.Column("owner", sa.JSON(), nullable=False),
        sa.Column("currency", sa.String(length=40), nullable=False),
        sa.Column("residual_minor", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["match_runs.id"], name=op.f("fk_run_groups_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run_groups")),
        sa.UniqueConstraint("run_id", "number", name=op.f("uq_run_groups_run_id_number")),
    )
    op.create_table(
        "run_memberships",
        sa.Column("run_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("side", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("entry_ref", sa.String(length=256), nullable=False),
        sa.Column("group_number", sa.Integer(), nullable=True),
        sa.Column("break_number", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["match_runs.id"],
            name=op.f("fk_run_memberships_run_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("run_id", "side", "entry_ref", name=op.f("pk_run_memberships")),
    )
    op.create_table(
        "run_proposals",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("run_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("proposal_key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("pass_name", sa.String(length=256), nullable=False),
        sa.Column("servicer", sa.JSON(), nullable=False),
        sa.Column("owner", sa.JSON(), nullable=False),
        sa.Column("servicer_count", sa.Integer(), nullable=False),
        sa.Column("owner_count", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["match_runs.id"], name=op.f("fk_run_proposals_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run_proposals")),
    )
    with op.batch_alter_table("run_proposals", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_run_proposals_run_id_proposal_key"),
            ["run_id", "proposal_key"],
            unique=False,
        )

    op.create_table(
        "sealed_payloads",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("agreement", sa.LargeBinary(length=32), nullable=False),
        sa.Column("side", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("window", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("prev_head", sa.LargeBinary(length=32), nullable=False),
        sa.Column("head", sa.LargeBinary(length=32), nullable=False),
        sa.Column("commitment", sa.LargeBinary(length=32), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("record_count", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("intent_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("sealed_at_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["intent_id"], ["intents.id"], name=op.f("fk_sealed_payloads_intent_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sealed_payloads")),
    )
    with op.batch_alter_table("sealed_payloads", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_sealed_payloads_agreement_side_seq"),
            ["agreement", "side", "seq"],
            unique=False,
        )
        batch_op.create_index(batch_op.f("ix_sealed_payloads_state"), ["state"], unique=False)

    op.create_table(
        "setup_links",
        sa.Column("token_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column(
            "person_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("expires_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("used_at_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_setup_links_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_sha256", name=op.f("pk_setup_links")),
    )
    op.create_table(
        "source_lines",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("agreement", sa.LargeBinary(length=32), nullable=False),
        sa.Column("side", sa.Integer(), nullable=False),
        sa.Column("entry_ref", sa.String(length=256), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("file_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["file_id"], ["imported_files.id"], name=op.f("fk_source_lines_file_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_source_lines")),
    )
    with op.batch_alter_table("source_lines", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_source_lines_agreement_side_entry_ref_version"),
            ["agreement", "side", "entry_ref", "version"],
            unique=False,
        )

    op.create_table(
        "stated_balances",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("agreement", sa.LargeBinary(length=32), nullable=False),
        sa.Column("side", sa.Integer(), nullable=False),
        sa.Column("window", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=40), nullable=False),
        sa.Column("which", sa.String(length=40), nullable=False),
        sa.Column("signed_minor", sa.BigInteger(), nullable=False),
        sa.Column("date", sa.Integer(), nullable=False),
        sa.Column("basis", sa.String(length=40), nullable=False),
        sa.Column("file_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["file_id"], ["imported_files.id"], name=op.f("fk_stated_balances_file_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stated_balances")),
    )
    with op.batch_alter_table("stated_balances", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_stated_balances_agreement_side_window_currency"),
            ["agreement", "side", "window", "currency"],
            unique=False,
        )

    op.create_table(
        "transactions",
        sa.Column("tx_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("intent_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("address", sa.LargeBinary(length=20), nullable=False),
        sa.Column("nonce", sa.BigInteger(), nullable=False),
        sa.Column("purpose", sa.String(length=40), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("gas_limit", sa.BigInteger(), nullable=False),
        sa.Column("gas_price_wei", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("signed_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("sent_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("block_number", sa.BigInteger(), nullable=True),
        sa.Column("block_hash", sa.LargeBinary(length=32), nullable=True),
        sa.ForeignKeyConstraint(
            ["intent_id"], ["intents.id"], name=op.f("fk_transactions_intent_id")
        ),
        sa.PrimaryKeyConstraint("tx_hash", name=op.f("pk_transactions")),
    )
    with op.batch_alter_table("transactions", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_transactions_address_nonce"), ["address", "nonce"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_transactions_intent_id"), ["intent_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_transactions_state"), ["state"], unique=False)

    op.create_table(
        "web_sessions",
        sa.Column("token_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column(
            "person_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("csrf_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("seen_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_web_sessions_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_sha256", name=op.f("pk_web_sessions")),
    )


def downgrade() -> None:
    op.drop_table("web_sessions")
    with op.batch_alter_table("transactions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_transactions_state"))
        batch_op.drop_index(batch_op.f("ix_transactions_intent_id"))
        batch_op.drop_index(batch_op.f("ix_transactions_address_nonce"))

    op.drop_table("transactions")
    with op.batch_alter_table("stated_balances", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_stated_balances_agreement_side_window_currency"))

    op.drop_table("stated_balances")
    with op.batch_alter_table("source_lines", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_source_lines_agreement_side_entry_ref_version"))

    op.drop_table("source_lines")
    op.drop_table("setup_links")
    with op.batch_alter_table("sealed_payloads", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_sealed_payloads_state"))
        batch_op.drop_index(batch_op.f("ix_sealed_payloads_agreement_side_seq"))

    op.drop_table("sealed_payloads")
    with op.batch_alter_table("run_proposals", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_run_proposals_run_id_proposal_key"))

    op.drop_table("run_proposals")
    op.drop_table("run_memberships")
    op.drop_table("run_groups")
    with op.batch_alter_table("run_breaks", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_run_breaks_run_id_kind_number"))
        batch_op.drop_index(batch_op.f("ix_run_breaks_break_key"))

    op.drop_table("run_breaks")
    with op.batch_alter_table("queued_records", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_queued_records_agreement_side_state_id"))
        batch_op.drop_index(batch_op.f("ix_queued_records_agreement_side_seq"))

    op.drop_table("queued_records")
    op.drop_table("person_roles")
    with op.batch_alter_table("drafts", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_drafts_state_kind"))
        batch_op.drop_index(batch_op.f("ix_drafts_agreement_subject"))

    op.drop_table("drafts")
    with op.batch_alter_table("break_notes", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_break_notes_agreement_break_key"))

    op.drop_table("break_notes")
    op.drop_table("api_tokens")
    op.drop_table("window_totals")
    op.drop_table("terms_documents")
    op.drop_table("stream_states")
    with op.batch_alter_table("side_lanes", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_side_lanes_address"))

    op.drop_table("side_lanes")
    with op.batch_alter_table("section_digests", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_section_digests_block_number"))

    op.drop_table("section_digests")
    with op.batch_alter_table("sealing_keys", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_sealing_keys_block_number"))

    op.drop_table("sealing_keys")
    with op.batch_alter_table("reports", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_reports_agreement_window_state"))

    op.drop_table("reports")
    op.drop_table("people")
    op.drop_table("party_names")
    op.drop_table("nonce_lanes")
    op.drop_table("node_facts")
    with op.batch_alter_table("motions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_motions_block_number"))

    op.drop_table("motions")
    with op.batch_alter_table("members", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_members_block_number"))

    op.drop_table("members")
    with op.batch_alter_table("member_keys", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_member_keys_member"))
        batch_op.drop_index(batch_op.f("ix_member_keys_block_number"))

    op.drop_table("member_keys")
    op.drop_table("match_runs")
    op.drop_table("local_keys")
    with op.batch_alter_table("latency_samples", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_latency_samples_at_ms"))
        batch_op.drop_index(batch_op.f("ix_latency_samples_agreement_window"))

    op.drop_table("latency_samples")
    with op.batch_alter_table("intents", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_intents_tx_hash"))
        batch_op.drop_index(batch_op.f("ix_intents_state_lane_key_id"))
        batch_op.drop_index(batch_op.f("ix_intents_agreement"))

    op.drop_table("intents")
    with op.batch_alter_table("incidents", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_incidents_closed_at_ms"))

    op.drop_table("incidents")
    op.drop_table("imported_files")
    op.drop_table("idempotency_keys")
    with op.batch_alter_table("epoch_keys", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_epoch_keys_block_number"))

    op.drop_table("epoch_keys")
    with op.batch_alter_table("entries", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_entries_block_number"))
        batch_op.drop_index(batch_op.f("ix_entries_agreement_side_window"))
        batch_op.drop_index(batch_op.f("ix_entries_agreement_side_entry_ref_version"))
        batch_op.drop_index(batch_op.f("ix_entries_agreement_booking_date_side_entry_ref"))
        batch_op.drop_index(batch_op.f("ix_entries_agreement_amount_minor"))

    op.drop_table("entries")
    with op.batch_alter_table("decisions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_decisions_block_number"))
        batch_op.drop_index(batch_op.f("ix_decisions_agreement_subject"))

    op.drop_table("decisions")
    op.drop_table("cursors")
    with op.batch_alter_table("closings", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_closings_block_number"))

    op.drop_table("closings")
    with op.batch_alter_table("chain_events", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_chain_events_name"))
        batch_op.drop_index(batch_op.f("ix_chain_events_member"))
        batch_op.drop_index(batch_op.f("ix_chain_events_block_number"))
        batch_op.drop_index(batch_op.f("ix_chain_events_agreement"))

    op.drop_table("chain_events")
    op.drop_table("blocks")
    with op.batch_alter_table("batches", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_batches_state"))
        batch_op.drop_index(batch_op.f("ix_batches_block_number"))
        batch_op.drop_index(batch_op.f("ix_batches_agreement_side_window"))

    op.drop_table("batches")
    op.drop_table("backups")
    op.drop_table("audit_log")
    with op.batch_alter_table("attestations", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_attestations_block_number"))

    op.drop_table("attestations")
    with op.batch_alter_table("agreements", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_agreements_state"))
        batch_op.drop_index(batch_op.f("ix_agreements_servicer"))
        batch_op.drop_index(batch_op.f("ix_agreements_owner"))
        batch_op.drop_index(batch_op.f("ix_agreements_block_number"))

    op.drop_table("agreements")
    with op.batch_alter_table("agreement_terms", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_agreement_terms_terms_hash"))
        batch_op.drop_index(batch_op.f("ix_agreement_terms_block_number"))
        batch_op.drop_index(batch_op.f("ix_agreement_terms_agreement_from_window"))

    op.drop_table("agreement_terms")
    with op.batch_alter_table("agreed_results", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_agreed_results_block_number"))

    op.drop_table("agreed_results")
    with op.batch_alter_table("adoptions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_adoptions_address"))

    op.drop_table("adoptions")
