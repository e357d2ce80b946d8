"""What a restored node may have forgotten: evaluations since the copy of its database was made.

One ticket names one element at every node, for ever. A node whose database is older than what it
answered would evaluate a second element for a ticket that was used since. It evaluates nothing for
tickets and entries from before its restore that it has no row of; the others of the committee
remember, and are asked in its place.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy.orm import Session

from node.blacklist import now_of, ticket_range
from node.outbox.adoption import FORGETS_TO, NOT_KNOWN
from node.screening.evaluations import Asked
from node.tables import KeyEpoch, ListedEntry, NodeFact
from reconcile.model import ProtocolError, Where

NOTHING: Final = -1
_ALL_BLOCKS: Final = 2**63 - 1


def forgets_to(session: Session) -> int:
    """Return the block up to which evaluations may be forgotten, `NOTHING` for none.

    All blocks, before the next turn has seen the head.
    """
    fact = session.get(NodeFact, FORGETS_TO)
    if fact is None:
        return NOTHING
    return _ALL_BLOCKS if fact.value == NOT_KNOWN else int(str(fact.value))


def must_learn(session: Session) -> bool:
    """Say whether this database is a copy that has not seen the head since it was put back."""
    return forgets_to(session) == _ALL_BLOCKS


def learn_head(session: Session) -> None:
    """Take the present head for where a restored database begins to remember."""
    if must_learn(session):
        session.get_one(NodeFact, FORGETS_TO).value = str(now_of(session).block)


def require_remembered(session: Session, item: Asked, key_epoch: int, up_to: int) -> None:
    """Refuse an item without a row that an older copy may have evaluated: TICKET_FORGOTTEN."""
    if up_to == NOTHING:
        return
    if item.entry is None:
        bought = ticket_range(session, item.ticket)
        since = 0 if bought is None else bought.block_number
    else:
        posted = session.get_one(ListedEntry, item.entry).block_number
        since = max(posted, session.get_one(KeyEpoch, (key_epoch, 0)).block_number)
    if since <= up_to:
        place = "ticket" if item.entry is None else "entry"
        raise ProtocolError(
            "TICKET_FORGOTTEN",
            f"this node was restored after the {place}: what it evaluated for it is not known",
            where=Where(field=place),
            help="This item was neither evaluated nor counted; the other nodes are asked.",
        )
