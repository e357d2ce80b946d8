"""余额调节表 of a node: old differences keep their origin, and the sheet names who acted here."""

from __future__ import annotations

import pytest

from node.tables import Person
from reconcile.model import Side, UsageError, day_iso, window_of
from reconcile.report import AdjustmentItem, SectionName
from reconcile.terms import Terms, default_terms, parse_terms, terms_json
from tests.node.services.conftest import DAY, WINDOW, Pair, entry


def tolerant() -> Terms:
    """Terms whose first pass tolerates ten fen, with a budget."""
    body = terms_json(default_terms(["CNY"]))
    body["passes"][0]["amount"]["tolerance_minor"] = "10"
    body["tolerance_budget_minor"] = "1000"
    return parse_terms(body)


def differences(pair: Pair, agreement: bytes, window: int) -> list[AdjustmentItem]:
    """Return the fifth section of the owner's sheet."""
    (sheet,) = pair.owner.reconciliation.adjustment(agreement, window).sheets
    assert sheet.agrees
    return [
        item
        for section in sheet.sections
        if section.name is SectionName.DIFFERENCES
        for item in section.items
    ]


def test_a_carried_residual_keeps_its_day_its_refs_and_ages(pair: Pair) -> None:
    """A day later the report that formed it is asked; its voucher closes it by its subject."""
    agreement = pair.agreement(tolerant())
    pair.servicer.posting.queue_entries(agreement, [entry("s1", 1_003, e2e="E2E-0001")])
    pair.owner.posting.queue_entries(agreement, [entry("o1", 1_000, e2e="E2E-0001")])
    pair.settle()
    pair.day(agreement)
    (fresh,) = differences(pair, agreement, WINDOW)
    assert (fresh.kind, fresh.minor, fresh.day, fresh.age_days) == (
        "RESIDUAL",
        3,
        day_iso(DAY),
        0,
    )
    following = window_of(DAY + 1)
    pair.servicer.posting.queue_entries(
        agreement, [entry("s2", 5, e2e="E2E-0002", day=DAY + 1)], window=following
    )
    pair.settle()
    pair.day(agreement, following)
    (carried,) = differences(pair, agreement, following)
    assert (carried.day, carried.age_days) == (day_iso(DAY), 1)
    assert carried.refs == (("s1",), ("o1",))
    _, bookings = pair.owner.reconciliation.bookings(agreement, following)
    (voucher,) = [item for item in bookings if item.kind == "RESIDUAL"]
    assert (voucher.side, voucher.direction, voucher.amount_minor) == (Side.OWNER, "IN", 3)
    assert voucher.group_ref == carried.key
    last = window_of(DAY + 2)
    books_it = entry("o2", 3, day=DAY + 2, group_ref=voucher.group_ref)
    pair.owner.posting.queue_entries(agreement, [books_it], window=last)
    pair.settle()
    pair.day(agreement, last)
    assert differences(pair, agreement, last) == []


def test_the_sheet_names_this_sides_people_and_nobody_of_the_other(
    pair: Pair, agreement: bytes
) -> None:
    """Who closed prepared it, who signed reviewed it, by the names this institution knows."""
    for login, name in (("li", "Preparer Li"), ("wu", "Reviewer Wu")):
        with pair.owner.sessions.begin() as session:
            session.add(
                Person(
                    login=login,
                    display_name=name,
                    pseudonym=f"p-{login}",
                    language="zh",
                    active=True,
                    failed_logins=0,
                    created_at_ms=0,
                )
            )
    with pytest.raises(UsageError, match="REPORT_NOT_COMPUTED"):
        pair.owner.reconciliation.adjustment(agreement, WINDOW)
    pair.owner.posting.queue_entries(agreement, [entry("o1", 5)])
    pair.owner.posting.close_window(agreement, WINDOW, actor="li")
    pair.servicer.posting.close_window(agreement, WINDOW, actor="somebody")
    pair.settle()
    unsigned = pair.owner.reconciliation.adjustment(agreement, WINDOW)
    assert (unsigned.prepared_by, unsigned.reviewed_by) == ("Preparer Li", "")
    assert not unsigned.agreed
    pair.owner.reconciliation.attest(agreement, WINDOW, actor="wu")
    pair.servicer.reconciliation.attest(agreement, WINDOW, actor="somebody")
    pair.settle()
    signed = pair.owner.reconciliation.adjustment(agreement, WINDOW)
    assert (signed.prepared_by, signed.reviewed_by) == ("Preparer Li", "Reviewer Wu")
    assert signed.agreed
    theirs = pair.servicer.reconciliation.adjustment(agreement, WINDOW)
    assert (theirs.prepared_by, theirs.reviewed_by) == ("", "")
