"""This node's own listings: statement, identifier, salt and evidence, sealed at rest.

The uploader alone holds the identifiers: it re-tags its entries each key epoch, opens their
commitments, releases their evidence and destroys all of it. Services that need them come here.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, and_, delete, select
from sqlalchemy.orm import Session

from node.crypto.oprf.group import Scalar, reduce_wide
from node.errors import NotFound
from node.keyring import KeyRing
from node.screening.derivation import Tag
from node.screening.holding import SALT_BYTES
from node.screening.identifiers import Identifier, IdType
from node.screening.listing_consents import listing_consent
from node.screening.listings import Listing, pack_listing, unpack_listing
from node.screening.records import OpenedRecord, seal_record
from node.screening.states import DAY_S, TICKET_S, Stage
from node.tables import (
    KnownStatement,
    ListedEntry,
    OwnListing,
    OwnPaper,
    SealedRecord,
)
from reconcile.canonical import canonical_json

#: Stages in which an entry is to have a leaf.
_TAGGABLE: Final = (Stage.TICKETED.name, Stage.LISTED.name, Stage.SUSPENDED.name)


@dataclass(frozen=True, slots=True)
class Owned:
    """An own listing in clear: whom it concerns, what it says, what stands behind it.

    `agreed` is the consent that the person signed with her wallet or a certificate; empty where
    the node was given the hash of another document alone.
    """

    identifier: Identifier
    opened: OpenedRecord
    documents: tuple[bytes, ...]
    agreed: bytes = b""

    def __repr__(self) -> str:
        """Show which entry it is, never the person."""
        return f"Owned({self.opened.listing.entry_id.hex()})"


class _Secret(msgspec.Struct, array_like=True):
    id_type: IdType
    id_value: str
    salt: bytes
    agreed: bytes = b""


def fingerprint_of(ring: KeyRing, identifier: Identifier, listing: Listing) -> bytes:
    """Return what tells two listings of one person for one matter: it never leaves the node."""
    said = {
        "id": identifier.prf_input.decode("ascii"),
        "reason": str(listing.reason),
        "product": str(listing.product),
        "month": listing.event_month,
    }
    return ring.fingerprint(b"listing/" + canonical_json(said))


def resting_of(ring: KeyRing, identifier: Identifier, document: bytes) -> bytes:
    """Return what tells listings of one person on one document, which is named by its hash."""
    said = {"id": identifier.prf_input.decode("ascii"), "document": document.hex()}
    return ring.fingerprint(b"listing-document/" + canonical_json(said))


def keep_listing(
    session: Session,
    ring: KeyRing,
    opened: OpenedRecord,
    identifier: Identifier,
    documents: Sequence[bytes],
    *,
    now_ms: int,
    agreed: bytes = b"",
    revocation_hash: bytes | None = None,
) -> OwnListing:
    """Keep a signed listing; one that stands under the id already is replaced by it.

    `revocation_hash` is `agreed`'s, where that is a consent which the person signed.
    """
    listing = opened.listing
    entry = listing.entry_id
    secret = msgspec.msgpack.encode(_Secret(identifier.type, identifier.value, opened.salt, agreed))
    row = session.get(OwnListing, entry) or OwnListing(entry=entry)
    row.statement, row.signature = pack_listing(listing), opened.signature
    row.secret = ring.seal_bytes(secret, b"listing/" + entry)
    row.documents = ring.seal_bytes(msgspec.msgpack.encode(list(documents)), _papers(entry))
    row.fingerprint = fingerprint_of(ring, identifier, listing)
    row.consent = listing_consent(listing, opened.salt)
    row.rests_on = resting_of(ring, identifier, listing.consent)
    row.revocation_hash = revocation_hash
    row.listed_at_ms, row.erased_at_ms = now_ms, None
    session.add(row)
    session.flush()
    return row


def open_listing(session: Session, ring: KeyRing, entry: bytes) -> Owned:
    """Return an own listing in clear.

    Raises `NotFound` LISTING_NOT_OURS, LISTING_ERASED, `ProtocolError` VAULT_NOT_OPENED.
    """
    row = session.get(OwnListing, entry)
    if row is None:
        raise NotFound(
            "LISTING_NOT_OURS",
            f"this node listed no entry {entry.hex()[:16]}…",
            help="only its uploader holds what stands behind an entry",
        )
    if row.statement is None or row.signature is None:
        raise NotFound(
            "LISTING_ERASED",
            f"what stood behind entry {entry.hex()[:16]}… was destroyed",
            help="its certificate of deletion stands on the ledger",
        )
    secret = msgspec.msgpack.decode(ring.open_bytes(row.secret, b"listing/" + entry), type=_Secret)
    documents = msgspec.msgpack.decode(
        ring.open_bytes(row.documents, _papers(entry)), type=list[bytes]
    )
    opened = OpenedRecord(unpack_listing(row.statement), secret.salt, row.signature)
    person = Identifier(secret.id_type, secret.id_value)
    return Owned(person, opened, tuple(documents), secret.agreed)


def still_runs(time_s: int) -> ColumnElement[bool]:
    """Return, of `ListedEntry`: it is not over in a block of this time, as far as its row tells.

    What is over, has passed its last day or let its ticket lapse is evaluated and tagged by nobody,
    and no replica or custodian takes anything of it.
    """
    lapsed = and_(
        ListedEntry.stage == Stage.TICKETED.name, ListedEntry.posted_at_s < time_s - TICKET_S
    )
    running = ListedEntry.ends_day >= time_s // DAY_S
    return and_(ListedEntry.stage.in_(_TAGGABLE), running, ~lapsed)


def untagged(
    session: Session, member: int, key_epoch: int, *, time_s: int, limit: int
) -> list[bytes]:
    """Return own entries that still run and have no sealed record in a key epoch, oldest first.

    `time_s` is the block's.
    """
    sealed = select(SealedRecord.entry).where(
        SealedRecord.entry == ListedEntry.entry, SealedRecord.key_epoch == key_epoch
    )
    found = (
        select(ListedEntry.entry)
        .join(OwnListing, OwnListing.entry == ListedEntry.entry)
        .where(
            ListedEntry.uploader == member,
            still_runs(time_s),
            OwnListing.erased_at_ms.is_(None),
            ~sealed.exists(),
        )
        .order_by(ListedEntry.block_number, ListedEntry.log_index)
        .limit(limit)
    )
    return list(session.scalars(found))


def blind_of(ring: KeyRing, entry: bytes, key_epoch: int) -> Scalar:
    """Return the blind with which an own entry is evaluated in a key epoch.

    It follows from the vault: asked again after a crash, or opened to an auditor, it is the same.
    """
    place = b"tag/" + entry + key_epoch.to_bytes(4, "big")
    return reduce_wide(ring.fingerprint(place + b"/1") + ring.fingerprint(place + b"/2"))


def seal_for_epoch(
    session: Session, ring: KeyRing, entry: bytes, tag: Tag, *, now_ms: int
) -> SealedRecord:
    """Seal an own listing for a key epoch under a fresh entry key, once; a second call gives it.

    The identifier was evaluated: `tag` is its T. T itself is not kept.
    """
    known = session.get(SealedRecord, (entry, tag.key_epoch))
    if known is not None:
        return known
    owned = open_listing(session, ring, entry)
    row = SealedRecord(
        entry=entry,
        key_epoch=tag.key_epoch,
        loc=tag.loc,
        record=seal_record(tag, owned.opened),
        salt=secrets.token_bytes(SALT_BYTES),
        sealed_at_ms=now_ms,
    )
    session.add(row)
    session.flush()
    return row


def destroy_listing(session: Session, entry: bytes, *, now_ms: int) -> None:
    """Destroy identifier, salt, statement, evidence, sealed records and papers of an entry.

    What was read of another member's is not among them.
    """
    row = session.get(OwnListing, entry)
    if row is not None:
        row.statement = row.signature = row.fingerprint = row.consent = row.rests_on = None
        row.secret = row.documents = b""
        row.erased_at_ms = now_ms
    session.execute(delete(SealedRecord).where(SealedRecord.entry == entry))
    session.execute(delete(OwnPaper).where(OwnPaper.entry == entry))
    session.flush()


def know_statement(
    session: Session, ring: KeyRing, opened: OpenedRecord, *, source: str, now_ms: int
) -> None:
    """Keep another member's statement that was read, so that its entry can be traced."""
    entry = opened.listing.entry_id
    row = session.get(KnownStatement, entry) or KnownStatement(entry=entry)
    row.statement, row.signature = pack_listing(opened.listing), opened.signature
    row.salt = ring.seal_bytes(opened.salt, b"known/" + entry)
    row.consent = listing_consent(opened.listing, opened.salt)
    row.source, row.seen_at_ms = source, now_ms
    session.add(row)
    session.flush()


