"""The posting service: every write is one SQL transaction, with its intent and audit row."""

from __future__ import annotations

from node.services.posting import reading
from node.services.posting.discarding import Discarding
from node.services.posting.files import Files
from node.services.posting.streams import Streams
from node.services.posting.views import EntryView, QueueDepth
from reconcile.model import Side


class PostingService(Files, Streams, Discarding):
    """Imports, queues, seals, closes, releases or gives up what is held, for one node."""

    def queue_depth(self, agreement: bytes | None = None) -> QueueDepth:
        """Return how much waits."""
        with self._reading() as session:
            return reading.depth(session, agreement)

    def entry(self, agreement: bytes, side: Side, entry_ref: str) -> EntryView:
        """Return one entry; `UsageError` ENTRY_UNKNOWN."""
        with self._reading() as session:
            return reading.entry_view(session, agreement, side, entry_ref)

    def entries(
        self,
        agreement: bytes,
        side: Side,
        *,
        window: int | None = None,
        after: str = "",
        limit: int = 100,
    ) -> tuple[EntryView, ...]:
        """Return posted entries in order of reference."""
        with self._reading() as session:
            return reading.entry_views(
                session, agreement, side, window=window, after=after, limit=limit
            )
