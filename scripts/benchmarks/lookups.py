"""A lookup through three committee nodes over HTTP, beside the same cryptography in one process.

Chain, three nodes (`kanhe run`, a process each) and reader share this machine: blind, two
evaluations over mutual TLS with their checks and commits, bucket, path, receipt made and verified.
The peer is the pure protocol of one lookup (`oprf`), so that the ratio says what network,
database, checks and receipt cost on top.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from scripts.bench import Measurement, peak_mb
from scripts.benchmarks.oprf import deal, look_up

if TYPE_CHECKING:
    from committee_town import Town

ROOT: Final = Path(__file__).resolve().parents[2]
LOOKUPS: Final = 100
WARM_UP: Final = 4
#: A day's allowance buys twenty; each day of the chain brings the next.
A_DAY: Final = 20
#: No member of the committee: every node is asked over HTTP.
READER: Final = 4
AIM_MS: Final = 50
START_S: Final = 60
KANHE: Final = "from node.cli import main; raise SystemExit(main())"


def bench_lookups(options: argparse.Namespace) -> list[Measurement]:
    """Measure single lookups, one after the other; p50 and p99 in milliseconds."""
    del options
    tests = ROOT / "tests" / "node"
    sys.path[:0] = [str(ROOT), str(tests / "committee"), str(tests / "screening")]
    from committee_town import make_town

    from devnet.local import EmbeddedChain
    from node.cli.homes import keep_for_good

    with tempfile.TemporaryDirectory() as folder, EmbeddedChain(block_time_s=0) as chain:
        town = make_town(Path(folder), chain)
        try:
            lookups = _prepared(town)
            with _apart(town) as nodes:
                # As a running node does at its first rest; the reader's runs in this process.
                keep_for_good()
                begun, theirs_s = time.process_time(), _cpu_s(nodes)
                took = [_timed_lookup(town, lookup) for lookup in lookups]
                cpu_s = time.process_time() - begun
                theirs_s = _cpu_s(nodes) - theirs_s
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
                "CPU ms a lookup, reader": round(cpu_s / len(lookups) * 1_000, 1),
                "CPU ms a lookup, three nodes with their turns": round(
                    theirs_s / len(lookups) * 1_000, 1
                ),
                "aim, p99 ms": AIM_MS,
            },
        )
    ]


def _prepared(town: Town) -> list[int]:
    """List a person, publish an index; prepare lookups, their consents and their tickets."""
    from committee_town import OUTSIDER
    from listed_people import person_of

    run = town.run()
    town.finish(run)
    town.begin(1)
    town.claim()
    town.list(OUTSIDER, 1)
    town.publish()
    service, terms = town.node(READER).lookups, town.terms()
    lookups = [
        service.prepare(person_of(1 + number % 3), terms) for number in range(LOOKUPS + WARM_UP)
    ]
    for lookup in lookups:
        service.consent_by_institution(lookup)
    for _ in range(0, len(lookups), A_DAY):
        town.pass_s(86_400)
        town.claim()
        service.buy_tickets(A_DAY)
        town.settle()
    return lookups


def _timed_lookup(town: Town, lookup: int) -> float:
    from node.services.lookups import Found

    start = time.perf_counter()
    (found,) = town.node(READER).lookups.look_up([lookup])
    took = time.perf_counter() - start
    assert isinstance(found, Found), found
    return took


@contextlib.contextmanager
def _apart(town: Town) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Run the committee's nodes as processes of their own, at the addresses they are known by."""
    from committee_town import COMMITTEE, PHRASE

    running: list[subprocess.Popen[bytes]] = []
    try:
        for member in COMMITTEE:
            town.stops.pop(member).set()
            town.threads.pop(member).join(20)
            node = town.nodes.pop(member)
            node.peers.close()
            node.close()
            port = int(town.urls[member].rsplit(":", 1)[1])
            told = {"KANHE_PASSPHRASE": PHRASE, "KANHE_PEER_PORT": str(port)}
            running.append(
                subprocess.Popen(
                    [sys.executable, "-c", KANHE, "run", "--home", str(town.folder / f"m{member}")],
                    env={**os.environ, **told, "PYTHONPATH": str(ROOT)},
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
            _await_port(port, running[-1])
        yield running
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(30)


def _await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"no node answers at port {port}")


def _cpu_s(processes: Sequence[subprocess.Popen[bytes]]) -> float:
    """Return the CPU time of running processes, 0 where the system does not show it."""
    ticks = 0
    for process in processes:
        with contextlib.suppress(OSError):
            stat = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii")
            # Behind the name, which may hold blanks: user and system time are fields 14 and 15.
            fields = stat.rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
