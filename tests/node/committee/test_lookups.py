"""Lookups through a committee of nodes: hit and absence, receipts, refusals, wrong shares."""

from __future__ import annotations

from committee_town import Town

from node.screening.explaining import explain_receipt

READER = 1


def test_a_hit_and_an_absence_each_leave_a_receipt_that_anyone_verifies(indexed: Town) -> None:
    """The listed person's entry is found, the other's absence proven, both offline."""
    hit, miss = indexed.found(READER, 1), indexed.found(READER, 3)
    assert (hit.outcome, miss.outcome) == ("HIT", "MISS")
    assert [state for _, state in hit.entries] == ["LISTED"]
    assert miss.entries == ()
    for found in (hit, miss):
        said = explain_receipt(found.receipt, allow_test=True)
        assert said.ok, said
        assert indexed.node(READER).lookups.receipt(found.lookup) == found.receipt
