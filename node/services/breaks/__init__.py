"""Breaks side by side, why they did not match, and the decisions of two persons on them."""

from node.services.breaks.decisions import digest_of
from node.services.breaks.service import BreakService
from node.services.breaks.standing import StandingDecision
from node.services.breaks.views import (
    BreakDetail,
    BreakRow,
    DecisionView,
    GroupRow,
    Listed,
    Outcome,
    ProposalRow,
    Tried,
    Wish,
)

__all__ = [
    "BreakDetail",
    "BreakRow",
    "BreakService",
    "DecisionView",
    "GroupRow",
    "Listed",
    "Outcome",
    "ProposalRow",
    "StandingDecision",
    "Tried",
    "Wish",
    "digest_of",
]
