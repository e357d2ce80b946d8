"""A run becomes rows: counts kept, breaks paged, groups in blocks, reports with what they pin.

A window has at most one PROVISIONAL and one PROOF run; a new one replaces the old in one SQL
transaction. Only the newest provisional run of an agreement is kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from node.bulk import insert_rows
from node.runs import group_blocks, ref_blocks
from node.services.reconciliation.inputs import Prepared
from node.tables import (
    MatchRun,
    ReportRow,
    RunBreak,
    RunGroupBlock,
    RunProposal,
    RunRefBlock,
)
from reconcile.model import MAX_AMOUNT_MINOR, Break, Side
from reconcile.report import Result, canonical_json, group_json, proposal_json

PROVISIONAL: Final = "PROVISIONAL"
PROOF: Final = "PROOF"
COMPUTED: Final = "COMPUTED"
SUPERSEDED: Final = "SUPERSEDED"
GROUPS_FORMAT: Final = "json"
# Weaker bases come first: a run's basis is the weakest of its balances.
BASES: Final = ("DERIVED", "RUNNING", "STATED")


def store_run(
    session: Session,
    prepared: Prepared,
    result: Result,
    *,
    kind: str,
    latency_ms: int | None,
    now_ms: int,
) -> MatchRun:
    """Replace the agreement's run of this kind and window by a new one."""
    run = prepared.run
    stale = select(MatchRun.id).where(MatchRun.agreement == run.agreement, MatchRun.kind == kind)
    if kind == PROOF:
        stale = stale.where(MatchRun.window == run.window)
    _drop_runs(session, session.execute(stale).scalars())
    row = _run_row(prepared, result, kind=kind, latency_ms=latency_ms, now_ms=now_ms)
    session.add(row)
    session.flush()
    insert_rows(session, RunGroupBlock, group_blocks(row.id, result.groups))
    insert_rows(session, RunRefBlock, ref_blocks(row.id, result.groups, result.breaks))
    insert_rows(session, RunBreak, (_break_row(row.id, n, b) for n, b in enumerate(result.breaks)))
    insert_rows(
        session,
        RunProposal,
        (
            {
                "run_id": row.id,
                "proposal_key": item.key,
                "pass_name": item.pass_name,
                "servicer": list(item.servicer),
                "owner": list(item.owner),
                "servicer_count": item.servicer_count,
                "owner_count": item.owner_count,
                "reason": item.reason,
            }
            for item in result.proposals
        ),
    )
    return row


def promote_run(
    session: Session, run_id: int, prepared: Prepared, result: Result, *, now_ms: int
) -> bool:
    """Make a provisional run the proof that it turned out to be; False where it is gone.

    Both name the same result of the same rows, so that nothing of it is written again.
    """
    row = session.get(MatchRun, run_id)
    same = row is not None and (row.agreement, row.window, row.digest) == (
        prepared.run.agreement,
        prepared.run.window,
        result.digest,
    )
    if row is None or not same or row.kind != PROVISIONAL:
        return False
    stale = select(MatchRun.id).where(
        MatchRun.agreement == row.agreement, MatchRun.window == row.window, MatchRun.kind == PROOF
    )
    _drop_runs(session, session.execute(stale).scalars())
    row.kind, row.run_at_ms = PROOF, now_ms
    return True


def _drop_runs(session: Session, ids: Iterable[int]) -> None:
    for run_id in list(ids):
        for table in (RunGroupBlock, RunRefBlock, RunBreak, RunProposal):
            session.execute(delete(table).where(table.run_id == run_id))
        session.execute(delete(MatchRun).where(MatchRun.id == run_id))


