"""What an entry, and those that it corrects, rest on, as the ledger and this node have it.

The name of a record follows from the salt in the entry's record, which this node holds of its own
entries and of those whose statement it read.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy.orm import Session

from node.blacklist import recorded_consent
from node.listings import statement_of
from node.lookup_calls import LookupCalls
from node.screening.listing_consents import RECORDED, REVOKED, UNREAD, UNRECORDED, WAITING
from node.services.screening.views import ConsentView
from node.tables import KnownStatement, ListedEntry, OwnListing

#: A chain of corrections longer than this is shown in part.
MAX_CHAIN: Final = 64


def consent_chain(
    session: Session, calls: LookupCalls, row: ListedEntry, member: int
) -> list[ConsentView]:
    """Return what an entry, and the ones it corrects, rest on, newest first."""
    chain: list[ConsentView] = []
    current: ListedEntry | None = row
    while current is not None and len(chain) < MAX_CHAIN:
        chain.append(_consent(session, calls, current, member))
        older = current.supersedes
        current = None if older is None else session.get(ListedEntry, older)
    return chain


def _consent(session: Session, calls: LookupCalls, row: ListedEntry, member: int) -> ConsentView:
    said = statement_of(session, row.entry)
    if said is None:
        return ConsentView(row.entry, None, UNREAD)
    document, ours = said[0].consent, row.uploader == member
    digest = _digest(session, row.entry)
    if digest is None:
        # Its uploader knows that it recorded none; of another's an earlier release kept no name.
        return ConsentView(row.entry, document, UNRECORDED if ours else UNREAD)
    recorded = recorded_consent(session, row.uploader, digest)
    if recorded is None:
        waits = ours and calls.waits(session, calls.consent_subject(digest))
        return ConsentView(row.entry, document, WAITING if waits else UNRECORDED, digest)
    return ConsentView(
        row.entry,
        document,
        RECORDED if recorded.revoked_block is None else REVOKED,
        digest,
        recorder=recorded.reader,
        level=recorded.level,
        verified=ours,
        recorded_at_s=recorded.block_time_s,
        valid_to_s=recorded.valid_to_s,
        tx_hash=recorded.tx_hash,
        revoked_at_s=recorded.revoked_at_s,
        revoked_tx=recorded.revoked_tx,
    )


def _digest(session: Session, entry: bytes) -> bytes | None:
    own, known = session.get(OwnListing, entry), session.get(KnownStatement, entry)
    if own is not None and own.statement is not None:
        return own.consent
    return None if known is None else known.consent
