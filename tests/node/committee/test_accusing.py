"""Audits on the ledger: who does not open is fined, and nobody else."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from audit_court import READER, UPLOADER, Court, silenced
from committee_town import OUTSIDER
from sqlalchemy import delete, func, insert, select

from node.audits import admissible
from node.blacklist import now_of
from node.cli import main
from node.lookup_calls import LookupCalls
from node.screening.auditing import Logged
from node.screening.points import AUDIT_FINE, MAX_AUDITS
from node.screening.states import AUDIT_S, DAY_S
from node.services.lookups.opening import OPEN
from node.tables import (
    Accusation,
    EvaluationAudit,
    Intent,
    KeyEpoch,
    MemberKey,
    OwnLookup,
)
from reconcile.model import OutsideError, UsageError
from tests.node.services.test_screening_rest import good, program, refused
from tests.node.web.desk_town import served


def test_who_lost_its_row_is_fined_after_fourteen_days(court: Court) -> None:
    """The other evaluations of the day open; everybody sees why the points are gone."""
    lost, kept = court.tickets
    court.lose([lost])
    before = court.points()
    court.audit()
    assert (court.state(lost), court.state(kept)) == ("PENDING", "NONE")
    (told,) = court.incidents(READER, "AUDITED")
    assert f"ticket {lost}" in told.says
    assert "AUDIT_UNKNOWN" in told.says
    court.pass_s(AUDIT_S - DAY_S)
    assert court.state(lost) == "PENDING"
    assert court.points() == before
    court.pass_s(DAY_S + 60)
    for member in court.town.nodes:
        view = court.views(member)[lost]
        assert (view.state, view.member, view.ours) == ("FINED", READER, member == READER)
        assert view.ended_tx is not None
    assert court.points() == before - AUDIT_FINE
    moved = court.town.node(OUTSIDER).screening.points(READER).movements
    fines = [one for one in moved if one.reason == "evaluation not opened"]
    assert sum(one.amount for one in fines) == AUDIT_FINE
    assert {one.audit for one in fines} == {court.views()[lost].audit}
    assert court.incidents(READER, "AUDITED") == []
    # Fined once: another audit of the day accuses it of nothing more.
    court.audit()
    assert court.points() == before - AUDIT_FINE


def test_a_regulator_that_was_away_asks_for_a_day_before_it_fines(court: Court) -> None:
    """Its own outage is nobody's silence."""
    (lost, _) = court.tickets
    court.lose([lost])
    before = court.points()
    court.audit()
    service = court.town.node(OUTSIDER).parts.audits
    with silenced(service, "_prosecute"):
        court.pass_s(AUDIT_S + 60)
    with court.town.node(OUTSIDER).sessions.begin() as session:
        for row in session.scalars(select(Accusation)):
            row.asked_first_s = row.asked_last_s = None
    court.settle()
    assert (court.state(lost), court.points()) == ("DUE", before)
    court.pass_s(DAY_S)
    assert (court.state(lost), court.points()) == ("FINED", before - AUDIT_FINE)


def test_a_crash_between_audit_and_posting_costs_a_turn(court: Court) -> None:
    """What was found stands with its incident; the next process puts it on the ledger, once."""
    (lost, _) = court.tickets
    rows = court.lose([lost])
    service = court.town.node(OUTSIDER).parts.audits
    service._allow_test = True
    service.audit(court.day, one_of=1)
    assert court.state(lost) == "NONE"
    court.restart(OUTSIDER)
    again = court.town.node(OUTSIDER).parts.audits
    assert again.audits().waiting == 1
    court.settle()
    assert court.state(lost) == "PENDING"
    with court.town.node(OUTSIDER).sessions() as session:
        begun = select(EvaluationAudit).where(EvaluationAudit.ticket == lost)
        assert len(session.scalars(begun).all()) == 1
    court.bring_back(rows)
    court.settle()
    assert court.state(lost) == "OPENED"


