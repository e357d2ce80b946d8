"""What a lookup comes to: the person's entries as they stand at reading, and one word for all.

The index is as of its cut. An entry that is over since then (erased, removed, corrected, expired)
proves nothing against anybody: it is named with its state, its statement is neither read nor kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.orm import Session

from node.blacklist import Now, last_day_of, recorded_consent, state_of
from node.screening.listing_consents import RECORDED, REVOKED, UNRECORDED, listing_consent
from node.screening.listings import Reason
from node.screening.records import OpenedRecord
from node.screening.states import DAY_S, OVER, EntryState
from node.tables import ListedEntry
from reconcile.model import day_iso

#: An entry stands against the person, in effect.
HIT: Final = "HIT"
#: What stands is suspended, and nothing else does.
SUSPENDED: Final = "SUSPENDED"
#: What stands protects the person: somebody used her identity.
PROTECTED: Final = "PROTECTED"
#: Nothing stands that is in effect.
MISS: Final = "MISS"


@dataclass(frozen=True, slots=True)
class FoundEntry:
    """An entry of the person: its state now and, while it stands, who says what of her until when.

    Days are since 1970; `ends_at` is its last day, earlier than its statement's where time
    suspended it. `protects`: it never counts against her. `consent` says, while it stands, whether
    what it rests on is RECORDED, REVOKED or UNRECORDED, `consent_level` what its uploader recorded
    it as. A revoked one ends no entry: its evidence stays closed.
    """

    entry: bytes
    state: str
    uploader: int
    reason: str | None
    effective_from: int
    expires_at: int
    ends_at: int
    protects: bool
    consent: str | None = None
    consent_level: int | None = None

    @property
    def stands(self) -> bool:
        """Say whether the entry is not over."""
        return self.reason is not None

    def to_json(self) -> dict[str, Any]:
        """Return the entry as answers hold it."""
        return {
            "entry": self.entry.hex(),
            "state": self.state,
            "uploader": str(self.uploader),
            "reason": self.reason,
            "effective_from": day_iso(self.effective_from),
            "expires_at": day_iso(self.expires_at),
            "ends_at": day_iso(self.ends_at),
            "protects": self.protects,
            "consent": self.consent,
            "consent_level": None if self.consent_level is None else str(self.consent_level),
        }


def entry_now(session: Session, record: OpenedRecord, now: Now) -> FoundEntry:
    """Return what a record's entry is at a block; its words only while it stands."""
    listing = record.listing
    row = session.get_one(ListedEntry, listing.entry_id)
    state = state_of(session, row, now)
    stands = state not in OVER
    consent, level = _consent(session, record) if stands else (None, None)
    return FoundEntry(
        listing.entry_id,
        state.name,
        row.uploader,
        str(listing.reason) if stands else None,
        row.effective_day,
        row.expires_day,
        last_day_of(session, row, now),
        stands and listing.reason is Reason.IDENTITY_STOLEN,
        consent,
        level,
    )


def _consent(session: Session, record: OpenedRecord) -> tuple[str, int | None]:
    digest = listing_consent(record.listing, record.salt)
    row = recorded_consent(session, record.listing.uploader, digest)
    if row is None:
        return UNRECORDED, None
    return (RECORDED if row.revoked_block is None else REVOKED), row.level


def outcome_of(entries: Sequence[FoundEntry], time_s: int) -> str:
    """Return the word that a program goes by: HIT, SUSPENDED, PROTECTED or MISS, in this order."""
    today = time_s // DAY_S
    words = {_word(item) for item in entries if item.stands and item.effective_from <= today}
    return next((word for word in (HIT, SUSPENDED, PROTECTED) if word in words), MISS)


def _word(item: FoundEntry) -> str:
    if item.protects:
        return PROTECTED
    return SUSPENDED if item.state == EntryState.SUSPENDED.name else HIT
