"""Custodies under the name of another consent: not taken, not given, not opened."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from node.lookup_calls import LookupCalls
from node.screening.consents import consent_key
from node.screening.listing_consents import consent_ends_s, listing_consent
from node.screening.listings import Listing
from node.services.screening import ScreeningService
from node.services.screening.agreeing import Agreement
from node.tables import HeldCustody, HeldDetail, Incident
from reconcile.model import OutsideError
from tests.node.services.blacklist_looking import look
from tests.node.services.blacklist_town import BlacklistTown
from tests.node.services.custody_tools import (
    KEEPERS,
    READER,
    UPLOADER,
    afford,
    beta,
    connect,
    detail,
    go_silent,
    holds,
    incidents,
    refused,
    ticket_of,
    waiting,
    wire,
)

Name = Callable[[Listing, bytes], bytes]
AS_LISTED = ScreeningService._record_consent


@pytest.fixture(scope="module", autouse=True)
def wired(town: BlacklistTown) -> None:
    """Everybody has points, and reaches everybody."""
    wire(town)


def other(_listing: Listing, salt: bytes) -> bytes:
    """Name a consent of nobody."""
    return hashlib.sha256(b"nobody's" + salt).digest()


def document(listing: Listing, _salt: bytes) -> bytes:
    """Name a listing's consent as releases did that recorded none."""
    return listing.consent


def records(monkeypatch: pytest.MonkeyPatch, *names: Name, shorter_s: int = 0) -> None:
    """Have an uploader record these ahead of each ticket; all but its own end so much earlier."""

    def record(
        service: ScreeningService, session: Session, listing: Listing, salt: bytes, found: Agreement
    ) -> None:
        calls = LookupCalls(service._identity)
        for name in names:
            if name is listing_consent:
                AS_LISTED(service, session, listing, salt, found)
            else:
                ends_s = consent_ends_s(listing) - shorter_s
                calls.record_consent(session, name(listing, salt), 1, ends_s, b"\x07" * 32)

    monkeypatch.setattr(ScreeningService, "_record_consent", record)


def leaves_under(monkeypatch: pytest.MonkeyPatch, name: Name) -> None:
    """Have an uploader name this consent in its custodies."""
    monkeypatch.setattr("node.services.screening.depositing.listing_consent", name)


def listed(town: BlacklistTown, serial: int) -> tuple[bytes, list[bool]]:
    """List a person, let its evidence be left; return the entry and which custodians keep it."""
    connect(town)
    afford(town)
    entry = town.list(UPLOADER, serial)
    # What a custodian refused before is not waited for.
    connect(town)
    town.settle()
    return entry, [holds(town, member, entry) for member in KEEPERS]


def asked(town: BlacklistTown, entry: bytes) -> tuple[int, bytes]:
    """Ask custodians, and let the uploader be silent until they release."""
    receipt = look(town, READER, UPLOADER, entry)
    ticket = ticket_of(town, entry)
    connect(town, UPLOADER)
    waiting(town, entry, ticket, receipt)
    go_silent(town)
    return ticket, receipt


def revoked(town: BlacklistTown, entry: bytes) -> None:
    """Let the person revoke what an entry rests on, and that become final."""
    town.node(UPLOADER).screening.revoke_listing_consent(entry)
    for _ in range(2):
        town.settle()
        town.chain.mine(20)
    town.settle()


