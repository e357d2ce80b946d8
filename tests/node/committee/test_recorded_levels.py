"""The level of a consent is whoever's word recorded it, until this node held the consent itself."""

from __future__ import annotations

import secrets

import msgspec
from committee_town import OUTSIDER, Town
from eth_utils.crypto import keccak
from listed_people import make_listing, person_of

from node.cli.blacklist import _consent_words
from node.lookup_calls import LookupCalls
from node.screening.states import DAY_S
from node.services.screening.listing import Candidate
from reconcile.model import ZERO32, day_iso

READER = 2


def listed_on(town: Town, member: int, serial: int, consent: bytes) -> bytes:
    """List a person on a consent."""
    today = town.time_s() // DAY_S
    listing = make_listing(
        serial,
        entry_id=ZERO32,
        uploader=member,
        effective_from=today,
        expires_at=today + 900,
        notice_at=today - 30,
        event_month=day_iso(today - 90)[:7],
    )
    listing = msgspec.structs.replace(listing, consent=consent)
    entry = town.node(member).screening.list_person(Candidate(person_of(serial), listing))
    town.settle()
    return entry


def test_a_level_that_nobody_gave_is_shown_as_its_recorder_s_word(indexed: Town) -> None:
    """Random bytes recorded as a consent of level 3: every reader is told that it is unverified."""
    indexed.pass_s(DAY_S)
    indexed.claim()
    uploader, invented = indexed.node(OUTSIDER), secrets.token_bytes(32)
    with uploader.sessions.begin() as session:
        until = indexed.time_s() + 10**7
        LookupCalls(uploader.identity).record_consent(session, invented, 3, until, keccak(b"x"))
    indexed.settle()
    entry = listed_on(indexed, OUTSIDER, 85, invented)
    indexed.publish()
    indexed.found(READER, 85)
    for member in (READER, OUTSIDER):
        (seen,) = indexed.node(member).screening.trace(entry).consents
        assert (seen.recorded, seen.level, seen.verified) == (True, 3, False)
        words = _consent_words(seen.to_json())
        assert words.startswith("recorded as level 3, not verified here, recorded ")


def test_a_consent_of_an_own_lookup_is_verified_where_it_was_held(indexed: Town) -> None:
    """The member that looked her up on it held it; to others it stays the recorder's word."""
    indexed.pass_s(DAY_S)
    indexed.claim()
    found = indexed.found(OUTSIDER, 86)
    views = indexed.node(OUTSIDER).lookups.lookups()
    consent = next(view.digest for view in views if view.lookup == found.lookup)
    assert consent is not None
    entry = listed_on(indexed, OUTSIDER, 86, consent)
    indexed.publish()
    indexed.found(READER, 86)
    for member, verified in ((OUTSIDER, True), (READER, False)):
        (seen,) = indexed.node(member).screening.trace(entry).consents
        assert (seen.level, seen.verified) == (1, verified)
    (seen,) = indexed.node(OUTSIDER).screening.trace(entry).consents
    assert _consent_words(seen.to_json()).startswith("level 1, recorded ")
