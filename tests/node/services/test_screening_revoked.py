"""What a person revoked carries no further listing of hers: posted or not, whatever it is about."""

from __future__ import annotations

import pytest
from eth_utils.crypto import keccak

from node.screening.consent_files import write_consent_file
from node.screening.listings import Product
from node.tables import OwnListing
from tests.node.services.blacklist_town import BlacklistTown
from tests.node.services.test_screening_consents import (
    consent,
    name_of,
    refused,
    resting_on,
    signed_consent,
)
from tests.node.services.test_screening_signed import outcomes, refuse_ticket

REVOKED = "LISTING_CONSENT_REVOKED"


@pytest.fixture(autouse=True)
def another_day(town: BlacklistTown) -> None:
    """Each test has a day's points."""
    town.pass_days(1)


def test_a_refused_listing_is_not_posted_again_on_what_she_revoked(town: BlacklistTown) -> None:
    """Its record stands without an entry; revoked, neither it nor another matter rests on it."""
    alpha = town.node(1)
    form = keccak(b"a form of hers")
    entry = alpha.screening.list_person(town.candidate(501, consent=form))
    refuse_ticket(town, entry)
    alpha.screening.revoke_listing_consent(entry)
    loan = town.candidate(501, consent=form, product=Product.MORTGAGE)
    # On her word at once, and once the ledger has it.
    for _ in range(2):
        sent = alpha.tip()["outbox"]
        assert refused(alpha.screening.list_again, entry) == REVOKED
        assert outcomes(alpha.screening.list_many([loan])) == [REVOKED]
        assert alpha.tip()["outbox"] == sent
        town.settle()
    # Another document of hers, and the same form of somebody else's, are not what she revoked.
    newer = town.candidate(501, consent=keccak(b"a newer form"), product=Product.MORTGAGE)
    others = town.candidate(502, consent=form)
    assert outcomes(alpha.screening.list_many([newer, others])) == ["", ""]


def test_what_she_revoked_of_an_entry_carries_no_other_matter(town: BlacklistTown) -> None:
    """A document, and a consent that she signed: by its hash alone, too."""
    alpha, beta = town.node(1), town.node(2)
    form = keccak(b"one form for all")
    entry = alpha.screening.list_person(town.candidate(503, consent=form))
    wallet, file = signed_consent(town, 504)
    data = write_consent_file(file)
    hers = alpha.screening.list_person(resting_on(town, 504, data))
    town.settle()
    alpha.screening.revoke_listing_consent(entry)
    beta.lookups.relay_revocation(wallet.listing_revocation(file, 1, name_of(alpha, hers)))
    town.settle()
    assert consent(alpha, entry).state == consent(alpha, hers).state == "REVOKED"
    loan = town.candidate(503, consent=form, product=Product.MORTGAGE)
    signed = resting_on(town, 504, data, product=Product.MORTGAGE)
    bare = town.candidate(504, consent=signed.listing.consent, product=Product.MORTGAGE)
    taken = alpha.screening.list_many([loan, signed, bare])
    assert outcomes(taken) == [REVOKED] * 3


def test_a_refused_listing_is_not_posted_again_beside_the_same_anew(town: BlacklistTown) -> None:
    """Listed anew for the matter meanwhile, the refused one stays refused."""
    alpha = town.node(1)
    entry = alpha.screening.list_person(town.candidate(505))
    refuse_ticket(town, entry)
    alpha.screening.list_person(town.candidate(505))
    assert refused(alpha.screening.list_again, entry) == "LISTED_ALREADY"


def test_nothing_tells_what_an_erased_listing_rested_on(town: BlacklistTown) -> None:
    """Who has the vault and guesses person and form finds no row."""
    alpha = town.node(1)
    entry = town.list(1, 506)
    with alpha.database.reading() as session:
        assert session.get_one(OwnListing, entry).rests_on is not None
    town.erase(1, entry)
    with alpha.database.reading() as session:
        assert session.get_one(OwnListing, entry).rests_on is None