def test_what_is_not_recorded_ahead_of_the_entry_is_not_taken(
    town: BlacklistTown, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recorded nowhere, for the entry before, or ahead of the right one: nobody keeps it."""
    leaves_under(monkeypatch, other)
    entry, keeps = listed(town, 1)
    assert not any(keeps)
    with town.node(3).database.reading() as session:
        assert session.scalars(select(HeldCustody).where(HeldCustody.entry == entry)).all() == []
    receipt = look(town, READER, UPLOADER, entry)
    ticket = ticket_of(town, entry)
    connect(town, UPLOADER)
    assert refused(beta(town).ask_detail, entry, ticket, receipt) == "PEER_UNREACHABLE"
    names: list[bytes] = []
    with monkeypatch.context() as patch:
        leaves_under(patch, lambda *named: names.append(listing_consent(*named)) or names[-1])
        assert listed(town, 2)[1] == [True] * 3
    leaves_under(monkeypatch, lambda *_: names[0])
    assert listed(town, 3)[1] == [False] * 3
    records(monkeypatch, other, listing_consent)
    leaves_under(monkeypatch, other)
    assert listed(town, 4)[1] == [False] * 3


def test_consents_of_lookups_between_change_nothing(
    town: BlacklistTown, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An uploader looks people up too: what ends another day is none of its listings'."""
    records(monkeypatch, other, listing_consent, other, shorter_s=1)
    assert listed(town, 5)[1] == [True] * 3
    # A ticket that was refused leaves a record with the same end: the last one is the entry's.
    records(monkeypatch, other, listing_consent)
    assert listed(town, 6)[1] == [True] * 3


def test_a_name_recorded_behind_the_listing_s_is_found_by_the_reader(
    town: BlacklistTown, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Custodians cannot tell which of two is the listing's; who has the salt opens neither."""
    records(monkeypatch, listing_consent, other)
    leaves_under(monkeypatch, other)
    entry, keeps = listed(town, 7)
    assert keeps == [True] * 3
    ticket, receipt = asked(town, entry)
    with pytest.raises(OutsideError, match="member 1 CUSTODY_CONSENT") as caught:
        beta(town).ask_detail(entry, ticket, receipt)
    assert caught.value.code == "CUSTODY_BELOW_THRESHOLD"
    connect(town)
    revoked(town, entry)
    connect(town, UPLOADER)
    assert refused(beta(town).ask_detail, entry, ticket, receipt) == "CUSTODY_BELOW_THRESHOLD"
    (says,) = incidents(town, READER, "CUSTODY_CONSENT")
    assert f"member {UPLOADER} left the evidence" in says
    with town.node(READER).database.reading() as session:
        assert session.get(HeldDetail, ticket) is None
        (found,) = session.scalars(select(Incident).where(Incident.kind == "CUSTODY_CONSENT"))
        assert set(found.evidence) == {"manifest"}, "signed by the uploader, and of nobody"


@pytest.mark.parametrize(("serial", "name"), [(8, listing_consent), (9, document)])
def test_an_entry_without_a_recorded_consent_goes_on_as_it_did(
    town: BlacklistTown, monkeypatch: pytest.MonkeyPatch, serial: int, name: Name
) -> None:
    """Listed by an earlier release: its custodies, of then and of now, are taken and open."""
    records(monkeypatch)
    leaves_under(monkeypatch, name)
    entry, keeps = listed(town, serial)
    assert keeps == [True] * 3
    ticket, receipt = asked(town, entry)
    assert detail(town, entry, ticket, receipt).complete


def test_what_an_earlier_release_took_is_not_given_once_she_revoked(town: BlacklistTown) -> None:
    """A custody that is kept under another name: the record ahead of its entry closes it."""
    entry, keeps = listed(town, 10)
    assert keeps == [True] * 3
    for member in KEEPERS:
        with town.node(member).database.writing.begin() as session:
            row = session.get_one(HeldCustody, (entry, 1))
            row.consent = consent_key(UPLOADER, b"\x09" * 32)
    receipt = look(town, READER, UPLOADER, entry)
    ticket = ticket_of(town, entry)
    connect(town, UPLOADER)
    town.node(UPLOADER).screening.revoke_listing_consent(entry)
    town.settle()
    assert holds(town, 1, entry)
    with pytest.raises(OutsideError, match="LISTING_CONSENT_REVOKED"):
        beta(town).ask_detail(entry, ticket, receipt)
