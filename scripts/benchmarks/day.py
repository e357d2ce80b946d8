"""A business day end to end: files imported to results attested, and the T+0 latency.

Everything is real: the embedded chain mining every quarter second, two institutions' nodes, each
with its database in a process of its own as in production, sealing, matching and signatures, all
on this machine's cores. The wait for finality (12 blocks, 3 s) is part of what is measured, as it
is part of what a desk waits for.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from devnet.network import (
    BANK,
    CLEARING,
    SETTLE_TIMEOUT_S,
    STEP_PAUSE_S,
    Network,
    Offer,
    build_network,
    open_agreements,
)
from devnet.scenario import make_scenario, write_scenario
from devnet.story import DayBooks, Relation, agree_on
from node.bootstrap import Node, open_node
from reconcile.model import AgreementKind, Entry, Side
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


# --------------------------------------------------------------- one node, one process
@dataclass(frozen=True)
class _Seat:
    """One side of an agreement: what its process opens and works on."""

    home: Path
    passphrase: str
    agreement: bytes
    window: int
    side: Side
    file: Path
    entries: tuple[Entry, ...]


def _until(node: Node, done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SETTLE_TIMEOUT_S
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError("the day came to no end")
        if node.step().idle:
            time.sleep(STEP_PAUSE_S)


def _work(seat: _Seat, pipe: Connection) -> None:
    """Answer `day` and `(first, last)` of the entries until None comes; each answer is CPU s."""
    node = open_node(seat.home, passphrase=seat.passphrase)
    try:
        pipe.send(peak_mb())
        while pipe.poll(0) or _step(node):
            if not pipe.poll(0):
                continue
            task = pipe.recv()
            if task is None:
                return
            began = time.process_time()
            _day(node, seat) if task == "day" else _some(node, seat, *task)
            pipe.send(time.process_time() - began)
    finally:
        node.close()


def _step(node: Node) -> bool:
    if node.step().idle:
        time.sleep(STEP_PAUSE_S)
    return True


def _day(node: Node, seat: _Seat) -> None:
    """Import, close, attest; done when the ledger holds both attestations."""
    node.posting.import_file(seat.agreement, seat.file, window=seat.window)
    node.posting.close_window(seat.agreement, seat.window)
    _until(node, lambda: _state(node, seat) in {"PROVEN", "AWAITING_US"})
    node.reconciliation.attest(seat.agreement, seat.window)
    _until(node, lambda: _state(node, seat) in {"AGREED", "DIFFERS"})


def _state(node: Node, seat: _Seat) -> str:
    return node.reconciliation.window_status(seat.agreement, seat.window).state


def _some(node: Node, seat: _Seat, first: int, last: int) -> None:
    """Post some entries; done when as many of both sides are in a provisional match here."""
    node.posting.queue_entries(
        seat.agreement, seat.entries[first:last], window=seat.window, source="trickle"
    )

    def matched() -> bool:
        found = node.reconciliation.window_status(seat.agreement, seat.window)
        return min(found.servicer_entries, found.owner_entries) >= last

    _until(node, matched)


@contextmanager
def _apart(network: Network, relation: Relation) -> Iterator[list[Any]]:
    """Move both nodes of a relation into processes of their own; yields a pipe to each."""
    books = relation.days[0]
    passphrase = (network.folder / "passphrase").read_text(encoding="utf-8")
    entries = make_scenario(7, TRICKLE_ROUNDS * TRICKLE_ENTRIES, kind=relation.kind).days[0]
    context = multiprocessing.get_context("spawn")
    slugs = (relation.servicer, relation.owner)
    pipes, workers = [], []
    for side in Side:
        network.nodes.pop(slugs[side]).close()
        seat = _Seat(
            network.folder / slugs[side],
            passphrase,
            relation.agreement,
            books.window,
            side,
            books.files[side],
            tuple((entries.servicer, entries.owner)[side].entries),
        )
        ours, theirs = context.Pipe()
        worker = context.Process(target=_work, args=(seat, theirs), daemon=True)
        worker.start()
        pipes.append(ours)
        workers.append(worker)
    for pipe in pipes:
        pipe.recv()
    try:
        yield pipes
    finally:
        for pipe in pipes:
            pipe.send(None)
        for worker in workers:
            worker.join(timeout=SETTLE_TIMEOUT_S)
        for slug in slugs:
            network.nodes[slug] = open_node(network.folder / slug, passphrase=passphrase)


def _both(pipes: list[Any], task: object) -> tuple[float, list[float]]:
    """Give both nodes a task at once; return how long until both are done, and their CPU s."""
    start = time.perf_counter()
    for pipe in pipes:
        pipe.send(task)
    cpu = [pipe.recv() for pipe in pipes]
    return time.perf_counter() - start, cpu


# ------------------------------------------------------------------------ what is measured
def _whole_day(network: Network, folder: Path, entries: int) -> Measurement:
    relation = _relation(network, folder, entries, "throughput")
    with _apart(network, relation) as pipes:
        spent, cpu = _both(pipes, "day")
    done = Measurement("file to attested", 2 * entries, [spent], peak_mb=peak_mb())
    done.extra = {
        "aim": "10,000 entries/s",
        "reached": f"{2 * entries / spent:,.0f} entries/s",
        "CPU s of the nodes": [round(item, 2) for item in cpu],
        "entries per CPU s": f"{2 * entries / sum(cpu):,.0f}",
    }
    return done


def _trickle(network: Network, folder: Path) -> Measurement:
    """Post a few entries at a time from both sides; latency ends at both provisional matches."""
    relation = _relation(network, folder, TRICKLE_ROUNDS * TRICKLE_ENTRIES, "latency")
    runs = []
    with _apart(network, relation) as pipes:
        for number in range(TRICKLE_ROUNDS):
            part = (number * TRICKLE_ENTRIES, (number + 1) * TRICKLE_ENTRIES)
            runs.append(_both(pipes, part)[0])
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
