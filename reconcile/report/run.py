"""One run from two books to a result: match, classify, prove, digest."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from reconcile.breaks import classify
from reconcile.canonical import digest_of
from reconcile.entries import EntryTable, places_where
from reconcile.matching import match
from reconcile.matching.groups import Groups
from reconcile.matching.run_input import Matched, RunInput
from reconcile.model import (
    ZERO32,
    AgreementKind,
    Break,
    CarriedItem,
    InvalidBatch,
    OpenResidual,
    Proposal,
    Side,
    WrittenOff,
)
from reconcile.report.document import break_json, proposal_json, report_document
from reconcile.report.groups import group_json
from reconcile.report.memory import no_collection
from reconcile.report.proof import BALANCE_KINDS, prove
from reconcile.report.settlement import clearing_lines, settlement_identities
from reconcile.report.totals import (
    CurrencyTotals,
    Identity,
    explained_by,
    flows_of,
    fresh_rows,
    in_transit,
)
from reconcile.sides import of_both
from reconcile.terms import terms_hash

# Holding the collector off pays only where many values are made.
MANY_ENTRIES = 20_000
NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Result:
    """A run's outcome. `report` is digested; everything else beside it follows from it.

    `carried`: open items by side (servicer, owner) for the next run. `timing_ms`: whole
    milliseconds by step; the only part that differs between two machines, and never digested.
    """

    report: dict[str, Any]
    digest: bytes
    groups: Groups
    proposals: tuple[Proposal, ...]
    breaks: tuple[Break, ...]
    complete: bool
    balance_proven: bool
    carried: tuple[tuple[CarriedItem, ...], tuple[CarriedItem, ...]]
    residuals: tuple[OpenResidual, ...]
    written_off: tuple[WrittenOff, ...]
    totals: tuple[CurrencyTotals, ...]
    identities: tuple[Identity, ...]
    matched: Matched
    timing_ms: dict[str, int]


def reconcile(
    run: RunInput,
    *,
    previous_agreed_digest: bytes = ZERO32,
    servicer_head: bytes | None = None,
    owner_head: bytes | None = None,
    terms_hashes: Iterable[bytes] | None = None,
    invalid_batches: Iterable[InvalidBatch] = (),
) -> Result:
    """Reconcile two books; the heads are those of the books unless given.

    `terms_hashes`: every terms hash in the run's range, in order; by default that of the run's
    terms. Raises InputError where a book contradicts itself.
    """
    heads = (
        run.servicer.head if servicer_head is None else servicer_head,
        run.owner.head if owner_head is None else owner_head,
    )
    hashes = (terms_hash(run.terms),) if terms_hashes is None else tuple(terms_hashes)
    many = len(run.servicer.entries) + len(run.owner.entries) >= MANY_ENTRIES
    with no_collection() if many else nullcontext():
        return _reconcile(run, previous_agreed_digest, heads, hashes, tuple(invalid_batches))


def _reconcile(
    run: RunInput,
    previous_agreed_digest: bytes,
    heads: tuple[bytes, bytes],
    terms_hashes: tuple[bytes, ...],
    invalid_batches: tuple[InvalidBatch, ...],
) -> Result:
    clock = [time.perf_counter_ns()]
    matched = match(run)
    clock.append(time.perf_counter_ns())
    found = tuple(item for item in classify(run, matched) if item.kind not in BALANCE_KINDS)
    fresh = (
        fresh_rows(run, Side.SERVICER, matched.entries[Side.SERVICER]),
        fresh_rows(run, Side.OWNER, matched.entries[Side.OWNER]),
    )
    moved = [_those(matched.entries[side], fresh[side]) for side in Side]
    explained = explained_by(
        found,
        ((item.currency, item.minor) for item in matched.residuals),
        ((item.currency, item.minor) for item in matched.written_off),
    )
    flows = of_both(lambda side: flows_of(moved[side]), sum(map(len, moved)), run.threads)
    proof = prove(run, flows, explained, in_transit(run), settlement_identities(moved))
    breaks = found + proof.breaks
    carried = (
        _carried(run, matched, found, Side.SERVICER),
        _carried(run, matched, found, Side.OWNER),
    )
    clearing = _clearing(run, matched, fresh, found)
    clock.append(time.perf_counter_ns())
    report = report_document(
        run,
        matched,
        breaks=breaks,
        carried=carried,
        totals=proof.totals,
        identities=proof.identities,
        clearing=clearing,
        complete=proof.complete,
        balance_proven=proof.balance_proven,
        previous_agreed_digest=previous_agreed_digest,
        heads=heads,
        terms_hashes=terms_hashes,
        invalid_batches=invalid_batches,
    )
    digest = digest_of(report)
    clock.append(time.perf_counter_ns())
    steps = ("match", "prove", "digest")
    spans = zip(steps, clock, clock[1:], strict=False)
    return Result(
        report=report,
        digest=digest,
        groups=matched.groups,
        proposals=matched.proposals,
        breaks=breaks,
        complete=proof.complete,
        balance_proven=proof.balance_proven,
        carried=carried,
        residuals=matched.residuals,
        written_off=matched.written_off,
        totals=proof.totals,
        identities=proof.identities,
        matched=matched,
        timing_ms={"parse": 0, **{name: (end - start) // NS_PER_MS for name, start, end in spans}},
    )


def _clearing(
    run: RunInput,
    matched: Matched,
    fresh: tuple[pa.Array, pa.Array],
    breaks: tuple[Break, ...],
) -> list[dict[str, Any]]:
    if run.kind is not AgreementKind.CLEARING:
        return []
    open_refs = (
        frozenset(ref for item in breaks for ref in item.servicer),
        frozenset(ref for item in breaks for ref in item.owner),
    )
    return clearing_lines(matched, fresh, open_refs)


def _those(entries: EntryTable, rows: pa.Array) -> EntryTable:
    return entries if pc.all(rows).as_py() else entries.take(places_where(rows))


def _carried(
    run: RunInput, matched: Matched, breaks: tuple[Break, ...], side: Side
) -> tuple[CarriedItem, ...]:
    """Return one side's open items in the total order, each with the key of its break."""
    named = {ref: item for item in breaks for ref in (item.servicer, item.owner)[side]}
    since = {item.entry.entry_ref: item.since_window for item in run.book(side).carried}
    items = []
    for entry in matched.open[side]:
        found = named.get(entry.entry_ref)
        # A VOID entry stands in no break: nothing of it is open, so nothing is carried.
        if found is not None:
            marks = tuple(str(mark) for mark in found.marks)
            window = since.get(entry.entry_ref, run.window)
            items.append(CarriedItem(entry, found.key, marks, window))
    return tuple(items)


def match_json(result: Result) -> dict[str, Any]:
    """Return what `kanhe match --json` writes (interfaces.md)."""
    return {
        "report": result.report,
        "report_digest": result.digest.hex(),
        "complete": result.complete,
        "balance_proven": result.balance_proven,
        "totals": result.report["totals"],
        "groups": [group_json(item) for item in result.groups],
        "proposals": [proposal_json(item) for item in result.proposals],
        "breaks": [break_json(item) for item in result.breaks],
        "timing_ms": result.timing_ms,
    }
