"""Audits of listings: while one may be asked its uploader destroys nothing, or is fined."""

from __future__ import annotations

from contextlib import suppress

import pytest
from audit_court import UPLOADER, Court
from committee_town import OUTSIDER, Town
from listed_people import make_listing, person_of
from sqlalchemy import select
from sqlalchemy.orm import Session

from node.crypto.oprf import modes
from node.crypto.oprf.modes import Mode
from node.errors import Conflict
from node.lookup_calls import LookupCalls
from node.screening.auditing import Logged, Opening
from node.screening.consents import evaluation_digest
from node.screening.evaluations import Asked, read_answer, write_request
from node.screening.points import AUDIT_FINE
from node.screening.states import AUDIT_S, DAY_S
from node.services.index import uploading
from node.services.lookups.auditing import AuditingService
from node.services.screening import erasing
from node.services.screening.listing import Candidate
from node.tables import Evaluation, Intent, OwnListing
from reconcile.model import ZERO32, ProtocolError, day_iso


def _listed(court: Court, serial: int) -> bytes:
    """List a person on a day that is the court's; return the entry."""
    with suppress(Conflict):
        court.town.node(UPLOADER).screening.claim_allowance()
    court.town.settle()
    entry = court.town.list(UPLOADER, serial)
    court.day = court.town.time_s() // DAY_S
    return entry


def _erased(court: Court, entry: bytes) -> bool:
    with court.town.node(UPLOADER).sessions() as session:
        return session.get_one(OwnListing, entry).erased_at_ms is not None


def _shut(patch: pytest.MonkeyPatch, *entries: bytes) -> None:
    """Let what opens these entries be lost."""
    honest = AuditingService._opening

    def shut(
        service: AuditingService,
        session: Session,
        ticket: int,
        subject: bytes,
        key_epoch: int,
    ) -> Opening:
        if subject in entries:
            raise ProtocolError("AUDIT_UNKNOWN", "lost")
        return honest(service, session, ticket, subject, key_epoch)

    patch.setattr(AuditingService, "_opening", shut)


