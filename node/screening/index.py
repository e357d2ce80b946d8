"""The index: padded buckets under a tree whose root the ledger holds, inclusion and absence.

A replica returns a whole bucket, padded to the version's largest, whether the person is in it or
not. The bucket's tree leaf carries its number and count; the root's header carries the sum, which
the contract requires to equal its own counter. A bucket proves absence: its records are all there
are of these bits, and none opens.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from node.screening.derivation import Tag
from node.screening.records import (
    LEAF_BYTES,
    RECORD_BYTES,
    VERSION,
    OpenedRecord,
    open_record,
)
from reconcile.commitment.tree import inclusion_path, leaf_hash, merkle_root, verify_inclusion
from reconcile.model import KanheError, ProtocolError, Where

#: One bucket holds fewer than 128 records on average; far above it, the builder is at fault.
MAX_BUCKET_RECORDS: Final = 4_096
MAX_BITS: Final = 24
_NUMBER_BYTES: Final = 4
_COUNT_BYTES: Final = 2
_HEAD_BYTES: Final = _NUMBER_BYTES + _COUNT_BYTES
_SINGLE_BUCKET_BELOW: Final = 128
_RECORDS_A_BUCKET: Final = 64


def bucket_bits(count: int) -> int:
    """Return b: 0 below 128 entries, else bitlength(⌊N/64⌋) − 1 (64 to 128 a bucket on average)."""
    if count < _SINGLE_BUCKET_BELOW:
        return 0
    return (count // _RECORDS_A_BUCKET).bit_length() - 1


def bucket_number(loc: bytes, bits: int) -> int:
    """Return the first `bits` bits of `loc` as a number."""
    assert 0 <= bits <= MAX_BITS, "a root's header was checked"
    return int.from_bytes(loc[:_NUMBER_BYTES], "big") >> (8 * _NUMBER_BYTES - bits)


@dataclass(frozen=True, slots=True)
class Bucket:
    """The records of one bucket, in ascending order of their leaves."""

    number: int
    records: tuple[bytes, ...]

    def encode(self, largest: int) -> bytes:
        """Return number ‖ count ‖ records ‖ zeros: one length for every bucket of a version."""
        assert len(self.records) <= largest <= MAX_BUCKET_RECORDS, "padded to the largest"
        body = b"".join(self.records).ljust(largest * RECORD_BYTES, b"\x00")
        number = self.number.to_bytes(_NUMBER_BYTES, "big")
        return number + len(self.records).to_bytes(_COUNT_BYTES, "big") + body


def read_bucket(data: bytes, largest: int) -> Bucket:
    """Read a bucket in its one form; raises `ProtocolError` BUCKET_MALFORMED."""
    if not 0 <= largest <= MAX_BUCKET_RECORDS:
        raise _refuse("BUCKET_MALFORMED", "the version's largest bucket is out of bounds")
    if len(data) != _HEAD_BYTES + largest * RECORD_BYTES:
        raise _refuse("BUCKET_MALFORMED", "the bucket has not the version's length")
    number = int.from_bytes(data[:_NUMBER_BYTES], "big")
    count = int.from_bytes(data[_NUMBER_BYTES:_HEAD_BYTES], "big")
    end = _HEAD_BYTES + count * RECORD_BYTES
    # `strip` compares at the speed of memory; a loop over padding would cost more than the hash.
    if count > largest or data[end:].strip(b"\x00"):
        raise _refuse("BUCKET_MALFORMED", "the padding is not zeros")
    starts = range(_HEAD_BYTES, end, RECORD_BYTES)
    records = tuple(data[start : start + RECORD_BYTES] for start in starts)
    # In order of version and leaf, with which they begin. A leaf may stand there twice: whoever
    # reads a bucket can show its leaves again, and must not stop the index by it.
    if list(records) != sorted(records) or any(record[:1] != VERSION for record in records):
        raise _refuse("BUCKET_MALFORMED", "the records are not version 1 in order of their leaves")
    return Bucket(number, records)


def record_leaf(record: bytes) -> bytes:
    """Return the leaf that a record shows."""
    return record[len(VERSION) : len(VERSION) + LEAF_BYTES]


def bucket_leaf(encoded: bytes) -> bytes:
    """Return the tree's leaf hash of an encoded bucket: over number, count and the whole's hash."""
    return leaf_hash(encoded[:_HEAD_BYTES] + hashlib.sha256(encoded).digest())


@dataclass(frozen=True, slots=True)
class IndexHeader:
    """What a root says of itself; its digest is what the ledger holds."""

    key_epoch: int
    version: int
    cut_block: int
    bits: int
    leaf_count: int
    largest: int
    tree_root: bytes

    @property
    def root(self) -> bytes:
        """Return SHA-256 over all fields in fixed width."""
        numbers = (self.key_epoch, self.version, self.bits, self.largest)
        fixed = b"".join(value.to_bytes(4, "big") for value in numbers)
        wide = self.cut_block.to_bytes(8, "big") + self.leaf_count.to_bytes(8, "big")
        return hashlib.sha256(b"kanhe/index/1" + fixed + wide + self.tree_root).digest()

    def require_shape(self) -> None:
        """Refuse a header that no builder makes: `ProtocolError` INDEX_HEADER_MALFORMED."""
        in_bounds = 0 <= self.bits <= MAX_BITS and 0 <= self.largest <= MAX_BUCKET_RECORDS
        if not in_bounds or self.bits != bucket_bits(self.leaf_count):
            raise _refuse("INDEX_HEADER_MALFORMED", "bits and leaf count do not belong together")


@dataclass(frozen=True, slots=True)
class Index:
    """One version: its header and the leaf hashes of its buckets; bucket bytes live elsewhere."""

    header: IndexHeader
    leaves: tuple[bytes, ...]

    def path(self, number: int) -> tuple[bytes, ...]:
        """Return the audit path of a bucket."""
        return inclusion_path(self.leaves, number)


@dataclass(frozen=True, slots=True)
class BucketProof:
    """What a replica returns: the bucket's bytes, its path and the header of the version."""

    header: IndexHeader
    bucket: bytes
    path: tuple[bytes, ...]


