"""What an entry rests on is shown to who finds it: recorded by whose word, and whether revoked."""

from __future__ import annotations

from dataclasses import replace

import pytest
from committee_town import OUTSIDER, Town
from listed_people import make_listing, person_of

from node.cli.blacklist_lookups import CONSENTS
from node.cli.listing_consents import consent_words
from node.screening.consents import Level
from node.screening.states import DAY_S
from node.services.screening.agreeing import AgreeingActs
from node.services.screening.listing import Candidate
from reconcile.model import ZERO32, day_iso

READER = 2


def listed(town: Town, member: int, serial: int) -> bytes:
    """List a person."""
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
    entry = town.node(member).screening.list_person(Candidate(person_of(serial), listing))
    town.settle()
    return entry


def test_a_level_that_nobody_gave_is_shown_as_its_recorder_s_word(
    indexed: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An uploader that records level 3 of a form: every reader is told that it is unverified."""
    indexed.pass_s(DAY_S)
    indexed.claim()
    honest = AgreeingActs._agreement
    with monkeypatch.context() as patched:
        patched.setattr(
            AgreeingActs,
            "_agreement",
            lambda *args: replace(honest(*args), level=Level.PERSON),
        )
        entry = listed(indexed, OUTSIDER, 85)
    indexed.publish()
    found = indexed.found(READER, 85)
    (item,) = found.entries
    assert (item.entry, item.consent, item.consent_level) == (entry, "RECORDED", 3)
    (seen,) = indexed.node(READER).screening.trace(entry).consents
    assert (seen.state, seen.level, seen.verified) == ("RECORDED", 3, False)
    words = consent_words(seen.to_json())
    assert words.startswith(f"recorded as level 3 by member {OUTSIDER}, not verified here, ")


def test_a_later_lookup_shows_that_the_consent_is_revoked(indexed: Town) -> None:
    """The entry stands, and who finds it is told what the person took back."""
    indexed.pass_s(DAY_S)
    indexed.claim()
    entry = listed(indexed, OUTSIDER, 86)
    indexed.publish()
    (item,) = indexed.found(READER, 86).entries
    assert (item.consent, item.consent_level) == ("RECORDED", 1)
    indexed.node(OUTSIDER).screening.revoke_listing_consent(entry)
    indexed.settle()
    found = indexed.found(READER, 86)
    (item,) = found.entries
    assert (found.outcome, item.state, item.consent) == ("HIT", "LISTED", "REVOKED")
    assert "REVOKED" in CONSENTS[item.consent]
    (seen,) = indexed.node(READER).screening.trace(entry).consents
    assert (seen.state, seen.revoked_tx is not None) == ("REVOKED", True)
    assert "REVOKED" in consent_words(seen.to_json())
