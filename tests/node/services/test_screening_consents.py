"""What a listing rests on: recorded with its ticket, traced, revoked, gone with its salt."""

from __future__ import annotations

import hashlib

import msgspec
import pytest
from eth_utils.crypto import keccak
from sqlalchemy import select

from node.bootstrap import Node
from node.crypto.oprf import modes
from node.crypto.oprf.modes import Mode
from node.listings import open_listing
from node.outbox.adoption import confirm_adoption
from node.projections import lookups
from node.screening.asking import ConsentRequest, read_consent_request, sign_consent_request
from node.screening.consent_files import ConsentFile, write_consent_file
from node.screening.consents import Purpose, Scope, consent_key
from node.screening.listing_consents import consent_ends_s, listing_consent
from node.screening.listings import Listing
from node.screening.records import OpenedRecord
from node.services.screening import Candidate
from node.services.screening.views import ConsentView
from node.tables import Intent, ListedEntry, OwnCustody, OwnListing, RecordedConsent
from node.wallet import Wallet
from reconcile.model import KanheError
from tests import databases
from tests.node.services.blacklist_looking import look
from tests.node.services.blacklist_town import BlacklistTown, person

CONTRACT = keccak(b"the contract")


@pytest.fixture(autouse=True)
def another_day(town: BlacklistTown) -> None:
    """Each test has a day's points."""
    town.pass_days(1)


def refused(call: object, *args: object, **more: object) -> str:
    """Return the code of the refusal in which a call ends."""
    with pytest.raises(KanheError) as caught:
        call(*args, **more)  # type: ignore[operator]
    return caught.value.code


def opened(node: Node, entry: bytes) -> OpenedRecord:
    """Return statement and salt of an own entry."""
    with node.database.reading() as session:
        return open_listing(session, node.keys.ring, entry).opened


def name_of(node: Node, entry: bytes) -> bytes:
    """Recompute a record's digest from what the uploader keeps."""
    kept = opened(node, entry)
    return listing_consent(kept.listing, kept.salt)


def consent(node: Node, entry: bytes) -> ConsentView:
    """Return what a node says that an entry itself rests on."""
    return node.screening.trace(entry).consents[0]


def test_what_an_entry_rests_on_is_recorded_ahead_of_it(town: BlacklistTown) -> None:
    """Level, time, end, transaction, by a name that only who holds the salt recomputes."""
    alpha, beta = town.node(1), town.node(2)
    entry = town.list(1, 101)
    digest = name_of(alpha, entry)
    assert digest not in {CONTRACT, hashlib.sha256(CONTRACT).digest()}
    (own,) = alpha.screening.trace(entry).consents
    assert (own.state, own.level, own.recorder, own.verified) == ("RECORDED", 1, 1, True)
    assert (own.consent, own.document) == (digest, CONTRACT)
    with beta.database.reading() as session:
        row = session.get_one(ListedEntry, entry)
        recorded = session.get_one(RecordedConsent, consent_key(1, digest))
        ends_s = consent_ends_s(opened(alpha, entry).listing)
        assert recorded.valid_to_s == ends_s == (row.expires_day + 1) * 86_400 - 1
        place = (recorded.block_number, recorded.log_index)
        assert place < (row.block_number, row.log_index), "the consent stands first"
        assert own.tx_hash == recorded.tx_hash
        keys = set(session.scalars(select(RecordedConsent.consent)))
    assert consent_key(1, CONTRACT) not in keys, "the document's own hash goes nowhere"
    # Who did not read the record is told nothing; who found the entry sees all of it.
    (blind,) = beta.screening.trace(entry).consents
    assert (blind.state, blind.consent, blind.document) == ("UNREAD", None, None)
    beta.screening.claim_allowance()
    town.settle()
    beta.screening.read_receipt(look(town, 2, 1, entry))
    (seen,) = beta.screening.trace(entry).consents
    assert (seen.state, seen.consent, seen.document) == ("RECORDED", digest, CONTRACT)
    assert (seen.level, seen.verified, seen.tx_hash) == (1, False, own.tx_hash)


