"""A reader that keeps the receipt of a lookup, and an uploader that erases what it found."""

from __future__ import annotations

import contextlib

from sqlalchemy import select
from sqlalchemy.orm import undefer

from node.errors import Conflict
from node.kept_receipts import keep_receipt
from node.listings import open_listing
from node.screening.envelope import read_envelope
from node.screening.profiles import profile_of
from node.screening.receipts import read_receipt
from node.services.lookups.consenting import DONE, Terms, prepare
from node.tables import KnownStatement, LookupEntry, OwnLookup
from tests.node.services.blacklist_looking import look
from tests.node.services.blacklist_town import BlacklistTown

UPLOADER, READER, OTHER = 1, 2, 3
DAYS = profile_of("CN-2013").dispute_days
FINAL = 5


def listed(town: BlacklistTown, serial: int) -> bytes:
    """List somebody; reader and uploader have the points that it takes."""
    for member in (UPLOADER, READER):
        with contextlib.suppress(Conflict):
            town.node(member).screening.claim_allowance()
    town.settle()
    return town.list(UPLOADER, serial)


def kept(town: BlacklistTown, entry: bytes) -> int:
    """Look an entry's person up, keep the receipt as a lookup of the reader; return its number."""
    receipt = look(town, READER, UPLOADER, entry)
    node = town.node(READER)
    found = read_receipt(read_envelope(receipt).payload)
    consent = found.consent.consent
    terms = Terms(consent.purpose, consent.scope, consent.valid_from_s, consent.valid_to_s)
    with town.node(UPLOADER).database.reading() as session:
        person = open_listing(session, town.node(UPLOADER).keys.ring, entry).identifier
    with node.database.writing.begin() as session:
        row = prepare(
            session, node.keys.ring, person, terms, now_ms=1, blind=found.blind, salt=bytes(32)
        )
        row.state, row.ticket, row.key_epoch = DONE, found.ticket, found.key_epoch
        row.outcome, row.level, row.done_at_ms = "HIT", 1, node.clock()
        row.digest = consent.digest(found.domain)
        keep_receipt(session, node.keys.ring, row, receipt, found.entries)
        number = row.id
    node.screening.read_receipt(receipt)
    return number


def final(town: BlacklistTown, *members: int) -> None:
    """Let what stands become final, and everybody act on it."""
    for _ in range(3):
        town.settle(*members)
        town.chain.mine(FINAL)
    town.settle(*members)


def erased(town: BlacklistTown, entry: bytes) -> None:
    """Let the uploader erase an entry, and that become final for the readers."""
    town.erase(UPLOADER, entry)
    final(town)


def held(town: BlacklistTown, entry: bytes) -> list[str]:
    """Return what the reader holds of an entry."""
    with town.node(READER).database.reading() as session:
        whole = session.scalars(
            select(LookupEntry.lookup).where(LookupEntry.entry == entry)
        ).first()
        found = {
            "statement": session.get(KnownStatement, entry) is not None,
            "receipt": whole is not None,
        }
    return [name for name, here in found.items() if here]


def certified(town: BlacklistTown, entry: bytes) -> set[int]:
    """Return whose certificates another member's node sees."""
    return {member for member, _, _ in town.node(OTHER).screening.trace(entry).certificates}


def row_of(town: BlacklistTown, lookup: int) -> OwnLookup:
    """Return a lookup's row, whole."""
    whole = (undefer(OwnLookup.receipt), undefer(OwnLookup.reduced))
    with town.node(READER).database.reading() as session:
        return session.get_one(OwnLookup, lookup, options=whole)
