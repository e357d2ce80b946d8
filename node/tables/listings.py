"""This node's own part in the blacklist: what it listed, voted, wrote, released and was released.

Nothing here follows from the chain. What would tell of a person (identifier, salt, documents) is
sealed by the vault and is empty once the entry is erased.
"""

from __future__ import annotations

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from node.tables.base import Base, Big, Blob, Bytes32, Name, RowId, Word


class OwnListing(Base):
    """A listing of this node. `statement` is MessagePack, `signature` its envelope's.

    `secret` seals identifier and salt, `documents` the evidence behind its root; both are empty
    and `statement` is null once it is erased. `fingerprint` is an HMAC under the vault's key over
    who is listed and why, so that nobody is listed twice by a command that was repeated. `consent`
    is the digest under which what it rests on is recorded (`listing_consent`); null once it is
    erased, and for a listing of a release that recorded none. `rests_on` is an HMAC over person and
    document, null for the same. `revocation_hash` is that of a consent which the person signed
    herself: the ledger shows it beside the entry, so it stays.
    """

    __tablename__ = "own_listings"
    __table_args__ = (
        Index(None, "fingerprint"),
        Index(None, "rests_on"),
        Index(None, "revocation_hash"),
    )

    entry: Mapped[Bytes32] = mapped_column(primary_key=True)
    statement: Mapped[Blob | None]
    signature: Mapped[Blob | None]
    secret: Mapped[Blob] = mapped_column(deferred=True)
    documents: Mapped[Blob] = mapped_column(deferred=True)
    fingerprint: Mapped[Bytes32 | None]
    consent: Mapped[Bytes32 | None]
    rests_on: Mapped[Bytes32 | None]
    revocation_hash: Mapped[Bytes32 | None]
    listed_at_ms: Mapped[Big]
    erased_at_ms: Mapped[Big | None]


class SealedRecord(Base):
    """An own listing sealed for one key epoch: `record` goes to the replicas' bucket of `loc`.

    `salt` goes with it: the ledger holds the salted hash of both.
    """

    __tablename__ = "sealed_records"

    entry: Mapped[Bytes32] = mapped_column(primary_key=True)
    key_epoch: Mapped[Big] = mapped_column(primary_key=True, autoincrement=False)
    loc: Mapped[Bytes32]
    record: Mapped[Blob]
    salt: Mapped[Bytes32]
    sealed_at_ms: Mapped[Big]


class KnownStatement(Base):
    """Another member's statement that this node has read, by a lookup, a detail or a receipt.

    It shows who signed what about an entry; `salt` is sealed and opens the commitment only for
    who knows the identifier. `consent` as an own listing's, null where an earlier release read it.
    """

    __tablename__ = "known_statements"

    entry: Mapped[Bytes32] = mapped_column(primary_key=True)
    statement: Mapped[Blob]
    signature: Mapped[Blob]
    salt: Mapped[Blob] = mapped_column(deferred=True)
    consent: Mapped[Bytes32 | None]
    source: Mapped[Word]
    seen_at_ms: Mapped[Big]


class OwnBallot(Base):
    """A vote of this node: `secret` seals verdict and salt, kept before the commitment is sent."""

    __tablename__ = "own_ballots"

    dispute: Mapped[Big] = mapped_column(primary_key=True, autoincrement=False)
    commitment: Mapped[Bytes32]
    secret: Mapped[Blob] = mapped_column(deferred=True)
    voted_at_ms: Mapped[Big]


class OwnPaper(Base):
    """Grounds of a dispute or reasons of an answer, sealed; their salted hash is on the ledger.

    `kind` is GROUNDS or ANSWER; `staked`: points are bound with it.
    """

    __tablename__ = "own_papers"
    __table_args__ = (UniqueConstraint("hash"), Index(None, "entry"))

    id: Mapped[RowId]
    kind: Mapped[Word]
    entry: Mapped[Bytes32]
    hash: Mapped[Bytes32]
    secret: Mapped[Blob] = mapped_column(deferred=True)
    staked: Mapped[bool]
    written_at_ms: Mapped[Big]