def test_a_correction_shows_the_whole_chain(town: BlacklistTown) -> None:
    """Each entry of the chain has a record of its own, the older one revoked apart."""
    alpha = town.node(1)
    first = town.list(1, 102)
    newer = keccak(b"a newer contract")
    second = town.list(1, 102, supersedes=first, consent=newer)
    chain = alpha.screening.trace(second).consents
    assert [(one.entry, one.document, one.state) for one in chain] == [
        (second, newer, "RECORDED"),
        (first, CONTRACT, "RECORDED"),
    ]
    assert chain[0].consent != chain[1].consent
    alpha.screening.revoke_listing_consent(first)
    town.settle()
    chain = alpha.screening.trace(second).consents
    assert [one.state for one in chain] == ["RECORDED", "REVOKED"]
    assert chain[1].revoked_tx
    assert chain[1].revoked_tx != chain[1].tx_hash
    # What she revoked carries no further correction of it.
    again = town.candidate(102, supersedes=first, event_month="2020-01")
    assert refused(alpha.screening.list_person, again) == "LISTING_CONSENT_REVOKED"


def test_a_listing_of_an_earlier_release_says_that_nothing_is_recorded(
    town: BlacklistTown,
) -> None:
    """No name was kept, nothing stands: said plainly, and there is nothing to revoke."""
    alpha = town.node(1)
    town.settle()
    entry = alpha.screening.list_person(town.candidate(103))
    with alpha.database.writing.begin() as session:
        waits = select(Intent).where(Intent.call == "recordConsent", Intent.state == "WAITING")
        (asked,) = session.scalars(waits)
        session.delete(asked)
        session.get_one(OwnListing, entry).consent = None
    town.settle()
    (said,) = alpha.screening.trace(entry).consents
    assert (said.state, said.document, said.consent) == ("UNRECORDED", CONTRACT, None)
    assert refused(alpha.screening.revoke_listing_consent, entry) == "CONSENT_UNRECORDED"
    assert refused(town.node(2).screening.revoke_listing_consent, entry) == "LISTING_NOT_OURS"


# ------------------------------------------------------------------------------- each line
def test_a_refused_ticket_leaves_a_record_that_nothing_opens(town: BlacklistTown) -> None:
    """Posted again with another salt, it rests on another record; nobody opens the old one."""
    alpha = town.node(1)
    entry = alpha.screening.list_person(town.candidate(104))
    first = name_of(alpha, entry)
    town.chain.rpc("evm_increaseTime", 86_400)
    town.settle()
    assert {row.entry: row.state for row in alpha.screening.entries()[0]}[entry] == "REFUSED"
    with alpha.database.reading() as session:
        assert session.get(RecordedConsent, consent_key(1, first)) is not None
    alpha.screening.list_again(entry)
    town.settle()
    seen = consent(alpha, entry)
    assert (seen.state, seen.consent == first) == ("RECORDED", False)
    assert seen.consent == name_of(alpha, entry)


def test_a_lapsed_ticket_keeps_its_record(town: BlacklistTown) -> None:
    """What was recorded stays a fact, whatever became of the entry."""
    alpha = town.node(1)
    entry = alpha.screening.list_person(town.candidate(105))
    town.settle()
    town.pass_days(8)
    assert alpha.screening.trace(entry).entry.state == "LAPSED"
    assert consent(alpha, entry).state == "RECORDED"
    alpha.screening.revoke_listing_consent(entry)
    town.settle()
    assert consent(alpha, entry).state == "REVOKED"


