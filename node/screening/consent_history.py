"""What an entry's changes tell of consents: the one that it rests on, recorded and revoked.

The uploader's name for it is recomputed from the entry's salt. What the contract could not have
done is refused: recorded twice, revoked before it was recorded or twice; so is a record for another
time than the entry's, and one of a consent that nothing beside it names.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from node.screening.consents import Level
from node.screening.evidence import Change
from node.screening.history import OF_CONSENT
from node.screening.listing_consents import consent_ends_s, listing_consent
from node.screening.listings import Listing
from reconcile.model import ProtocolError, Where

RECORDED: Final = "ConsentRecorded"
#: A record's name in changes: its reader's number and its digest, as the ABI says them.
Name = tuple[str, str]


@dataclass(frozen=True, slots=True)
class RestsOn:
    """What changes tell of what a listing rests on; `digest` is its name on the ledger."""

    digest: bytes
    level: Level
    recorded: Change
    revoked: Change | None


def name_of(reader: int, digest: bytes) -> Name:
    """Return how changes name a reader's record of a consent."""
    return str(reader), f"0x{digest.hex()}"


def rests_on(changes: Sequence[Change], listing: Listing, salt: bytes) -> RestsOn | None:
    """Return what the changes tell of what a listing rests on; None where none records it.

    Raises `ProtocolError` EVIDENCE_CONSENT.
    """
    digest = listing_consent(listing, salt)
    name = name_of(listing.uploader, digest)
    mine = [one for one in changes if one.name in OF_CONSENT and _name(one) == name]
    recorded = [one for one in mine if one.name == RECORDED]
    revoked = [one for one in mine if one.name != RECORDED]
    if not mine:
        return None
    if len(recorded) != 1 or len(revoked) > 1:
        raise _refuse("is not recorded once and revoked once at most")
    (first,) = recorded
    if any((one.block, one.time_s) < (first.block, first.time_s) for one in revoked):
        raise _refuse("is revoked before it is recorded")
    levels = {str(int(level)): level for level in Level}
    level = levels.get(str(first.args.get("level")))
    if level is None or first.args.get("validTo_s") != str(consent_ends_s(listing)):
        raise _refuse("is recorded as another level or for another time than the entry's")
    return RestsOn(digest, level, first, revoked[0] if revoked else None)


def require_named(changes: Sequence[Change], names: Collection[Name]) -> None:
    """Refuse a change of a consent that nothing names: `ProtocolError` EVIDENCE_CONSENT."""
    for change in changes:
        if change.name in OF_CONSENT and _name(change) not in names:
            raise _refuse("is one that neither the listing nor a part of the file names")


def _name(change: Change) -> Name:
    return str(change.args.get("reader")), str(change.args.get("consent"))


def _refuse(says: str) -> ProtocolError:
    return ProtocolError(
        "EVIDENCE_CONSENT",
        f"a consent that the changes tell of {says}",
        where=Where(field="changes"),
        help="Ask another member for the evidence; keep this file as it is.",
    )