def _run_row(
    prepared: Prepared, result: Result, *, kind: str, latency_ms: int | None, now_ms: int
) -> MatchRun:
    run, matched = prepared.run, result.matched
    in_groups = [
        sum(len(group.servicer) for group in result.groups),
        sum(len(group.owner) for group in result.groups),
    ]
    open_counts = [len(matched.open[side]) for side in Side]
    report = result.report
    return MatchRun(
        agreement=run.agreement,
        window=run.window,
        kind=kind,
        previous_window=run.previous_window,
        servicer_seq=prepared.last_seqs[0],
        owner_seq=prepared.last_seqs[1],
        servicer_entries=in_groups[0] + open_counts[0],
        owner_entries=in_groups[1] + open_counts[1],
        servicer_matched=in_groups[0],
        owner_matched=in_groups[1],
        group_count=len(result.groups),
        proposal_count=len(result.proposals),
        break_count=len(result.breaks),
        breaks_by_kind=dict(sorted(Counter(str(item.kind) for item in result.breaks).items())),
        totals=report["totals"],
        identities=report["identities"],
        oldest_age_days=max((item.age_days for item in result.breaks), default=0),
        complete=result.complete,
        balance_proven=result.balance_proven,
        basis=_weakest(report["totals"]),
        digest=result.digest,
        timing_ms={name: str(value) for name, value in result.timing_ms.items()},
        latency_ms=latency_ms,
        run_at_ms=now_ms,
    )


def _weakest(totals: Iterable[Mapping[str, Any]]) -> str | None:
    bases = {
        row[side.word][name]
        for row in totals
        for side in Side
        for name in ("opening_basis", "closing_basis")
    }
    return next((basis for basis in BASES if basis in bases), None)


def _break_row(run_id: int, number: int, item: Break) -> dict[str, Any]:
    first = abs(item.signed[0][1]) if item.signed else 0
    return {
        "run_id": run_id,
        "number": number,
        "break_key": item.key,
        "kind": str(item.kind),
        "servicer": list(item.servicer),
        "owner": list(item.owner),
        "signed": [[code, str(minor)] for code, minor in item.signed],
        "sort_minor": min(first, MAX_AMOUNT_MINOR),
        "age_days": item.age_days,
        "marks": [str(mark) for mark in item.marks],
        "also": [str(kind) for kind in item.also],
        "proposals": [key.hex() for key in item.proposals],
        "merged_keys": [key.hex() for key in item.merged_keys],
    }


def store_report(session: Session, prepared: Prepared, result: Result, *, now_ms: int) -> ReportRow:
    """Keep a proof's report; one of the same digest stands already when a proof is repeated."""
    run = prepared.run
    standing = session.execute(
        select(ReportRow).where(
            ReportRow.agreement == run.agreement,
            ReportRow.window == run.window,
            ReportRow.digest == result.digest,
        )
    ).scalar_one_or_none()
    session.execute(
        update(ReportRow)
        .where(
            ReportRow.agreement == run.agreement,
            ReportRow.window == run.window,
            ReportRow.digest != result.digest,
            ReportRow.state.not_in(("AGREED", "ONE_SIDED")),
        )
        .values(state=SUPERSEDED)
    )
    if standing is not None:
        if standing.state == SUPERSEDED:
            standing.state = COMPUTED if standing.signature is None else "SIGNED"
        return standing
    row = ReportRow(
        agreement=run.agreement,
        window=run.window,
        previous_window=run.previous_window,
        digest=result.digest,
        previous_agreed_digest=prepared.previous_digest,
        servicer_head=prepared.heads[0],
        owner_head=prepared.heads[1],
        report=canonical_json(result.report),
        groups=msgspec.json.encode([group_json(item) for item in result.groups]),
        groups_format=GROUPS_FORMAT,
        proposals=msgspec.json.encode([proposal_json(item) for item in result.proposals]),
        carried=msgspec.json.encode(result.report["carried"]),
        complete=result.complete,
        balance_proven=result.balance_proven,
        state=COMPUTED,
        flags=0,
        computed_at_ms=now_ms,
    )
    session.add(row)
    session.flush()
    return row
