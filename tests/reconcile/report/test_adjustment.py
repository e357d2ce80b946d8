from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_books import (
    AGREEMENT,
    DAY,
    IN,
    OUT,
    books,
    line,
    one_sided,
    run_of,
    stated,
    tolerant_terms,
    worked_example,
)

from reconcile.matching.keys import break_key, group_subject
from reconcile.model import (
    ZERO32,
    Balance,
    BalanceBasis,
    Decision,
    EntryStatus,
    InputError,
    OpenResidual,
    Side,
    SideBook,
    WrittenOff,
    day_iso,
    window_of,
)
from reconcile.report import (
    AdjustmentItem,
    AdjustmentSheet,
    Result,
    SectionName,
    adjustment_of_bundle,
    adjustment_sheets,
    group_json,
    open_subjects,
    reconcile,
)
from reconcile.terms import default_terms


def sheets(result: Result) -> dict[str, AdjustmentSheet]:
    """Return a result's sheets by currency."""
    return {sheet.currency: sheet for sheet in adjustment_sheets(result.report, result.groups)}


def items(sheet: AdjustmentSheet, name: SectionName) -> tuple[AdjustmentItem, ...]:
    """Return one section's items."""
    return next(section.items for section in sheet.sections if section.name is name)


def decided(
    verdict: str, servicer: tuple[str, ...], owner: tuple[str, ...], subject: bytes
) -> Decision:
    """Return a decision that both sides may hold."""
    return Decision(subject, ZERO32, verdict, servicer, owner, "d1")


def test_the_worked_example_adds_up_line_by_line() -> None:
    """Computed by hand: 97,900 - 0 + 80 = 98,230 - 300 + 50, each item with date and voucher."""
    sheet = sheets(worked_example())["CNY"]
    assert sheet.closings == (97_900, 98_230)
    assert sheet.adjusted == (97_980, 97_980)
    out = items(sheet, SectionName.SERVICER_OUT)
    assert [(x.side, x.minor, x.voucher, x.day) for x in out] == [
        (Side.OWNER, -300, "PAY-0004", day_iso(DAY))
    ]
    owner_in = items(sheet, SectionName.OWNER_IN)
    assert [(x.side, x.minor, x.voucher) for x in owner_in] == [(Side.SERVICER, 80, "PAY-0007")]
    differing = items(sheet, SectionName.DIFFERENCES)
    assert [(x.kind, x.side, x.minor, x.under_inquiry) for x in differing] == [
        ("AMOUNT", Side.OWNER, 50, True)
    ]
    assert items(sheet, SectionName.SERVICER_IN) == items(sheet, SectionName.OWNER_OUT) == ()
    assert all(x.age_days == 0 for section in sheet.sections for x in section.items)


def test_every_direction_has_its_section() -> None:
    """What one side booked in or out alone moves the other side's balance the same way."""
    servicer = one_sided(0, 60, (line("s1", IN, 100, "K-0001"), line("s2", OUT, 40, "K-0002")))
    owner = one_sided(0, 4, (line("o1", IN, 9, "K-0003"), line("o2", OUT, 5, "K-0004")))
    sheet = sheets(reconcile(run_of(servicer, owner)))["CNY"]
    found = {
        section.name: [(item.side, item.minor) for item in section.items]
        for section in sheet.sections
    }
    assert found == {
        SectionName.SERVICER_IN: [(Side.OWNER, 100)],
        SectionName.SERVICER_OUT: [(Side.OWNER, -40)],
        SectionName.OWNER_IN: [(Side.SERVICER, 9)],
        SectionName.OWNER_OUT: [(Side.SERVICER, -5)],
        SectionName.DIFFERENCES: [],
    }
    assert sheet.adjusted == (64, 64)


@given(books("s"), books("o"))
@settings(max_examples=150, deadline=None)
def test_adjusted_balances_agree_exactly_when_the_proof_amount_is_zero(
    servicer: SideBook, owner: SideBook
) -> None:
    """Consistent books agree in every currency, and their items stand in one section each."""
    result = reconcile(run_of(servicer, owner))
    for total in result.report["totals"]:
        sheet = sheets(result)[total["currency"]]
        assert total["proof_minor"] == "0"
        assert sheet.agrees
        named = [item.refs for section in sheet.sections for item in section.items]
        assert len(named) == len(set(named))


@given(books("s"), books("o"), st.integers(-10_000, 10_000))
@settings(max_examples=100, deadline=None)
def test_what_the_proof_does_not_explain_is_the_difference_of_the_adjusted_balances(
    servicer: SideBook, owner: SideBook, error: int
) -> None:
    """A closing that is off by an amount shows as exactly that amount, never hidden in an item."""
    off = {**owner.closing}
    off["CNY"] = Balance.of_signed(off["CNY"].signed_minor - error, DAY, BalanceBasis.STATED)
    wrong = SideBook(entries=owner.entries, opening=owner.opening, closing=off)
    result = reconcile(run_of(servicer, wrong))
    sheet = sheets(result)["CNY"]
    proof = next(t["proof_minor"] for t in result.report["totals"] if t["currency"] == "CNY")
    assert sheet.adjusted[0] - sheet.adjusted[1] == int(proof) == error
    assert sheet.agrees is (error == 0)


def test_a_duplicate_is_an_error_and_not_in_transit() -> None:
    """Booked twice is nobody's transit: it stands under errors, to be looked into."""
    twice = (line("s1", IN, 500, "PAY-0001"), line("s2", IN, 500, "PAY-0001"))
    once = (line("o1", IN, 500, "PAY-0001"),)
    sheet = sheets(reconcile(run_of(one_sided(0, 1_000, twice), one_sided(0, 500, once))))["CNY"]
    found = items(sheet, SectionName.DIFFERENCES)
    assert [(x.kind, x.minor, x.under_inquiry) for x in found] == [("DUPLICATE", 500, True)]
    assert sheet.adjusted == (1_000, 1_000)


