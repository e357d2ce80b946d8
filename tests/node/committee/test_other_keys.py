"""What binds a member its approver signs: the key that posts, and ADMIN's, speak for nobody."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from committee_town import COMMITTEE, OUTSIDER, Town
from cryptography.hazmat.primitives.asymmetric import ec
from listed_people import person_of
from sqlalchemy import select
from sqlalchemy.orm import Session
from test_own_record import town_clock

from node import keyholders, listings
from node.keyring import KeyRing
from node.peers.certificates import make_certificate
from node.screening.asking import About
from node.screening.derivation import Tag
from node.screening.envelope import LISTING_TYPE, sign_envelope
from node.screening.records import OpenedRecord, seal_record
from node.screening.states import DAY_S
from node.services.index import uploading
from node.tables import EvaluationRefusal, Incident, SealedRecord
from node.wallet import Wallet
from reconcile.model import KanheError
from tests.node.hot_keys import signing_by

READER, UPLOADER, LISTED = 1, OUTSIDER, 1
ROLES = ("POSTER", "ADMIN")


@pytest.fixture(scope="module")
def desk(indexed: Town) -> Town:
    """The town on a day with points for tickets."""
    indexed.pass_s(DAY_S)
    indexed.claim()
    return indexed


def refused(call: object, *args: object, **more: object) -> str:
    """Return the code of the refusal in which a call ends."""
    with pytest.raises(KanheError) as caught:
        call(*args, **more)  # type: ignore[operator]
    return caught.value.code


def looked_up(town: Town, lookup: int) -> str:
    """Return how a lookup of a consent ends: its outcome or its refusal's code."""
    town.tickets(READER)
    (found,) = town.node(READER).lookups.look_up([lookup])
    return found.code if isinstance(found, KanheError) else found.outcome


def refusals(town: Town, node: int) -> list[str]:
    """Return the codes that a node refused this reader with."""
    with town.node(node).sessions() as session:
        rows = select(EvaluationRefusal.code).where(EvaluationRefusal.reader == READER)
        return list(session.scalars(rows))


@pytest.mark.parametrize("role", ROLES)
def test_the_registry_s_other_keys_speak_for_nobody(desk: Town, role: str) -> None:
    """Every question whose key an address is, asked of a key that posts or administers."""
    node = desk.node(READER)
    address, approver = node.keys.of_role(role).address, node.keys.approver.address
    with node.sessions() as session:
        trust = keyholders.trust_of(session, ())
        assert trust.was_key_of is not None
        for ask in (trust.is_key_of, trust.was_key_of, keyholders.key_check(session)):
            assert (ask(READER, approver), ask(READER, address)) == (True, False)
        for question in (keyholders.holds_key, keyholders.held_key, keyholders.was_key):
            assert question(session, READER, approver)
            assert not question(session, READER, address)
        assert keyholders.speaking_keys(session, [READER]) == {(READER, approver)}


@pytest.mark.parametrize("role", ROLES)
def test_a_consent_and_a_request_are_the_approver_s(desk: Town, role: str) -> None:
    """A consent of level 1, or the request for an evaluation: every node refuses each by name."""
    node = desk.node(READER)
    lookup = node.lookups.prepare(person_of(LISTED), desk.terms())
    with signing_by(node, role):
        node.lookups.consent_by_institution(lookup)
    desk.settle()
    before = [len(refusals(desk, member)) for member in COMMITTEE]
    assert looked_up(desk, lookup) == "CONSENT_SIGNATURE"
    second = desk.consented(READER, LISTED)
    with signing_by(node, role):
        assert looked_up(desk, second) == "EVALUATION_SIGNATURE"
    for member, count in zip(COMMITTEE, before, strict=True):
        if member != READER:
            assert refusals(desk, member)[count:] == ["CONSENT_SIGNATURE", "EVALUATION_SIGNATURE"]
    assert looked_up(desk, second) == "HIT", "the approver's own word for the same"


@contextlib.contextmanager
def without_headers(town: Town, *members: int) -> Iterator[None]:
    """Let nodes sign the headers of their index anew, and readers ask for them."""

    def forget() -> None:
        for node in town.nodes.values():
            node.parts.index._shelf = None
            node.lookups._headers = {}

    forget()
    with contextlib.ExitStack() as stack:
        for member in members:
            stack.enter_context(signing_by(town.node(member)))
        try:
            yield
        finally:
            forget()


