from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from listed_people import digest, make_listing, make_record, number_of, person_of, tag_of
from stdnum.cn import ric

from node.crypto.oprf import group, modes, shamir
from node.crypto.oprf.modes import Mode
from node.replica import Cut, Removal, Replica, Sent, segments, store
from node.screening.derivation import Tag
from node.screening.identifiers import IdType, read_identifier
from node.screening.index import (
    bucket_number,
    build_index,
    look_in,
    make_buckets,
    record_leaf,
    verify_bucket,
    verify_index,
)
from node.screening.records import RECORD_BYTES, seal_record
from reconcile.model import KanheError, OutsideError

LISTED = [person_of(serial) for serial in range(3)]


def filler(count: int, begin: int = 0) -> list[Sent]:
    """Return records of strangers."""
    body = digest("body") * 32
    return [
        Sent(
            digest(f"entry {n}"),
            digest(f"loc {n}"),
            b"\x01" + digest(f"leaf {n}") + body[: RECORD_BYTES - 33],
        )
        for n in range(begin, begin + count)
    ]


def own() -> list[Sent]:
    """Return the records of `LISTED`."""
    return [
        Sent(digest(f"own {n}"), tag.loc, seal_record(tag, make_record(person, make_listing(n))))
        for n, (person, tag) in enumerate((one, tag_of(one)) for one in LISTED)
    ]


def cut(leaf_count: int, version: int = 1, key_epoch: int = 1) -> Cut:
    """Return a cut."""
    return Cut(key_epoch, version, 90 + version, leaf_count)


def made(folder: Path, items: list[Sent]) -> Replica:
    """Return a replica that serves version 1."""
    replica = Replica(folder)
    replica.take(1, items)
    replica.build(cut(len(items)))
    replica.serve(1, 1)
    return replica


def code_of(call: Callable[..., object], *arguments: object, **options: object) -> str:
    """Return the code of the refusal that a call ends in."""
    with pytest.raises(KanheError) as caught:
        call(*arguments, **options)
    return caught.value.code


