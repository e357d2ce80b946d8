from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from listed_people import digest, make_listing, make_record, person_of, tag_of
from stdnum.cn import ric

from node.screening.derivation import Tag
from node.screening.index import (
    Bucket,
    BucketProof,
    IndexHeader,
    bucket_bits,
    bucket_number,
    build_index,
    look_in,
    make_buckets,
    prove_bucket,
    read_bucket,
    verify_bucket,
    verify_index,
)
from node.screening.records import RECORD_BYTES, seal_record
from reconcile.model import KanheError

LISTED = [person_of(serial) for serial in range(3)]


def filler(count: int) -> list[tuple[bytes, bytes]]:
    """Return (loc, record) pairs that look like records of strangers."""
    body = digest("body") * 32
    return [
        (digest(f"loc {n}"), b"\x01" + digest(f"leaf {n}") + body[: RECORD_BYTES - 33])
        for n in range(count)
    ]


def entries(count: int) -> list[tuple[bytes, bytes]]:
    """Return the records of `LISTED` and of `count` strangers."""
    own = [
        (tag_of(person).loc, seal_record(tag_of(person), make_record(person, make_listing(n))))
        for n, person in enumerate(LISTED)
    ]
    return own + filler(count)


def made(count: int = 300) -> tuple[list[Bucket], IndexHeader, Callable[[Tag], BucketProof]]:
    """Build a version and return how a replica answers."""
    buckets = make_buckets(entries(count))
    index = build_index(buckets, key_epoch=1, version=3, cut_block=99)

    def answer(tag: Tag) -> BucketProof:
        return prove_bucket(index, buckets[bucket_number(tag.loc, index.header.bits)])

    return buckets, index.header, answer


@given(st.integers(0, 2**22))
def test_buckets_hold_64_to_128_on_average(count: int) -> None:
    """Below 128 there is one bucket; above, the average lies between 64 and 128."""
    bits = bucket_bits(count)
    if count < 128:
        assert bits == 0
    else:
        assert 64 <= count / (1 << bits) < 130


def test_a_million_entries_have_13_bits() -> None:
    """The page's figure: 8,192 buckets of about 122."""
    assert bucket_bits(1_000_000) == 13
    assert bucket_number(b"\xff" * 32, 13) == 8_191
    assert bucket_number(b"\xff" * 32, 0) == 0


def test_a_hit_and_a_miss_look_the_same() -> None:
    """The replica's answer has one shape and size, and only who knows T tells them apart."""
    _, header, answer = made()
    hit, miss = answer(tag_of(LISTED[1])), answer(tag_of(person_of(500)))
    assert (len(hit.bucket), len(hit.path)) == (len(miss.bucket), len(miss.path))
    (found,) = look_in(hit, tag_of(LISTED[1]))
    assert found.listing.entry_id == make_listing(1).entry_id
    assert look_in(miss, tag_of(person_of(500))) == ()
    assert header.leaf_count == 303


def test_an_empty_index_proves_absence() -> None:
    """Without entries there is one empty bucket, which proves that nobody is listed."""
    buckets = make_buckets([])
    index = build_index(buckets, key_epoch=1, version=1, cut_block=1)
    assert look_in(prove_bucket(index, buckets[0]), tag_of(person_of())) == ()
    verify_index(index.header, [buckets[0].encode(0)])


def test_an_omitted_record_changes_the_root() -> None:
    """A replica that leaves a record out cannot lead to the same root."""
    buckets, header, answer = made()
    tag = tag_of(LISTED[0])
    proof = answer(tag)
    bucket = verify_bucket(proof, bucket_number(tag.loc, header.bits))
    shorter = Bucket(bucket.number, bucket.records[1:]).encode(header.largest)
    with pytest.raises(KanheError, match="BUCKET_PATH"):
        look_in(replace(proof, bucket=shorter), tag)
    whole = [item.encode(header.largest) for item in buckets]
    verify_index(header, whole)
    whole[bucket.number] = shorter
    with pytest.raises(KanheError, match="INDEX_INCOMPLETE"):
        verify_index(header, whole)


