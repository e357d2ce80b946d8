"""A member's part in the committee that holds the oblivious PRF's key.

ceremony.py   one run's next step: what this node says, sends and keeps
parts.py      what this node knows in a run: its polynomials and the shares it was sent
views.py      runs and epochs, for people
service.py    proposing, joining, reacting, and what other nodes may send
"""

from node.services.committee.answering import AnsweringService, DayView, RefusalView
from node.services.committee.service import CommitteeService
from node.services.committee.views import EpochView, RunView

__all__ = [
    "AnsweringService",
    "CommitteeService",
    "DayView",
    "EpochView",
    "RefusalView",
    "RunView",
]