def test_nobody_is_accused_of_what_its_key_did_not_sign(court: Court) -> None:
    """A row whose signature is another's, or none, is no accusation, on the node or the ledger."""
    node, reader = court.town.node(OUTSIDER), court.town.node(READER)
    domain = node.identity.place.lookups_domain
    calls = LookupCalls(node.identity)

    nothing = Logged(READER, 0, b"\x05" * 32, b"\x06" * 32, 1, 1, b"")

    def signed(ticket: int, signature: bytes) -> Logged:
        return replace(nothing, ticket=ticket, signature=signature)

    digest = signed(900_001, b"").digest(domain)
    strangers = [
        signed(900_001, court.town.node(3).keys.approver.sign_digest(digest)),
        signed(900_001, reader.keys.poster.sign_digest(digest)),
        signed(900_002, reader.keys.approver.sign_digest(digest)),
        signed(900_003, b"\x01" * 65),
    ]
    with node.sessions.begin() as session:
        for one in strangers:
            row = node.parts.audits._accusation(one, one.signature[:32])
            session.add(row)
    court.settle()
    assert not {900_001, 900_002, 900_003} & set(_tickets(court))
    # Sent all the same: each is refused by the contract, or is its signer's own evaluation.
    with node.sessions.begin() as session:
        before = session.scalar(select(func.max(Intent.id))) or 0
        session.execute(delete(Accusation).where(Accusation.ticket > 900_000))
        for one in strangers[1:]:
            calls.begin_audit(session, one, one.signature[:32])
    court.settle()
    assert not {900_001, 900_002, 900_003} & set(_tickets(court))
    with node.sessions() as session:
        sent = select(Intent).where(Intent.call == "beginAudit", Intent.state == "REFUSED")
        codes = {row.error_code for row in session.scalars(sent.where(Intent.id > before))}
    assert codes == {"SIGNER_UNKNOWN", "SIGNATURE_MALFORMED"}


def _tickets(court: Court) -> list[int | None]:
    found = court.town.node(OUTSIDER).parts.audits.audits(limit=500).audits
    return [one.ticket for one in found]


def test_many_lost_rows_wait_for_each_other(court: Court) -> None:
    """At most five audits of a member run at a time; the next begin as those end."""
    town = court.town
    town.tickets(READER, MAX_AUDITS + 2)
    for _ in range(MAX_AUDITS + 2):
        town.found(READER, 3)
    with town.node(READER).sessions() as session:
        newest = select(OwnLookup.ticket).order_by(OwnLookup.id.desc()).limit(MAX_AUDITS + 2)
        court.tickets = sorted(ticket for ticket in session.scalars(newest) if ticket is not None)
    court.day = town.time_s() // DAY_S
    town.pass_s(DAY_S)
    rows = court.lose(court.tickets)
    court.audit()
    assert len(court.views()) == MAX_AUDITS
    assert town.node(OUTSIDER).parts.audits.audits().waiting == 2
    court.bring_back(rows)
    for _ in range(3):
        court.settle()
    assert {court.state(ticket) for ticket in court.views()} == {"OPENED"}
    assert len(court.views()) >= MAX_AUDITS


