"""A replica's versions: cut by one, built by all, signed by t, published by one.

Every committee member builds the version from its own deposits and signs only the root that it
built itself. Who leads a version follows from its number; after some blocks the next may take over,
so that a silent leader delays a version and never stops it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from node.blacklist import Now, current_key_epoch
from node.committees import EpochCommittee
from node.crypto.eip712 import Domain
from node.crypto.signer import Signer, recover_address
from node.index_reading import Ask, is_challenged
from node.replica import Cut, Replica
from node.screening.index import IndexHeader
from node.screening.roots import root_digest
from node.screening.states import MAX_REVISIONS
from node.services.index.deposits import bring_up_to
from node.tables import EntryTag, IndexCut, IndexRoot
from node.telemetry import logger
from reconcile.commitment.fields import as_hex
from reconcile.model import KanheError, ProtocolError, Where

SIGN: Final = "index/sign"
#: A version is cut anew after a day of the chain.
INTERVAL_S: Final = 86_400
#: Sooner where an entry has left the index: readers are not shown for a day what was erased.
LEFT_INTERVAL_S: Final = 7_200
#: A version that has no root by then gets none.
GIVE_UP_S: Final = 2 * INTERVAL_S
#: Blocks after which the next member may lead in the place of a silent one.
TAKEOVER_BLOCKS: Final = 40
_log = logger("index")


class _Sign(msgspec.Struct, forbid_unknown_fields=True):
    version: int
    revision: int
    root: str


class _Signed(msgspec.Struct, forbid_unknown_fields=True):
    signature: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a version stands on the ledger: cut, the last root, and the revision that is due."""

    cut: IndexCut
    root: IndexRoot | None
    revision: int
    due: bool


def newest_place(session: Session, key_epoch: int) -> Place | None:
    """Return the newest version of a key epoch, None before its first cut."""
    cut = session.scalars(
        select(IndexCut)
        .where(IndexCut.key_epoch == key_epoch)
        .order_by(IndexCut.version.desc())
        .limit(1)
    ).first()
    return None if cut is None else place_of(session, cut)


def place_of(session: Session, cut: IndexCut) -> Place:
    """Return where a version stands; a root that was challenged is due again."""
    root = session.scalars(
        select(IndexRoot)
        .where(IndexRoot.version == cut.version)
        .order_by(IndexRoot.revision.desc())
        .limit(1)
    ).first()
    if root is None:
        return Place(cut, None, 1, due=True)
    challenged = is_challenged(session, cut.version, root.revision)
    revision = root.revision + 1 if challenged else root.revision
    return Place(cut, root, revision, due=challenged and revision <= MAX_REVISIONS)


def may_follow(place: Place, now: Now, *, has_left: bool = False) -> bool:
    """Say whether the next version may be cut: the last one's root stands, and a day is over.

    `has_left`: an entry of it has left the index since. The last revision may never be signed by
    everybody, nor a version be built whose record is lost everywhere: the next one follows all the
    same, the latter after `GIVE_UP_S`.
    """
    age_s = now.time_s - place.cut.block_time_s
    if place.due and place.revision < MAX_REVISIONS:
        return age_s >= GIVE_UP_S
    return age_s >= (LEFT_INTERVAL_S if has_left else INTERVAL_S)


def cut_due(
    session: Session, member: int, epoch: EpochCommittee, place: Place | None, now: Now
) -> int | None:
    """Return the version for which this member is to cut the log now, None for none.

    `place` is the key epoch's newest version.
    """
    last = session.scalar(select(IndexCut.version).order_by(IndexCut.version.desc()).limit(1)) or 0
    begun = epoch.switch_block if place is None else place.cut.block_number
    if place is not None and not may_follow(place, now, has_left=_has_left(session, place.cut)):
        return None
    if place is None and current_key_epoch(session, now) != epoch.key_epoch:
        return None
    return last + 1 if _leads(epoch, member, last + 1, now.block - begun) else None


def _has_left(session: Session, cut: IndexCut) -> bool:
    """Say whether an entry of a cut has left the index since: its record is still shown there."""
    query = select(EntryTag.entry).where(
        EntryTag.key_epoch == cut.key_epoch, EntryTag.untagged_block > cut.block_number
    )
    return session.scalars(query.limit(1)).first() is not None


