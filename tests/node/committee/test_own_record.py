"""A person asks about herself: her own blind, a free ticket, a receipt that shows it is all."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from committee_town import Town
from listed_people import person_of

from node.errors import NotFound
from node.screening.asking import About, read_person_request
from node.screening.weighing import weigh_evidence
from node.services.committee import caps
from node.services.lookups import Found
from node.wallet import ReadBack, Wallet, read_back

READER, CERTIFIER = 1, 2
LISTED, NOBODY = 1, 3


@contextlib.contextmanager
def town_clock(town: Town, *members: int) -> Iterator[None]:
    """Let members go by the town's time, which tests before this one moved ahead."""
    identities = [town.node(member).identity for member in members]
    clocks = [identity.clock for identity in identities]
    try:
        for identity in identities:
            object.__setattr__(identity, "clock", lambda: town.time_s() * 1_000)
        yield
    finally:
        for identity, clock in zip(identities, clocks, strict=True):
            object.__setattr__(identity, "clock", clock)


def request_of(town: Town, wallet: Wallet, about: About) -> bytes:
    """Have her certified by who is asked and by another, and return her request."""
    own, other = (
        town.node(member).screening.certify_person(
            wallet.request_certificate(member), wallet.identifier
        )
        for member in (READER, CERTIFIER)
    )
    return wallet.ask(READER, about, own, now_s=town.time_s(), consent_certificate=other)


def answer_to(town: Town, wallet: Wallet, about: About) -> ReadBack:
    """Certify, ask, look up, answer and read back, as the commands do."""
    node = town.node(READER)
    with town_clock(town, READER, CERTIFIER):
        request = request_of(town, wallet, about)
        admitted = node.screening.admit_person(request, allow_test=True)
        receipts: tuple[bytes, ...] = ()
        if about is About.ENTRIES:
            lookup = node.lookups.prepare_own(admitted.asked, admitted.identifier)
            assert node.lookups.prepare_own(admitted.asked, admitted.identifier) == lookup
            town.settle()
            (found,) = node.lookups.look_up([lookup])
            assert isinstance(found, Found), found
            receipts = (found.receipt,)
        elif about is About.RECEIPTS:
            receipts = node.lookups.receipts_about(admitted.identifier)
        answer = node.screening.answer_person(admitted, receipts=receipts)
    return read_back(wallet, read_person_request(request)[0], answer)


def test_who_is_not_listed_is_shown_that_it_is_so(
    indexed: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An absence of her own element, verified offline: nothing is missing, nothing was paid.

    Nor did it use up what is paid for: those caps are spent here.
    """
    for name in ("MEMBER_DAILY", "NETWORK_DAILY"):
        monkeypatch.setattr(caps, name, 0)
    before = indexed.node(READER).screening.points().account.free
    wallet = Wallet.create(person_of(NOBODY), indexed.node(READER).identity.place.lookups_domain)
    found = answer_to(indexed, wallet, About.ENTRIES)
    assert found.ok
    assert any("no entry concerned" in line for line in found.receipts[0].proved)
    assert indexed.node(READER).screening.points().account.free == before


def test_free_queries_end_at_their_own_cap(indexed: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """A committee node refuses what is over its share of a member's free day."""
    node = indexed.node(READER)
    monkeypatch.setattr(caps, "MEMBER_DAILY_OWN_RECORDS", 0)
    with town_clock(indexed, READER, CERTIFIER):
        wallet = Wallet.create(person_of(43), node.identity.place.lookups_domain)
        request = request_of(indexed, wallet, About.ENTRIES)
        asked = node.screening.admit_person(request, allow_test=True)
        lookup = node.lookups.prepare_own(asked.asked, asked.identifier)
        indexed.settle()
        (found,) = node.lookups.look_up([lookup])
        assert "DAILY_CAP_REACHED" in str(found), found
        monkeypatch.undo()
        (found,) = node.lookups.look_up([lookup])
        assert isinstance(found, Found), found


def test_two_persons_who_ask_at_once_are_both_looked_up(indexed: Town) -> None:
    """They see the same ticket free; who finds it taken asks again, and gets another."""
    node = indexed.node(READER)
    with town_clock(indexed, READER, CERTIFIER):
        asked = []
        for serial in (41, 42):
            wallet = Wallet.create(person_of(serial), node.identity.place.lookups_domain)
            request = request_of(indexed, wallet, About.ENTRIES)
            asked.append(node.screening.admit_person(request, allow_test=True))
        both = [node.lookups.prepare_own(one.asked, one.identifier) for one in asked]
        indexed.settle()
        assert len(node.lookups.tickets(kind="OWN_RECORD")) == 1
        assert [isinstance(one, Found) for one in node.lookups.look_up(both)] == [True, False]
        for _ in range(2):
            assert node.lookups.prepare_own(asked[1].asked, asked[1].identifier) == both[1]
        indexed.settle()
        assert len(node.lookups.tickets(kind="OWN_RECORD")) == 1
        assert all(isinstance(one, Found) for one in node.lookups.look_up(both))


def test_an_entry_of_another_uploader_is_found_and_its_evidence_asked_there(indexed: Town) -> None:
    """The receipt names the entry; the member that did not list it has no evidence to show."""
    wallet = Wallet.create(person_of(LISTED), indexed.node(READER).identity.place.lookups_domain)
    found = answer_to(indexed, wallet, About.ENTRIES)
    assert [one.ok for one in found.receipts] == [True]
    assert not found.ok
    assert len(found.missing) == 1
    assert found.missing[0].startswith("evidence of entry")


def test_she_sees_who_looked_her_up(indexed: Town) -> None:
    """Every receipt that the member holds about her, and none about anybody else."""
    looked = indexed.found(READER, LISTED)
    wallet = Wallet.create(person_of(LISTED), indexed.node(READER).identity.place.lookups_domain)
    found = answer_to(indexed, wallet, About.RECEIPTS)
    assert found.ok
    assert len(found.receipts) >= 1
    assert [one.reader for one in found.lookups] == [READER] * len(found.receipts)
    assert all(one.looked_up_at_s for one in found.lookups)
    held = indexed.node(READER).lookups.receipts_about(person_of(LISTED))
    assert looked.receipt in held
    assert len(found.receipts) == len(held)
    assert indexed.node(READER).lookups.receipts_about(person_of(40)) == ()


def test_a_reader_shows_another_member_s_entry_with_its_consent(indexed: Town) -> None:
    """From the receipt of its lookup: statement, every change, the consent as it is recorded."""
    reader = indexed.node(READER)
    looked = indexed.found(READER, LISTED)
    (entry,) = (item.entry for item in looked.entries)
    with pytest.raises(NotFound) as caught:
        reader.screening.evidence_of(entry)
    assert caught.value.code == "LISTING_NOT_OURS"
    told = weigh_evidence(
        reader.screening.evidence_of(entry, receipts=[looked.receipt]), allow_test=True
    )
    assert told.ok
    assert {"consent_1", "receipt_1", "ticket", "person"} <= {check.name for check in told.checks}
    assert any("had a consent of level 1 for CREDIT" in line for line in told.proved)
    other = indexed.found(READER, NOBODY)
    with pytest.raises(NotFound):
        reader.screening.evidence_of(entry, receipts=[other.receipt])
