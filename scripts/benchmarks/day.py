"""A business day end to end: files imported to results attested, and the T+0 latency.

Everything is real: the embedded chain mining every quarter second, two nodes with their databases,
sealing, matching and signatures, all in this one process on this machine's cores. The wait for
finality (12 blocks, 3 s) is part of what is measured, as it is part of what a desk waits for.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from devnet.network import BANK, CLEARING, Network, Offer, build_network, open_agreements
from devnet.scenario import make_scenario, write_scenario
from devnet.story import DayBooks, Relation, agree_on, close_day, import_day
from reconcile.model import AgreementKind
from scripts.bench import Measurement, peak_mb

DAY_ENTRIES = 20_000
TRICKLE_ROUNDS = 40
TRICKLE_ENTRIES = 5
BLOCK_TIME_MS = 250
AIM_EXTRA_MS = 250


def _quiet(_: str) -> None:
    return


def _relation(network: Network, folder: Path, entries: int, label: str) -> Relation:
    """Open an agreement and prepare one day's books of `entries` a side, mirrored."""
    kind = AgreementKind.CLEARING
    scenario = make_scenario(7, entries, kind=kind)
    write_scenario(scenario, folder)
    books = DayBooks(scenario.days[0].day, (folder / "servicer.csv", folder / "owner.csv"), None)
    relation = Relation(label, kind, CLEARING.slug, BANK.slug, scenario.terms, (books,))
    offer = Offer(kind, relation.servicer, relation.owner, scenario.terms, label)
    relation.agreement = open_agreements(network, [offer])[0]
    for node in relation.parties(network):
        node.posting.open_position(relation.agreement)
    agree_on(network, [(relation, 0)])
    return relation


def _whole_day(network: Network, folder: Path, entries: int) -> Measurement:
    relation = _relation(network, folder, entries, "throughput")
    books = relation.days[0]
    start = time.perf_counter()
    import_day(network, relation, books, _quiet)
    close_day(network, relation, books.window)
    agree_on(network, [(relation, books.window)])
    spent = time.perf_counter() - start
    done = Measurement("file to attested", 2 * entries, [spent], peak_mb=peak_mb())
    done.extra = {"aim": "10,000 entries/s", "reached": f"{2 * entries / spent:,.0f} entries/s"}
    return done


def _trickle(network: Network, folder: Path) -> Measurement:
    """Post a few entries at a time from both sides; latency ends at both provisional matches."""
    relation = _relation(network, folder, TRICKLE_ROUNDS * TRICKLE_ENTRIES, "latency")
    books = relation.days[0]
    scenario = make_scenario(7, TRICKLE_ROUNDS * TRICKLE_ENTRIES, kind=relation.kind)
    parties = relation.parties(network)
    day = scenario.days[0]
    runs = []
    for number in range(TRICKLE_ROUNDS):
        part = slice(number * TRICKLE_ENTRIES, (number + 1) * TRICKLE_ENTRIES)
        start = time.perf_counter()
        for node, book in zip(parties, (day.servicer, day.owner), strict=True):
            node.posting.queue_entries(
                relation.agreement, book.entries[part], window=books.window, source="trickle"
            )
        wanted = (number + 1) * TRICKLE_ENTRIES

        def matched(wanted: int = wanted) -> bool:
            return all(
                min(view.servicer_entries, view.owner_entries) >= wanted
                for view in (
                    node.reconciliation.window_status(relation.agreement, books.window)
                    for node in parties
                )
            )

        network.until(matched, "both provisional matches")
        runs.append(time.perf_counter() - start)
    ordered = sorted(runs)
    done = Measurement("T+0 latency", 2 * TRICKLE_ENTRIES, runs, peak_mb=peak_mb())
    done.extra = {
        "p50 ms": round(1_000 * ordered[len(ordered) // 2]),
        "p99 ms": round(1_000 * ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]),
        "aim p99 ms": 2 * BLOCK_TIME_MS + AIM_EXTRA_MS,
    }
    return done


def bench_day(options: argparse.Namespace) -> list[Measurement]:
    """Measure throughput and latency on the embedded chain."""
    entries = min(DAY_ENTRIES, options.rows)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        network = build_network(folder / "net", say=_quiet, institutions=(BANK, CLEARING))
        try:
            return [
                _whole_day(network, folder / "day", entries),
                _trickle(network, folder / "trickle"),
            ]
        finally:
            network.close()
