"""Who is listed, by whom, on what proof: the uploader's, the disputant's and the panelist's part.

stating.py    from plain words to a statement
listing.py    a statement checked, committed, signed, kept and ticketed; tags, vesting, withdrawal
agreeing.py   what a listing rests on, recorded and revoked; consent_views.py  shown
disputing.py  disputes raised, answered, contested, voted on, settled
erasing.py    recalls and acknowledgements; erasure with its certificate
asking.py     evidence asked for and kept; releasing.py  released; detail.py  what both share
ticketing.py  bought for one entry; consenting.py  the consent that it rests on
custody.py    what its parts share: depositing.py  the uploader; keeping.py, giving.py  custodians;
              falling_back.py  the reader; noticing.py  the uploader, told; custody_views.py
resting.py    members that do not answer; watching.py  what the ledger moved since
attesting.py  what a reader says of a hit; settling.py  a period's hits signed and paid
points.py     a member's points, each movement with its reason; purse.py  whether they reach
tracing.py    who uploaded an entry, when, on what proof; telling.py  its life in words
checking.py   what holds of it; moves.py  what we may do with it, and in a dispute
reading.py    statements of other members, learned from receipts
papers.py     grounds and reasons, sealed here, hashed on the ledger
views.py      what the service answers
"""

from node.services.screening.listing import Candidate, Taken
from node.services.screening.service import ScreeningService
from node.services.screening.views import (
    DisputeView,
    EntryView,
    MovementView,
    PointsView,
    Step,
    TraceView,
)

__all__ = [
    "Candidate",
    "DisputeView",
    "EntryView",
    "MovementView",
    "PointsView",
    "ScreeningService",
    "Step",
    "Taken",
    "TraceView",
]
