"""The consent that a listing rests on, as its uploader records it on `Lookups`.

A statement names SHA-256 of what the person agreed to; on the ledger stands another name of it:

    SHA-256("kanhe/listing-consent/1" ‖ salt ‖ entry id ‖ SHA-256 of the document)

The salt is the one in the entry's record. A form with a name and an identifier in it can be
guessed, so its own hash never goes on the ledger; who found the entry, the person and a court have
the salt and recompute the name; once it is destroyed nobody does.
"""

from __future__ import annotations

import hashlib
from typing import Final

from node.screening.consent_files import ConsentFile, read_consent_file
from node.screening.file_kinds import CONSENT, kind_of
from node.screening.listings import SALT_BYTES, Listing
from node.screening.states import DAY_S

#: What became of a listing's consent: it stands on the ledger, is revoked there, is asked for;
#: stands in the statement alone (listed by an earlier release, or not taken); is not known here.
RECORDED: Final = "RECORDED"
REVOKED: Final = "REVOKED"
WAITING: Final = "WAITING"
UNRECORDED: Final = "UNRECORDED"
UNREAD: Final = "UNREAD"
_TAG: Final = b"kanhe/listing-consent/1"


def listing_consent(listing: Listing, salt: bytes) -> bytes:
    """Return the digest under which the uploader records what a listing rests on."""
    assert len(salt) == SALT_BYTES, "a salt is 32 bytes"
    return hashlib.sha256(_TAG + salt + listing.entry_id + listing.consent).digest()


def consent_ends_s(listing: Listing) -> int:
    """Return until when it is recorded: the last second of the entry's last day."""
    return last_second_of(listing.expires_at)


def last_second_of(day: int) -> int:
    """Return the last second of a day since 1970."""
    return (day + 1) * DAY_S - 1


def signed_consent_in(document: bytes) -> ConsentFile | None:
    """Return the consent that a person signed with her wallet or a certificate, if it is one.

    None for any other document. Raises `InputError` PROOF_MALFORMED for a broken one.
    """
    found = kind_of(document)
    return read_consent_file(document) if found is not None and found.type == CONSENT else None
