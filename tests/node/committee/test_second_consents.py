"""One lookup, one consent: from its ticket on, what an audit asks for is replaced by no other."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from audit_court import READER, Court
from committee_town import Town
from listed_people import person_of
from sqlalchemy import select
from test_own_record import town_clock

from node.bootstrap import Node
from node.screening.asking import read_consent_request
from node.screening.consent_files import ConsentFile, write_consent_file
from node.screening.consents import SignedConsent
from node.services.lookups import Found, service
from node.services.lookups.consenting import (
    consent_of,
    institutions_consent,
    new_consent_file,
    subject_of,
)
from node.tables import AuditRow, Intent, OwnLookup
from node.wallet import Wallet
from reconcile.model import KanheError

CERTIFIER = 2


def secret_of(node: Node, lookup: int) -> bytes:
    """Return the secret that revokes the consent that a lookup has."""
    with node.sessions() as session:
        return consent_of(node.keys.ring, session.get_one(OwnLookup, lookup))[1]


def kept(node: Node, lookup: int) -> ConsentFile:
    """Return the consent that a lookup has."""
    with node.sessions() as session:
        return consent_of(node.keys.ring, session.get_one(OwnLookup, lookup))[0]


def another(town: Town, lookup: int) -> bytes:
    """Return a further consent that fits a lookup in every part."""
    node = town.node(READER)
    domain = node.identity.place.lookups_domain
    with node.sessions() as session:
        subject = subject_of(node.keys.ring, session.get_one(OwnLookup, lookup))
    made = institutions_consent(subject, town.terms(), READER, nonce=secrets.token_bytes(32))
    signature = node.keys.approver.sign_digest(made.digest(domain))
    return write_consent_file(
        new_consent_file(domain, SignedConsent(made, subject.salt, signature))[0]
    )


def acts_of(node: Node) -> tuple[int, int]:
    """Return how much a node was asked to send, and how many acts it has on record."""
    with node.sessions() as session:
        asked, acts = select(Intent.id), select(AuditRow.id)
        return len(session.scalars(asked).all()), len(session.scalars(acts).all())


def refuse_each(town: Town, lookup: int) -> None:
    """Give a lookup another consent each way: refused, and nothing is sent or on record."""
    node, before = town.node(READER), acts_of(town.node(READER))
    file, secret = kept(node, lookup), secret_of(node, lookup)
    assert secret, "it is the institution's own"
    changed = write_consent_file(ConsentFile(file.domain, file.signed, b"\x07" * 32))
    lookups = node.lookups
    ways: list[Callable[[], bytes]] = [
        partial(lookups.consent_by_institution, lookup),
        partial(lookups.take_consent, lookup, another(town, lookup)),
        partial(lookups.take_consent, lookup, changed),
    ]
    for way in ways:
        with pytest.raises(KanheError) as caught:
            way()
        assert caught.value.code == "CONSENT_IN_USE"
        assert (caught.value.http_status, caught.value.where.field) == (409, "consent")
    assert lookups.take_consent(lookup, write_consent_file(file)) == file.digest
    assert (kept(node, lookup), secret_of(node, lookup)) == (file, secret)
    assert acts_of(node) == before


def test_a_lookup_that_is_done_opens_after_a_second_consent(court: Court) -> None:
    """Clerk and person give it again or anew: the audit opens what was logged, nobody is fined."""
    town, ticket = court.town, court.tickets[0]
    with town.node(READER).sessions() as session:
        row = session.scalars(select(OwnLookup).where(OwnLookup.ticket == ticket)).one()
        lookup, digest = row.id, row.digest
    refuse_each(town, lookup)
    with town.node(READER).sessions() as session:
        row = session.get_one(OwnLookup, lookup)
        assert (row.state, row.digest) == ("DONE", digest)
    court.audit()
    assert court.state(ticket) == "NONE", "what is opened is accused of nothing"


def test_a_crash_before_anybody_is_asked_leaves_the_consent(
    indexed: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed with its ticket bound, nobody can tell who was asked: it goes on under that one."""
    node, lookup = indexed.node(READER), indexed.consented(READER, 1)
    indexed.tickets(READER)

    def killed(*_args: object, **_more: object) -> None:
        raise SystemError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(service, "evaluate", killed)
        with pytest.raises(SystemError):
            node.lookups.look_up([lookup])
    with node.sessions() as session:
        row = session.get_one(OwnLookup, lookup)
        assert (row.state, row.ticket is None) == ("CONSENTED", False)
    refuse_each(indexed, lookup)
    (found,) = node.lookups.look_up([lookup])
    assert isinstance(found, Found)


def test_before_its_ticket_a_lookup_takes_another_consent(indexed: Town) -> None:
    """Nobody was asked: a person's word takes the place of the institution's."""
    node, lookup = indexed.node(READER), indexed.consented(READER, 3)
    first = kept(node, lookup)
    digest = node.lookups.take_consent(lookup, another(indexed, lookup))
    assert digest == kept(node, lookup).digest != first.digest
    indexed.settle()
    indexed.tickets(READER)
    (found,) = node.lookups.look_up([lookup])
    assert isinstance(found, Found)
    prepared = node.lookups.prepare(person_of(3), indexed.terms())
    assert node.lookups.consent_by_institution(prepared) == kept(node, prepared).digest


def test_a_refused_certificate_is_replaced_under_the_same_consent(indexed: Town) -> None:
    """Neither what the nodes log nor what an audit asks for covers it: the ticket is not lost."""
    town, node = indexed, indexed.node(READER)
    lookup = node.lookups.prepare(person_of(3), town.terms())
    request = node.lookups.consent_request(lookup, name="R")
    domain = node.identity.place.lookups_domain
    with town_clock(town, READER, CERTIFIER):
        wallet, older = (Wallet.create(person_of(3), domain) for _ in range(2))
        certify = town.node(CERTIFIER).screening.certify_person
        asked, _ = read_consent_request(request)
        files = [
            one.consent(asked, request, certify(one.request_certificate(CERTIFIER), person_of(3)),
                        now_s=town.time_s())
            for one in (wallet, older)
        ]  # fmt: skip
    right = ConsentFile(domain, files[0].signed, files[0].revocation_hash)
    stale = replace(right.signed, certificate=files[1].signed.certificate)
    wrong = ConsentFile(domain, stale, right.revocation_hash)
    node.lookups.take_consent(lookup, write_consent_file(wrong))
    town.settle()
    town.tickets(READER)
    (refused,) = node.lookups.look_up([lookup])
    assert isinstance(refused, KanheError)
    assert refused.code == "CONSENT_CERTIFICATE"
    assert node.lookups.take_consent(lookup, write_consent_file(right)) == wrong.digest
    (found,) = node.lookups.look_up([lookup])
    assert isinstance(found, Found), found
    assert found.level == 3
    with pytest.raises(KanheError) as caught:
        node.lookups.take_consent(lookup, write_consent_file(wrong))
    assert caught.value.code == "CONSENT_IN_USE"
