"""From a file to the ledger: import, queue, seal, post, close."""

from node.services.posting.closing import held_warning
from node.services.posting.discarding import Choice
from node.services.posting.service import PostingService
from node.services.posting.views import (
    DiscardView,
    EntryView,
    HeldIntent,
    HeldRecords,
    ImportOptions,
    ImportResult,
    ImportView,
    QueueDepth,
    Rejected,
)

__all__ = [
    "Choice",
    "DiscardView",
    "EntryView",
    "HeldIntent",
    "HeldRecords",
    "ImportOptions",
    "ImportResult",
    "ImportView",
    "PostingService",
    "QueueDepth",
    "Rejected",
    "held_warning",
]