def is_erased(session: Session, entry: bytes) -> bool:
    """Say whether an own listing was destroyed."""
    row = session.get(OwnListing, entry)
    return row is not None and row.erased_at_ms is not None


def known_salt(session: Session, ring: KeyRing, entry: bytes) -> bytes | None:
    """Return the salt of another member's statement that was read, None where none was."""
    row = session.get(KnownStatement, entry)
    return None if row is None else ring.open_bytes(row.salt, b"known/" + entry)


def statement_of(session: Session, entry: bytes) -> tuple[Listing, bytes] | None:
    """Return what this node holds of an entry's statement and its signature, own or read."""
    own, known = session.get(OwnListing, entry), session.get(KnownStatement, entry)
    for row in (own, known):
        if row is not None and row.statement is not None and row.signature is not None:
            return unpack_listing(row.statement), row.signature
    return None


def same_matter(session: Session, fingerprint: bytes) -> Iterator[bytes]:
    """Yield own entries of the same person for the same matter that were not erased."""
    yield from session.scalars(
        select(OwnListing.entry)
        .where(OwnListing.fingerprint == fingerprint, OwnListing.erased_at_ms.is_(None))
        .order_by(OwnListing.listed_at_ms)
    )


def resting_on(session: Session, resting: bytes) -> Iterator[bytes]:
    """Yield own entries of a person on a document that were not erased, posted or not."""
    found = select(OwnListing.entry).where(OwnListing.rests_on == resting)
    yield from session.scalars(found.order_by(OwnListing.listed_at_ms))


def signed_by(session: Session, revocation_hash: bytes) -> Sequence[OwnListing]:
    """Return own listings that rest on a consent which its person signed, erased ones too."""
    found = select(OwnListing).where(OwnListing.revocation_hash == revocation_hash)
    return session.scalars(found.order_by(OwnListing.listed_at_ms)).all()


def _papers(entry: bytes) -> bytes:
    return b"documents/" + entry
