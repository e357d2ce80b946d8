"""A run becomes rows: counts kept, breaks paged, groups in blocks, reports with what they pin.

A window has at most one PROVISIONAL and one PROOF run; a new one replaces the old in one SQL
transaction. Only the newest provisional run of an agreement is kept. One that goes on is changed
where something moved.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

import msgspec
from sqlalchemy import delete, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from node.bulk import insert_rows
from node.runs import changed_group_blocks, group_blocks, next_ref_part, ref_blocks
from node.services.reconciliation.going_on import Going
from node.services.reconciliation.inputs import Prepared
from node.tables import (
    MatchRun,
    ReportRow,
    RunBreak,
    RunGroupBlock,
    RunProposal,
    RunRefBlock,
    RunRefPart,
)
from reconcile.model import MAX_AMOUNT_MINOR, Break, Proposal, Side
from reconcile.report import (
    Figures,
    Moved,
    Result,
    canonical_json,
    figures_of,
    group_json,
    proposal_json,
    totals_json,
)

PROVISIONAL: Final = "PROVISIONAL"
PROOF: Final = "PROOF"
COMPUTED: Final = "COMPUTED"
SUPERSEDED: Final = "SUPERSEDED"
GROUPS_FORMAT: Final = "json"
# Weaker bases come first: a run's basis is the weakest of its balances.
BASES: Final = ("DERIVED", "RUNNING", "STATED")
ROWS_AT_ONCE: Final = 500


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
    insert_rows(session, RunProposal, (_proposal_row(row.id, item) for item in result.proposals))
    return row


def row_of(session: Session, going: Going) -> MatchRun | None:
    """Return the row of a provisional run that goes on, None where another one stands."""
    # A database may give the number of a row that is gone to another one.
    return session.execute(
        select(MatchRun).where(
            MatchRun.id == going.run_id,
            MatchRun.agreement == going.prepared.run.agreement,
            MatchRun.kind == PROVISIONAL,
            MatchRun.run_at_ms == going.run_at_ms,
        )
    ).scalar_one_or_none()


def store_moved(
    session: Session,
    row: MatchRun,
    prepared: Prepared,
    moved: Moved,
    *,
    latency_ms: int | None,
    now_ms: int,
) -> None:
    """Change a provisional run where something moved; rows that stay as they are are not written.

    Its time moves too: by it the row is known to be the one that went on.
    """
    run_id = row.id
    _replace_groups(session, run_id, moved)
    _replace_some(session, RunBreak, RunBreak.number, run_id, moved.mended)
    insert_rows(session, RunBreak, (_break_row(run_id, n, b) for n, b in moved.broken.items()))
    _replace_some(session, RunProposal, RunProposal.proposal_key, run_id, moved.withdrawn)
    insert_rows(
        session, RunProposal, (_proposal_row(run_id, item) for item in moved.proposed.values())
    )
    if any(moved.went):
        part, rows = next_ref_part(session, run_id, moved.went)
        session.execute(
            delete(RunRefPart).where(RunRefPart.run_id == run_id, RunRefPart.part >= part)
        )
        insert_rows(session, RunRefPart, rows)
    columns = figure_columns(moved.figures) | {
        "servicer_seq": prepared.last_seqs[0],
        "owner_seq": prepared.last_seqs[1],
        "digest": None,
        "timing_ms": {},
        "latency_ms": latency_ms,
        "run_at_ms": now_ms,
    }
    for name, value in columns.items():
        setattr(row, name, value)


def _replace_groups(session: Session, run_id: int, moved: Moved) -> None:
    rows = changed_group_blocks(session, run_id, moved.formed, moved.dissolved)
    firsts = [row["first_number"] for row in rows]
    _replace_some(session, RunGroupBlock, RunGroupBlock.first_number, run_id, firsts)
    insert_rows(session, RunGroupBlock, rows)


def _replace_some(
    session: Session,
    table: type[RunBreak | RunProposal | RunGroupBlock],
    column: InstrumentedAttribute[Any],
    run_id: int,
    values: Collection[object],
) -> None:
    """Delete those rows of a run in whose place others come."""
    named = list(values)
    for start in range(0, len(named), ROWS_AT_ONCE):
        some = named[start : start + ROWS_AT_ONCE]
        session.execute(delete(table).where(table.run_id == run_id, column.in_(some)))


def _proposal_row(run_id: int, item: Proposal) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "proposal_key": item.key,
        "pass_name": item.pass_name,
        "servicer": list(item.servicer),
        "owner": list(item.owner),
        "servicer_count": item.servicer_count,
        "owner_count": item.owner_count,
        "reason": item.reason,
    }


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
        for table in (RunGroupBlock, RunRefBlock, RunRefPart, RunBreak, RunProposal):
            session.execute(delete(table).where(table.run_id == run_id))
        session.execute(delete(MatchRun).where(MatchRun.id == run_id))


def _run_row(
    prepared: Prepared, result: Result, *, kind: str, latency_ms: int | None, now_ms: int
) -> MatchRun:
    run = prepared.run
    return MatchRun(
        agreement=run.agreement,
        window=run.window,
        kind=kind,
        previous_window=run.previous_window,
        servicer_seq=prepared.last_seqs[0],
        owner_seq=prepared.last_seqs[1],
        **figure_columns(figures_of(result)),
        digest=result.digest,
        timing_ms={name: str(value) for name, value in result.timing_ms.items()},
        latency_ms=latency_ms,
        run_at_ms=now_ms,
    )


def figure_columns(figures: Figures) -> dict[str, Any]:
    """Return the columns of a run's row that say what it found."""
    totals = [totals_json(row) for row in figures.totals]
    return {
        "servicer_entries": figures.entries[0],
        "owner_entries": figures.entries[1],
        "servicer_matched": figures.matched[0],
        "owner_matched": figures.matched[1],
        "group_count": figures.groups,
        "proposal_count": figures.proposals,
        "break_count": sum(figures.breaks_by_kind.values()),
        "breaks_by_kind": dict(sorted(figures.breaks_by_kind.items())),
        "totals": totals,
        "identities": [line.to_json() for line in figures.identities],
        "oldest_age_days": figures.oldest_age_days,
        "complete": figures.complete,
        "balance_proven": figures.balance_proven,
        "basis": _weakest(totals),
    }


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
