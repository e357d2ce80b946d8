"""From a file to the ledger: import, queue, seal, post, close."""

from node.services.posting.service import PostingService
from node.services.posting.views import (
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
    "EntryView",
    "HeldIntent",
    "HeldRecords",
    "ImportOptions",
    "ImportResult",
    "ImportView",
    "PostingService",
    "QueueDepth",
    "Rejected",
]
