"""Replay: what is derived from the chain is a pure function of it."""

from __future__ import annotations

from drill_town import Town, check_day, check_streams


def test_a_replayed_node_has_the_same_results(agreed: Town) -> None:
    """Derived tables dropped and replayed: the same digests and breaks on both sides."""
    before = check_day(agreed)
    for node in agreed.parties:
        node.rebuild()
    agreed.settle()
    assert check_day(agreed) == before
    check_streams(agreed)
