"""What a reader's and an uploader's part in a detail share: words, tickets, what is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.blacklist import ticket_range
from node.errors import NotAllowed
from node.screening.releases import Released
from node.screening.verifying import Verdict
from node.services.screening.base import Base
from node.services.screening.reading import require_found, verified
from node.services.screening.ticketing import KIND
from node.tables import SealingKey
from reconcile.commitment.tree import leaf_hash, merkle_root
from reconcile.model import ZERO32, ProtocolError

#: What other members' nodes may ask.
DETAIL: Final = "blacklist/detail"
ATTEST: Final = "blacklist/attest"
SECRET_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class DetailView:
    """Evidence that this node was released; `complete`: the documents make the statement's root.

    `custodians` released it where the uploader was silent; empty where the uploader did.
    """

    entry: bytes
    uploader: int
    ticket: int
    statement: dict[str, object]
    documents: tuple[bytes, ...]
    complete: bool
    custodians: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the detail, documents by their leaf hashes and sizes."""
        return {
            "entry": self.entry.hex(),
            "uploader": str(self.uploader),
            "ticket": str(self.ticket),
            "statement": self.statement,
            "documents": [
                {"leaf": leaf_hash(item).hex(), "bytes": str(len(item))} for item in self.documents
            ],
            "complete": self.complete,
            "custodians": [str(member) for member in self.custodians],
        }


class Looking(Base):
    """Reading the receipt of an own lookup."""

    def _looked(self, session: Session, entry: bytes, receipt: bytes) -> Verdict:
        found = verified(session, receipt, self._trust(session))
        require_found(found, entry)
        if found.receipt.consent.consent.reader != self._identity.require_member(session):
            raise ProtocolError("RECEIPT_READER", "the receipt is another member's")
        return found


def view_of(released: Released) -> DetailView:
    """Return what a release holds, for people."""
    listing = released.opened.listing
    root = merkle_root([leaf_hash(item) for item in released.documents])
    return DetailView(
        listing.entry_id,
        listing.uploader,
        released.receipt.ticket,
        listing.to_json(),
        released.documents,
        root == listing.evidence_root,
    )


def require_ticket(session: Session, ticket: int, member: int) -> None:
    """Refuse a ticket that the ledger did not sell to this member for a lookup: TICKET_FOREIGN."""
    row = ticket_range(session, ticket)
    if row is None or row.member != member or row.kind == KIND:
        raise NotAllowed(
            "TICKET_FOREIGN",
            f"ticket {ticket} is none of member {member}'s for a lookup",
            help="buy one first; each names one request",
        )


def general_key(session: Session, member: int) -> SealingKey:
    """Return the newest key to which a member is sealed; `ProtocolError` SEALING_KEY_MISSING."""
    row = session.scalars(
        select(SealingKey)
        .where(SealingKey.member == member, SealingKey.agreement == ZERO32)
        .order_by(SealingKey.generation.desc())
        .limit(1)
    ).first()
    if row is None:
        raise ProtocolError(
            "SEALING_KEY_MISSING",
            f"member {member} has published no general sealing key",
            help="its node does so by itself once its keys are in force",
        )
    return row


def held_label(ticket: int) -> bytes:
    """Return which row evidence that was received belongs to."""
    return b"detail/" + ticket.to_bytes(8, "big")


def refuse(code: str, says: str) -> ProtocolError:
    """Return the refusal of another member's message."""
    return ProtocolError(code, f"the message {says}", help="Ask again; nothing of it was kept.")
