"""An uploader's records on their way to the replicas: left, signed to, taken back after a loss."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import msgspec
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from node.asking import Ask
from node.blacklist import now_of
from node.committees import EpochCommittee
from node.crypto.signer import SIGNATURE_BYTES
from node.doors import Doors
from node.listings import still_runs
from node.services.index.deposits import (
    DEPOSIT,
    DIFFERS,
    MAX_RECORDS,
    RECORDS,
    Held,
    Record,
    Wanted,
    read_records,
    write_records,
)
from node.tables import EntryTag, ListedEntry, RecordDelivery, SealedRecord
from node.telemetry import logger
from reconcile.commitment.fields import as_hex
from reconcile.model import KanheError, ProtocolError

_log = logger("index")


def leave_due(doors: Doors, member: int, epoch: EpochCommittee, ask: Ask) -> int:
    """Leave own records with each replica that has not taken them; one that is away waits.

    Each signs that it holds them: with as many as sign a root an entry is tagged.
    """
    left = 0
    differing: set[bytes] = set()
    for replica in epoch.members:
        with doors.reading() as session:
            time_s = now_of(session).time_s
            rows = _undelivered(session, member, epoch.key_epoch, replica, time_s=time_s)
        if not rows:
            continue
        items = [Record(r.entry, r.loc, r.record, r.salt) for r in rows]
        try:
            answer = ask(replica, DEPOSIT, write_records(epoch.key_epoch, items))
            signatures, codes = _read_held(replica, answer, len(items))
        except KanheError as error:
            _log.warning("records wait", replica=replica, code=error.code, says=error.message)
            continue
        pairs = zip(items, codes, strict=True)
        differing |= {item.entry for item, code in pairs if code == DIFFERS}
        with doors.writing() as session:
            for row, signature in zip(rows, signatures, strict=True):
                if not signature:
                    continue
                session.merge(
                    RecordDelivery(
                        key_epoch=row.key_epoch,
                        entry=row.entry,
                        replica=replica,
                        signature=signature,
                        delivered_at_ms=doors.identity.clock(),
                    )
                )
        left += sum(bool(signature) for signature in signatures)
    return left + (_take_back(doors, epoch, ask, differing) if differing else 0)


def _take_back(doors: Doors, epoch: EpochCommittee, ask: Ask, entries: set[bytes]) -> int:
    """Take own records from the replicas, where as many as sign hold the same one; return how many.

    A node that was put back to before it sealed them seals others, which no replica takes: what
    one has signed to stays. One replica alone could show anything.
    """
    shown: dict[bytes, Counter[Record]] = defaultdict(Counter)
    wanted = sorted(entries)[:MAX_RECORDS]
    asked = msgspec.json.encode(Wanted(epoch.key_epoch, [entry.hex() for entry in wanted]))
    for replica in epoch.members:
        try:
            key_epoch, items = read_records(ask(replica, RECORDS, asked))
        except KanheError as error:
            _log.info("records not shown", replica=replica, code=error.code)
            continue
        for item in {one.entry: one for one in items if key_epoch == epoch.key_epoch}.values():
            shown[item.entry][item] += 1
    taken = 0
    with doors.writing() as session:
        for entry in entries & shown.keys():
            ((record, count),) = shown[entry].most_common(1)
            row = session.get(SealedRecord, (entry, epoch.key_epoch))
            tag = session.get(EntryTag, (entry, epoch.key_epoch))
            if row is None or tag is not None or count < epoch.committee.threshold:
                continue
            if (row.loc, row.record, row.salt) == (record.loc, record.record, record.salt):
                continue
            row.loc, row.record, row.salt = record.loc, record.record, record.salt
            session.execute(
                delete(RecordDelivery).where(
                    RecordDelivery.key_epoch == epoch.key_epoch, RecordDelivery.entry == entry
                )
            )
            doors.act(session, "node", "record-back", entry.hex())
            taken += 1
    return taken


def _read_held(replica: int, answer: bytes, count: int) -> tuple[list[bytes], list[str]]:
    """Read what a replica signs, empty for what it refuses, and why it does.

    Whose key it is, is looked at before the entry is tagged.
    """
    try:
        held = msgspec.json.decode(answer, type=Held)
        signatures = [
            as_hex(item, "signatures", SIGNATURE_BYTES) if item else b"" for item in held.signatures
        ]
    except (msgspec.DecodeError, KanheError):
        held, signatures = Held([], []), []
    refused = {code[:40] for code in held.refused if code}
    if refused:
        _log.warning("records refused", replica=replica, codes=sorted(refused))
    # Of another length than was asked, they would stop what is left with the other replicas.
    if not len(signatures) == len(held.refused) == count:
        raise ProtocolError(
            "RECORDS_NOT_SIGNED",
            "the replica does not sign to each record that was left with it",
            help="they are left again later; its release may be another",
        )
    return signatures, held.refused


def _undelivered(
    session: Session, member: int, key_epoch: int, replica: int, *, time_s: int
) -> Sequence[SealedRecord]:
    """Return own records that a replica has not taken; it takes none of an entry that is over."""
    taken = select(RecordDelivery.entry).where(
        RecordDelivery.key_epoch == key_epoch,
        RecordDelivery.replica == replica,
        RecordDelivery.entry == SealedRecord.entry,
    )
    query = (
        select(SealedRecord)
        .join(ListedEntry, ListedEntry.entry == SealedRecord.entry)
        .where(
            SealedRecord.key_epoch == key_epoch,
            ListedEntry.uploader == member,
            still_runs(time_s),
            ~taken.exists(),
        )
        .limit(MAX_RECORDS)
    )
    return session.scalars(query).all()
