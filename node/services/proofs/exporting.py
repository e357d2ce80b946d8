"""From rows to the files that `kanhe verify` reads: signed results, record proofs, streams."""

from __future__ import annotations

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session, undefer

from node.agreements import Facts
from node.crypto.bundle import (
    PostedPayload,
    Signed,
    SignedResult,
    record_file,
    report_bundle,
    stream_file,
)
from node.crypto.sealing import leaf_salts, open_batch
from node.identity import Identity
from node.tables import AgreedResult, Attestation, Batch, Closing, PostedEntry, ReportRow
from reconcile.commitment.heads import BatchPlace, salted_leaves
from reconcile.commitment.proofs import BatchFields, make_record_proof
from reconcile.model import ProtocolError, Side, UsageError
from reconcile.report import group_from_json

SALT_BYTES = 16


def signed_result(session: Session, identity: Identity, facts: Facts, window: int) -> SignedResult:
    """Return what the approvers signed for an agreed window; `UsageError` WINDOW_NOT_AGREED."""
    agreed = session.get(AgreedResult, (facts.agreement, window))
    if agreed is None:
        raise UsageError(
            "WINDOW_NOT_AGREED",
            f"window {window} is not agreed",
            help="both sides attest it first; see `kanhe status`",
        )
    rows = list(
        session.execute(
            select(Attestation)
            .where(
                Attestation.agreement == facts.agreement,
                Attestation.window == window,
                Attestation.digest == agreed.digest,
            )
            .order_by(Attestation.side, Attestation.revision.desc())
        ).scalars()
    )
    newest = {row.side: row for row in reversed(rows)}
    first = next(iter(newest.values()))
    return SignedResult(
        domain=identity.place.ledger_domain,
        agreement=facts.agreement,
        window=window,
        servicer_head=first.servicer_head,
        owner_head=first.owner_head,
        previous_agreed_digest=first.previous_agreed_digest,
        digest=agreed.digest,
        attestations=tuple(
            Signed(Side(row.side), row.revision, row.flags, row.signer or bytes(20), row.signature)
            for _, row in sorted(newest.items())
        ),
        represented=facts.represented,
    )


def agreed_report(session: Session, agreement: bytes, window: int, digest: bytes) -> ReportRow:
    """Return the stored report of an agreed digest; `ProtocolError` REPORT_MISSING."""
    row = session.execute(
        select(ReportRow)
        .where(
            ReportRow.agreement == agreement,
            ReportRow.window == window,
            ReportRow.digest == digest,
        )
        .options(undefer(ReportRow.report), undefer(ReportRow.groups))
    ).scalar_one_or_none()
    if row is None:
        raise ProtocolError(
            "REPORT_MISSING",
            f"the report agreed for window {window} is not here",
            help="compute it again from the ledger: `kanhe reconcile --window` that one",
        )
    return row


def bundle_of(session: Session, identity: Identity, facts: Facts, window: int) -> dict[str, object]:
    """Return an agreed window's report bundle."""
    result = signed_result(session, identity, facts, window)
    row = agreed_report(session, facts.agreement, window, result.digest)
    groups = [group_from_json(item) for item in msgspec.json.decode(row.groups)]
    return report_bundle(result, msgspec.json.decode(row.report), groups)


def record_proof_of(
    session: Session,
    identity: Identity,
    facts: Facts,
    side: Side,
    entry_ref: str,
    *,
    version: int | None,
    window: int,
    key: bytes | None,
    with_report: bool,
) -> dict[str, object]:
    """Return the proof that a side's signed stream holds one entry.

    `key` opens the entry's batch. Raises `UsageError` ENTRY_UNKNOWN, WINDOW_NOT_AGREED,
    ENTRY_NOT_COVERED, `ProtocolError` BATCH_NOT_OPENED.
    """
    result = signed_result(session, identity, facts, window)
    entry = find_entry(session, facts.agreement, side, entry_ref, version)
    if entry.window > window:
        raise UsageError(
            "ENTRY_NOT_COVERED",
            f"the entry was posted to window {entry.window}, behind window {window}",
            help="name an agreed window that covers it",
        )
    closing = session.get_one(Closing, (facts.agreement, int(side), window))
    batches = list(
        session.execute(
            select(Batch)
            .where(
                Batch.agreement == facts.agreement,
                Batch.side == int(side),
                Batch.seq >= entry.seq,
                Batch.seq <= closing.last_seq,
            )
            .order_by(Batch.seq)
            .options(undefer(Batch.payload))
        ).scalars()
    )
    own = batches[0]
    stream = identity.place.stream(facts.agreement, side)
    if key is None:
        raise ProtocolError(
            "BATCH_NOT_OPENED",
            f"batch {own.seq} does not open here",
            help="only a reader of the batch can prove one of its records",
        )
    place = BatchPlace(stream, own.seq, own.window, own.epoch)
    opened = open_batch(own.payload, key, place, own.commitment)
    items = opened.plain.items
    salts = leaf_salts(opened.salt_key, len(items))
    proof = make_record_proof(
        stream,
        closed_window=window,
        leaves=salted_leaves(salts, items),
        index=entry.leaf,
        salt=salts[entry.leaf * SALT_BYTES : (entry.leaf + 1) * SALT_BYTES],
        record=items[entry.leaf],
        prev_head=own.prev_head,
        batches=[
            BatchFields.of(row.seq, row.window, row.epoch, row.commitment, row.payload)
            for row in batches
        ],
    )
    report = None
    if with_report:
        row = agreed_report(session, facts.agreement, window, result.digest)
        report = msgspec.json.decode(row.report)
    return record_file(result, proof, report)


def find_entry(
    session: Session, agreement: bytes, side: Side, entry_ref: str, version: int | None
) -> PostedEntry:
    """Return a posted entry, the version that counts unless one is named."""
    query = select(PostedEntry).where(
        PostedEntry.agreement == agreement,
        PostedEntry.side == int(side),
        PostedEntry.entry_ref == entry_ref,
        PostedEntry.repeat.is_(False),
    )
    if version is not None:
        query = query.where(PostedEntry.version == version)
    row = session.execute(query.order_by(PostedEntry.version.desc()).limit(1)).scalar_one_or_none()
    if row is None:
        raise UsageError(
            "ENTRY_UNKNOWN",
            f"the {side.word} posted no entry {entry_ref!r}"
            + ("" if version is None else f" version {version}"),
            help="references are told apart by upper and lower case",
        )
    return row


def stream_of(
    session: Session, identity: Identity, facts: Facts, side: Side, window: int
) -> dict[str, object]:
    """Return a side's whole sealed stream up to an agreed window's closing."""
    result = signed_result(session, identity, facts, window)
    closing = session.get_one(Closing, (facts.agreement, int(side), window))
    rows = session.execute(
        select(Batch)
        .where(
            Batch.agreement == facts.agreement,
            Batch.side == int(side),
            Batch.seq <= closing.last_seq,
        )
        .order_by(Batch.seq)
        .options(undefer(Batch.payload))
    ).scalars()
    return stream_file(
        result,
        side,
        [
            PostedPayload(row.seq, row.window, row.epoch, row.commitment, row.payload)
            for row in rows
        ],
    )
