"""Which own entries may be tagged: enough replicas have signed that they hold their records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from node.blacklist import newest_sharing, now_of
from node.crypto.eip712 import Domain
from node.crypto.signer import recover_address
from node.keyholders import holds_key
from node.listings import still_runs
from node.screening.holding import held_digest, record_hash
from node.tables import EntryTag, ListedEntry, RecordDelivery, SealedRecord
from reconcile.model import ProtocolError


@dataclass(frozen=True, slots=True)
class DueTag:
    """An own entry that may be tagged: its record's salted hash, and who of the replicas holds it.

    `signatures` are as many as the committee's threshold, ascending by member.
    """

    entry: bytes
    hash: bytes
    signatures: tuple[bytes, ...]


def tags_due(
    session: Session,
    member: int,
    key_epoch: int,
    domain: Domain,
    *,
    is_asked: Callable[[bytes], bool],
    limit: int,
) -> list[DueTag]:
    """Return own entries whose record enough replicas hold and whose tag is not on the ledger.

    Those for which `is_asked` has a call on its way are left out.

    The ones before wait for an evaluation, or for replicas that are away. A signature whose key
    counts no more is forgotten: the record is left with that replica anew.
    """
    committee = newest_sharing(session, key_epoch)
    if committee is None:
        return []
    due = []
    for row in _sealed_untagged(session, member, key_epoch, committee.threshold, limit):
        if is_asked(row.entry):
            continue
        hashed = record_hash(row.salt, row.loc, row.record)
        digest = held_digest(domain, row.entry, key_epoch, hashed)
        held = select(RecordDelivery).where(
            RecordDelivery.entry == row.entry, RecordDelivery.key_epoch == key_epoch
        )
        signed = []
        for one in session.scalars(held.order_by(RecordDelivery.replica)).all():
            if one.replica not in committee.members:
                continue
            if _signs(session, one.replica, digest, one.signature):
                signed.append(one.signature)
            else:
                session.delete(one)
        if len(signed) >= committee.threshold:
            due.append(DueTag(row.entry, hashed, tuple(signed[: committee.threshold])))
    return due


def _signs(session: Session, member: int, digest: bytes, signature: bytes) -> bool:
    """Say whether the contract would take a signature as this member's approver's."""
    try:
        signer = recover_address(digest, signature)
    except ProtocolError:
        return False
    return holds_key(session, member, signer)


def _sealed_untagged(
    session: Session, member: int, key_epoch: int, threshold: int, limit: int
) -> Sequence[SealedRecord]:
    tagged = select(EntryTag.entry).where(
        EntryTag.entry == SealedRecord.entry, EntryTag.key_epoch == key_epoch
    )
    held = (
        select(func.count())
        .select_from(RecordDelivery)
        .where(RecordDelivery.entry == SealedRecord.entry, RecordDelivery.key_epoch == key_epoch)
        .scalar_subquery()
    )
    found = (
        select(SealedRecord)
        .join(ListedEntry, ListedEntry.entry == SealedRecord.entry)
        .where(
            SealedRecord.key_epoch == key_epoch,
            ListedEntry.uploader == member,
            still_runs(now_of(session).time_s),
            ~tagged.exists(),
            held >= threshold,
        )
        .order_by(SealedRecord.sealed_at_ms, SealedRecord.entry)
        .limit(limit)
    )
    return session.scalars(found).all()
