"""A bucket from a replica: header under its signature, path to the root that the ledger holds.

A replica that shows another root than the ledger's, or a bucket that does not belong under it, is
found here: its signed words are kept as evidence, and the next replica is asked.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, and_, bindparam, exists, or_, select
from sqlalchemy.orm import Session

from node.blacklist import Now
from node.committees import EpochCommittee
from node.crypto.eip712 import Domain
from node.screening.derivation import Tag
from node.screening.index import BucketProof, bucket_number, verify_bucket
from node.screening.roots import SignedHeader, read_bucket_of, read_header
from node.screening.states import ROOT_CHALLENGE_S
from node.snapshots import remembered
from node.tables import EntryTag, Incident, IndexCut, IndexRoot, RootChallenge
from reconcile.model import KanheError, ProtocolError, Where

HEADER: Final = "index/header"
BUCKET: Final = "index/bucket"
TWO_ROOTS: Final = "REPLICA_TWO_ROOTS"
BAD_BUCKET: Final = "REPLICA_BUCKET_WRONG"
Ask = Callable[[int, str, bytes], bytes]


@dataclass(frozen=True, slots=True)
class LiveRoot:
    """A version whose root stands on the ledger after its challenge period."""

    version: int
    key_epoch: int
    revision: int
    root: bytes
    leaf_count: int
    cut_block: int


@dataclass(frozen=True, slots=True)
class Wrong:
    """What a replica did that it cannot have done honestly, with its own words as evidence."""

    kind: str
    replica: int
    says: str
    evidence: dict[str, object]


def live_root(session: Session, key_epoch: int, now: Now) -> LiveRoot:
    """Return the newest live version of a key epoch; `ProtocolError` INDEX_NONE for none."""
    found = newest_live(session, key_epoch, now)
    if found is None:
        raise ProtocolError(
            "INDEX_NONE",
            f"key epoch {key_epoch} has no index whose root is live",
            where=Where(field="index"),
            help="a root is live an hour after its publication; ask the committee's operators",
        )
    return found


def newest_live(session: Session, key_epoch: int, now: Now) -> LiveRoot | None:
    """Return the newest version of a key epoch that is live at a block, None for none."""
    asked = {"key_epoch": key_epoch, "before_s": now.time_s - ROOT_CHALLENGE_S}
    question = ("newest live", key_epoch, now.time_s)
    row = remembered(session, question, lambda: session.execute(_NEWEST_LIVE, asked).first())
    return None if row is None else LiveRoot(*row)


def is_challenged(session: Session, version: int, revision: int) -> bool:
    """Say whether an uploader stopped this revision of a root."""
    found = select(RootChallenge.version).where(
        RootChallenge.version == version, RootChallenge.revision == revision
    )
    return session.scalars(found).first() is not None


def tagged_before(cut: IndexCut) -> ColumnElement[bool]:
    """Return, of `EntryTag`: it was made before the log was cut, whatever became of it."""
    before = or_(
        EntryTag.block_number < cut.block_number,
        and_(EntryTag.block_number == cut.block_number, EntryTag.log_index < cut.log_index),
    )
    return and_(EntryTag.key_epoch == cut.key_epoch, before)


def had_leaf(cut: IndexCut) -> ColumnElement[bool]:
    """Return, of `EntryTag`: it stood where the log was cut."""
    still = or_(
        EntryTag.untagged_block.is_(None),
        EntryTag.untagged_block > cut.block_number,
        and_(
            EntryTag.untagged_block == cut.block_number,
            EntryTag.untagged_log_index > cut.log_index,
        ),
    )
    return and_(tagged_before(cut), still)


#: Of `IndexRoot`: no uploader stopped this revision.
UNCHALLENGED: Final = ~(
    exists()
    .where(RootChallenge.version == IndexRoot.version, RootChallenge.revision == IndexRoot.revision)
    .correlate(IndexRoot)
)
_NEWEST_LIVE: Final = (
    select(
        IndexRoot.version,
        IndexCut.key_epoch,
        IndexRoot.revision,
        IndexRoot.root,
        IndexRoot.leaf_count,
        IndexCut.block_number,
    )
    .join(IndexCut, IndexCut.version == IndexRoot.version)
    .where(
        IndexCut.key_epoch == bindparam("key_epoch"),
        IndexRoot.block_time_s < bindparam("before_s"),
        UNCHALLENGED,
    )
    .order_by(IndexRoot.version.desc(), IndexRoot.revision.desc())
    .limit(1)
)


class Reader:
    """Asks replicas for one live version; what is wrong with any of them is collected."""

    def __init__(
        self,
        live: LiveRoot,
        epoch: EpochCommittee,
        domain: Domain,
        ask: Ask,
        *,
        is_key_of: Callable[[int, str], bool],
        headers: dict[tuple[int, LiveRoot], SignedHeader] | None = None,
    ) -> None:
        """Take the version, who replicates it (its committee), and how to ask.

        `headers` are kept from one reading to the next: a version's do not change.
        """
        self._live = live
        self._domain = domain
        self._ask = ask
        self._is_key_of = is_key_of
        self.replicas = list(epoch.members)
        secrets.SystemRandom().shuffle(self.replicas)
        self._headers = {} if headers is None else headers
        self.wrong: list[Wrong] = []
        self.failed: dict[int, KanheError] = {}

    def bucket_of(self, tag: Tag) -> BucketProof:
        """Return the person's whole bucket from the first replica that shows it rightly.

        Raises `ProtocolError` INDEX_UNREACHABLE, which says what each replica did.
        """
        for replica in self.replicas:
            if replica in self.failed:
                continue
            try:
                return self._from(replica, tag)
            except KanheError as error:
                self.failed[replica] = error
        said = "; ".join(
            f"member {member}: {error.code}, {error.message}"
            for member, error in sorted(self.failed.items())
        )
        raise ProtocolError(
            "INDEX_UNREACHABLE",
            f"no replica shows version {self._live.version} rightly: {said}",
            where=Where(field="index"),
            help="try again with the same lookup; its ticket and evaluation stay good",
        )

    def header(self, replica: int) -> SignedHeader:
        """Return a replica's header once it is the ledger's root under the replica's signature."""
        found = self._headers.get((replica, self._live))
        if found is None:
            asked = msgspec.json.encode({"version": self._live.version})
            found = self._checked(replica, read_header(self._ask(replica, HEADER, asked)))
            self._headers[replica, self._live] = found
        return found

    def bucket(self, replica: int, number: int) -> BucketProof:
        """Return one bucket of a replica, its path checked."""
        signed = self.header(replica)
        asked = msgspec.json.encode({"version": self._live.version, "bucket": number})
        proof = read_bucket_of(self._ask(replica, BUCKET, asked), signed.header)
        try:
            verify_bucket(proof, number)
        except KanheError as error:
            evidence = {
                **signed.to_json(),
                "bucket": str(number),
                "sha256": hashlib.sha256(proof.bucket).hexdigest(),
                "says": error.message,
            }
            says = f"member {replica} served a bucket that its root does not hold: {error.message}"
            self.wrong.append(Wrong(BAD_BUCKET, replica, says, evidence))
            raise
        return proof

    def _from(self, replica: int, tag: Tag) -> BucketProof:
        header = self.header(replica).header
        return self.bucket(replica, bucket_number(tag.loc, header.bits))

    def _checked(self, replica: int, signed: SignedHeader) -> SignedHeader:
        if not self._is_key_of(replica, signed.signer(self._domain)):
            raise _refuse("INDEX_SIGNATURE", "the header is not signed by its replica")
        live, header = self._live, signed.header
        if (header.version, header.key_epoch) != (live.version, live.key_epoch):
            raise _refuse("INDEX_OTHER_VERSION", f"version {header.version} was served")
        if header.root == live.root:
            return signed
        if signed.revision != live.revision:
            raise _refuse("INDEX_OTHER_REVISION", f"revision {signed.revision} was served")
        says = (
            f"member {replica} signed another root of index version {live.version} than the one "
            "on the ledger. Its signature proves it to anybody."
        )
        evidence = {**signed.to_json(), "ledger_root": live.root.hex()}
        self.wrong.append(Wrong(TWO_ROOTS, replica, says, evidence))
        raise _refuse("RECEIPT_ROOT", "the root is not the one on the ledger")


def keep_wrong(session: Session, wrong: Wrong, about: str, *, now_ms: int) -> None:
    """Keep an incident for what a member did, once for what it is about: a version, a proof."""
    fingerprint = f"{wrong.kind}/{about}/{wrong.replica}"
    known = session.scalars(select(Incident).where(Incident.fingerprint == fingerprint))
    if known.first() is not None:
        return
    session.add(
        Incident(
            kind=wrong.kind,
            fingerprint=fingerprint,
            says=wrong.says,
            evidence=wrong.evidence,
            stops_signing=False,
            opened_at_ms=now_ms,
        )
    )
    session.flush()


def _refuse(code: str, says: str) -> ProtocolError:
    return ProtocolError(code, says, where=Where(field="index"), help="another replica is asked")
