from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
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

from reconcile.matching.keys import group_subject
from reconcile.model import (
    CARRIER_BY_WORD,
    ZERO32,
    Balance,
    BalanceBasis,
    Decision,
    Direction,
    Entry,
    EntryStatus,
    InputError,
    Side,
    SideBook,
    day_iso,
    day_number,
    window_of,
)
from reconcile.report import Result, SuggestedBooking, carry_of, reconcile, suggested_bookings
from reconcile.terms import Terms, default_terms

TERMS = default_terms(["CNY", "USD"])
NEXT = day_iso(DAY + 1)
PAIRED = {"e2e", "uetr", "tx", "tx_instr", "order", "order_trace", "booking"}


def suggested(result: Result, terms: Terms = TERMS) -> tuple[SuggestedBooking, ...]:
    """Return the suggestions of a run for the next day."""
    return suggested_bookings(result.report, result.groups, terms=terms, booking_date=NEXT)


def booked(item: SuggestedBooking, number: int) -> Entry:
    """Return the entry that an ERP makes of a suggestion."""
    references = sorted(
        (int(CARRIER_BY_WORD[word]), text) for word, text in item.references.items()
    )
    return Entry(
        entry_ref=f"erp-{number}",
        version=0,
        direction=Direction[item.direction],
        amount_minor=item.amount_minor,
        currency=item.currency,
        booking_date=DAY + 1,
        value_date=day_number(dt.date.fromisoformat(item.value_date)),
        references=tuple(references),
        counterparty_account=item.counterparty_account or None,
        group_ref=item.group_ref,
        reversal_of=item.reversal_of,
    )


def next_day(result: Result, items: Sequence[SuggestedBooking], terms: Terms = TERMS) -> Result:
    """Reconcile the next day: both sides decide what is needed and book what is suggested."""
    carry = carry_of(result.report)
    decisions = []
    for item in items:
        if item.needs:
            write_off = item.needs == "write_off"
            subject = bytes.fromhex(item.key if write_off else item.group_ref or "")
            made = Decision(subject, ZERO32, item.needs, item.servicer, item.owner, "d1")
            if made not in decisions:
                decisions.append(made)
    sides = []
    for side in Side:
        entries = [booked(x, n) for n, x in enumerate(items) if x.side is side]
        opening = {
            code: Balance.of_signed(minor, DAY, BalanceBasis.STATED)
            for code, (minor, _) in carry.closing[side].items()
        }
        closing = {code: item.signed_minor for code, item in opening.items()}
        for entry in entries:
            closing[entry.currency] += entry.signed_minor
        sides.append(
            SideBook(
                tuple(entries),
                opening,
                stated(**closing),
                carry.carried[side],
                tuple(decisions),
                previous_closing=opening,
            )
        )
    return reconcile(
        run_of(
            sides[0],
            sides[1],
            terms=terms,
            window=window_of(DAY + 1),
            previous_window=window_of(DAY),
            residuals=carry.residuals,
            written_off=carry.written_off,
            held=carry.held,
            rejected=carry.rejected,
            last_decisions=carry.last_decisions,
        )
    )


def test_the_worked_example_is_settled_by_its_three_vouchers() -> None:
    """Owner books -300 and +50, servicer books +80; the next day has no break and proof 0."""
    result = worked_example()
    items = suggested(result)
    said = [(x.side, x.direction, x.amount_minor, x.needs, x.settled_by) for x in items]
    assert said == [
        (Side.OWNER, "OUT", 300, "", "e2e"),
        (Side.SERVICER, "IN", 80, "", "e2e"),
        (Side.OWNER, "IN", 50, "confirm", "booking"),
    ]
    assert items[0].references == {"end_to_end_id": "PAY-0004"}
    assert items[0].value_date == day_iso(DAY)
    assert items[2].group_ref == group_subject(AGREEMENT, ("s3",), ("o3",)).hex()
    later = next_day(result, items)
    # The pending payment is amended, not booked a second time.
    assert [item.kind for item in later.breaks] == ["TIMEOUT"]
    assert later.residuals == ()
    assert {row["proof_minor"] for row in later.report["totals"]} == {"0"}


def test_a_duplicate_is_reversed_by_the_side_that_booked_it_twice() -> None:
    """The suggestion names the entry to reverse and the write-off it needs; both close it."""
    twice = (line("s1", IN, 500, "PAY-0001"), line("s2", IN, 500, "PAY-0001"))
    result = reconcile(
        run_of(one_sided(0, 1_000, twice), one_sided(0, 500, (line("o1", IN, 500, "PAY-0001"),)))
    )
    (item,) = suggested(result)
    assert (item.side, item.direction, item.amount_minor) == (Side.SERVICER, "OUT", 500)
    assert (item.needs, item.group_ref) == ("write_off", item.key)
    assert item.reversal_of in {"s1", "s2"}
    later = next_day(result, [item])
    assert later.breaks == ()
    assert later.written_off == ()
    assert later.complete


