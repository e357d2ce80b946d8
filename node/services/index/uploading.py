"""An uploader's side: its entries evaluated and sealed, left with the replicas, and looked for.

The blind of an entry follows from the vault, the entry and the key epoch: asked again after a
crash, the element is the same, and the committee answers it again without counting.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Final

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from node.asking import Ask, evaluate
from node.blacklist import Now, current_key_epoch, now_of
from node.committees import EpochCommittee
from node.crypto.oprf import modes
from node.crypto.oprf.modes import Blinded, Mode
from node.doors import Doors
from node.index_reading import LiveRoot, Reader, Wrong, keep_wrong
from node.keyholders import key_check
from node.keyring import KeyRing
from node.listings import blind_of, open_listing, seal_for_epoch, untagged
from node.lookup_calls import LookupCalls
from node.screening.consents import evaluation_digest
from node.screening.derivation import Tag
from node.screening.evaluations import Asked
from node.screening.index import bucket_number, read_bucket
from node.screening.states import (
    CHALLENGE_PERIOD_S,
    MAX_CHALLENGES,
    MAX_REVISIONS,
    ROOT_CHALLENGE_S,
)
from node.tables import (
    CheckedRoot,
    EntryTag,
    IndexCut,
    IndexRoot,
    KeyEpoch,
    ListedEntry,
    RootChallenge,
    SealedRecord,
)
from node.telemetry import logger
from reconcile.model import KanheError

#: Entries evaluated in one request: RFC 9497's proof covers them all.
BATCH: Final = 100
MISSING: Final = "INDEX_LEAF_MISSING"
#: A root whose leaf is missing while no challenge is heard is looked at again after this pause.
UNHEARD_PAUSE_S: Final = 60
_log = logger("index")


def usable_epochs(session: Session, now: Now) -> list[int]:
    """Return the key epochs that may be tagged: the present and the next one."""
    current = current_key_epoch(session, now)
    found = session.scalars(
        select(KeyEpoch.key_epoch).where(KeyEpoch.key_epoch >= max(current, 1)).distinct()
    )
    return sorted(found)


def seal_due(doors: Doors, member: int, epoch: EpochCommittee, ask: Ask, pool: Executor) -> int:
    """Evaluate own entries that have no record in a key epoch, and seal them; return how many."""
    ring = doors.identity.keys.ring
    with doors.reading() as session:
        time_s = now_of(session).time_s
        entries = untagged(session, member, epoch.key_epoch, time_s=time_s, limit=BATCH)
        if not entries:
            return 0
        blinded = [_blinded(session, ring, entry, epoch.key_epoch) for entry in entries]
    items = [
        _item(doors, entry, made, epoch.key_epoch)
        for entry, made in zip(entries, blinded, strict=True)
    ]
    found = evaluate(epoch, items, blinded, ask, pool)
    with doors.writing() as session:
        now_ms = doors.identity.clock()
        for position, output in found.outputs.outputs.items():
            tag = Tag(output, epoch.key_epoch)
            seal_for_epoch(session, ring, entries[position], tag, now_ms=now_ms)
    refused = [item for one in found.tally.answers.values() for item in one.refused]
    if refused or found.tally.wrong:
        codes = {item.code for item in refused} | {e.code for e in found.tally.wrong.values()}
        _log.warning("entries not evaluated", codes=sorted(codes))
    return len(found.outputs.outputs)


def _blinded(session: Session, ring: KeyRing, entry: bytes, key_epoch: int) -> Blinded:
    identifier = open_listing(session, ring, entry).identifier
    blind = blind_of(ring, entry, key_epoch)
    return modes.blind(Mode.VOPRF, identifier.prf_input, scalar=blind)


def _item(doors: Doors, entry: bytes, made: Blinded, key_epoch: int) -> Asked:
    domain = doors.identity.place.lookups_domain
    digest = evaluation_digest(
        domain, ticket=0, blinded=made.element, consent=entry, key_epoch=key_epoch
    )
    signature = doors.identity.keys.approver.sign_digest(digest)
    return Asked(made.element, signature, entry=entry)


def check_due(
    doors: Doors,
    member: int,
    epoch: EpochCommittee,
    ask: Ask,
    calls: LookupCalls,
    now: Now,
    *,
    unheard: dict[tuple[int, int], int],
) -> int:
    """Look for own leaves in each root that may still be challenged; challenge what lacks one.

    `unheard`: at what time of the chain (s) a root's leaf was missing and no challenge heard.
    """
    with doors.reading() as session:
        found = _unchecked(session, epoch.key_epoch, now)
        if found is None:
            return 0
        root, cut = found
        mark = (root.version, root.revision)
        if now.time_s - unheard.get(mark, -UNHEARD_PAUSE_S) < UNHEARD_PAUSE_S:
            return 0
        rows = _own_at(session, member, cut)
    replica = 0
    missing: list[SealedRecord] = []
    wrong: list[Wrong] = []
    if rows:
        replica, missing, wrong = _look(doors, epoch, ask, root, cut, rows)
        if replica == 0:
            return 0
    with doors.writing() as session:
        now_ms = doors.identity.clock()
        for item in wrong:
            keep_wrong(session, item, str(root.version), now_ms=now_ms)
        heard = _is_heard(session, member, now)
        if missing and not heard:
            _log.warning("leaves missing, no challenge is heard now", version=root.version)
            if root.revision < MAX_REVISIONS:
                # One may be heard before the root's hour is over. All buckets are not read again
                # in every turn until then.
                unheard.clear()
                unheard[mark] = now.time_s
                return 0
        if root.revision < MAX_REVISIONS and heard:
            # One challenge a member and revision; the last one all of the committee signed.
            for row in missing[:1]:
                calls.challenge_root(session, root.version, root.revision, row.entry)
        session.merge(
            CheckedRoot(
                version=root.version,
                revision=root.revision,
                replica=replica,
                missing=len(missing),
                checked_at_ms=now_ms,
            )
        )
    return 1


def _is_heard(session: Session, member: int, now: Now) -> bool:
    """Say whether the contract takes a further challenge of this member now."""
    own = select(func.count()).where(
        RootChallenge.member == member,
        RootChallenge.block_time_s > now.time_s - CHALLENGE_PERIOD_S,
    )
    return (session.scalar(own) or 0) < MAX_CHALLENGES


def _look(
    doors: Doors,
    epoch: EpochCommittee,
    ask: Ask,
    root: IndexRoot,
    cut: IndexCut,
    rows: Sequence[SealedRecord],
) -> tuple[int, list[SealedRecord], list[Wrong]]:
    """Return who answered, the own records that are not in its buckets, and what is wrong."""
    live = LiveRoot(
        root.version, cut.key_epoch, root.revision, root.root, root.leaf_count, cut.block_number
    )
    with doors.reading() as session:
        domain = doors.identity.place.blacklist_domain
        reader = Reader(live, epoch, domain, ask, is_key_of=key_check(session))
        for replica in reader.replicas:
            try:
                missing = _missing(reader, replica, rows)
            except KanheError as error:
                _log.info("replica not read", replica=replica, code=error.code)
                continue
            wrong = list(reader.wrong)
            if missing:
                signed = reader.header(replica)
                says = f"index version {root.version}, shown by member {replica}, lacks an own leaf"
                evidence = {**signed.to_json(), "entry": missing[0].entry.hex()}
                wrong.append(Wrong(MISSING, replica, says, evidence))
            return replica, missing, wrong
        return 0, [], list(reader.wrong)


def _missing(reader: Reader, replica: int, rows: Sequence[SealedRecord]) -> list[SealedRecord]:
    header = reader.header(replica).header
    by_bucket: dict[int, list[SealedRecord]] = defaultdict(list)
    for row in rows:
        by_bucket[bucket_number(row.loc, header.bits)].append(row)
    missing = []
    for number, wanted in sorted(by_bucket.items()):
        proof = reader.bucket(replica, number)
        records = {
            hashlib.sha256(item).digest()
            for item in read_bucket(proof.bucket, header.largest).records
        }
        missing += [row for row in wanted if hashlib.sha256(row.record).digest() not in records]
    return missing


def _unchecked(session: Session, key_epoch: int, now: Now) -> tuple[IndexRoot, IndexCut] | None:
    checked = select(CheckedRoot.version).where(
        CheckedRoot.version == IndexRoot.version, CheckedRoot.revision == IndexRoot.revision
    )
    row = session.execute(
        select(IndexRoot, IndexCut)
        .join(IndexCut, IndexCut.version == IndexRoot.version)
        .where(
            IndexCut.key_epoch == key_epoch,
            IndexRoot.block_time_s >= now.time_s - ROOT_CHALLENGE_S,
            ~checked.exists(),
        )
        .order_by(IndexRoot.version.desc(), IndexRoot.revision.desc())
        .limit(1)
    ).first()
    return None if row is None else (row[0], row[1])


def _own_at(session: Session, member: int, cut: IndexCut) -> Sequence[SealedRecord]:
    """Return own records whose entries were tagged before the cut and still are."""
    query = (
        select(SealedRecord)
        .join(
            EntryTag,
            and_(
                EntryTag.entry == SealedRecord.entry, EntryTag.key_epoch == SealedRecord.key_epoch
            ),
        )
        .join(ListedEntry, ListedEntry.entry == SealedRecord.entry)
        .where(
            SealedRecord.key_epoch == cut.key_epoch,
            ListedEntry.uploader == member,
            EntryTag.block_number < cut.block_number,
            EntryTag.untagged_block.is_(None),
        )
    )
    return session.scalars(query).all()
