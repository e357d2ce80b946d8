"""Matching as batches arrive, proving closed windows, attesting, and what became of it."""

from node.services.reconciliation.chaining import Chains, state_of_word
from node.services.reconciliation.replaying import ReplayedWindow
from node.services.reconciliation.service import ReconciliationService
from node.services.reconciliation.views import (
    Adjustment,
    Latency,
    RunView,
    StoredReport,
    TodayTotals,
    WindowStatus,
)

__all__ = [
    "Adjustment",
    "Chains",
    "Latency",
    "ReconciliationService",
    "ReplayedWindow",
    "RunView",
    "StoredReport",
    "TodayTotals",
    "WindowStatus",
    "state_of_word",
]