def test_an_owners_duplicate_is_taken_back_at_the_owner() -> None:
    """The sign turns with the side: the owner books OUT what it booked IN twice."""
    twice = (line("o1", IN, 500, "PAY-0001"), line("o2", IN, 500, "PAY-0001"))
    result = reconcile(
        run_of(one_sided(0, 500, (line("s1", IN, 500, "PAY-0001"),)), one_sided(0, 1_000, twice))
    )
    (item,) = suggested(result)
    assert (item.side, item.direction, item.amount_minor) == (Side.OWNER, "OUT", 500)
    assert next_day(result, [item]).breaks == ()


def test_a_residual_is_booked_with_its_subject() -> None:
    """Three fen of tolerance: the owner's voucher closes the residual, without any decision."""
    terms = tolerant_terms()
    result = reconcile(
        run_of(
            one_sided(0, 1_003, (line("s1", IN, 1_003, "PAY-0001"),)),
            one_sided(0, 1_000, (line("o1", IN, 1_000, "PAY-0001"),)),
            terms=terms,
        )
    )
    (item,) = suggested(result, terms)
    assert (item.kind, item.side, item.direction) == ("RESIDUAL", Side.OWNER, "IN")
    assert (item.amount_minor, item.needs) == (3, "")
    later = next_day(result, [item], terms)
    assert later.residuals == ()
    assert later.complete


def test_what_an_amendment_settles_gets_no_voucher() -> None:
    """A status that differs and a payment without outcome are amended, never booked twice."""
    servicer = (line("s1", IN, 10, "PAY-0001"), line("s2", IN, 9, "PAY-0002"))
    owner = (
        line("o1", IN, 10, "PAY-0001", status=EntryStatus.VOID),
        line("o2", IN, 9, "PAY-0002", status=EntryStatus.PENDING),
    )
    result = reconcile(run_of(one_sided(0, 19, servicer), one_sided(0, 0, owner)))
    assert {item.kind for item in result.breaks} == {"STATUS", "TIMEOUT"}
    assert suggested(result) == ()


def test_two_currencies_are_written_off_and_booked_one_by_one() -> None:
    """A pair of two currencies cannot be one group: each currency has its own voucher."""
    servicer = SideBook((line("s1", IN, 70, "PAY-0001"),), stated(CNY=0), stated(CNY=70))
    other = (line("o1", IN, 11, "PAY-0001", currency="USD"),)
    owner = SideBook(other, stated(USD=0), stated(USD=11))
    result = reconcile(run_of(servicer, owner))
    items = suggested(result)
    assert {(x.currency, x.needs) for x in items} == {("CNY", "write_off"), ("USD", "write_off")}
    later = next_day(result, items)
    assert later.breaks == ()
    assert later.written_off == ()


def test_an_item_no_reference_tells_apart_says_that_a_person_confirms_it() -> None:
    """Without any reference the voucher may be booked, but nothing will pair it by itself."""
    result = reconcile(run_of(one_sided(0, 70, (line("s1", IN, 70),)), one_sided(0, 0)))
    (item,) = suggested(result)
    assert (item.settled_by, item.needs) == ("", "")
    assert item.to_json()["settled_by"] is None


def test_the_terms_say_which_reference_the_other_side_carries() -> None:
    """An owner's voucher number is the servicer's end-to-end id: pass 6 pairs the two."""
    entry = line("o1", OUT, 70, references=((6, "VOUCHER-0001"),))
    result = reconcile(run_of(one_sided(0, 0), one_sided(0, -70, (entry,))))
    (item,) = suggested(result)
    assert item.side is Side.SERVICER
    assert item.references["end_to_end_id"] == "VOUCHER-0001"
    assert next_day(result, [item]).breaks == ()


@given(books("s"), books("o"))
@settings(max_examples=120, deadline=None)
def test_booking_what_is_suggested_settles_what_it_says(
    servicer: SideBook, owner: SideBook
) -> None:
    """Every break whose voucher names a certain pass is gone the next day, and the proof is 0."""
    result = reconcile(run_of(servicer, owner))
    items = [item for item in suggested(result) if item.settled_by in PAIRED]
    later = next_day(result, items)
    assert {row["proof_minor"] for row in later.report["totals"]} <= {"0"}
    settled = {(side, ref) for x in items for side in Side for ref in (x.servicer, x.owner)[side]}
    left = {
        (side, ref)
        for found in later.breaks
        for side in Side
        for ref in (found.servicer, found.owner)[side]
    }
    assert not settled & left, [item.to_json() for item in items]
    assert later.residuals == ()
    assert later.written_off == ()


def test_the_json_is_plain_and_a_damaged_report_is_refused() -> None:
    """Strings and null only; what is no report gives REPORT_MALFORMED."""
    items = suggested(worked_example())
    body = json.loads(json.dumps([item.to_json() for item in items]))
    assert body[0]["amount_minor"] == "300"
    with pytest.raises(InputError, match="REPORT_MALFORMED"):
        suggested_bookings(
            {**worked_example().report, "agreement": "zz"}, terms=TERMS, booking_date=NEXT
        )
