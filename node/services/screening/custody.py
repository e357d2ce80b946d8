"""What the three parts of a custody share: who keeps it, when it ends, whom to call again when.

The custodians of an entry are the members of the present committee without the uploader, and its
threshold is theirs: who may evaluate together may open together, and nobody has to be asked. A
custody ends with its entry (withdrawn, corrected, removed, expired, lapsed, erased), with a recall,
or when the consent that the listing rests on is revoked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, and_, exists, func, or_, select, tuple_
from sqlalchemy.orm import Session

from node.blacklist import Now, current_key_epoch, newest_sharing
from node.peers.client import PREFIX, PeerRefusal
from node.screening.custody import MIN_THRESHOLD
from node.screening.listing_consents import last_second_of
from node.screening.states import DAY_S, TICKET_S, Stage
from node.services.screening.detail import Looking
from node.services.screening.watching import BytesColumn
from node.tables import BlacklistFact, KeyEpoch, ListedEntry, Recall, RecordedConsent
from node.tables.tip import tip_of
from reconcile.model import KanheError, OutsideError

#: What other members' nodes may ask.
TAKE: Final = "blacklist/custody/take"
ASK: Final = "blacklist/custody/ask"
TELL: Final = "blacklist/custody/tell"
DROP: Final = "blacklist/custody/drop"
#: A custody under another name than what the listing rests on is recorded under.
OTHER_CONSENT: Final = "CUSTODY_CONSENT"
#: How long an uploader may be silent, by the chain's clock, before its custodians release.
SILENCE_S: Final = DAY_S
OVER_STAGES: Final = (Stage.CORRECTED.name, Stage.REMOVED.name, Stage.ERASED.name)
#: Codes that another node's own failure has, not its word on what it was asked.
_FAILED: Final = frozenset({"DATABASE_FAILED", "PEER_CALL_UNKNOWN", "VALUE_NOT_STORED"})


@dataclass(frozen=True, slots=True)
class Circle:
    """Custodians in ascending order, and how many open together."""

    members: tuple[int, ...]
    threshold: int

    @property
    def hash(self) -> bytes:
        """Return SHA-256 over both, to tell whether a custody is of the present circle."""
        words = ",".join(map(str, (self.threshold, *self.members)))
        return hashlib.sha256(words.encode("ascii")).digest()


def circle_of(session: Session, uploader: int, now: Now) -> Circle | None:
    """Return who keeps an uploader's evidence now; None where fewer than two could open it."""
    row = newest_sharing(session, max(current_key_epoch(session, now), 1))
    if row is None:
        return None
    members = tuple(sorted(set(row.members) - {uploader}))
    threshold = min(row.threshold, len(members))
    return Circle(members, threshold) if threshold >= MIN_THRESHOLD else None


def custodians_ever(session: Session, uploader: int) -> tuple[int, ...]:
    """Return every member that may keep an uploader's evidence, the present ones first.

    Who left the committee keeps it until its uploader gives it to others; a silent one does not.
    """
    found: dict[int, None] = {}
    rows = select(KeyEpoch).order_by(KeyEpoch.key_epoch.desc(), KeyEpoch.sharing.desc())
    for row in session.scalars(rows):
        found.update(dict.fromkeys(row.members))
    return tuple(member for member in found if member != uploader)


def is_over(now: Now, consent: BytesColumn) -> ColumnElement[bool]:
    """Say of a joined `ListedEntry` whether its custody is to end.

    `consent` names the record of the consent that the listing rests on.
    """
    # A subquery's subquery sees only the tables around it, unless it is told to look further out.
    revoked = (
        exists()
        .where(RecordedConsent.consent == consent, RecordedConsent.revoked_block.is_not(None))
        .correlate_except(RecordedConsent)
    )
    recalled = exists().where(Recall.entry == ListedEntry.entry).correlate_except(Recall)
    return or_(
        ListedEntry.stage.in_(OVER_STAGES),
        ListedEntry.ends_day < now.time_s // DAY_S,
        and_(
            ListedEntry.stage == Stage.TICKETED.name,
            ListedEntry.posted_at_s < now.time_s - TICKET_S,
        ),
        recalled,
        revoked,
    )


def consent_ahead_of(session: Session, row: ListedEntry) -> RecordedConsent | None:
    """Return the one consent that the ledger ties to an entry, by order and end alone.

    It is the last one that the uploader recorded ahead of the entry, behind its entry before that,
    and that ends with it: an uploader that records several gets one of them, and whoever has the
    salt sees whether it is the listing's. None for an entry that was posted without.
    """
    place = tuple_(row.block_number, row.log_index)
    before = session.execute(
        select(ListedEntry.block_number, ListedEntry.log_index)
        .where(
            ListedEntry.uploader == row.uploader,
            ListedEntry.posted_at_s <= row.posted_at_s,
            tuple_(ListedEntry.block_number, ListedEntry.log_index) < place,
        )
        .order_by(
            ListedEntry.posted_at_s.desc(),
            ListedEntry.block_number.desc(),
            ListedEntry.log_index.desc(),
        )
        .limit(1)
    ).first()
    since = (-1, -1) if before is None else (before.block_number, before.log_index)
    recorded = tuple_(RecordedConsent.block_number, RecordedConsent.log_index)
    return session.scalars(
        select(RecordedConsent)
        .where(
            RecordedConsent.reader == row.uploader,
            RecordedConsent.block_number.between(since[0], row.block_number),
            recorded > tuple_(*since),
            recorded < place,
            RecordedConsent.valid_to_s == last_second_of(row.expires_day),
        )
        .order_by(RecordedConsent.block_number.desc(), RecordedConsent.log_index.desc())
        .limit(1)
    ).first()


def is_final(session: Session, entry: bytes, consent: bytes) -> bool:
    """Say whether no fact that ends a custody can be taken back by a fork any more."""
    newest = session.scalar(
        select(func.max(BlacklistFact.block_number)).where(BlacklistFact.entry == entry)
    )
    row = session.get(RecordedConsent, consent)
    revoked = 0 if row is None or row.revoked_block is None else row.revoked_block
    cursor = tip_of(session)
    return cursor is not None and max(newest or 0, revoked) <= cursor.final_block


def is_silence(error: KanheError) -> bool:
    """Say whether an uploader did not answer; a refusal is an answer."""
    if isinstance(error, PeerRefusal):
        return error.code in _FAILED
    return isinstance(error, OutsideError) or error.code.startswith("PEER_")


class CustodyBase(Looking):
    """Calling other members' nodes."""

    def handlers(self) -> Mapping[str, Callable[[int, bytes], bytes]]:
        """Return what other members' nodes may ask, by word."""
        return {}

    def _call(self, member: int, word: str, body: bytes) -> bytes:
        """Ask a member's node; this one's own answers without a connection."""
        with self._reading() as session:
            own = self._identity.require_member(session)
        if member == own:
            return self.handlers()[word](own, body)
        return self._require_peers().client.call(member, PREFIX + word, body)
