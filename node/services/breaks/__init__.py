"""Breaks side by side, why they did not match, and the decisions of two persons on them."""

from node.services.breaks.service import BreakService
from node.services.breaks.views import (
    BreakDetail,
    BreakRow,
    DecisionView,
    GroupRow,
    ProposalRow,
    Tried,
)

__all__ = [
    "BreakDetail",
    "BreakRow",
    "BreakService",
    "DecisionView",
    "GroupRow",
    "ProposalRow",
    "Tried",
]
