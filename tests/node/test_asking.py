"""What a member answers of a person's requests: her own, of whom it identified itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
from listed_people import digest
from test_persons import (
    DOMAIN,
    ISSUER,
    NOW_S,
    PERSON,
    asking,
    certificate_of,
    code_of,
    counter,
)

from node.crypto.eip712 import Domain
from node.screening.asking import About, read_person_request, sign_person_request
from node.screening.attesting import FRESH_S, admit
from node.screening.consents import SignedConsent, Trust, person_commitment
from node.wallet import Wallet
from reconcile.model import KanheError


@pytest.fixture(scope="module")
def wallet() -> Wallet:
    """A wallet."""
    return Wallet.create(PERSON, DOMAIN)


@pytest.mark.parametrize("about", list(About))
def test_a_member_admits_her_own_request(wallet: Wallet, about: About) -> None:
    """Signed by a key that this member certified, fresh, for this member, about herself."""
    options = {"entry": digest("entry"), "grounds": "paid in May"} if about is About.DISPUTE else {}
    data = asking(wallet, about, **options)
    asked, identifier = admit(data, counter())
    assert (asked.about, identifier) == (about, PERSON)
    assert (asked.consent is not None) == (about is About.ENTRIES)
    assert PERSON.value not in repr(asked)
    assert asked.grounds == options.get("grounds", "")


def test_what_is_not_hers_or_not_now_is_not_admitted(wallet: Wallet) -> None:
    """Another member's, late, replayed, uncertified, another person's: each has its reason."""
    data = asking(wallet, About.ENTRIES)
    for at, code in [
        (counter(member=2), "ASKED_ELSEWHERE"),
        (counter(domain=Domain(1, DOMAIN.contract)), "ASKED_ELSEWHERE"),
        (counter(now_s=NOW_S + FRESH_S + 1), "ASKED_LATE"),
        (counter(now_s=NOW_S - FRESH_S - 1), "ASKED_LATE"),
        (counter(was_seen=lambda _nonce: True), "ASKED_TWICE"),
        (counter(trust=Trust(lambda _member, _key: False)), "ASKED_CERTIFICATE"),
        (counter(allow_test=False), "IDENTIFIER_COMPONENT"),
    ]:
        assert code_of(admit, data, at) == code
    empty = asking(wallet, About.DISPUTE, entry=digest("e"), grounds=" ")
    assert code_of(admit, empty, counter()) == "ASKED_INCOMPLETE"


@pytest.mark.parametrize("about", list(About))
def test_nobody_asks_with_a_key_that_another_member_certified(wallet: Wallet, about: About) -> None:
    """A member that certifies an invented key for somebody learns nothing of her elsewhere."""
    invented = Wallet.create(PERSON, DOMAIN)
    options = {"entry": digest("entry"), "grounds": "paid in May"} if about is About.DISPUTE else {}
    words = {"now_s": NOW_S, "consent_certificate": certificate_of(invented, 2), **options}
    # The wallet says what is missing; whoever writes the request by other means is refused.
    assert code_of(invented.ask, 1, about, certificate_of(invented), **words) == (
        "WALLET_OTHER_MEMBER"
    )
    asked, _ = read_person_request(
        asking(
            invented,
            about,
            ISSUER,
            consent_certificate=None if about is not About.ENTRIES else certificate_of(invented, 2),
        )
    )
    forged = sign_person_request(replace(asked, member=1), invented.key_towards(ISSUER))
    assert code_of(admit, forged, counter()) == "ASKED_ISSUER"
    assert admit(asking(wallet, about, **options), counter())[1] == PERSON


def test_her_consent_is_certified_by_another_than_who_looks_her_up(wallet: Wallet) -> None:
    """The member that is asked cannot vouch for her consent to itself."""
    own = certificate_of(wallet, 1)
    for second in (None, own):
        found = code_of(wallet.ask, 1, About.ENTRIES, own, now_s=NOW_S, consent_certificate=second)
        assert found == "WALLET_SECOND_CERTIFICATE"
    asked, _ = read_person_request(asking(wallet, About.ENTRIES))
    assert asked.consent is not None
    consent = replace(
        asked.consent.consent, person=person_commitment(PERSON, wallet.salt_towards(1))
    )
    signature = wallet.key_towards(1).sign_digest(consent.digest(DOMAIN))
    by_itself = SignedConsent(consent, wallet.salt_towards(1), signature, own)
    forged = sign_person_request(replace(asked, consent=by_itself), wallet.key_towards(1))
    assert code_of(admit, forged, counter()) == "ASKED_CONSENT"


def test_every_changed_byte_of_a_request_is_found(wallet: Wallet) -> None:
    """Its envelope is signed: another byte is another signer's, or no request at all."""
    data = asking(wallet, About.ENTRIES)
    for at in range(0, len(data), 7):
        changed = bytearray(data)
        changed[at] ^= 1 << at % 7
        with pytest.raises(KanheError):
            admit(bytes(changed), counter())
