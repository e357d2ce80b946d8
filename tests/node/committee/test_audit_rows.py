"""Logs that lie: what a node shows of others ends no audit and accuses none of them."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping

import msgspec
import pytest
from committee_town import OUTSIDER, Town
from sqlalchemy import select

from node.lookup_parts import LookupParts
from node.screening.consents import evaluation_digest
from node.screening.states import DAY_S
from node.services.lookups.auditing import LOG, AuditReport
from node.tables import Evaluation, OwnLookup

LIAR, READER = 1, 2


def audited(town: Town, day: int) -> AuditReport:
    """Audit every evaluation of a day; people of region 99 count here."""
    service = town.node(OUTSIDER).parts.audits
    service._allow_test = True
    return service.audit(day, one_of=1)


def test_a_node_that_logs_a_ticket_in_its_own_name_accuses_nobody(indexed: Town) -> None:
    """The reader whose ticket it is used it once: the node is named, and the reader's row opens."""
    town = indexed
    town.pass_s(DAY_S)
    town.claim()
    town.found(READER, 1)
    with town.node(READER).sessions() as session:
        newest = select(OwnLookup.ticket).order_by(OwnLookup.id.desc())
        ticket = session.scalars(newest).first()
    assert ticket is not None
    day = town.time_s() // DAY_S
    node = town.node(LIAR)
    consent, blinded = secrets.token_bytes(32), secrets.token_bytes(32)
    hashed = hashlib.sha256(blinded).digest()
    digest = evaluation_digest(
        node.identity.place.lookups_domain,
        ticket=ticket,
        blinded=blinded,
        consent=consent,
        key_epoch=1,
    )
    with node.database.writing.begin() as session:
        for row in session.scalars(select(Evaluation).where(Evaluation.ticket == ticket)):
            session.delete(row)
        session.flush()
        session.add(
            Evaluation(
                day=day,
                at_s=town.time_s(),
                subject=f"ticket/{ticket}",
                reader=LIAR,
                ticket=ticket,
                consent=consent,
                blinded=hashed,
                key_epoch=1,
                level=1,
                own_record=False,
                signature=node.identity.keys.approver.sign_digest(digest),
            )
        )
    town.pass_s(DAY_S)
    town.claim()
    report = audited(town, day)
    assert {(wrong.kind, wrong.replica) for wrong in report.wrong} == {("LOOKUP_LOG_WRONG", LIAR)}
    assert report.opened == report.sampled >= 1


@pytest.mark.parametrize(
    "lie",
    [
        {"reader": -1},
        {"reader": 2**40},
        {"key_epoch": 2**40},
        {"ticket": "9" * 19},
        {"ticket": "9" * 5_000},
        {"ticket": "\u0661"},
        {"level": None},
        {"signature": "00"},
    ],
)
def test_a_log_that_does_not_read_is_its_node_s(
    indexed: Town, monkeypatch: pytest.MonkeyPatch, lie: Mapping[str, object]
) -> None:
    """Numbers that nobody counted to end no audit: the others' logs are read."""
    town = indexed
    days = [v.day for v in town.node(LIAR).parts.answering.days() if v.anchored and v.count]
    asked = LookupParts.ask

    def lying(parts: LookupParts, member: int, word: str, body: bytes) -> bytes:
        answer = asked(parts, member, word, body)
        if word != LOG or member != LIAR:
            return answer
        rows = msgspec.json.decode(answer)
        return msgspec.json.encode([{**rows[0], **lie}, *rows[1:]])

    parts = town.node(OUTSIDER).parts
    monkeypatch.setattr(LookupParts, "ask", lying)
    monkeypatch.setattr(parts.audits, "_ask", parts.ask)
    report = audited(town, days[0])
    named = [wrong.kind for wrong in report.wrong if wrong.replica == LIAR]
    assert named == ["LOOKUP_LOG_WRONG"]
    assert report.logs >= 1