def test_the_leaf_count_is_the_sum(code_of: Callable[..., str]) -> None:
    """A header whose count is not the sum of its buckets' is refused, and has another root."""
    buckets, header, _ = made()
    whole = [item.encode(header.largest) for item in buckets]
    for wrong in (header.leaf_count - 1, header.leaf_count + 1):
        other = replace(header, leaf_count=wrong)
        assert other.root != header.root
        assert code_of(verify_index, other, whole) == "INDEX_INCOMPLETE"
    assert code_of(verify_index, header, whole[:-1]) == "INDEX_INCOMPLETE"
    swapped = [whole[1], whole[0], *whole[2:]]
    assert code_of(verify_index, header, swapped) == "INDEX_INCOMPLETE"


def test_another_bucket_is_no_answer(code_of: Callable[..., str]) -> None:
    """A right bucket of another number proves nothing about this person."""
    buckets, header, answer = made()
    tag = tag_of(LISTED[0])
    own = bucket_number(tag.loc, header.bits)
    other = prove_bucket(
        build_index(buckets, key_epoch=1, version=3, cut_block=99), buckets[own ^ 1]
    )
    assert code_of(look_in, other, tag) == "BUCKET_OTHER"
    assert code_of(look_in, answer(tag), replace(tag, key_epoch=2)) == "LOOKUP_EPOCHS_DIFFER"


def test_every_changed_byte_of_an_answer_is_found() -> None:
    """Bucket, path and header: no byte changes without a refusal or another root."""
    _, header, answer = made(200)
    tag = tag_of(LISTED[2])
    proof = answer(tag)
    for place in range(0, len(proof.bucket), 97):
        changed = bytearray(proof.bucket)
        changed[place] ^= 1
        with pytest.raises(KanheError):
            look_in(replace(proof, bucket=bytes(changed)), tag)
    for at, word in enumerate(proof.path):
        path = (*proof.path[:at], bytes([word[0] ^ 1]) + word[1:], *proof.path[at + 1 :])
        with pytest.raises(KanheError):
            look_in(replace(proof, path=path), tag)
    fields = ("key_epoch", "version", "cut_block", "bits", "leaf_count", "largest")
    for field in fields:
        assert replace(header, **{field: getattr(header, field) + 1}).root != header.root


def test_records_in_another_form_are_refused(code_of: Callable[..., str]) -> None:
    """Unsorted, foreign or unpadded records are no bucket."""
    pairs = filler(2)
    records = tuple(sorted(record for _, record in pairs))
    for wrong in [records[::-1], (b"\x02" + records[0][1:],)]:
        assert code_of(read_bucket, Bucket(0, wrong).encode(3), 3) == "BUCKET_MALFORMED"
    encoded = Bucket(0, records).encode(3)
    for bad in (encoded[:-1] + b"\x01", encoded[:-1], encoded + b"\x00"):
        assert code_of(read_bucket, bad, 3) == "BUCKET_MALFORMED"
    assert code_of(read_bucket, encoded, 1 << 20) == "BUCKET_MALFORMED"
    # Two entries may show one record: whoever reads a bucket can, and stops no index by it.
    (twice,) = make_buckets([pairs[0], pairs[0]])
    assert read_bucket(twice.encode(3), 3) == twice


def test_enumerating_identifiers_against_a_replica_matches_nothing() -> None:
    """No plain or salt-free hash of any identifier of a county's years stands in a replica."""
    buckets, header, _ = made(500)
    replica = b"".join(bucket.encode(header.largest) for bucket in buckets)
    windows = {replica[at : at + 8] for at in range(len(replica) - 8)} - {bytes(8)}
    people = (
        f"990000{year}{day:04d}{serial:03d}"
        for year in range(1978, 1983)
        for day in (101,)
        for serial in range(1_000)
    )
    hashes = (hashlib.md5, hashlib.sha1, hashlib.sha256, hashlib.sha512)
    for body in people:
        value = body + ric.calc_check_digit(body + "0")
        for text in (value, f"CN-RID|{value}"):
            for name in hashes:
                assert name(text.encode()).digest()[:8] not in windows
    guess = Tag(hashlib.sha512(LISTED[0].prf_input).digest(), 1)
    assert guess.leaf(make_listing(0).entry_id)[:8] not in windows
    assert tag_of(LISTED[0]).leaf(make_listing(0).entry_id)[:8] in windows