def build_due(session: Session, replica: Replica, place: Place) -> int:
    """Build a version from what the ledger says it holds; 0 where it is built already.

    Raises `ProtocolError` INDEX_COUNT_DIFFERS while records are missing or the files are not what
    the rows say, `OutsideError` REPLICA_DAMAGED.
    """
    cut = place.cut
    moved = bring_up_to(session, replica, cut)
    if moved:
        return moved
    if cut.version in replica.versions(cut.key_epoch):
        return 0
    built = replica.build(Cut(cut.key_epoch, cut.version, cut.block_number, cut.leaf_count))
    _log.info("index built", version=cut.version, entries=built.header.leaf_count)
    return 1


def own_header(replica: Replica, cut: IndexCut) -> IndexHeader | None:
    """Return the header of a version that this replica has built, None before."""
    if cut.version not in replica.versions(cut.key_epoch):
        return None
    version = replica.open(cut.key_epoch, cut.version)
    try:
        return version.header
    finally:
        version.close()


def leads(epoch: EpochCommittee, member: int, place: Place, now: Now) -> bool:
    """Say whether a member is to publish a version now."""
    begun = place.cut.block_number if place.root is None else place.root.block_number
    return _leads(epoch, member, place.cut.version, now.block - begun)


def _leads(epoch: EpochCommittee, member: int, version: int, blocks: int) -> bool:
    index = epoch.index_of(member)
    if index is None:
        return False
    turn = (index - 1 - version) % len(epoch.members)
    return blocks >= turn * TAKEOVER_BLOCKS


def needed(epoch: EpochCommittee, revision: int) -> int:
    """Return how many sign a revision: t, and all of them the last, which nobody challenges."""
    return len(epoch.members) if revision >= MAX_REVISIONS else epoch.committee.threshold


def gather(
    epoch: EpochCommittee,
    member: int,
    header: IndexHeader,
    revision: int,
    *,
    domain: Domain,
    signer: Signer,
    ask: Ask,
    is_key_of: Callable[[int, str], bool],
) -> tuple[list[bytes], dict[int, KanheError]]:
    """Return the signatures over a root, ascending by member, and who of the others refused why."""
    digest = root_digest(domain, header, revision)
    signed = {member: signer.sign_digest(digest)}
    refused: dict[int, KanheError] = {}
    body = msgspec.json.encode(_Sign(header.version, revision, header.root.hex()))
    for other in epoch.members:
        if len(signed) >= needed(epoch, revision) or other == member:
            continue
        try:
            answer = msgspec.json.decode(ask(other, SIGN, body), type=_Signed)
            signature = as_hex(answer.signature, "signature", 65)
            if not is_key_of(other, recover_address(digest, signature)):
                raise _refuse("INDEX_SIGNATURE", f"member {other} signed something else")
            signed[other] = signature
        except msgspec.DecodeError:
            refused[other] = _refuse("INDEX_SIGNATURE", f"member {other}'s answer does not read")
        except KanheError as error:
            refused[other] = error
    return [signed[one] for one in sorted(signed)], refused


def sign_asked(
    body: bytes,
    header_of: Callable[[int], IndexHeader | None],
    due_of: Callable[[int], int | None],
    domain: Domain,
    signer: Signer,
) -> bytes:
    """Sign the root of a version that this node has built itself, and no other.

    Only the revision that is due: signatures gathered ahead would put a challenged root back at
    once. Raises `ProtocolError` REQUEST_MALFORMED, INDEX_NOT_BUILT, INDEX_ROOT_DIFFERS or
    INDEX_REVISION_NOT_DUE.
    """
    try:
        asked = msgspec.json.decode(body, type=_Sign)
        root = as_hex(asked.root, "root", 32)
    except (msgspec.DecodeError, KanheError):
        raise _refuse("REQUEST_MALFORMED", "a root is asked for by version and revision") from None
    if not 1 <= asked.revision <= MAX_REVISIONS:
        raise _refuse("REQUEST_MALFORMED", "the revision is out of bounds")
    header = header_of(asked.version)
    if header is None:
        raise _refuse("INDEX_NOT_BUILT", f"version {asked.version} is not built here yet")
    if header.root != root:
        raise _refuse(
            "INDEX_ROOT_DIFFERS", f"here version {asked.version} has root {header.root.hex()}"
        )
    if asked.revision != due_of(asked.version):
        raise _refuse(
            "INDEX_REVISION_NOT_DUE",
            f"revision {asked.revision} of version {asked.version} is not due on the ledger",
        )
    signature = signer.sign_digest(root_digest(domain, header, asked.revision))
    return msgspec.json.encode(_Signed(signature.hex()))


def _refuse(code: str, says: str) -> ProtocolError:
    return ProtocolError(code, says, where=Where(field="index"), help="nothing was signed")
