"""What the desk needs of one institution's node, so that `node.web` need not know bootstrap."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy.orm import Session, sessionmaker

if TYPE_CHECKING:
    from node.peers.peering import Peering
    from node.services.breaks import BreakService
    from node.services.committee import AnsweringService, CommitteeService
    from node.services.index import IndexService
    from node.services.lookups import AuditingService, LookupService
    from node.services.network import NetworkService
    from node.services.posting import PostingService
    from node.services.proofs import ProofService
    from node.services.reconciliation import ReconciliationService
    from node.services.screening import ScreeningService


class Parts(Protocol):
    """A node's part as committee member and replica."""

    @property
    def index(self) -> IndexService:
        """Return the service of the index's versions."""

    @property
    def answering(self) -> AnsweringService:
        """Return the service that evaluates for others, and says what it refused."""

    @property
    def audits(self) -> AuditingService:
        """Return the service that opens evaluations to the regulator, and audits others'."""


class NodeView(Protocol):
    """One institution: its database, its services, the head as its follower sees it."""

    @property
    def name(self) -> str:
        """Return the institution's name as its people know it."""

    @property
    def member(self) -> int | None:
        """Return the institution's member number, None before it is admitted."""

    @property
    def sessions(self) -> sessionmaker[Session]:
        """Return the factory of database sessions."""

    @property
    def network(self) -> NetworkService:
        """Return the service of members, agreements, terms and keys."""

    @property
    def posting(self) -> PostingService:
        """Return the service that imports, queues, seals and closes."""

    @property
    def reconciliation(self) -> ReconciliationService:
        """Return the service that matches, proves and attests."""

    @property
    def breaks(self) -> BreakService:
        """Return the service of breaks and decisions."""

    @property
    def proofs(self) -> ProofService:
        """Return the service of bundles and record proofs."""

    @property
    def screening(self) -> ScreeningService:
        """Return the service of the blacklist's entries, disputes and points."""

    @property
    def lookups(self) -> LookupService:
        """Return the service of consents, tickets and lookups."""

    @property
    def committee(self) -> CommitteeService:
        """Return the service of runs and key epochs."""

    @property
    def parts(self) -> Parts:
        """Return the part that evaluates and replicates."""

    @property
    def peers(self) -> Peering:
        """Return whom the node lets in and calls."""

    def tip(self) -> Mapping[str, Any]:
        """Return head, lag and outbox depth as `/healthz` shows them."""


def now_ms_of(node: NodeView) -> int:
    """Return the node's clock in ms; a node with a `clock` is asked, for tests of time."""
    clock = getattr(node, "clock", None)
    return int(clock()) if callable(clock) else time.time_ns() // 1_000_000
