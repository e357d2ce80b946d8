"""A proof reads what stood at its closing, whenever it is computed."""

from __future__ import annotations

from sqlalchemy import func, select

from node.tables import PostedDecision
from tests.node.services.conftest import Pair, entry


def test_a_later_amendment_changes_no_earlier_proof(pair: Pair, agreement: bytes) -> None:
    """An unmatched entry returns as it stood at the closing, not as a later window amends it."""
    pair.servicer.posting.queue_entries(agreement, [entry("s1", 100, e2e="E2E-0001")])
    pair.owner.posting.queue_entries(agreement, [entry("o1", 100, e2e="E2E-0001")])
    pair.day(agreement)
    for node in pair.nodes:
        made = node.breaks.propose_decision(
            agreement,
            verdict="unmatch",
            reason="not the same payment",
            actor="maker",
            servicer=["s1"],
            owner=["o1"],
        )
        node.breaks.approve_decision(made.decision_id, actor="checker")
    pair.settle()
    with pair.servicer.sessions() as session:
        decided = session.execute(
            select(func.max(PostedDecision.window)).where(PostedDecision.agreement == agreement)
        ).scalar_one()
    pair.close(agreement, decided)
    before = pair.servicer.reconciliation.prove(agreement, decided)
    assert (before.groups, before.entries) == (0, (1, 1))
    amended = entry("o1", 100, e2e="E2E-0001", version=1, remittance="added later")
    pair.owner.posting.queue_entries(agreement, [amended], window=decided + 8)
    pair.settle()
    after = pair.servicer.reconciliation.prove(agreement, decided)
    assert after.digest == before.digest
