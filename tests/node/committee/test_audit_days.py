"""Two days' logs against each other: one ticket or entry has one element, whenever and wherever."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import replace
from pathlib import Path

from committee_town import COMMITTEE, OUTSIDER, Town
from sqlalchemy import func, select

from node.db import open_database
from node.screening.auditing import Logged
from node.screening.consents import evaluation_digest
from node.screening.states import DAY_S
from node.services.lookups import AuditReport
from node.services.lookups.across_days import hold_against_other_days
from node.tables import AuditedEvaluation, Evaluation, Incident
from node.tables.upgrading import upgrade
from tests.databases import address_of

ROW = Logged(1, 7, b"s" * 32, b"b" * 32, 1, 2, b"g" * 65)


def audited(town: Town, day: int) -> AuditReport:
    """Audit every evaluation of a day; people of region 99 count here."""
    service = town.node(OUTSIDER).parts.audits
    service._allow_test = True
    return service.audit(day, one_of=1)


def kept(town: Town) -> list[Incident]:
    """Return the regulator's incidents of two elements."""
    with town.node(OUTSIDER).sessions() as session:
        return list(session.scalars(select(Incident).where(Incident.kind == "TICKET_TWICE")))


def pass_day(town: Town) -> int:
    """Let the day end, and its logs be anchored; return which it was."""
    day = town.time_s() // DAY_S
    town.pass_s(DAY_S)
    town.claim()
    return day


def test_a_second_element_on_another_day_is_found(indexed: Town) -> None:
    """By a node that was not asked on the first: each day's logs hold, and both signatures show."""
    town = indexed
    pass_day(town)
    entry = town.list(OUTSIDER, 41)
    town.settle()
    first = pass_day(town)
    assert audited(town, first).wrong == []
    subject = f"entry/{entry.hex()}/1"
    with_it, without = None, None
    for member in COMMITTEE:
        with town.node(member).sessions() as session:
            row = session.scalars(select(Evaluation).where(Evaluation.subject == subject)).first()
            with_it, without = (row or with_it), (member if row is None else without)
    assert with_it is not None
    assert without is not None
    blinded = secrets.token_bytes(32)
    uploader, second = town.node(OUTSIDER), town.time_s() // DAY_S
    digest = evaluation_digest(
        uploader.identity.place.lookups_domain,
        ticket=0,
        blinded=blinded,
        consent=entry,
        key_epoch=1,
    )
    with town.node(without).sessions.begin() as session:
        session.add(
            Evaluation(
                day=second,
                at_s=town.time_s(),
                subject=subject,
                reader=OUTSIDER,
                ticket=0,
                consent=entry,
                blinded=hashlib.sha256(blinded).digest(),
                key_epoch=1,
                level=0,
                own_record=False,
                signature=uploader.identity.keys.approver.sign_digest(digest),
            )
        )
    assert pass_day(town) == second
    before = len(kept(town))
    report = audited(town, second)
    (twice,) = (wrong for wrong in report.wrong if wrong.kind == "TICKET_TWICE")
    assert twice.replica == OUTSIDER
    shown = [twice.evidence[name] for name in ("one", "other")]
    assert [item["blinded"] for item in shown if isinstance(item, dict)] == [
        with_it.blinded.hex(),
        hashlib.sha256(blinded).hexdigest(),
    ]
    assert len(kept(town)) == before + 1
    audited(town, first)
    audited(town, second)
    assert len(kept(town)) == before + 1, "once for the pair"


def test_days_are_held_against_each_other_while_audits_reach_them(tmp_path: Path) -> None:
    """The same element on any day is no matter; an epoch that no audit reaches is forgotten."""
    database = open_database(address_of(tmp_path / "a.db"))
    upgrade(database)

    def hold(day: int, *rows: Logged, first: int = 1) -> list[tuple[Logged, Logged]]:
        with database.writing.begin() as session:
            return list(hold_against_other_days(session, day, rows, openable_from=first))

    def count() -> int:
        with database.reading() as session:
            return session.scalar(select(func.count()).select_from(AuditedEvaluation)) or 0

    listing = replace(ROW, ticket=0)
    many = [replace(ROW, ticket=number) for number in range(100, 1_300)]
    assert hold(1, ROW, listing, *many) == []
    assert hold(1, ROW, listing, *many) == []
    assert hold(2, ROW) == []
    other = replace(ROW, blinded=b"c" * 32)
    assert hold(2, other, replace(listing, key_epoch=2)) == [(ROW, other)]
    assert set(hold(3, *(replace(row, blinded=b"d" * 32) for row in many[-2:]))) == {
        (row, replace(row, blinded=b"d" * 32)) for row in many[-2:]
    }
    assert count() == 1_203
    assert hold(4, other, first=2) == []
    assert count() == 1
    database.close()