@pytest.mark.parametrize("count", [0, 5, 300])
def test_it_is_the_index_that_is_built_in_memory(
    tmp_path: Path, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many batches in any order, merged in several rounds, give the root of the pure builder."""
    monkeypatch.setattr(segments, "MAX_FAN_IN", 3)
    items = filler(count)
    replica = Replica(tmp_path)
    random.Random(count).shuffle(items)
    for at in range(0, count, 23):
        replica.take(1, items[at : at + 23])
    built = replica.build(cut(count))
    pairs = [(item.loc, item.record) for item in items]
    pure = build_index(make_buckets(pairs), key_epoch=1, version=1, cut_block=91)
    assert built.header == pure.header
    version = replica.open(1, 1)
    proofs = [version.prove(number) for number in range(1 << built.header.bits)]
    verify_index(built.header, [proof.bucket for proof in proofs])
    assert [proof.path for proof in proofs] == [pure.path(n) for n in range(len(proofs))]
    assert code_of(version.prove, len(proofs)) == "BUCKET_UNKNOWN"


def test_a_hit_is_found_and_an_absence_proven(tmp_path: Path) -> None:
    """Both answers have the same shape; who is not listed is proven absent as of the cut."""
    version = made(tmp_path, own() + filler(400)).open_current()
    shapes = set()
    for person, found in [*((one, 1) for one in LISTED), (person_of(77), 0)]:
        tag = tag_of(person)
        proof = version.prove(bucket_number(tag.loc, version.header.bits))
        assert len(look_in(proof, tag)) == found
        shapes.add((len(proof.bucket), len(proof.path)))
    assert len(shapes) == 1


def test_the_next_version_goes_on_from_the_last(tmp_path: Path) -> None:
    """Added, taken out, sealed anew, sent twice: what changed is merged, the count is right."""
    items = filler(200)
    replica = made(tmp_path, items)
    replica.prune()
    gone, anew = items[3], items[4]
    fresh = Sent(anew.entry, anew.loc, anew.record[:33] + digest("fresh") * 30 + bytes(7))
    replica.take(1, [Removal(gone.entry, gone.loc, record_leaf(gone.record)), fresh])
    replica.take(1, filler(50, begin=200))
    replica.take(1, filler(50, begin=200))
    replica.build(cut(249, version=2))
    replica.serve(1, 2)
    replica.prune()
    left = [*items[:3], fresh, *items[5:], *filler(50, begin=200)]
    pure = make_buckets([(item.loc, item.record) for item in left])
    assert (
        replica.open_current().header
        == build_index(pure, key_epoch=1, version=2, cut_block=92).header
    )
    assert replica.last_batch(1) == 4


def test_an_entry_moves_its_own_record_alone(tmp_path: Path) -> None:
    """Whoever reads a bucket knows its leaves: shown again under another entry they change nothing.

    They stand beside the record, here and in another bucket, so that the count is the ledger's.
    """
    items = [*own(), *filler(130)]
    replica = made(tmp_path, items)
    target, other = items[0], items[1]
    leaf, thief = record_leaf(target.record), digest("thief")
    replica.take(1, [Removal(thief, target.loc, leaf)])
    torn = Sent(thief, target.loc, target.record[:33] + bytes(RECORD_BYTES - 33))
    copy = Sent(digest("copy"), target.loc, target.record)
    away = Sent(digest("away"), digest("elsewhere"), target.record)
    replica.take(1, [torn, copy, away])
    replica.take(1, [Removal(other.entry, digest("never"), record_leaf(other.record))])
    built = replica.build(cut(136, version=2))
    pure = make_buckets([(item.loc, item.record) for item in [*items, torn, copy, away]])
    assert (
        built.header.tree_root
        == build_index(pure, key_epoch=1, version=2, cut_block=92).header.tree_root
    )
    tag = tag_of(LISTED[0])
    proof = replica.open(1, 2).prove(bucket_number(tag.loc, built.header.bits))
    false: list[KanheError] = []
    assert len(look_in(proof, tag, false)) == 1, "the copy is the same record"
    assert false == [], "the torn one is addressed to nobody"
    replica.take(1, [Removal(item.entry, item.loc, leaf) for item in (torn, copy, away)])
    assert replica.build(cut(133, version=3)).header.leaf_count == 133


def test_another_count_than_the_ledgers_is_no_version(tmp_path: Path) -> None:
    """A record that is missing, or was not taken out, is seen before anything is signed."""
    replica = made(tmp_path, filler(10))
    assert code_of(replica.build, cut(11, version=2)) == "INDEX_COUNT_DIFFERS"
    assert replica.versions(1) == [1]
    replica.take(1, filler(1, begin=10))
    replica.build(cut(11, version=2))
    # A root that was challenged is built again, up to the batch before its cut.
    assert replica.build(cut(10, version=2), through=1).header.leaf_count == 10
    replica.serve(1, 2)
    assert code_of(replica.build, cut(11, version=2)) == "VERSION_SERVED"


class Killed(BaseException):
    """Stands for the end of the process: nothing handles it."""


class Killer:
    """Ends the process at the n-th of the calls that change what is on the disk."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
        self.left = at
        self.reached = False
        for place, name in [(os, "fsync"), (Path, "replace"), (Path, "unlink"), (os, "pread")]:
            monkeypatch.setattr(place, name, self.wrap(getattr(place, name)))
        real = store._remove
        # What is dead cleans nothing up.
        monkeypatch.setattr(store, "_remove", lambda folder: self.reached or real(folder))

    def wrap(self, real: Callable[..., object]) -> Callable[..., object]:
        """Count the calls of one function."""

        def call(*arguments: object, **options: object) -> object:
            if self.reached:
                # `suppress` and `finally` of a dead process do nothing either.
                return None
            self.left -= 1
            if self.left < 0:
                self.reached = True
                raise Killed
            return real(*arguments, **options)

        return call


def test_a_crash_while_building_leaves_the_old_version_served(tmp_path: Path) -> None:
    """Killed at each write, sync, rename and read: version 1 is served, and 2 can be built."""
    replica = made(tmp_path, own() + filler(150))
    replica.take(1, filler(30, begin=150))
    header = replica.open_current().header
    for at in range(200):
        with pytest.MonkeyPatch.context() as patch:
            Killer(patch, at)
            try:
                replica.build(cut(183, version=2))
                replica.serve(1, 2)
            except Killed:
                pass
        again = Replica(tmp_path)
        served = again.current()
        assert served in {(1, 1), (1, 2)}
        version = again.open_current()
        if served == (1, 1):
            assert version.header == header
        tag = tag_of(LISTED[0])
        assert look_in(version.prove(bucket_number(tag.loc, version.header.bits)), tag)
        version.close()
        if served == (1, 2):
            break
    assert served == (1, 2)
    assert at > 8
    assert again.open_current().header.leaf_count == 183
    assert not [path for path in tmp_path.rglob("*") if "building" in path.name]


def test_a_crash_while_taking_keeps_the_batch_or_none_of_it(tmp_path: Path) -> None:
    """An uploader that got no answer sends it again; nothing is there twice."""
    for at in range(20):
        replica = Replica(tmp_path / str(at))
        with pytest.MonkeyPatch.context() as patch:
            killer = Killer(patch, at)
            with contextlib.suppress(Killed):
                replica.take(1, filler(20))
        replica.take(1, filler(20))
        assert replica.build(cut(20)).header.leaf_count == 20
        if not killer.reached:
            break
    assert at > 1


def test_a_full_disk_is_said_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No half version stays, and the one before is served on."""
    replica = made(tmp_path, filler(40))

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert code_of(replica.build, cut(40, version=2)) == "DISK_WRITE"
        assert code_of(replica.take, 1, filler(1, begin=90)) == "DISK_WRITE"
    assert replica.current() == (1, 1)
    assert replica.last_batch(1) == 1
    assert replica.versions(1) == [1]
    assert not list(tmp_path.rglob("*.aside"))


@pytest.mark.parametrize("name", ["rows.dat", "leaves.dat", "starts.dat", "header.json"])
def test_a_damaged_version_serves_no_false_bucket(tmp_path: Path, name: str) -> None:
    """Any changed byte of a version is noticed when it is opened or when the bucket is asked."""
    replica = made(tmp_path, filler(150))
    path = tmp_path / "epoch-0000000001" / "versions" / "0000000001" / name
    whole = path.read_bytes()
    rng = random.Random(1)
    for at in rng.sample(range(len(whole)), min(len(whole), 25)):
        changed = bytearray(whole)
        changed[at] ^= 1 << rng.randrange(8)
        path.write_bytes(changed)
        try:
            version = replica.open_current()
            proofs = [version.prove(number) for number in range(1 << version.header.bits)]
        except OutsideError as error:
            assert error.code == "REPLICA_DAMAGED"  # noqa: PT017 - rows may also be the same
            continue
        # What no bucket holds (a row's number, the hash of the file) the next build notices.
        assert name == "rows.dat"
        for number, proof in enumerate(proofs):
            verify_bucket(proof, number)
        assert code_of(replica.build, cut(150, version=2)) == "REPLICA_DAMAGED"
    path.write_bytes(whole)
    assert replica.open_current().prove(0)


def test_a_damaged_batch_is_noticed_by_the_build(tmp_path: Path) -> None:
    """Its hash stands behind its rows; the version before stays."""
    replica = made(tmp_path, filler(20))
    replica.take(1, filler(20, begin=20))
    (path,) = (tmp_path / "epoch-0000000001" / "segments").glob("*-000000000002.seg")
    whole = bytearray(path.read_bytes())
    for data in (whole[:-1], whole[:-40], bytes([*whole[:500], whole[500] ^ 1, *whole[501:]])):
        path.write_bytes(data)
        assert code_of(replica.build, cut(40, version=2)) == "REPLICA_DAMAGED"
    assert replica.current() == (1, 1)
    path.write_bytes(whole)
    replica.build(cut(40, version=2))


def test_bad_batches_are_refused_whole(tmp_path: Path) -> None:
    """An empty one, a record of another size, no entry, and a second writer."""
    replica = Replica(tmp_path)
    (good,) = filler(1)
    for items, code in [
        ([], "REPLICA_BATCH"),
        ([good, Sent(good.entry, good.loc, good.record[:-1])], "REPLICA_RECORD"),
        ([good, Sent(good.entry, good.loc, b"\x02" + good.record[1:])], "REPLICA_RECORD"),
        ([Sent(good.entry, good.loc[:-1], good.record)], "REPLICA_RECORD"),
        ([Sent(good.entry[:-1], good.loc, good.record)], "REPLICA_RECORD"),
        ([Removal(good.entry, good.loc, b"")], "REPLICA_RECORD"),
    ]:
        assert code_of(replica.take, 1, items) == code
    assert replica.last_batch(1) == 0
    assert code_of(replica.open_current) == "INDEX_NONE"
    with replica._writing():
        assert code_of(Replica(tmp_path).take, 1, [good]) == "REPLICA_BUSY"


def test_a_reader_keeps_its_version_while_the_next_is_served(tmp_path: Path) -> None:
    """A lookup that began goes on over the old version; the old key epoch's files go."""
    items = filler(150)
    replica = made(tmp_path, items)
    version = replica.open_current()
    replica.take(2, items)
    replica.build(cut(150, version=2, key_epoch=2))
    replica.serve(2, 2)
    replica.prune()
    assert not (tmp_path / "epoch-0000000001").exists()
    assert verify_bucket(version.prove(1), 1).records
    assert replica.open_current().header.key_epoch == 2


def test_memory_does_not_grow_with_the_records(tmp_path: Path) -> None:
    """Four bytes a row and the tree stay; the records, a thousand bytes each, do not."""

    def peak(count: int) -> int:
        replica = Replica(tmp_path / str(count))
        for at in range(0, count, 1_000):
            replica.take(1, filler(1_000, begin=at))
        tracemalloc.start()
        replica.build(cut(count))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(6_000) - peak(2_000) < 4_000 * 250


def test_enumerating_identifiers_matches_nothing_in_a_replica(tmp_path: Path) -> None:
    """Hashes of every guess, and guesses under one share of the key, fit no leaf and no place."""
    polynomial = shamir.random_polynomial(1)
    shares = [shamir.share_of(polynomial, at) for at in (1, 2, 3)]

    def tag_under(secret: bytes, prf_input: bytes) -> Tag:
        scalar = group.scalar(secret, "key")
        return Tag(modes.evaluate_directly(Mode.VOPRF, scalar, prf_input), 1)

    items = []
    for n, person in enumerate(LISTED):
        tag = tag_under(polynomial[0], person.prf_input)
        record = seal_record(tag, make_record(person, make_listing(n)))
        items.append(Sent(digest(f"own {n}"), tag.loc, record))
    made(tmp_path, items + filler(200))
    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    windows = {everything[at : at + 8] for at in range(len(everything) - 7)}
    for serial in range(20_000):
        body = f"990000{1980 + serial // 9000:04d}{1 + serial // 900 % 10:02d}01{serial % 900:03d}"
        guess = (body + ric.calc_check_digit(f"{body}0")).encode()
        for data in (guess, b"CN-RID|" + guess):
            assert hashlib.sha256(data).digest()[:8] not in windows
            assert hashlib.md5(data, usedforsecurity=False).digest()[:8] not in windows
            assert data[-8:] not in windows
    listed = [read_identifier(IdType.CN_RID, number_of(n), allow_test=True) for n in range(3)]
    for person in listed:
        assert person.value.encode() not in everything
        for share in shares:
            tag = tag_under(share, person.prf_input)
            assert tag.loc[:8] not in windows
        # The same look under the whole key finds her: the search itself is no blank.
        assert tag_under(polynomial[0], person.prf_input).loc[:8] in windows
