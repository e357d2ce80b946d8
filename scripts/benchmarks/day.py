"""A business day end to end: files imported to results attested, and the T+0 latency.

Everything is real: the embedded chain mining every quarter second, two institutions' nodes, each
with its database in a process of its own as in production, sealing, matching and signatures, all
on this machine's cores. The wait for finality (12 blocks, 3 s) is part of what is measured, as it
is part of what a desk waits for. A small day warms both nodes up; its figures are not used.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec

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
from node.services.reconciliation.views import PROVISIONAL
from reconcile.model import AgreementKind, Entry, Side
from reconcile.statements import read_statement
from scripts.bench import Measurement, peak_mb

DAY_ENTRIES = 40_000
WARM_UP_ENTRIES = 1_000
# Entries of both sides that stand in the window when the latency of a day's end is measured.
END_OF_DAY_ENTRIES = 50_000
TRICKLE_ROUNDS = 40
TRICKLE_ENTRIES = 5
# Rounds whose time is not used: the first ones also open what the later ones find open.
TRICKLE_WARM_UP = 3
# A busy machine ends after so long, with as many rounds as there were, but never fewer than these.
TRICKLE_S = 60.0
TRICKLE_LEAST = 10
BLOCK_TIME_MS = 250
AIM_EXTRA_MS = 250
KIND = AgreementKind.CLEARING


def _quiet(_: str) -> None:
    return


@dataclass(frozen=True)
class _Day:
    """One agreement's day to measure: its books, and entries to trickle in beside them."""

    label: str
    entries: int
    seed: int


def _relations(network: Network, folder: Path, days: Sequence[_Day]) -> list[Relation]:
    """Open an agreement for each day, with its opening position agreed, and write its books."""
    relations = []
    for day in days:
        scenario = make_scenario(day.seed, day.entries, kind=KIND)
        write_scenario(scenario, folder / day.label)
        files = (folder / day.label / "servicer.csv", folder / day.label / "owner.csv")
        books = DayBooks(scenario.days[0].day, files, None)
        relations.append(
            Relation(day.label, KIND, CLEARING.slug, BANK.slug, scenario.terms, (books,))
        )
    offers = [Offer(KIND, item.servicer, item.owner, item.terms, item.label) for item in relations]
    for relation, agreement in zip(relations, open_agreements(network, offers), strict=True):
        relation.agreement = agreement
        for node in relation.parties(network):
            node.posting.open_position(agreement)
    agree_on(network, [(relation, 0) for relation in relations])
    return relations


# --------------------------------------------------------------- one node, one process
@dataclass(frozen=True)
class _Work:
    """One side of one agreement: what its process works on."""

    agreement: bytes
    window: int
    side: Side
    file: Path


@dataclass(frozen=True)
class _Seat:
    """What one side's process opens, and all its work."""

    home: Path
    passphrase: str
    works: tuple[_Work, ...]
    trickle: tuple[Entry, ...]


