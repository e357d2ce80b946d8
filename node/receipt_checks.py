"""What this node's rows say of a receipt: which roots and committees stood when it was made.

The ledger keeps no time of a lookup. It came after its ticket and before now, so a receipt holds
where its root and its committee were in use at some time between the two: what was replaced before
the ticket was bought, or does not stand yet, is no lookup's.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from node.blacklist import Now, posted_entries, ticket_range
from node.committees import members_of, shares_hash
from node.crypto.oprf.threshold import Committee
from node.index_reading import UNCHALLENGED, newest_live, tagged_before
from node.keyholders import was_key
from node.screening.consents import Purpose
from node.screening.countersigning import Countersigned
from node.screening.index import IndexHeader
from node.screening.listings import Posted
from node.screening.receipts import Receipt
from node.screening.states import ROOT_CHALLENGE_S
from node.screening.verifying import Ledger, request_of
from node.snapshots import remembered
from node.tables import EntryTag, IndexCut, IndexRoot, KeyEpoch, TicketRange
from reconcile.model import ProtocolError

_STANDING: Final = (
    select(IndexRoot.revision)
    .join(IndexCut, IndexCut.version == IndexRoot.version)
    .where(
        IndexRoot.version == bindparam("version"),
        IndexRoot.root == bindparam("root"),
        IndexRoot.block_time_s < bindparam("before_s"),
        IndexCut.key_epoch == bindparam("key_epoch"),
        IndexCut.block_number == bindparam("cut_block"),
        UNCHALLENGED,
    )
)
# Of each epoch the last sharing counts, which comes last.
_BEGINS: Final = (
    select(KeyEpoch.key_epoch, KeyEpoch.switch_block)
    .where(KeyEpoch.key_epoch.between(bindparam("key_epoch"), bindparam("following")))
    .order_by(KeyEpoch.sharing)
)


def ledger_of(session: Session, since: Now, now: Now) -> Ledger:
    """Return what the rows say of a lookup that was made between two blocks."""
    known: dict[tuple[int, bytes], tuple[int, ...]] = {}

    def members(key_epoch: int, committee: Committee) -> tuple[int, ...]:
        mark = (key_epoch, shares_hash(committee))
        if mark not in known:
            known[mark] = members_of(session, key_epoch, committee) or ()
        return known[mark]

    def is_node(key_epoch: int, committee: Committee, node: int, key: str) -> bool:
        found = members(key_epoch, committee)
        return 1 <= node <= len(found) and was_key(session, found[node - 1], key)

    return Ledger(
        has_root=lambda header: _stood(session, header, since, now),
        is_committee=lambda key_epoch, committee: (
            _in_use(session, key_epoch, since, now) and bool(members(key_epoch, committee))
        ),
        is_node=is_node,
        listed=lambda header, entries: _listed(session, header, entries),
    )


def _listed(
    session: Session, header: IndexHeader, entries: Collection[bytes]
) -> dict[bytes, Posted]:
    """What had left the index before it was cut is over: a copy of its record tells nothing new."""
    cut = session.get(IndexCut, header.version)
    if cut is None:
        return {}
    found = select(EntryTag.entry).where(EntryTag.entry.in_(entries), tagged_before(cut))
    return posted_entries(session, session.scalars(found).all())


def countersigned_of(session: Session, receipt: Receipt) -> Countersigned | None:
    """Return what shows that a receipt's ticket was used, None where nothing in it does."""
    members = members_of(session, receipt.key_epoch, receipt.committee)
    if members is None or not receipt.countersignatures:
        return None
    pairs = zip(receipt.answers, receipt.countersignatures, strict=True)
    return Countersigned(
        receipt.ticket,
        receipt.key_epoch,
        request_of(receipt),
        tuple((members[answer.node - 1], signature) for answer, signature in pairs),
    )


def ticket_of(session: Session, receipt: Receipt) -> TicketRange:
    """Return the purchase of a receipt's ticket; raises `ProtocolError` TICKET_UNKNOWN."""
    row = ticket_range(session, receipt.ticket)
    consent = receipt.consent.consent
    kind = "OWN_RECORD" if consent.purpose is Purpose.OWN_RECORD else "LOOKUP"
    if row is None or (row.member, row.kind) != (consent.reader, kind):
        raise ProtocolError(
            "TICKET_UNKNOWN",
            f"member {consent.reader} bought no ticket {receipt.ticket} for this on this ledger",
            help="let the node read up to the head; a receipt of another network proves nothing",
        )
    return row


def _stood(session: Session, header: IndexHeader, since: Now, now: Now) -> bool:
    """Say whether a root stands under its version, and no newer one was live before `since`."""
    shown = {
        "version": header.version,
        "root": header.root,
        "before_s": now.time_s - ROOT_CHALLENGE_S,
        "key_epoch": header.key_epoch,
        "cut_block": header.cut_block,
    }
    question = ("standing", *shown.values())
    if remembered(session, question, lambda: session.execute(_STANDING, shown).first()) is None:
        return False
    before = newest_live(session, header.key_epoch, since)
    return before is None or before.version <= header.version


def _in_use(session: Session, key_epoch: int, since: Now, now: Now) -> bool:
    """Say whether a key epoch had begun by now and was not over at `since`."""
    following = key_epoch + 1

    def ask() -> dict[int, int]:
        rows = session.execute(_BEGINS, {"key_epoch": key_epoch, "following": following})
        return {row.key_epoch: row.switch_block for row in rows}

    begins = remembered(session, ("begins", key_epoch), ask)
    if key_epoch not in begins or begins[key_epoch] > now.block:
        return False
    return following not in begins or begins[following] > since.block