def test_an_entry_that_moves_nothing_is_no_item() -> None:
    """A pending payment stands in the report's breaks and moves no balance here."""
    pending = line("s1", IN, 500, "PAY-0001", status=EntryStatus.PENDING)
    sheet = sheets(reconcile(run_of(one_sided(0, 0, (pending,)), one_sided(0, 0))))["CNY"]
    assert all(section.items == () for section in sheet.sections)
    assert sheet.agrees


def test_a_residual_has_the_day_and_the_vouchers_of_its_group() -> None:
    """Three fen of tolerance stay as a difference of the owner's, marked as under inquiry."""
    result = reconcile(
        run_of(
            one_sided(0, 1_003, (line("s1", IN, 1_003, "PAY-0001"),)),
            one_sided(0, 1_000, (line("o1", IN, 1_000, "PAY-0001"),)),
            terms=tolerant_terms(),
        )
    )
    (found,) = items(sheets(result)["CNY"], SectionName.DIFFERENCES)
    assert (found.kind, found.side, found.minor) == ("RESIDUAL", Side.OWNER, 3)
    assert (found.day, found.refs, found.voucher) == (day_iso(DAY), (("s1",), ("o1",)), "s1")
    assert (found.under_inquiry, found.age_days) == (True, 0)


def test_a_write_off_adjusts_the_side_its_decision_names() -> None:
    """The servicer's own entry is written off: its balance moves, and nothing is in question."""
    key = break_key(AGREEMENT, Side.SERVICER, "s1")
    off = (decided("write_off", ("s1",), (), key),)
    servicer = SideBook((line("s1", IN, 70, "PAY-0001"),), stated(CNY=0), stated(CNY=70), (), off)
    owner = SideBook((), stated(CNY=0), stated(CNY=0), (), off)
    sheet = sheets(reconcile(run_of(servicer, owner)))["CNY"]
    (found,) = items(sheet, SectionName.DIFFERENCES)
    assert (found.kind, found.side, found.minor) == ("WRITTEN_OFF", Side.SERVICER, -70)
    assert not found.under_inquiry
    assert sheet.adjusted == (0, 0)


def test_a_decision_that_names_both_sides_leaves_the_owners_balance_in_question() -> None:
    """A confirmed pair of unequal amounts: both are named, so the owner's side is 待查."""
    pair = (decided("confirm", ("s1",), ("o1",), group_subject(AGREEMENT, ("s1",), ("o1",))),)
    servicer = SideBook((line("s1", IN, 70),), stated(CNY=0), stated(CNY=70), (), pair)
    owner = SideBook((line("o1", IN, 60),), stated(CNY=0), stated(CNY=60), (), pair)
    (found,) = items(sheets(reconcile(run_of(servicer, owner)))["CNY"], SectionName.DIFFERENCES)
    assert (found.kind, found.side, found.minor, found.under_inquiry) == (
        "RESIDUAL",
        Side.OWNER,
        10,
        True,
    )


def test_earlier_reports_tell_where_a_standing_difference_began() -> None:
    """Two days later it has the day, the refs and the age; without those reports it says none."""
    key = break_key(AGREEMENT, Side.OWNER, "o1")
    off = (decided("write_off", (), ("o1",), key),)
    first = reconcile(
        run_of(
            SideBook((), stated(CNY=0), stated(CNY=0), (), off),
            SideBook((line("o1", OUT, 70),), stated(CNY=0), stated(CNY=-70), (), off),
        )
    )
    later = reconcile(
        run_of(
            one_sided(0, 0),
            one_sided(-70, -70),
            window=window_of(DAY + 2),
            written_off=(WrittenOff(key, key, "CNY", 70),),
            residuals=(OpenResidual(b"r" * 32, "CNY", 0),),
        )
    )
    assert open_subjects(later.report) == {key.hex()}
    calendar = default_terms(["CNY"]).common_calendar
    (sheet,) = adjustment_sheets(
        later.report, later.groups, earlier=[(first.report, first.groups)], calendar=calendar
    )
    (found,) = items(sheet, SectionName.DIFFERENCES)
    assert (found.side, found.minor, found.day, found.age_days) == (
        Side.OWNER,
        70,
        day_iso(DAY),
        2,
    )
    assert sheet.agrees
    (alone,) = adjustment_sheets(later.report, later.groups)
    (found,) = items(alone, SectionName.DIFFERENCES)
    assert (found.day, found.age_days, found.side, found.under_inquiry) == (
        None,
        None,
        Side.OWNER,
        True,
    )
    assert alone.agrees


def test_a_bundle_alone_gives_the_same_sheet_and_its_json_is_whole() -> None:
    """An auditor needs no node; the JSON holds strings, booleans and null."""
    result = worked_example()
    bundle = {"report": result.report, "groups": [group_json(item) for item in result.groups]}
    found = adjustment_of_bundle(json.loads(json.dumps(bundle)))
    assert found == adjustment_sheets(result.report, result.groups)
    body = found[0].to_json()
    assert body["adjusted_minor"] == {"servicer": "97980", "owner": "97980"}
    assert body["agrees"] is True
    assert [section["name"] for section in body["sections"]] == [str(name) for name in SectionName]


def test_what_is_no_report_is_refused_by_name() -> None:
    """A damaged report gives REPORT_MALFORMED, not a traceback."""
    report = {**worked_example().report, "carried": {"servicer": [], "owner": []}}
    with pytest.raises(InputError, match="REPORT_MALFORMED"):
        adjustment_sheets(report)