def _until(node: Node, done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SETTLE_TIMEOUT_S
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError("the day came to no end")
        _step(node)


def _step(node: Node) -> None:
    if node.step().idle:
        time.sleep(STEP_PAUSE_S)


def _sit(seat: _Seat, pipe: Connection) -> None:
    """Do task after task (its name, the number of the work, more) until None; answer CPU s."""
    node = open_node(seat.home, passphrase=seat.passphrase)
    tasks = {"day": _day, "load": _load, "some": _some}
    try:
        pipe.send(peak_mb())
        while True:
            while not pipe.poll(0):
                _step(node)
            task = pipe.recv()
            if task is None:
                return
            name, number, *more = task
            began = time.process_time()
            tasks[name](node, seat, seat.works[number], *more)
            pipe.send((time.process_time() - began, peak_mb()))
    finally:
        node.close()


def _day(node: Node, _seat: _Seat, work: _Work) -> None:
    """Import, close, attest; done when the ledger holds both attestations."""
    node.posting.import_file(work.agreement, work.file, window=work.window)
    node.posting.close_window(work.agreement, work.window)
    _until(node, lambda: _state(node, work) in {"PROVEN", "AWAITING_US"})
    node.reconciliation.attest(work.agreement, work.window)
    _until(node, lambda: _state(node, work) in {"AGREED", "DIFFERS"})


def _state(node: Node, work: _Work) -> str:
    return node.reconciliation.window_status(work.agreement, work.window).state


def _load(node: Node, _seat: _Seat, work: _Work, counts: tuple[int, int]) -> None:
    """Import the books of a day that goes on; done when both sides' entries are matched here."""
    node.posting.import_file(work.agreement, work.file, window=work.window)
    _matched(node, work, counts)


def _some(
    node: Node, seat: _Seat, work: _Work, part: tuple[int, int], counts: tuple[int, int]
) -> None:
    """Post some entries; done when they and the other side's are in a provisional match here."""
    node.posting.queue_entries(
        work.agreement, seat.trickle[slice(*part)], window=work.window, source="trickle"
    )
    _matched(node, work, counts)


def _matched(node: Node, work: _Work, counts: tuple[int, int]) -> None:
    """Wait for a run that holds so many entries of each side."""

    def matched() -> bool:
        found = node.reconciliation.window_status(work.agreement, work.window)
        # Before the first run the status counts what was read, matched or not.
        enough = found.servicer_entries >= counts[0] and found.owner_entries >= counts[1]
        return enough and found.state == PROVISIONAL

    _until(node, matched)


@contextmanager
def _apart(
    network: Network, relations: Sequence[Relation], trickle: tuple[Sequence[Entry], ...]
) -> Iterator[list[Any]]:
    """Move both nodes into processes of their own; yields a pipe to each."""
    passphrase = (network.folder / "passphrase").read_text(encoding="utf-8")
    context = multiprocessing.get_context("spawn")
    slugs = (CLEARING.slug, BANK.slug)
    pipes, workers = [], []
    for side in Side:
        network.nodes.pop(slugs[side]).close()
        works = tuple(
            _Work(item.agreement, item.days[0].window, side, item.days[0].files[side])
            for item in relations
        )
        seat = _Seat(network.folder / slugs[side], passphrase, works, tuple(trickle[side]))
        ours, theirs = context.Pipe()
        worker = context.Process(target=_sit, args=(seat, theirs), daemon=True)
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


def _both(pipes: list[Any], *task: object) -> tuple[float, list[float], int]:
    """Give both nodes a task at once; return how long until both are done, CPU s, peak MB."""
    start = time.perf_counter()
    for pipe in pipes:
        pipe.send(task)
    answers = [pipe.recv() for pipe in pipes]
    spent = time.perf_counter() - start
    return spent, [cpu for cpu, _ in answers], max(peak for _, peak in answers)


# ------------------------------------------------------------------------ what is measured
def _whole_days(pipes: list[Any], numbers: Sequence[int], entries: int) -> Measurement:
    """Run one whole day after another."""
    spent, cpu, peaks = zip(*(_both(pipes, "day", number) for number in numbers), strict=True)
    done = Measurement("file to attested", 2 * entries, list(spent), peak_mb=max(peaks))
    done.extra = {
        "aim": "10,000 entries/s",
        "reached": f"{2 * entries / statistics.median(spent):,.0f} entries/s",
        "CPU s of the nodes": [[round(item, 2) for item in both] for both in cpu],
        "entries per CPU s": f"{2 * entries / statistics.median(map(sum, cpu)):,.0f}",
    }
    return done


def _trickle(pipes: list[Any], number: int, name: str, loaded: tuple[int, int]) -> Measurement:
    """Post a few entries at a time from both sides; latency ends at both provisional matches."""
    runs, cpu, peak = [], [], 0
    started = time.perf_counter()
    for turn in range(TRICKLE_WARM_UP + TRICKLE_ROUNDS):
        part = (turn * TRICKLE_ENTRIES, (turn + 1) * TRICKLE_ENTRIES)
        counts = (loaded[0] + part[1], loaded[1] + part[1])
        spent, both, peak = _both(pipes, "some", number, part, counts)
        runs.append(spent)
        cpu.append(sum(both))
        enough = len(runs) >= TRICKLE_WARM_UP + TRICKLE_LEAST
        if enough and time.perf_counter() - started > TRICKLE_S:
            break
    ordered = sorted(runs[TRICKLE_WARM_UP:])
    done = Measurement(name, 2 * TRICKLE_ENTRIES, runs[TRICKLE_WARM_UP:], peak_mb=peak)
    done.extra = {
        "rounds": len(ordered),
        "entries in the window": f"{sum(loaded):,}",
        "p50 ms": round(1_000 * ordered[len(ordered) // 2]),
        "p99 ms": round(1_000 * ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]),
        "aim p99 ms": 2 * BLOCK_TIME_MS + AIM_EXTRA_MS,
        "CPU ms of both nodes a round": round(1_000 * statistics.median(cpu)),
    }
    return done


def _trickle_entries() -> tuple[Sequence[Entry], ...]:
    """Return mirrored entries that stand in no other book, enough for both latencies."""
    wanted = (TRICKLE_WARM_UP + TRICKLE_ROUNDS) * TRICKLE_ENTRIES
    # A scenario's sides differ by its breaks: a half more on each is always enough.
    day = make_scenario(97, wanted + wanted // 2, kind=KIND).days[0]
    return tuple(
        [_apart_from_others(entry) for entry in statement.entries]
        for statement in (day.servicer, day.owner)
    )


def _apart_from_others(entry: Entry) -> Entry:
    """Return an entry under references that no book of the days holds."""
    references = tuple((carrier, f"T{text}") for carrier, text in entry.references)
    group = None if entry.group_ref is None else f"T{entry.group_ref}"
    return msgspec.structs.replace(
        entry, entry_ref=f"T{entry.entry_ref}", references=references, group_ref=group
    )


def _counts(relation: Relation) -> tuple[int, int]:
    """Return how many entries each of a day's books holds."""
    found = [
        sum(len(item.entries) for item in read_statement(path).statements)
        for path in relation.days[0].files
    ]
    return found[0], found[1]


def bench_day(options: argparse.Namespace) -> list[Measurement]:
    """Measure throughput and both latencies on the embedded chain."""
    entries = min(DAY_ENTRIES, options.rows)
    loaded = min(END_OF_DAY_ENTRIES // 2, options.rows)
    measured = [_Day(f"day-{n}", entries, 7 + n) for n in range(options.runs)]
    days = [
        _Day("warm-up", WARM_UP_ENTRIES, 5),
        *measured,
        _Day("morning", 10, 3),
        _Day("evening", loaded, 4),
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        network = build_network(folder / "net", say=_quiet, institutions=(BANK, CLEARING))
        try:
            relations = _relations(network, folder, days)
            evening = len(days) - 1
            counts = _counts(relations[evening])
            with _apart(network, relations, _trickle_entries()) as pipes:
                _both(pipes, "day", 0)
                results = [_whole_days(pipes, range(1, 1 + len(measured)), entries)]
                results.append(_trickle(pipes, evening - 1, "T+0 latency, morning", (0, 0)))
                _both(pipes, "load", evening, counts)
                results.append(_trickle(pipes, evening, "T+0 latency, evening", counts))
            return results
        finally:
            network.close()