def test_a_free_look_is_fined_however_soon_it_is_erased(
    court: Court, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ghost is listed, evaluated, taken back and destroyed before anybody can ask for it."""
    town = court.town
    entry = _listed(court, 901)
    uploader = town.node(UPLOADER)
    with monkeypatch.context() as patch:
        patch.setattr(erasing, "holds_erasure", lambda *_: False)
        uploader.screening.erase(entry)
        town.settle()
        town.settle()
        assert _erased(court, entry)
        assert uploader.screening.certificate_of(entry)
    seen = town.node(OUTSIDER).screening.trace(entry)
    assert (seen.entry.state, seen.certificates) == ("REMOVED", ())
    court.pass_s(DAY_S)
    before = court.points(UPLOADER)
    court.audit()
    assert _entry_state(court, entry) == "PENDING"
    # From the third day on the ledger takes the certificate; the audit runs all the same.
    monkeypatch.setattr("node.calls.ASK_AGAIN_MS", 0)
    court.pass_s(3 * DAY_S)
    assert town.node(OUTSIDER).screening.trace(entry).entry.state == "ERASED"
    assert _entry_state(court, entry) == "PENDING"
    court.pass_s(AUDIT_S)
    assert _entry_state(court, entry) == "FINED"
    steps = [step.what for step in town.node(OUTSIDER).screening.trace(entry).history]
    assert [step for step in steps if step.startswith("Audit")] == ["AuditBegun", "AuditFINED"]
    assert court.points(UPLOADER) == before - AUDIT_FINE


def test_an_erasure_waits_while_an_audit_of_it_runs(
    court: Court, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was asked in time is not destroyed by who is honest; once it is opened it is."""
    entry = _listed(court, 902)
    screening = court.town.node(UPLOADER).screening
    assert screening.erase(entry) is None
    court.pass_s(DAY_S)
    with monkeypatch.context() as patch:
        _shut(patch, entry)
        court.audit()
        court.pass_s(4 * DAY_S)
        assert _entry_state(court, entry) == "PENDING"
        assert not _erased(court, entry)
    court.settle()
    court.settle()
    assert _entry_state(court, entry) == "OPENED"
    assert _erased(court, entry)
    assert screening.trace(entry).entry.state == "ERASED"


def test_a_ticket_is_evaluated_for_until_its_last_day_alone(
    court: Court, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stands for seven days, whatever day it names: after that one no audit could ask."""
    town, node = court.town, court.town.node(UPLOADER)
    with suppress(Conflict):
        node.screening.claim_allowance()
    town.settle()
    today = town.time_s() // DAY_S
    listing = make_listing(
        904,
        entry_id=ZERO32,
        uploader=UPLOADER,
        effective_from=today,
        expires_at=today + 1,
        notice_at=today - 30,
        event_month=day_iso(today - 90)[:7],
    )
    with monkeypatch.context() as patch:
        patch.setattr(uploading, "untagged", lambda *_, **__: [])
        entry = node.screening.list_person(Candidate(person_of(904), listing, ()))
        town.settle()
        blinded = modes.blind(Mode.VOPRF, person_of(1).prf_input).element
        domain = node.identity.place.lookups_domain
        digest = evaluation_digest(domain, ticket=0, blinded=blinded, consent=entry, key_epoch=1)
        signature = node.keys.approver.sign_digest(digest)
        body = write_request(1, [Asked(blinded, signature, entry=entry)])
        for days, at, refused in (
            (1, 1, []),
            (1, 3, ["ENTRY_NOT_LIVE"]),
            (3, 3, ["ENTRY_NOT_LIVE"]),
        ):
            town.pass_s(days * DAY_S)
            assert node.screening.trace(entry).entry.state == "TICKETED"
            answer = read_answer(town.node(at).parts.answering.answer(UPLOADER, body))
            assert [one.code for one in answer.refused] == refused


def test_what_is_over_is_counted_as_erased_and_accused_of_nothing(court: Court) -> None:
    """Audited after its days: its uploader kept what it had to, and nobody is fined for it."""
    town = court.town
    entry = _listed(court, 903)
    day = court.day
    town.erase(UPLOADER, entry)
    assert _erased(court, entry)
    before = court.points(UPLOADER)
    service = town.node(OUTSIDER).parts.audits
    service._allow_test = True
    report = service.audit(day, one_of=1)
    assert (report.erased[UPLOADER], report.wrong) == (1, [])
    court.settle()
    assert entry not in {one.entry for one in service.audits(limit=500).audits}
    # Nor does the contract take it from a regulator that would.
    with town.node(OUTSIDER).sessions.begin() as session:
        calls = LookupCalls(town.node(OUTSIDER).identity)
        calls.begin_audit(session, _logged(town, entry), b"\x03" * 32)
    court.settle()
    with town.node(OUTSIDER).sessions() as session:
        sent = select(Intent).where(Intent.call == "beginAudit", Intent.state == "REFUSED")
        assert "ENTRY_OVER" in {one.error_code for one in session.scalars(sent)}
    assert court.points(UPLOADER) >= before


def _logged(town: Town, entry: bytes) -> Logged:
    """Return what a committee's node logged of an entry."""
    for node in town.committee:
        with node.sessions() as session:
            row = session.scalars(select(Evaluation).where(Evaluation.consent == entry)).first()
            if row is not None:
                shown = row.blinded, row.key_epoch, 0, row.signature
                return Logged(row.reader, row.ticket, entry, *shown)
    raise AssertionError("it was evaluated")


def _entry_state(court: Court, entry: bytes) -> str:
    found = court.town.node(OUTSIDER).parts.audits.audits(limit=500).audits
    return next(one.state for one in found if one.entry == entry)
