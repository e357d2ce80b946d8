from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from listed_people import TODAY, digest, make_listing, person_of

from node.screening.listings import (
    ActionTaken,
    Reason,
    check_listing,
    commitment_of,
    committed,
    pack_listing,
    read_statement,
    unpack_listing,
)
from reconcile.canonical import canonical_json
from reconcile.model import LAST_DAY, ProtocolError

SALT = digest("salt")
GOLDEN_PAYLOAD = "288e2051df838e7d3088ba88348d1cba1f95d92ccfa159fb5aa78e72babcf9ef"


def test_a_right_listing_passes() -> None:
    """A listing with notice, action and a period within the profile may be posted."""
    check_listing(make_listing(), posted_day=TODAY)
    check_listing(make_listing(effective_from=TODAY + 7, notice_at=TODAY - 3), posted_day=TODAY)
    for changes in (
        {"days_past_due_band": 3},
        {"reason": Reason.CHARGED_OFF, "days_past_due_band": 0},
        {"reason": Reason.IDENTITY_STOLEN, "action": ActionTaken.PROTECTED},
        {"event_month": "1900-01", "supersedes": digest("entry 2")},
    ):
        check_listing(make_listing(**changes), posted_day=TODAY)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"schema": "kanhe/listing/2"}, "LISTING_SCHEMA_UNKNOWN"),
        ({"policy_version": 2}, "LISTING_SCHEMA_UNKNOWN"),
        ({"policy": "ATLANTIS"}, "PROFILE_UNKNOWN"),
        ({"action": None}, "LISTING_NO_ACTION"),
        ({"notice_at": None}, "LISTING_NO_NOTICE"),
        ({"notice_hash": None}, "LISTING_NO_NOTICE"),
        ({"effective_from": TODAY - 1}, "LISTING_BACKDATED"),
        ({"notice_at": TODAY - 9}, "LISTING_NOTICE_TOO_RECENT"),
        ({"notice_at": 0}, "LISTING_NO_NOTICE"),
        ({"notice_at": TODAY + 1}, "LISTING_NOTICE_AHEAD"),
        ({"notice_at": TODAY + 1, "effective_from": TODAY + 11}, "LISTING_EFFECT_TOO_FAR"),
        ({"effective_from": TODAY + 8}, "LISTING_EFFECT_TOO_FAR"),
        ({"effective_from": TODAY + 36_500}, "LISTING_EFFECT_TOO_FAR"),
        ({"expires_at": TODAY + 1_827}, "LISTING_EXPIRY_TOO_FAR"),
        ({"expires_at": TODAY}, "LISTING_PERIOD_EMPTY"),
        ({"event_month": "2026-12"}, "LISTING_EVENT_MONTH"),
        ({"event_month": "2026-13"}, "LISTING_EVENT_MONTH"),
        ({"event_month": "26-08"}, "LISTING_EVENT_MONTH"),
        ({"event_month": "0001-01"}, "LISTING_EVENT_MONTH"),
        ({"event_month": "1899-12"}, "LISTING_EVENT_MONTH"),
        ({"days_past_due_band": 0}, "LISTING_NOT_OVERDUE"),
        ({"days_past_due_band": 2}, "LISTING_NOT_OVERDUE"),
        ({"reason": Reason.IDENTITY_STOLEN}, "LISTING_NOT_PROTECTING"),
        (
            {"reason": Reason.IDENTITY_STOLEN, "action": ActionTaken.CREDIT_REFUSED},
            "LISTING_NOT_PROTECTING",
        ),
        ({"supersedes": digest("entry 1")}, "LISTING_SUPERSEDES_ITSELF"),
    ],
)
def test_what_must_not_be_listed_is_refused(
    code_of: Callable[..., str], changes: dict[str, object], code: str
) -> None:
    """Each rule of the page refuses by its own code."""
    assert code_of(check_listing, make_listing(**changes), posted_day=TODAY) == code


def test_profiles_differ(code_of: Callable[..., str]) -> None:
    """What one jurisdiction allows another refuses."""
    listing = make_listing(notice_at=TODAY - 29)
    check_listing(listing, posted_day=TODAY)
    american = msgspec.structs.replace(listing, policy="US-FCRA")
    assert code_of(check_listing, american, posted_day=TODAY) == "LISTING_NOTICE_TOO_RECENT"


@given(st.data())
def test_the_commitment_covers_person_salt_and_every_field(data: st.DataObject) -> None:
    """Another person, salt or field gives another commitment."""
    listing, person = make_listing(), person_of()
    base = commitment_of(listing, person, SALT)
    assert commitment_of(listing, person_of(2), SALT) != base
    assert commitment_of(listing, person, digest("other")) != base
    field = data.draw(st.sampled_from([f for f in listing.__struct_fields__ if f != "commitment"]))
    other = {
        "id_type": None,
        "schema": "x",
        "reason": "IDENTITY_STOLEN",
        "product": "GUARANTEE",
        "action": None,
        "event_month": "2026-07",
        "policy": "UK",
        "supersedes": digest("x"),
    }.get(field, 7 if isinstance(getattr(listing, field), int) else digest("y"))
    if other is None and field == "id_type":
        return
    changed = msgspec.structs.replace(listing, **{field: other})
    assert commitment_of(changed, person, SALT) != base


def test_the_json_and_the_packed_form_say_the_same() -> None:
    """A packed statement unpacks to the very bytes that were signed, without an identifier."""
    person = person_of()
    listing = committed(make_listing(), person, SALT)
    found = unpack_listing(pack_listing(listing))
    assert found.payload == listing.payload == canonical_json(found.to_json())
    assert person.value.encode() not in listing.payload + pack_listing(listing)
    assert found.to_json()["effective_from"] == "2026-11-20"


def test_every_changed_byte_of_a_packed_statement_changes_or_breaks_it() -> None:
    """A flipped byte never reads as the same statement."""
    listing = committed(make_listing(), person_of(), SALT)
    data = pack_listing(listing)
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1
        with contextlib.suppress(ProtocolError):
            assert unpack_listing(bytes(changed)) != listing


def test_the_statement_s_bytes_cannot_drift() -> None:
    """The payload of one listing has the hash that is written down here."""
    payload = committed(make_listing(), person_of(), SALT).payload
    assert hashlib.sha256(payload).hexdigest() == GOLDEN_PAYLOAD


@pytest.mark.parametrize("name", ["effective_from", "expires_at", "notice_at"])
def test_a_day_without_a_date_is_malformed(code_of: Callable[..., str], name: str) -> None:
    """Sealed into a record, it would have no bytes that its uploader can have signed."""
    last = make_listing(1, **{name: LAST_DAY})
    assert unpack_listing(pack_listing(last)) == last
    far = make_listing(1, **{name: LAST_DAY + 1})
    assert code_of(unpack_listing, pack_listing(far)) == "LISTING_MALFORMED"
    assert code_of(read_statement, far.payload) == "LISTING_MALFORMED"