def make_buckets(entries: Iterable[tuple[bytes, bytes]]) -> list[Bucket]:
    """Sort (loc, record) pairs into their buckets; every bucket exists, an empty one too."""
    pairs = list(entries)
    bits = bucket_bits(len(pairs))
    sorted_out: list[list[bytes]] = [[] for _ in range(1 << bits)]
    for loc, record in pairs:
        sorted_out[bucket_number(loc, bits)].append(record)
    return [Bucket(number, tuple(sorted(found))) for number, found in enumerate(sorted_out)]


def build_index(
    buckets: Sequence[Bucket], *, key_epoch: int, version: int, cut_block: int
) -> Index:
    """Return the version over all buckets, in order."""
    count = sum(len(bucket.records) for bucket in buckets)
    largest = max(len(bucket.records) for bucket in buckets)
    leaves = tuple(bucket_leaf(bucket.encode(largest)) for bucket in buckets)
    header = IndexHeader(
        key_epoch,
        version,
        cut_block,
        bucket_bits(count),
        count,
        largest,
        merkle_root(leaves),
    )
    return Index(header, leaves)


def prove_bucket(index: Index, bucket: Bucket) -> BucketProof:
    """Return what a replica answers for a bucket."""
    encoded = bucket.encode(index.header.largest)
    return BucketProof(index.header, encoded, index.path(bucket.number))


def verify_bucket(proof: BucketProof, number: int) -> Bucket:
    """Return the bucket once its path leads to the header's tree.

    Raises `ProtocolError` INDEX_HEADER_MALFORMED, BUCKET_MALFORMED, BUCKET_OTHER or BUCKET_PATH.
    """
    header = proof.header
    header.require_shape()
    bucket = read_bucket(proof.bucket, header.largest)
    if bucket.number != number:
        raise _refuse("BUCKET_OTHER", f"bucket {bucket.number} was returned, {number} asked")
    leaf = bucket_leaf(proof.bucket)
    if not verify_inclusion(leaf, number, 1 << header.bits, proof.path, header.tree_root):
        raise _refuse("BUCKET_PATH", "the path does not lead to the version's tree")
    return bucket


def look_in(
    proof: BucketProof, tag: Tag, false: list[KanheError] | None = None
) -> tuple[OpenedRecord, ...]:
    """Return every record about the person of `tag`; none is a proof of absence at the cut block.

    Raises what `verify_bucket` and `open_record` raise, and LOOKUP_EPOCHS_DIFFER. Given `false`,
    records that are addressed to the person and do not hold are refused into it, each alone: one
    member's false record hides no other member's true one.
    """
    if proof.header.key_epoch != tag.key_epoch:
        raise _refuse("LOOKUP_EPOCHS_DIFFER", "the index is of another key epoch than the output")
    bucket = verify_bucket(proof, bucket_number(tag.loc, proof.header.bits))
    opened: list[OpenedRecord] = []
    # One that stands there twice, under two entries, is one record.
    for record in dict.fromkeys(bucket.records):
        try:
            found = open_record(record, tag)
        except KanheError as error:
            if false is None:
                raise
            false.append(error)
            continue
        if found is not None:
            opened.append(found)
    return tuple(opened)


def verify_index(header: IndexHeader, buckets: Sequence[bytes]) -> None:
    """Check a whole version: every bucket, the sum of counts, the tree.

    Raises `ProtocolError` INDEX_INCOMPLETE beside a bucket's own errors.
    """
    header.require_shape()
    if len(buckets) != 1 << header.bits:
        raise _refuse("INDEX_INCOMPLETE", "a bucket is missing")
    total = 0
    for number, encoded in enumerate(buckets):
        bucket = read_bucket(encoded, header.largest)
        if bucket.number != number:
            raise _refuse("INDEX_INCOMPLETE", f"bucket {number} is not where it belongs")
        total += len(bucket.records)
    if total != header.leaf_count or merkle_root(list(map(bucket_leaf, buckets))) != (
        header.tree_root
    ):
        raise _refuse("INDEX_INCOMPLETE", "count or tree is not what the header says")


def _refuse(code: str, says: str) -> ProtocolError:
    return ProtocolError(
        code, says, where=Where(field="index"), help="Ask another replica; keep this answer."
    )
