"""Who is audited chooses its words and gets nothing by them; who is honest loses nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from audit_court import READER, Court, silenced
from committee_town import OUTSIDER
from listed_people import person_of
from sqlalchemy.exc import DataError
from sqlalchemy.orm import Session
from test_own_record import town_clock

from node.errors import Conflict
from node.peers.directory import PEERS_FILE
from node.screening.asking import read_consent_request
from node.screening.auditing import Opening
from node.screening.consent_files import ConsentFile, write_consent_file
from node.screening.explaining import explain_receipt
from node.screening.points import AUDIT_FINE
from node.screening.states import AUDIT_S, DAY_S, LAPSE_S
from node.services.lookups import Found, opening
from node.services.lookups.auditing import AuditingService
from node.tables import OwnLookup
from node.wallet import Wallet
from reconcile.model import ProtocolError

CERTIFIER = 2


@contextlib.contextmanager
def saying(codes: dict[int, str]) -> Iterator[None]:
    """Let the accused's node answer for a ticket with a code of its choice."""
    honest = AuditingService._opening

    def rogue(
        service: AuditingService, session: Session, ticket: int, subject: bytes, key_epoch: int
    ) -> Opening:
        if ticket in codes:
            raise ProtocolError(codes[ticket], "no\x00\n" + "no" * 100_000)
        return honest(service, session, ticket, subject, key_epoch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AuditingService, "_opening", rogue)
        yield


