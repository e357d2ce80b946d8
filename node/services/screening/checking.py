"""What holds of an entry: statement, signature, notice, dates, commitment, each said in words.

`SAYS` has the words by what is said, so that a page can say the same in another language.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy.orm import Session

from node.blacklist import posted_of
from node.keyring import KeyRing
from node.listings import open_listing
from node.screening.envelope import LISTING_TYPE, Envelope
from node.screening.listings import Listing, commitment_of, unlike
from node.screening.profiles import profile_numbered
from node.screening.states import DAY_S
from node.services.screening.views import Check
from node.tables import ListedEntry, MemberKey, OwnListing
from reconcile.model import KanheError, day_iso

_APPROVER: Final = "APPROVER"
SAYS: Final[Mapping[str, str]] = {
    "UNREAD": "this node never read the statement, or destroyed it",
    "LEDGER_DIFFERS": "the ledger says otherwise of: %(fields)s",
    "LEDGER_AGREES": "it says of itself what the ledger says of the entry",
    "NO_SIGNATURE": "the signature is none",
    "NOT_THEIR_KEY": "%(key)s is no key of member %(member)s",
    "NOT_APPROVER": "%(key)s was no approver's key in block %(block)s",
    "SIGNED_LOST": "valid, by %(key)s; its owner says that it was in other hands by then",
    "SIGNED": "valid, by %(key)s, an approver's key of the uploader then",
    "NOTICE": "days from the notice to the effect: %(days)s; needed: %(needed)s",
    "PERIOD": "posted on %(posted)s, in effect from %(effective)s",
    "OPENS": "it opens to the identifier and the statement kept here",
    "OPENS_NOT": "it does not open to the identifier and the statement kept here",
}


def checks_of(
    session: Session, ring: KeyRing, row: ListedEntry, said: tuple[Listing, bytes] | None
) -> tuple[Check, ...]:
    """Return the checks of an entry; `said` is its statement with the signature, where known."""
    dates = (_notice_check(row), _period_check(row))
    if said is None:
        unread = (_check("statement", None, "UNREAD"), _check("signature", None, "UNREAD"))
        return (*unread, *dates)
    listing, signature = said
    return (
        _statement_check(row, listing),
        _signature_check(session, row, listing, signature),
        *dates,
        *_commitment_check(session, ring, row),
    )


def signer_of(listing: Listing, signature: bytes) -> str | None:
    """Return the address that signed a statement; None where it is no signature."""
    try:
        (found,) = Envelope(LISTING_TYPE, listing.payload, (signature,)).signers()
    except KanheError:
        return None
    return found


def _check(name: str, ok: bool | None, what: str, **args: object) -> Check:
    words = {key: str(value) for key, value in args.items()}
    return Check(name, ok, SAYS[what] % words, what, words)


def _statement_check(row: ListedEntry, listing: Listing) -> Check:
    wrong = unlike(listing, posted_of(row))
    if wrong:
        return _check("statement", False, "LEDGER_DIFFERS", fields=", ".join(wrong))
    return _check("statement", True, "LEDGER_AGREES")


def _signature_check(
    session: Session, row: ListedEntry, listing: Listing, signature: bytes
) -> Check:
    signer = signer_of(listing, signature)
    if signer is None:
        return _check("signature", False, "NO_SIGNATURE")
    key = session.get(MemberKey, bytes.fromhex(signer[2:]))
    if key is None or key.member != row.uploader:
        return _check("signature", False, "NOT_THEIR_KEY", key=signer, member=row.uploader)
    if key.role != _APPROVER or not key.valid_from <= row.block_number <= key.valid_to:
        return _check("signature", False, "NOT_APPROVER", key=signer, block=row.block_number)
    since_s = key.compromised_since_s
    lost = since_s is not None and since_s <= row.posted_at_s
    return _check("signature", True, "SIGNED_LOST" if lost else "SIGNED", key=signer)


def _notice_check(row: ListedEntry) -> Check:
    days, needed = row.effective_day - row.notice_day, profile_numbered(row.profile).notice_days
    return _check("notice", days >= needed, "NOTICE", days=days, needed=needed)


def _period_check(row: ListedEntry) -> Check:
    posted, effective = row.posted_at_s // DAY_S, row.effective_day
    days = {"posted": day_iso(posted), "effective": day_iso(effective)}
    return _check("not back-dated", effective >= posted, "PERIOD", **days)


def _commitment_check(session: Session, ring: KeyRing, row: ListedEntry) -> list[Check]:
    """Open the commitment, where this node holds identifier and salt, and the vault is open."""
    own = session.get(OwnListing, row.entry)
    if own is None or own.statement is None:
        return []
    try:
        owned = open_listing(session, ring, row.entry)
    except KanheError as error:
        return [Check("commitment", None, error.message)]
    opened = owned.opened
    ok = commitment_of(opened.listing, owned.identifier, opened.salt) == row.commitment
    return [_check("commitment", ok, "OPENS" if ok else "OPENS_NOT")]
