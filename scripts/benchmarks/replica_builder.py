"""Fills a replica and builds its index in a process of its own, so that its peak memory is its own.

As a program: `replica_builder.py FOLDER COUNT`; it answers with a line of JSON when the records are
on the disk, and one for each line of input: seconds of a build, peak memory, the largest bucket.
What is filled in are records of random bytes, as sealed ones look, but for a few sealed ones.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "tests" / "node" / "screening"))

from listed_people import make_listing, make_record, person_of, tag_of  # noqa: E402 - after the path

from node.replica import Cut, Replica, Sent  # noqa: E402
from node.screening.records import RECORD_BYTES, seal_record  # noqa: E402

BATCH: Final = 16_000
SEALED: Final = 100
_EACH: Final = 32 + RECORD_BYTES - 1


def fill(replica: Replica, count: int) -> None:
    """Take `count` records in batches."""
    tags = [tag_of(person_of(serial)) for serial in range(SEALED)]
    sealed = [
        Sent(
            make_listing(at).entry_id,
            tag.loc,
            seal_record(tag, make_record(person_of(at), make_listing(at))),
        )
        for at, tag in enumerate(tags)
    ]
    replica.take(1, sealed)
    for begin in range(SEALED, count, BATCH):
        size = min(BATCH, count - begin)
        noise = os.urandom(size * _EACH)
        parts = (noise[at : at + _EACH] for at in range(0, len(noise), _EACH))
        # Who stands behind an entry does not matter here: its first bytes serve for its id.
        items = [Sent(part[-32:], part[:32], b"\x01" + part[32:]) for part in parts]
        replica.take(1, items)


def _say(body: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(body) + "\n")
    sys.stdout.flush()


def _peak_mb() -> int:
    """Return the peak since this program began: Linux hands `ru_maxrss` down from the parent."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024**2


def main() -> None:
    """Fill, then build as often as asked."""
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    replica = Replica(folder)
    if not replica.last_batch(1):
        fill(replica, count)
        _say({"filled_peak_mb": _peak_mb()})
        return
    _say({"ready": _peak_mb()})
    for _ in sys.stdin:
        start = time.perf_counter()
        built = replica.build(Cut(1, 1, 1, count))
        _say(
            {
                "seconds": time.perf_counter() - start,
                "peak_mb": _peak_mb(),
                "bits": built.header.bits,
                "largest": built.header.largest,
            }
        )


if __name__ == "__main__":
    main()