def test_a_rewound_record_waits_and_a_replay_finds_it(town: BlacklistTown) -> None:
    """Taken off by a fork it is said to wait; read again it stands as before."""
    alpha = town.node(1)
    entry = town.list(1, 106)
    before = consent(alpha, entry)
    with alpha.database.writing.begin() as session:
        row = session.get_one(RecordedConsent, consent_key(1, name_of(alpha, entry)))
        lookups.rewind(session, row.block_number - 1)
    seen = consent(alpha, entry)
    assert (seen.state, seen.level, seen.tx_hash) == ("WAITING", None, None)
    alpha.rebuild()
    assert consent(alpha, entry) == before


def test_a_crash_before_it_is_sent_and_an_older_copy_lose_nothing(town: BlacklistTown) -> None:
    """Asked for twice over by a restored copy, it is known by then: refused, and it stands."""
    node = town.node(3)
    home, copied = node.home, town.folder / "asked"
    copied.mkdir()
    entry = node.screening.list_person(town.candidate(107, uploader=3))
    # The process dies with both asked for: both wait, the trace of the one says so.
    assert {row.entry: row.state for row in node.screening.entries()[0]}[entry] == "WAITING"
    node.close()
    databases.copy(home / "kanhe.db", copied / "kanhe.db")
    sent = town.reopen(3)
    town.settle()
    before = consent(sent, entry)
    assert before.state == "RECORDED"
    sent.close()
    databases.copy(copied / "kanhe.db", home / "kanhe.db")
    back = town.reopen(3)
    for _ in range(3):
        back.step()
    with back.database.writing.begin() as session:
        poster = back.network.poster_address()
        confirm_adoption(session, poster, person_id=None, now_ms=1)
    town.settle()
    assert consent(back, entry) == before
    with back.database.reading() as session:
        asked = session.scalars(select(Intent).where(Intent.call == "recordConsent")).all()
    assert [one.error_code for one in asked if one.error_code] == ["CONSENT_KNOWN"]
    assert name_of(back, entry) == before.consent
    back.screening.revoke_listing_consent(entry)
    town.settle()
    assert consent(back, entry).state == "REVOKED", "its secret follows from the vault"


def test_nothing_on_the_ledger_opens_once_it_is_erased(town: BlacklistTown) -> None:
    """The record stands as a random value: no row of the uploader gives its salt or its name."""
    alpha, beta = town.node(1), town.node(2)
    hers = keccak(b"a contract of her own")
    entry = town.list(1, 108, consent=hers)
    kept, digest = opened(alpha, entry), name_of(alpha, entry)
    town.erase(1, entry)
    done = alpha.screening.trace(entry)
    assert done.entry.erased
    assert [(one.state, one.consent, one.document) for one in done.consents] == [
        ("UNREAD", None, None)
    ]
    with alpha.database.reading() as session:
        row = session.get_one(OwnListing, entry)
        assert (row.consent, row.secret, row.statement) == (None, b"", None)
        custodies = select(OwnCustody.secret).where(OwnCustody.entry == entry)
        assert set(session.scalars(custodies)) <= {b""}
    assert refused(alpha.screening.revoke_listing_consent, entry) == "LISTING_ERASED"
    # The ledger's record is there, for who remembers the salt alone.
    with beta.database.reading() as session:
        assert session.get(RecordedConsent, consent_key(1, digest)) is not None
    assert alpha.database.empty_log() or alpha.database.engine.dialect.name != "sqlite"
    for path in alpha.home.glob("kanhe.db*"):
        data = path.read_bytes()
        assert kept.salt not in data
        assert hers not in data, path.name