def test_a_node_that_does_not_answer_is_asked_once_a_while(
    court: Court, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unreachable, it costs one call a pause, whatever the number of its audits."""
    rows = court.lose(court.tickets)
    court.audit()
    service = court.town.node(OUTSIDER).parts.audits
    calls: list[str] = []

    def cut(member: int, word: str, _body: bytes) -> bytes:
        calls.append(word)
        raise OutsideError("PEER_UNREACHABLE", f"member {member} does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(service, "_ask", cut)
        patch.setattr(court.town.node(READER).parts.audits, "_show_openings", lambda: 0)
        court.wake()
        for _ in range(5):
            court.town.settle()
    assert calls == [OPEN]
    court.bring_back(rows)
    court.settle()
    assert {court.state(ticket) for ticket in court.tickets} == {"OPENED"}


def test_a_key_counts_after_its_end_until_it_is_reported_lost(court: Court) -> None:
    """As the contract has it; nobody is accused beyond the next key epoch, nor the regulator."""
    node, reader = court.town.node(OUTSIDER), court.town.node(READER)
    domain = node.identity.place.lookups_domain
    plain = Logged(READER, 900_009, b"\x05" * 32, b"\x06" * 32, 1, 1, b"")
    word = reader.keys.approver.sign_digest(plain.digest(domain))
    logged = replace(plain, signature=word)
    address = bytes.fromhex(reader.keys.approver.address[2:])
    # Rows are changed here without a block.
    node.database.facts.forget()
    with node.sessions() as session:

        def asked(one: Logged = logged, *, waiting: int = 0, regulator: int = OUTSIDER) -> str:
            now = now_of(session)
            return admissible(
                session, one, now, domain=domain, regulator=regulator, asked=waiting
            ).name

        assert asked() == "NOW"
        assert asked(waiting=MAX_AUDITS) == "LATER"
        assert asked(regulator=READER) == "NEVER"
        assert asked(replace(logged, blinded=b"\x07" * 32)) == "NEVER"
        key = session.get_one(MemberKey, address)
        key.valid_to = 1
        session.flush()
        assert asked() == "NOW"
        key.compromised_since_s = 5
        session.flush()
        assert asked() == "NEVER"
        session.rollback()
        template = session.scalars(select(KeyEpoch).where(KeyEpoch.key_epoch == 1)).first()
        assert template is not None
        for later in (2, 3):
            values = {c.name: getattr(template, c.name) for c in KeyEpoch.__table__.columns}
            session.execute(insert(KeyEpoch).values({**values, "key_epoch": later}))
            assert asked() == ("NOW" if later == 2 else "NEVER")
        session.rollback()


def test_whom_the_regulator_did_not_pin_is_not_accused(
    court: Court, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That this node cannot call a member is its own doing: an incident, and no more."""
    service = court.town.node(OUTSIDER).parts.audits
    asked = service._ask

    def unpinned(member: int, word: str, body: bytes) -> bytes:
        if word == OPEN:
            raise UsageError("PEER_UNKNOWN", f"member {member} is not pinned")
        return asked(member, word, body)

    service._allow_test = True
    with monkeypatch.context() as patch:
        patch.setattr(service, "_ask", unpinned)
        report = service.audit(court.day, one_of=1)
    assert not report.holds
    assert report.unopened == []
    court.settle()
    assert court.views() == {}


def test_everybody_sees_who_has_to_open_what(
    court: Court, capsys: pytest.CaptureFixture[str]
) -> None:
    """By command, over REST and on the desk, in both languages; the movements say why."""
    (lost, _) = court.tickets
    rows = court.lose([lost])
    court.audit()
    reader = court.town.node(READER)
    words = ["blacklist", "audits", "--member", str(READER), "--home", str(reader.home)]
    assert main([*words, "--json", "-"]) == 0
    answer = json.loads(capsys.readouterr().out)
    (mine,) = [one for one in answer["audits"] if one["ticket"] == str(lost)]
    assert (mine["state"], mine["ours"], mine["word"]) == ("PENDING", True, False)
    assert main(words) == 0
    assert f"lookup with ticket {lost}" in capsys.readouterr().out
    with (
        served({"reader": reader, "other": court.town.node(UPLOADER)}) as base,
        program(reader, base, "reader", "viewer") as viewer,
        program(court.town.node(UPLOADER), base, "other", "viewer") as other,
    ):
        shown = good(viewer.get(f"/audits?member={READER}"))
        assert shown == answer
        theirs = good(other.get("/audits"))["audits"]
        assert {**mine, "ours": False} in theirs
        assert refused(viewer.get("/audits?member=0"))[1] == "REQUEST_MALFORMED"
    court.bring_back(rows)