def test_an_evaluation_and_a_header_are_the_approver_s(desk: Town) -> None:
    """What nodes countersign with another key counts for nothing, nor does a replica's header."""
    lookup = desk.consented(READER, LISTED)
    with without_headers(desk, 2, 3):
        assert looked_up(desk, lookup) == "OPRF_BELOW_THRESHOLD"
    seen = desk.node(READER).lookups.look_up([lookup])
    assert [getattr(found, "outcome", found) for found in seen] == ["HIT"]
    again = desk.consented(READER, LISTED)
    desk.tickets(READER)
    # The evaluations stand; what the replicas then serve is signed by the keys that post.
    asked = desk.node(READER).lookups._ask
    with without_headers(desk):

        def by_posters(member: int, word: str, body: bytes) -> bytes:
            if not word.startswith("index/"):
                return asked(member, word, body)
            with signing_by(desk.node(member)):
                return desk.node(member).parts.index.handlers()[word](READER, body)

        desk.node(READER).lookups._ask = by_posters  # type: ignore[method-assign]
        try:
            (found,) = desk.node(READER).lookups.look_up([again])
        finally:
            desk.node(READER).lookups._ask = asked  # type: ignore[method-assign]
    assert isinstance(found, KanheError)
    assert [found.code, found.message.count("INDEX_SIGNATURE")] == ["INDEX_UNREACHABLE", 3]
    assert looked_up(desk, again) == "HIT"


@pytest.mark.parametrize("role", ROLES)
def test_a_certificate_of_a_person_is_the_approver_s(desk: Town, role: str) -> None:
    """A person whom another key certifies is admitted to nothing."""
    reader = desk.node(READER)
    wallet = Wallet.create(person_of(61), reader.identity.place.lookups_domain)

    def certified(member: int, stolen: str) -> bytes:
        node = desk.node(member)
        asked = wallet.request_certificate(member)
        with signing_by(node, stolen):
            return node.screening.certify_person(asked, wallet.identifier)

    admit = reader.screening.admit_person
    with town_clock(desk, READER, 2):
        false, true = certified(READER, role), certified(READER, "APPROVER")
        request = wallet.ask(READER, About.RECEIPTS, false, now_s=desk.time_s())
        assert refused(admit, request, allow_test=True) == "ASKED_CERTIFICATE"
        for stolen, code in ((role, "CONSENT_CERTIFICATE"), ("APPROVER", "")):
            second = certified(2, stolen)
            request = wallet.ask(
                READER, About.ENTRIES, true, consent_certificate=second, now_s=desk.time_s()
            )
            if code:
                assert refused(admit, request, allow_test=True) == code
            else:
                assert admit(request, allow_test=True).identifier == wallet.identifier


@pytest.mark.parametrize("role", ROLES)
def test_a_node_s_certificate_is_the_approver_s(desk: Town, role: str) -> None:
    """Nobody pins the TLS key that another key of the member vouches for."""
    stolen = desk.node(2)
    made = make_certificate(
        ec.generate_private_key(ec.SECP256R1()),
        member=2,
        network=stolen.peers.network,
        signer=stolen.keys.of_role(role),
        now_s=stolen.peers.now_s(),
    )
    assert refused(desk.node(READER).peers.pin, made) == "PEER_CERTIFICATE_UNSIGNED"


def test_a_statement_is_the_approver_s(desk: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record whose statement the posting key signed is false, and its uploader is named."""
    stolen, seal = desk.node(UPLOADER), uploading.seal_for_epoch

    def forged(
        session: Session, ring: KeyRing, entry: bytes, tag: Tag, *, now_ms: int
    ) -> SealedRecord:
        row = seal(session, ring, entry, tag, now_ms=now_ms)
        owned = listings.open_listing(session, ring, entry)
        said = owned.opened
        if (said.listing.uploader, owned.identifier) == (UPLOADER, person_of(62)):
            signed = sign_envelope(LISTING_TYPE, said.listing.payload, [stolen.keys.poster])
            row.record = seal_record(tag, OpenedRecord(said.listing, said.salt, *signed.signatures))
        return row

    monkeypatch.setattr(uploading, "seal_for_epoch", forged)
    desk.list(UPLOADER, 62)
    desk.publish()
    lookup = desk.consented(READER, 62)
    assert looked_up(desk, lookup) == "RECEIPT_UPLOADER"
    true = desk.list(2, 62)
    desk.publish()
    found = desk.found(READER, 62)
    assert [item.entry for item in found.entries] == [true]
    with desk.node(READER).sessions() as session:
        kinds = select(Incident.says).where(Incident.kind.startswith("RECORD_FALSE/"))
        said = list(session.scalars(kinds))
    assert any("an entry is not signed by its uploader" in says for says in said)
