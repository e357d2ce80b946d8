"""Audits on the ledger from the side of the accused: shown, told, answered."""

from __future__ import annotations

import msgspec
import pytest
from audit_court import READER, UPLOADER, Court, silenced
from committee_town import OUTSIDER
from sqlalchemy import select
from sqlalchemy.orm import Session

from node.audits import logged_of
from node.errors import NotAllowed
from node.kept_receipts import REDUCED
from node.lookup_calls import LookupCalls
from node.screening.auditing import Opening
from node.screening.states import AUDIT_S, DAY_S, LAPSE_S
from node.services.lookups.auditing import AuditingService
from node.services.lookups.forgetting import _over
from node.services.lookups.opening import OPENED, SHOW
from node.tables import (
    EvaluationAudit,
    Intent,
    OpeningWord,
    OwnLookup,
)
from reconcile.model import KanheError, ProtocolError


def test_who_comes_back_in_time_is_not_fined(court: Court) -> None:
    """It shows what it lost by itself, keeps the regulator's word, and the audit is closed."""
    rows = court.lose(court.tickets)
    before = court.points()
    court.audit()
    assert {court.state(ticket) for ticket in court.tickets} == {"PENDING"}
    court.pass_s(10 * DAY_S)
    court.bring_back(rows)
    court.settle()
    assert {court.state(ticket) for ticket in court.tickets} == {"OPENED"}
    assert all(view.word for view in court.views(READER).values())
    assert court.incidents(READER, "AUDITED") == []
    court.pass_s(5 * DAY_S)
    assert court.points() == before


def test_the_regulator_asks_again_by_itself(court: Court) -> None:
    """A reader whose node shows nothing by itself is asked, and given the word."""
    rows = court.lose(court.tickets)
    with silenced(court.town.node(READER).parts.audits, "_show_openings"):
        court.audit()
        court.bring_back(rows)
        court.settle()
        assert {court.state(ticket) for ticket in court.tickets} == {"OPENED"}
        assert all(view.word for view in court.views(READER).values())


def test_a_regulator_that_took_the_opening_cannot_fine(court: Court) -> None:
    """It says nothing for 14 days, then wants the fine: the accused has answered with its word."""
    rows = court.lose(court.tickets)
    before = court.points()
    court.audit()
    court.bring_back(rows)
    service = court.town.node(OUTSIDER).parts.audits
    with silenced(service, "_prosecute"):
        court.settle()
        assert all(view.word for view in court.views(READER).values())
        assert {court.state(ticket) for ticket in court.tickets} == {"PENDING"}
        court.pass_s(AUDIT_S - 2 * DAY_S)
        assert {court.state(ticket) for ticket in court.tickets} == {"PENDING"}
        court.pass_s(DAY_S)
        assert {court.state(ticket) for ticket in court.tickets} == {"OPENED"}
        court.pass_s(2 * DAY_S)
    node = court.town.node(OUTSIDER)
    with node.sessions.begin() as session:
        for view in court.views().values():
            LookupCalls(node.identity).settle_audit(session, view.audit, b"\x01" * 32)
    court.settle()
    assert court.points() == before
    with node.sessions() as session:
        wanted = select(Intent).where(Intent.call == "settleAudit").order_by(Intent.id.desc())
        last = session.scalars(wanted).first()
    assert last is not None
    assert (last.state, last.error_code) == ("REFUSED", "AUDIT_STATE_NOT_ALLOWED")