# ------------------------------------------------------------------------------- signed ones
def signed_consent(
    town: BlacklistTown,
    serial: int,
    *,
    uploader: int = 1,
    purpose: Purpose = Purpose.LISTING,
    issuer: int = 3,
    days: int = 90,
) -> tuple[Wallet, ConsentFile]:
    """Let a person consent to being listed, with a key that a member certified."""
    node = town.node(uploader)
    domain = node.identity.place.lookups_domain
    wallet = Wallet.create(person(serial), domain)
    certificate = town.node(issuer).screening.certify_person(
        wallet.request_certificate(issuer), person(serial)
    )
    blinded = modes.blind(Mode.VOPRF, person(serial).prf_input)
    now_s = town.today() * 86_400
    asked = ConsentRequest(
        domain, *node.screening.who_asks(), purpose, Scope.HIT, now_s,
        now_s + days * 86_400, blinded.blind, blinded.element,
    )  # fmt: skip
    envelope = sign_consent_request(asked, node.keys.approver)
    made = wallet.consent(
        read_consent_request(envelope)[0], envelope, certificate, now_s=node.clock() // 1_000
    )
    return wallet, ConsentFile(domain, made.signed, made.revocation_hash)


def resting_on(town: BlacklistTown, serial: int, data: bytes, **changes: object) -> Candidate:
    """Return a statement that rests on a document."""
    made = town.candidate(serial, consent=hashlib.sha256(data).digest(), **changes)
    return Candidate(made.identifier, made.listing, made.documents, agreed=data)


def test_what_the_person_signed_counts_as_what_it_holds_as(town: BlacklistTown) -> None:
    """Her key, certified by another member: level 3; by the uploader itself it says no more."""
    alpha = town.node(1)
    for serial, issuer, level in ((110, 3, 3), (111, 1, 1)):
        _, file = signed_consent(town, serial, issuer=issuer)
        entry = alpha.screening.list_person(resting_on(town, serial, write_consent_file(file)))
        town.settle()
        seen = consent(alpha, entry)
        assert (seen.state, seen.level) == ("RECORDED", level)
        assert seen.consent != file.digest, "nor is her consent's own name on the ledger"
        assert refused(alpha.screening.revoke_listing_consent, entry) == "SECRET_MISSING"


def test_what_she_signed_for_something_else_lists_nobody(town: BlacklistTown) -> None:
    """Another person, member, purpose, time or file: refused, and nothing is kept or sent."""
    alpha = town.node(1)
    before = alpha.tip()["outbox"]
    other = write_consent_file(signed_consent(town, 113)[1])
    theirs = write_consent_file(signed_consent(town, 112, uploader=2)[1])
    looked = write_consent_file(signed_consent(town, 112, purpose=Purpose.CREDIT)[1])
    good = write_consent_file(signed_consent(town, 112, days=1)[1])
    cases = {
        "CONSENT_OTHER_PERSON": resting_on(town, 112, other),
        "CONSENT_FOREIGN": resting_on(town, 112, theirs),
        "CONSENT_PURPOSE": resting_on(town, 112, looked),
        "PROOF_MALFORMED": resting_on(town, 112, good.replace(b'"reader":"1"', b'"reader": "1"')),
        "LISTING_OTHER_CONSENT": Candidate(
            person(112), town.candidate(112).listing, (), agreed=good
        ),
    }
    for code, candidate in cases.items():
        assert refused(alpha.screening.list_person, candidate) == code
    town.pass_days(2)
    late = resting_on(town, 112, good)
    assert refused(alpha.screening.list_person, late) == "CONSENT_EXPIRED"
    assert alpha.tip()["outbox"] == before


def test_a_listing_s_name_moves_with_each_part(town: BlacklistTown) -> None:
    """Another salt, entry or document is another name: nothing else goes into it."""
    kept = opened(town.node(1), town.list(1, 114))

    def name(listing: Listing, salt: bytes = kept.salt) -> bytes:
        return listing_consent(listing, salt)

    changed = {
        name(kept.listing),
        name(kept.listing, bytes(32)),
        name(msgspec.structs.replace(kept.listing, entry_id=bytes(32))),
        name(msgspec.structs.replace(kept.listing, consent=bytes(32))),
    }
    assert len(changed) == 4
    assert name(msgspec.structs.replace(kept.listing, uploader=9)) == name(kept.listing)
