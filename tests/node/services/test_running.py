"""Runs and batches that come no later than they must, and are not computed twice."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from node.runs import groups_from, where_went
from node.services.posting.sealing import RECORDS_AT_ONCE, Waiting, is_due
from node.tables import MatchRun
from reconcile.model import Side
from reconcile.terms import default_terms
from tests.node.services.conftest import WINDOW, Pair, entry

TERMS = default_terms(["CNY"])
NOW_MS = 1_000_000
INTERVAL_MS = TERMS.posting_interval_ms


@pytest.mark.parametrize(
    ("oldest_ms", "sealed_ms", "records", "due"),
    [
        (NOW_MS, 0, 1, True),
        (NOW_MS, NOW_MS - INTERVAL_MS, 1, True),
        (NOW_MS, NOW_MS - INTERVAL_MS + 1, 1, False),
        (NOW_MS - INTERVAL_MS, NOW_MS - 1, 1, True),
        (NOW_MS - INTERVAL_MS + 1, NOW_MS - 1, 1, False),
        (NOW_MS, NOW_MS, RECORDS_AT_ONCE, True),
    ],
)
def test_a_batch_waits_only_behind_another(
    oldest_ms: int, sealed_ms: int, records: int, *, due: bool
) -> None:
    """A quiet side's records leave at once, others by age since the last batch, or by number."""
    found = Waiting(records, oldest_ms, sealed_ms)
    assert is_due(found, TERMS, now_ms=NOW_MS, flush=False, other=False) is due


def _rows_of(session: Session, run_id: int) -> tuple[object, ...]:
    refs = ("s1", "s2", "o1")
    return (
        list(groups_from(session, run_id)),
        [where_went(session, run_id, side, refs) for side in Side],
    )


def test_a_proof_equals_one_computed_anew(pair: Pair, agreement: bytes) -> None:
    """The proof that took a provisional run's rows is the one that a cleared memory computes."""
    pair.servicer.posting.queue_entries(
        agreement,
        [entry("s1", 1_000, e2e="E2E-0001"), entry("s2", 700, e2e="E2E-0002")],
        window=WINDOW,
    )
    pair.owner.posting.queue_entries(agreement, [entry("o1", 1_000, e2e="E2E-0001")], window=WINDOW)
    pair.close(agreement, WINDOW)
    node = pair.servicer
    with node.database.reading() as session:
        taken = session.scalars(
            select(MatchRun).where(MatchRun.agreement == agreement, MatchRun.window == WINDOW)
        ).all()
        rows = _rows_of(session, taken[0].id)
    assert [run.kind for run in taken] == ["PROOF"]
    anew = node.reconciliation.prove(agreement, WINDOW)
    assert anew.digest == taken[0].digest
    with node.database.reading() as session:
        runs = session.scalars(
            select(MatchRun).where(MatchRun.agreement == agreement, MatchRun.window == WINDOW)
        ).all()
        assert [run.kind for run in runs] == ["PROOF"]
        assert _rows_of(session, runs[0].id) == rows
