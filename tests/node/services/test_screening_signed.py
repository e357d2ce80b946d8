"""A consent that a person signed to be listed carries one entry: the ledger links no two by it."""

from __future__ import annotations

import base64

import pytest

from node.bootstrap import Node
from node.screening.consent_files import write_consent_file
from node.screening.consents import consent_key
from node.screening.listings import Product
from node.services.screening import Taken
from node.tables import OwnListing, RecordedConsent
from reconcile.model import KanheError
from tests.node.services.blacklist_town import BlacklistTown, person
from tests.node.services.test_screening_consents import (
    consent,
    name_of,
    refused,
    resting_on,
    signed_consent,
)
from tests.node.services.test_screening_rest import good, listing, program
from tests.node.services.test_screening_rest import refused as refused_by
from tests.node.web.desk_town import served

USED = "LISTING_CONSENT_USED"


@pytest.fixture(autouse=True)
def another_day(town: BlacklistTown) -> None:
    """Each test has a day's points."""
    town.pass_days(1)


def signed(town: BlacklistTown, serial: int) -> bytes:
    """Return a consent to be listed that a person signed."""
    return write_consent_file(signed_consent(town, serial)[1])


def hash_of(town: BlacklistTown, entry: bytes) -> str:
    """Return the hash of the revoking secret that stands in the ledger's calldata for an entry."""
    alpha = town.node(1)
    with alpha.database.reading() as session:
        row = session.get_one(RecordedConsent, consent_key(1, name_of(alpha, entry)))
    sent = town.chain.rpc("eth_getTransactionByHash", "0x" + row.tx_hash.hex())
    return str(sent["input"][-64:])


def refuse_ticket(town: BlacklistTown, entry: bytes) -> None:
    """Let an entry's ticket wait over midnight."""
    town.chain.rpc("evm_increaseTime", 86_400)
    town.settle()
    rows = {row.entry: row.state for row in town.node(1).screening.entries()[0]}
    assert rows[entry] == "REFUSED"


def outcomes(taken: list[Taken]) -> list[str]:
    """Return what became of each of many."""
    return ["" if one.error is None else one.error.code for one in taken]


def own_listings(node: Node) -> int:
    """Return how many own listings a node keeps."""
    with node.database.reading() as session:
        return session.query(OwnListing).count()


def test_one_signed_consent_carries_one_entry(town: BlacklistTown) -> None:
    """Another matter is refused before anything is kept, in one batch too; hers for it is taken."""
    alpha = town.node(1)
    data = signed(town, 401)
    first = alpha.screening.list_person(resting_on(town, 401, data))
    loan = resting_on(town, 401, data, product=Product.CONSUMER_LOAN)
    kept, sent = own_listings(alpha), alpha.tip()["outbox"]
    with pytest.raises(KanheError) as caught:
        alpha.screening.list_person(loan)
    assert (caught.value.code, caught.value.http_status) == (USED, 409)
    assert first.hex()[:16] in caught.value.message
    town.settle()
    assert refused(alpha.screening.list_person, loan) == USED, "posted, as waiting"
    assert own_listings(alpha) == kept
    newer = signed(town, 401)
    both = [
        resting_on(town, 401, newer, product=Product.CONSUMER_LOAN),
        resting_on(town, 401, newer, product=Product.MORTGAGE),
    ]
    taken = alpha.screening.list_many([loan, *both])
    assert outcomes(taken) == [USED, "", USED]
    town.settle()
    second = taken[1].entry
    assert second is not None
    assert hash_of(town, first) != hash_of(town, second)
    assert consent(alpha, second).level == consent(alpha, first).level == 3
    assert own_listings(alpha) == kept + 1
    assert alpha.tip()["outbox"] != sent


def test_a_correction_rests_on_the_consent_of_what_it_corrects(town: BlacklistTown) -> None:
    """The ledger names the corrected entry itself, over two of them; another entry is refused."""
    alpha, data = town.node(1), signed(town, 402)
    entries = [alpha.screening.list_person(resting_on(town, 402, data))]
    for band in (4, 5):
        town.settle()
        town.tag(1)
        town.settle()
        newer = resting_on(town, 402, data, supersedes=entries[-1], amount_band=band)
        entries.append(alpha.screening.list_person(newer))
    town.settle()
    assert len({hash_of(town, entry) for entry in entries}) == 1
    beside = resting_on(town, 402, data, supersedes=entries[0], product=Product.MORTGAGE)
    assert refused(alpha.screening.list_person, beside) == USED, "the second correction runs"
    town.pass_days(8)
    assert alpha.screening.trace(entries[-1]).entry.state == "LAPSED"
    anew = resting_on(town, 402, data, supersedes=entries[1])
    entries.append(alpha.screening.list_person(anew))
    town.settle()
    assert consent(alpha, entries[-1]).state == "RECORDED"
    loan = resting_on(town, 402, data, product=Product.CONSUMER_LOAN)
    assert refused(alpha.screening.list_person, loan) == USED


def test_a_refused_ticket_gives_its_consent_back_for_that_matter(town: BlacklistTown) -> None:
    """Posted again, or anew under another id; not for another matter, nor for both."""
    alpha, data = town.node(1), signed(town, 403)
    entry = alpha.screening.list_person(resting_on(town, 403, data))
    refuse_ticket(town, entry)
    alpha.screening.list_again(entry)
    refuse_ticket(town, entry)
    loan = resting_on(town, 403, data, product=Product.CONSUMER_LOAN)
    assert refused(alpha.screening.list_person, loan) == USED
    anew = alpha.screening.list_person(resting_on(town, 403, data))
    assert anew != entry
    assert refused(alpha.screening.list_again, entry) == "LISTED_ALREADY"
    town.settle()
    assert consent(alpha, anew).state == "RECORDED"


def test_what_an_erased_entry_rested_on_carries_no_other(town: BlacklistTown) -> None:
    """The ledger shows the hash for ever beside the erased entry, and so the node keeps it."""
    alpha, data = town.node(1), signed(town, 404)
    entry = alpha.screening.list_person(resting_on(town, 404, data))
    town.settle()
    town.tag(1)
    town.settle()
    town.erase(1, entry)
    assert alpha.screening.trace(entry).entry.erased
    assert refused(alpha.screening.list_person, resting_on(town, 404, data)) == USED


def test_a_second_entry_on_one_signed_consent_is_refused_over_rest(town: BlacklistTown) -> None:
    """The same refusal by the public call."""
    alpha, data = town.node(1), signed(town, 405)
    with served({"alpha": alpha}) as base, program(alpha, base, "alpha", "maker") as maker:
        body = {**listing(town, 405), "agreed": base64.b64encode(data).decode()}
        assert body["identifier"] == person(405).value
        body["words"] = {key: said for key, said in body["words"].items() if key != "consent"}
        good(maker.post("/entries", json=body))
        words = {**body["words"], "product": "CONSUMER_LOAN"}
        again = maker.post("/entries", json={**body, "words": words})
        assert refused_by(again) == (409, USED)
