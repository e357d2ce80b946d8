"""What an entry rests on, before the person, a court and the desk: shown, verified, revoked."""

from __future__ import annotations

import pytest

from node.screening.asking import About, read_person_answer, read_person_request
from node.screening.consent_files import read_revocation_file, write_consent_file
from node.screening.envelope import read_envelope
from node.screening.evidence import read_evidence
from node.screening.weighing import weigh_evidence
from node.wallet import ReadBack, Wallet, read_back
from reconcile.model import KanheError
from tests.node.services.blacklist_looking import look
from tests.node.services.blacklist_town import BlacklistTown, person
from tests.node.services.test_screening_consents import (
    consent,
    refused,
    resting_on,
    signed_consent,
)


@pytest.fixture(autouse=True)
def another_day(town: BlacklistTown) -> None:
    """Each test has a day's points."""
    town.pass_days(1)


def answered(town: BlacklistTown, wallet: Wallet, serial: int) -> tuple[bytes, ReadBack]:
    """Let member 1 answer a person about her entries, and her read it."""
    alpha, beta = town.node(1), town.node(2)
    ours = alpha.screening.certify_person(wallet.request_certificate(1), person(serial))
    other = beta.screening.certify_person(wallet.request_certificate(2), person(serial))
    now_s = alpha.clock() // 1_000
    request = wallet.ask(1, About.ENTRIES, ours, now_s=now_s, consent_certificate=other)
    admitted = alpha.screening.admit_person(request, allow_test=True)
    data = alpha.screening.answer_person(admitted)
    return data, read_back(wallet, read_person_request(request)[0], data)


def test_the_answer_lets_her_revoke_through_any_member(town: BlacklistTown) -> None:
    """The uploader's file comes with the evidence; another member relays it, nobody sees whose."""
    alpha, gamma = town.node(1), town.node(3)
    entry = town.list(1, 120)
    wallet = Wallet.create(person(120), alpha.identity.place.lookups_domain)
    data, found = answered(town, wallet, 120)
    (fact,) = found.entries
    assert (fact.rests_on.told, fact.rests_on.level) == (True, 1)
    assert fact.rests_on.consent == consent(alpha, entry).consent
    assert list(found.revocations) == [entry]
    file = read_revocation_file(found.revocations[entry])
    assert file.secret.hex() not in repr(read_person_answer(data)[0])
    with alpha.database.reading() as session:
        acts = str(session.connection().exec_driver_sql("select details from audit_log").all())
    assert file.secret.hex() not in acts
    assert gamma.lookups.relay_revocation(found.revocations[entry]) == file.consent
    town.settle()
    assert consent(alpha, entry).state == "REVOKED"
    # Asked again, there is nothing left to revoke, and nothing missing for it.
    _, again = answered(town, wallet, 120)
    assert again.revocations == {}
    assert again.entries[0].rests_on.revoked_at_s is not None
    assert not any("revokes" in line for line in again.missing)
    assert again.evidence[0].ok
    assert any("and was revoked in block" in line for line in again.evidence[0].proved)


def test_what_she_signed_herself_she_revokes_herself(town: BlacklistTown) -> None:
    """Her own secret under the entry's name; the uploader has no file for it, and needs none."""
    alpha, gamma = town.node(1), town.node(3)
    wallet, signed = signed_consent(town, 121)
    entry = alpha.screening.list_person(resting_on(town, 121, write_consent_file(signed)))
    town.settle()
    data, found = answered(town, wallet, 121)
    assert read_person_answer(data)[0].revocations == ()
    assert found.entries[0].rests_on.level == 3
    assert found.evidence[0].ok
    held = "the person consented to be listed by member 1: it holds as level 3"
    assert held in found.evidence[0].proved
    gamma.lookups.relay_revocation(found.revocations[entry])
    town.settle()
    assert consent(alpha, entry).state == "REVOKED"
    # Her secret is known from now on: nothing further rests on what it revoked.
    newer = resting_on(town, 121, write_consent_file(signed), supersedes=entry)
    assert refused(alpha.screening.list_person, newer) == "LISTING_CONSENT_REVOKED"


def test_evidence_shows_it_of_an_own_entry_and_of_another_s(town: BlacklistTown) -> None:
    """By the salt of the own listing, or of the record that a lookup opened; recomputed offline."""
    alpha, beta = town.node(1), town.node(2)
    beta.screening.claim_allowance()
    entry = town.list(1, 122)
    receipt = look(town, 2, 1, entry)
    for data in (
        alpha.screening.evidence_of(entry),
        beta.screening.evidence_of(entry, receipts=[receipt]),
    ):
        told = weigh_evidence(data, allow_test=True)
        assert told.ok, told.to_json()
        assert any("was recorded as level 1" in line for line in told.proved)
        bundle = read_evidence(read_envelope(data).payload)
        assert bundle.changes[0].name == "ConsentRecorded", "ahead of the ticket"
        transaction = consent(alpha, entry).tx_hash
        assert transaction in {one.transaction for one in bundle.changes}
    town.erase(1, entry)
    with pytest.raises(KanheError, match="LISTING_ERASED"):
        alpha.screening.evidence_of(entry)
