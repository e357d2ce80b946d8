"""Records in a bucket that are addressed to a person and do not hold: an incident that names them.

A record's leaf tells nobody whose entry it is but the replicas, with which its uploader left it.
They tell no reader: entries of one person share a bucket in every key epoch, and whoever learned
the entries of a bucket again and again would know which belong together. Their operators look one
leaf up for who has shown it false.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import select

from node.errors import NotFound
from node.index_reading import LiveRoot, Wrong
from node.screening.derivation import Tag
from node.screening.index import BucketProof, bucket_number, verify_bucket
from node.screening.records import OpenedRecord, addressed_leaf
from node.screening.verifying import NotListedError
from node.services.lookups.own import OwnRecordActs
from node.tables import Deposit
from reconcile.model import KanheError, ProtocolError

FALSE_RECORD: Final = "RECORD_FALSE"


@dataclass
class FalseRecords:
    """What one lookup found false: why, and the SHA-256 of each such record by its leaf."""

    lookup: int
    errors: list[KanheError] = field(default_factory=list)
    records: dict[bytes, bytes] = field(default_factory=dict)
    bucket: int = 0
    _tag: Tag | None = None

    def look_for(self, proof: BucketProof, tag: Tag) -> None:
        """Note every record of a checked bucket that is addressed to the person."""
        self.bucket, self._tag = bucket_number(tag.loc, proof.header.bits), tag
        for record in verify_bucket(proof, self.bucket).records:
            leaf = addressed_leaf(record, tag)
            if leaf is not None:
                self.records[leaf] = hashlib.sha256(record).digest()

    def leave_out(self, true: Sequence[OpenedRecord]) -> None:
        """Take away the records that hold."""
        assert self._tag is not None, "the bucket was looked through"
        for record in true:
            self.records.pop(self._tag.leaf(record.listing.entry_id), None)

    def wrong(self, live: LiveRoot) -> Wrong:
        """Return the incident: it names who signed, where a signature tells, and the leaves."""
        signed = [error for error in self.errors if isinstance(error, NotListedError)]
        says = (signed[0] if signed else self.errors[0]).message
        return Wrong(
            f"{FALSE_RECORD}/{self.lookup}",
            signed[0].uploader if signed else 0,
            f"what lookup {self.lookup} found holds a record that does not hold: {says}. Whoever "
            "left it knew the person's tag.",
            {
                "lookup": str(self.lookup),
                "version": str(live.version),
                "key_epoch": str(live.key_epoch),
                "bucket": str(self.bucket),
                "says": [error.message for error in self.errors],
                "signed": [
                    {"entry": error.entry.hex(), "uploader": str(error.uploader)}
                    for error in signed
                ],
                "records": [
                    {"leaf": leaf.hex(), "sha256": digest.hex()}
                    for leaf, digest in sorted(self.records.items())
                ],
            },
        )


def told(error: KanheError, false: FalseRecords) -> KanheError:
    """Return a lookup's refusal; one for a false record says how its entry is found."""
    if error not in false.errors or not false.records:
        return error
    leaves = " ".join(leaf.hex() for leaf in sorted(false.records))
    return ProtocolError(
        error.code,
        error.message,
        where=error.where,
        help=(
            "Nothing was taken as proven; the incident keeps the evidence. Let a member of the "
            f"committee say whose entry it is: `kanhe blacklist index whose {leaves}`. The person "
            "then disputes it."
        ),
    )


@dataclass(frozen=True, slots=True)
class LeftRecord:
    """Whose record a leaf is, as it was left with this replica."""

    key_epoch: int
    entry: bytes
    uploader: int


class FalseRecordActs(OwnRecordActs):
    """What a replica's operator tells whoever has shown a record false."""

    def whose(self, leaf: bytes, *, actor: str = "node") -> tuple[LeftRecord, ...]:
        """Return whose record a leaf is; `NotFound` LEAF_UNKNOWN where none lies here."""
        with self._doors.writing() as session:
            rows = session.scalars(
                select(Deposit).where(Deposit.leaf == leaf).order_by(Deposit.key_epoch)
            )
            found = tuple(LeftRecord(row.key_epoch, row.entry, row.uploader) for row in rows)
            if not found:
                raise NotFound(
                    "LEAF_UNKNOWN",
                    f"no record with leaf {leaf.hex()[:16]}… was left with this node",
                    help="ask another member of the committee of that key epoch",
                )
            self._doors.act(session, actor, "record-whose", leaf.hex())
            return found