class Erasure(Base):
    """An erasure that was asked for. Once the entry is over, finally, everything is destroyed.

    In that very transaction the certificate is signed: SHA-256 of its `envelope` is its `hash`,
    which goes on the ledger. A reader's that follows the uploader's leaves the receipts that found
    the entry until `receipts_until_s`, by the chain's time; one that a person asked for does not.
    """

    __tablename__ = "erasures"

    entry: Mapped[Bytes32] = mapped_column(primary_key=True)
    asked_at_ms: Mapped[Big]
    asked_by: Mapped[Name]
    envelope: Mapped[Blob | None]
    hash: Mapped[Bytes32 | None]
    destroyed_at_ms: Mapped[Big | None]
    receipts_until_s: Mapped[Big | None]


class OwnAttestation(Base):
    """What this reader said of a hit, once an entry: CONFIRMED, FALSE_POSITIVE or STALE.

    `period` is the one with which it is settled, from the first asking on: asked again after a
    crash, the committee is shown the same ones. `countersigned` shows that the ticket was used; a
    receipt of an earlier release holds nothing that does, and its hit is not settled.
    """

    __tablename__ = "own_attestations"

    entry: Mapped[Bytes32] = mapped_column(primary_key=True)
    ticket: Mapped[Big]
    uploader: Mapped[int]
    verdict: Mapped[Word]
    envelope: Mapped[Blob]
    recall_secret: Mapped[Blob] = mapped_column(deferred=True)
    recipient: Mapped[Bytes32]
    made_at_ms: Mapped[Big]
    period: Mapped[Big | None]
    countersigned: Mapped[Blob | None]


class Release(Base):
    """Evidence that this uploader released to a reader, and what recalls it from there.

    `recipient` names the reader in a recall, by a secret that only the two hold. `package` is the
    sealed answer, given again unchanged; `receipt` the signed envelope that says it was released,
    with the documents' hashes; both are empty once the entry is erased.
    An attestation of a hit stands here too: one lookup's ticket may have found several entries.
    """

    __tablename__ = "releases"
    __table_args__ = (Index(None, "entry"),)

    ticket: Mapped[Big] = mapped_column(primary_key=True, autoincrement=False)
    entry: Mapped[Bytes32] = mapped_column(primary_key=True)
    reader: Mapped[int]
    consent: Mapped[Bytes32]
    recipient: Mapped[Bytes32]
    package: Mapped[Blob] = mapped_column(deferred=True)
    receipt: Mapped[Blob]
    released_at_ms: Mapped[Big]


class HeldDetail(Base):
    """Evidence that was released to this reader; sealed, and empty once erased.

    So is `receipt`, which has the documents' hashes.
    """

    __tablename__ = "held_details"
    __table_args__ = (Index(None, "entry"),)

    ticket: Mapped[Big] = mapped_column(primary_key=True, autoincrement=False)
    entry: Mapped[Bytes32]
    uploader: Mapped[int]
    recipient: Mapped[Bytes32]
    secret: Mapped[Blob] = mapped_column(deferred=True)
    documents: Mapped[Blob] = mapped_column(deferred=True)
    receipt: Mapped[Blob]
    received_at_ms: Mapped[Big]
    erased_at_ms: Mapped[Big | None]


class SignedSettlement(Base):
    """A settlement that this member of the committee signed; another of the period is refused."""

    __tablename__ = "signed_settlements"

    reader: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    period: Mapped[Big] = mapped_column(primary_key=True, autoincrement=False)
    digest: Mapped[Bytes32]
    signed_at_ms: Mapped[Big]


class CountedAttestation(Base):
    """An entry that a reader confirmed and this member counted, once for ever."""

    __tablename__ = "counted_attestations"

    reader: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    entry: Mapped[Bytes32] = mapped_column(primary_key=True)
    period: Mapped[Big]
