"""A lookup through three committee nodes over HTTP, beside the same cryptography in one process.

Chain, three nodes and reader share this machine: blind, two evaluations over mutual TLS with their
checks and commits, bucket, path, receipt made and verified. The peer is the pure protocol of one
lookup (`oprf`), so that the ratio says what network, database, checks and receipt cost on top.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from scripts.bench import Measurement, peak_mb
from scripts.benchmarks.oprf import deal, look_up

ROOT: Final = Path(__file__).resolve().parents[2]
LOOKUPS: Final = 100
WARM_UP: Final = 4
#: A day's allowance buys twenty; each day of the chain brings the next.
A_DAY: Final = 20
#: No member of the committee: every node is asked over HTTP.
READER: Final = 4
AIM_MS: Final = 50


def bench_lookups(options: argparse.Namespace) -> list[Measurement]:
    """Measure single lookups, one after the other; p50 and p99 in milliseconds."""
    del options
    tests = ROOT / "tests" / "node"
    sys.path[:0] = [str(ROOT), str(tests / "committee"), str(tests / "screening")]
    from committee_town import OUTSIDER, make_town
    from listed_people import person_of

    from devnet.local import EmbeddedChain
    from node.services.lookups import Found

    with tempfile.TemporaryDirectory() as folder, EmbeddedChain(block_time_s=0) as chain:
        town = make_town(Path(folder), chain)
        try:
            run = town.run()
            town.finish(run)
            town.begin(1)
            town.claim()
            town.list(OUTSIDER, 1)
            town.publish()
            service = town.node(READER).lookups
            terms = town.terms()
            lookups = [
                service.prepare(person_of(1 + number % 3), terms)
                for number in range(LOOKUPS + WARM_UP)
            ]
            for lookup in lookups:
                service.consent_by_institution(lookup)
            for _ in range(0, len(lookups), A_DAY):
                town.pass_s(86_400)
                town.claim()
                service.buy_tickets(A_DAY)
                town.settle()
            took = []
            begun = time.process_time()
            for lookup in lookups:
                start = time.perf_counter()
                (found,) = service.look_up([lookup])
                took.append(time.perf_counter() - start)
                assert isinstance(found, Found), found
            cpu_s = time.process_time() - begun
        finally:
            town.close()
    took = took[WARM_UP:]
    committee, holders = deal(2, 3)
    peer = []
    for _ in took:
        start = time.perf_counter()
        look_up(committee, holders, [b"CN-RID|990000198001010000"])
        peer.append(time.perf_counter() - start)
    ordered = sorted(took)
    p99 = ordered[min(len(ordered) - 1, round(0.99 * len(ordered)))]
    return [
        Measurement(
            "lookup through 3 nodes over HTTP",
            1,
            took,
            "its cryptography in one process",
            peer,
            peak_mb(),
            {
                "p50 ms": round(statistics.median(took) * 1_000, 1),
                "p99 ms": round(p99 * 1_000, 1),
                "CPU ms a lookup, reader and nodes together": round(
                    cpu_s / len(lookups) * 1_000, 1
                ),
                "aim, p99 ms": AIM_MS,
            },
        )
    ]
