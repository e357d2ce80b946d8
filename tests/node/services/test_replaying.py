"""Other terms on past windows of a node."""

from __future__ import annotations

import pytest

from reconcile.model import UsageError
from reconcile.terms import default_terms, parse_terms, terms_json
from tests.node.services.conftest import DAY, WINDOW, Pair, entry


def test_past_windows_are_replayed_under_other_terms(pair: Pair, agreement: bytes) -> None:
    """What a tolerance would have confirmed is shown; nothing is stored."""
    pair.servicer.posting.queue_entries(
        agreement, [entry("s1", 1_000, e2e="E2E-0001"), entry("s2", 500, e2e="E2E-0002")]
    )
    pair.owner.posting.queue_entries(
        agreement, [entry("o1", 996, e2e="E2E-0001"), entry("o2", 500, e2e="E2E-0002")]
    )
    pair.settle()
    pair.day(agreement)
    body = terms_json(default_terms(["CNY"]))
    body["passes"][0]["amount"]["tolerance_minor"] = "5"
    body["tolerance_budget_minor"] = "100"
    wide = parse_terms(body)
    service = pair.owner.reconciliation
    before = service.report(agreement, WINDOW).digest
    (found,) = service.replay(agreement, wide)
    assert found.window == WINDOW
    assert [group.servicer for group in found.comparison.gained] == [("s1",)]
    assert found.comparison.same == 1
    assert found.comparison.kinds == {"AMOUNT": (1, 0)}
    assert service.report(agreement, WINDOW).digest == before
    (same,) = service.replay(agreement, default_terms(["CNY"]), first_day=DAY, last_day=DAY)
    assert same.comparison.changes is False
    assert same.to_json()["day"]


def test_days_without_a_proven_window_are_refused(pair: Pair, agreement: bytes) -> None:
    """The opening position is no window to replay."""
    with pytest.raises(UsageError, match="NOTHING_TO_REPLAY"):
        pair.owner.reconciliation.replay(agreement, default_terms(["CNY"]), first_day=DAY)
