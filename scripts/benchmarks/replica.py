"""The index at size: building a version, serving and verifying its buckets, proving absence.

The peer of building is SHA-256 over the padded buckets alone, which no builder can do without; that
of verifying, as often as the aim allows a proof to cost, so that a ratio below 1 is an aim reached.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from node.replica import Replica, Version
from node.replica.rows import leaf_of
from node.replica.segments import read_rows
from node.screening.index import bucket_number, look_in, verify_bucket
from scripts.bench import Measurement, compare, timed
from scripts.benchmarks.replica_builder import ROOT, SEALED, person_of, tag_of

PROGRAM: Final = ROOT / "scripts" / "benchmarks" / "replica_builder.py"
PROOFS: Final = 500
#: At least 500 proofs a second.
AIM_S: Final = PROOFS / 500
AIM_BUCKET_BYTES: Final = 200_000
ENUMERATED: Final = 1_000_000
ANSWER_TIMEOUT_S: Final = 600


def _start(folder: Path, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), str(folder), str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _answer(child: subprocess.Popen[str]) -> dict[str, Any]:
    assert child.stdout is not None
    line = child.stdout.readline()
    if not line:
        raise RuntimeError("the builder ended before it answered")
    answer: dict[str, Any] = json.loads(line)
    return answer


def bench_replica(options: argparse.Namespace) -> list[Measurement]:
    """Measure a version of `--index-rows` listings."""
    count: int = options.index_rows
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with _start(folder, count) as filling:
            filled = _answer(filling)
        results = [_building(folder, count, options.runs)]
        results[0].extra["peak MB while records come"] = filled["filled_peak_mb"]
        replica = Replica(folder)
        replica.serve(1, 1)
        version = replica.open_current()
        results += _proofs(version, count, options.runs)
        results[-1].extra |= _enumerate(folder)
        version.close()
    return results


def _building(folder: Path, count: int, runs: int) -> Measurement:
    with _start(folder, count) as child:
        assert child.stdin is not None
        ready = _answer(child)
        mine, theirs, found = [], [], {}
        for _ in range(runs):
            child.stdin.write("\n")
            child.stdin.flush()
            found = _answer(child)
            mine.append(found["seconds"])
            padded = bytes(6 + found["largest"] * 1_000)
            buckets = 1 << found["bits"]
            theirs.append(timed(lambda: _hash(padded, buckets)))  # noqa: B023 - called at once
        child.stdin.close()
        child.wait(ANSWER_TIMEOUT_S)
    size = 6 + found["largest"] * 1_000
    done = Measurement(
        f"index of {count:,} built", count, mine, "SHA-256 of its buckets", theirs, found["peak_mb"]
    )
    done.extra = {
        "peak MB before the build": ready["ready"],
        "buckets": 1 << found["bits"],
        "bucket bytes": size,
        f"below {AIM_BUCKET_BYTES:,}": size < AIM_BUCKET_BYTES,
    }
    return done


def _hash(data: bytes, times: int) -> None:
    for _ in range(times):
        hashlib.sha256(data).digest()


def _proofs(version: Version, count: int, runs: int) -> list[Measurement]:
    buckets = 1 << version.header.bits
    numbers = [at * 2_654_435_761 % buckets for at in range(PROOFS)]
    proofs = [version.prove(number) for number in numbers]
    absent = tag_of(person_of(SEALED + 1))
    tags = [tag_of(person_of(serial)) for serial in range(SEALED)]
    own = [version.prove(bucket_number(tag.loc, version.header.bits)) for tag in tags]
    nobody = version.prove(bucket_number(absent.loc, version.header.bits))

    def verify() -> None:
        for number, proof in zip(numbers, proofs, strict=True):
            verify_bucket(proof, number)

    def serve() -> None:
        for number in numbers:
            version.prove(number)

    def hits() -> None:
        assert all(len(look_in(proof, tag)) == 1 for proof, tag in zip(own, tags, strict=True))

    def absences() -> None:
        assert not any(look_in(nobody, absent) for _ in range(SEALED))

    def hashes() -> None:
        for proof in proofs:
            hashlib.sha256(proof.bucket).digest()

    peer = "SHA-256 of them"
    results = [
        compare("bucket proofs verified", PROOFS, verify, peer, hashes, runs=runs),
        compare("bucket proofs served", PROOFS, serve, peer, hashes, runs=runs),
        compare("absences proven", SEALED, absences, "hits found", hits, runs=runs),
    ]
    rate = round(PROOFS / sorted(results[0].runs)[len(results[0].runs) // 2])
    results[0].extra = {"proofs/s": rate, "aim reached (500/s)": rate >= PROOFS / AIM_S}
    results[0].extra["path length"] = len(proofs[0].path)
    results[0].extra["entries"] = count
    return results


def _enumerate(folder: Path) -> dict[str, object]:
    """Hash a million identifiers as lists are hashed today, against all that the replica holds."""
    (rows,) = folder.rglob("rows.dat")
    prefixes = bytearray()
    for row in read_rows(rows):
        prefixes += row[:8] + leaf_of(row)[:8]
    held = pa.Array.from_buffers(pa.uint64(), len(prefixes) // 8, [None, pa.py_buffer(prefixes)])
    guesses = bytearray()
    for serial in range(ENUMERATED):
        plain = b"99%04d1980%02d%02d%04d" % (
            serial % 10_000,
            1 + serial % 12,
            1 + serial % 28,
            serial // 100 % 10_000,
        )
        for data in (plain, b"CN-RID|" + plain):
            guesses += hashlib.sha256(data).digest()[:8]
    tried = pa.Array.from_buffers(pa.uint64(), len(guesses) // 8, [None, pa.py_buffer(guesses)])
    matches = pc.sum(pc.is_in(tried, value_set=held)).as_py()
    # The same search finds every listed person once T is known: it is no blank.
    places = b"".join(tag_of(person_of(serial)).loc[:8] for serial in range(SEALED))
    known = pa.Array.from_buffers(pa.uint64(), SEALED, [None, pa.py_buffer(places)])
    found = pc.sum(pc.is_in(known, value_set=held)).as_py()
    return {
        f"matches of {ENUMERATED:,} enumerated identifiers": matches,
        f"matches of the {SEALED} listed, by T": found,
    }