def test_a_false_opening_stays_not_opened(court: Court, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shown by itself or asked for: another person's opening is no word."""
    lost, kept = court.tickets
    rows = court.lose([lost])
    court.audit()
    reader = court.town.node(READER).parts.audits
    honest = AuditingService._opening

    def other(service: AuditingService, session: Session, _ticket: int, *_rest: object) -> Opening:
        with reader._doors.reading() as reading:
            found = select(OwnLookup).where(OwnLookup.ticket == kept)
            digest = reading.scalars(found).one().digest
        return honest(service, session, kept, digest, 1)

    with monkeypatch.context() as patch:
        patch.setattr(AuditingService, "_opening", other)
        court.settle()
    assert court.state(lost) == "PENDING"
    assert not court.views(READER)[lost].word
    (told,) = court.incidents(READER, "AUDITED")
    assert "AUDIT_ELEMENT" in told.says
    court.bring_back(rows)
    court.settle()
    assert court.state(lost) == "OPENED"


@pytest.mark.parametrize("word", [SHOW, OPENED])
def test_words_of_others_and_noise_are_refused(court: Court, word: str) -> None:
    """Only the regulator gives words, only the accused shows, and only what is asked for."""
    handlers = court.town.node(OUTSIDER if word == SHOW else READER).parts.audits.handlers()
    asked = {"ticket": "1", "subject": "00" * 32, "key_epoch": 1}
    body = {**asked, "opening" if word == SHOW else "word": "00" * 65}
    who = READER if word == SHOW else OUTSIDER
    for noise in (b"", b"{}", msgspec.json.encode(asked), msgspec.json.encode({**body, "x": 1})):
        with pytest.raises(ProtocolError) as caught:
            handlers[word](who, noise)
        assert caught.value.code == "REQUEST_MALFORMED"
    for wrong in ({"ticket": "9" * 30}, {"ticket": "-1"}, {"key_epoch": -1}, {"subject": "zz"}):
        with pytest.raises(ProtocolError) as malformed:
            handlers[word](who, msgspec.json.encode({**body, **wrong}))
        assert malformed.value.code == "REQUEST_MALFORMED"
    with pytest.raises(ProtocolError) as unknown:
        handlers[word](who, msgspec.json.encode(body))
    assert unknown.value.code == "AUDIT_UNKNOWN"
    other = court.town.node(UPLOADER).parts.audits.handlers()
    with pytest.raises(NotAllowed):
        other[word](3, msgspec.json.encode(body))


def test_a_word_that_is_not_the_regulator_s_is_not_kept(court: Court) -> None:
    """Whoever signs it, and of whichever evaluation."""
    (lost, _) = court.tickets
    rows = court.lose([lost])
    court.audit()
    reader, stranger = court.town.node(READER), court.town.node(UPLOADER)
    with reader.sessions() as session:
        row = session.scalars(select(EvaluationAudit).where(EvaluationAudit.ticket == lost)).one()
    service = reader.parts.audits
    evaluation = service._evaluation(logged_of(row))
    signed = [
        stranger.keys.approver.sign_digest(service._opened_digest(evaluation)),
        court.town.node(OUTSIDER).keys.poster.sign_digest(service._opened_digest(evaluation)),
        court.town.node(OUTSIDER).keys.approver.sign_digest(service._opened_digest(b"\x01" * 32)),
    ]
    asked = {"ticket": str(lost), "subject": row.subject.hex(), "key_epoch": row.key_epoch}
    for word in signed:
        with pytest.raises(KanheError):
            service.told_opened(OUTSIDER, msgspec.json.encode({**asked, "word": word.hex()}))
    with reader.sessions() as session:
        assert session.get(OpeningWord, evaluation) is None
    court.bring_back(rows)
    court.settle()


def test_what_is_audited_is_not_forgotten(court: Court) -> None:
    """Nor anybody of its key epoch, until it ended or the regulator left it undecided for long."""
    (ticket, _) = court.tickets
    with court.town.node(READER).sessions() as session:
        row = session.scalars(select(OwnLookup).where(OwnLookup.ticket == ticket)).one()
        row.kept, row.key_epoch = REDUCED, -1
        session.flush()

        def over() -> bool:
            return row.id in {one.id for one in session.scalars(_over(session))}

        assert over()
        place = {"block_number": 1, "log_index": 0, "tx_hash": b"\x01" * 32}
        audit = EvaluationAudit(
            audit=900,
            member=READER,
            ticket=ticket,
            subject=b"\x02" * 32,
            blinded=b"\x03" * 32,
            key_epoch=-1,
            block_time_s=court.town.time_s() - DAY_S,
            **place,
        )
        session.add(audit)
        session.flush()
        assert not over()
        audit.outcome = "OPENED"
        session.flush()
        assert over()
        audit.outcome, audit.block_time_s = None, court.town.time_s() - LAPSE_S - DAY_S
        session.flush()
        assert over()
        session.rollback()