def test_who_cannot_exist_opens_nothing_that_she_is_not(
    court: Court, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under a setting that takes no test people, one is shown for whoever was looked up."""
    honest = AuditingService._opening

    def other(
        service: AuditingService, session: Session, ticket: int, subject: bytes, key_epoch: int
    ) -> Opening:
        if ticket != court.tickets[0]:
            return honest(service, session, ticket, subject, key_epoch)
        return Opening(person_of(4_711), bytes(31) + b"\x01")

    service = court.town.node(OUTSIDER).parts.audits
    service._allow_test = False
    with monkeypatch.context() as patch:
        patch.setattr(AuditingService, "_opening", other)
        report = service.audit(court.day, one_of=1)
        court.settle()
        assert court.state(court.tickets[0]) == "PENDING"
    (wrong,) = report.wrong
    assert "AUDIT_ELEMENT" in wrong.says
    assert [one.ticket for one in report.unopened] == [court.tickets[0]]
    # What opens is unread under that setting, as it was.
    assert {one.kind for one in report.unread} == {"AUDIT_TEST_IDENTIFIER"}
    court.settle()
    assert court.state(court.tickets[0]) == "OPENED"


def test_who_is_certified_after_her_consent_begins_is_opened(court: Court) -> None:
    """Prepared on one day, certified and looked up two days later: at level 3, and it opens."""
    town, node = court.town, court.town.node(READER)
    with contextlib.suppress(Conflict):
        node.screening.claim_allowance()
    town.settle()
    lookup = node.lookups.prepare(person_of(3), town.terms())
    request = node.lookups.consent_request(lookup, name="R")
    town.pass_s(2 * DAY_S + 60)
    with town_clock(town, READER, CERTIFIER):
        wallet = Wallet.create(person_of(3), node.identity.place.lookups_domain)
        certificate = town.node(CERTIFIER).screening.certify_person(
            wallet.request_certificate(CERTIFIER), wallet.identifier
        )
        asked, _ = read_consent_request(request)
        given = wallet.consent(asked, request, certificate, now_s=town.time_s())
    file = ConsentFile(node.identity.place.lookups_domain, given.signed, given.revocation_hash)
    node.lookups.take_consent(lookup, write_consent_file(file))
    town.settle()
    town.tickets(READER)
    (found,) = node.lookups.look_up([lookup])
    assert isinstance(found, Found), found
    assert (found.level, found.enforced) == (3, True)
    assert explain_receipt(found.receipt, allow_test=True).ok
    court.day = town.time_s() // DAY_S
    town.pass_s(DAY_S)
    service = town.node(OUTSIDER).parts.audits
    service._allow_test = True
    report = service.audit(court.day, one_of=1)
    assert (report.wrong, report.unopened) == ([], [])
    with node.sessions() as session:
        ticket = session.get_one(OwnLookup, lookup).ticket
    assert ticket in {one.ticket for one in report.shown}


def test_a_regulator_that_was_away_for_a_month_fines_nobody(court: Court) -> None:
    """Beyond 28 days the accused need keep nothing: the audit lapses and frees its place."""
    (lost, _) = court.tickets
    court.lose([lost])
    before = court.points()
    court.audit()
    assert court.state(lost) == "PENDING"
    service = court.town.node(OUTSIDER).parts.audits
    with silenced(service, "_prosecute"):
        court.pass_s(AUDIT_S + 60)
        assert court.state(lost) == "DUE"
        assert court.incidents(READER, "AUDITED")
        court.pass_s(LAPSE_S - AUDIT_S)
        assert court.state(lost) == "LAPSED"
        assert court.incidents(READER, "AUDITED") == []
    court.settle()
    view = court.views()[lost]
    assert (view.state, view.ended_tx is not None) == ("LAPSED", True)
    assert court.points() == before
    told = court.incidents(READER, "AUDITED", still=False)[-1]
    assert told.closed_reason == "nobody ended it in time; nobody is fined"


def test_what_the_database_refuses_of_an_opening_is_its_maker_s_doing(
    court: Court, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A number beyond any row, as in a certificate's issuer, is no reason to accuse nobody."""

    def beyond(*_: object) -> None:
        raise DataError("SELECT", {}, ValueError("integer out of range"))

    service = court.town.node(OUTSIDER).parts.audits
    service._allow_test = True
    with monkeypatch.context() as patch:
        patch.setattr(opening, "check_opening", beyond)
        report = service.audit(court.day, one_of=1)
        court.settle()
        assert {court.state(one) for one in court.tickets} == {"PENDING"}
    assert {one.ticket for one in report.unopened} >= set(court.tickets)
    assert all("AUDIT_MALFORMED" in one.says for one in report.wrong)
    court.settle()
    assert {court.state(one) for one in court.tickets} == {"OPENED"}


def test_a_regulator_whose_own_pins_do_not_read_fines_nobody(court: Court) -> None:
    """It asked nobody, so nobody was asked in vain; once they read again, what is shown opens."""
    (lost, _) = court.tickets
    rows = court.lose([lost])
    before = court.points()
    court.audit()
    assert court.state(lost) == "PENDING"
    peers = court.town.node(OUTSIDER).home / PEERS_FILE
    good = peers.read_bytes()
    peers.write_bytes(good + b"\n[[peer]\n")
    court.bring_back(rows)
    court.pass_s(AUDIT_S + 60)
    court.pass_s(2 * DAY_S)
    assert (court.state(lost), court.points()) == ("DUE", before)
    peers.write_bytes(good)
    court.settle()
    assert (court.state(lost), court.points()) == ("OPENED", before)


def test_no_code_of_its_own_spares_the_accused(court: Court) -> None:
    """Codes that the regulator's node says of itself are but words of another node."""
    first, second = court.tickets
    before = court.points()
    with saying({first: "PEER_UNKNOWN", second: "AUDIT_AUTHORITY"}):
        court.audit()
        assert {court.state(one) for one in court.tickets} == {"PENDING"}
        court.pass_s(AUDIT_S + 60)
        court.pass_s(DAY_S)
    assert {court.state(one) for one in court.tickets} == {"FINED"}
    assert court.points() == before - 2 * AUDIT_FINE
    said = [item.says for item in court.incidents(OUTSIDER, "AUDIT_NOT_OPENED", still=False)]
    assert max(map(len, said)) < 1_000
    assert all(text.isprintable() for text in said)
