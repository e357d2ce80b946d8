from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "matching"))

from matching_books import FIRST_DAY, SHORT, one_pass
from matching_runs import AGREEMENT, entry, run_of

from reconcile.breaks import classify
from reconcile.matching import match
from reconcile.matching.keys import break_key
from reconcile.matching.run_input import RunInput
from reconcile.model import (
    Break,
    BreakKind,
    CarriedItem,
    EntryStatus,
    Mark,
    Side,
    SideBook,
    window_of,
)
from reconcile.terms import Calendar, FeeSchedule, Terms

K = BreakKind
PAST = {"window": window_of(FIRST_DAY + 2)}


def breaks_of(run: RunInput) -> tuple[Break, ...]:
    """Match and classify."""
    return classify(run, match(run))


def only(run: RunInput) -> Break:
    """Return the run's one break."""
    found = breaks_of(run)
    assert len(found) == 1
    return found[0]


TWO_SIDED: list[tuple[dict[str, object], BreakKind, tuple[BreakKind, ...]]] = [
    ({"currency": "USD"}, K.CURRENCY, ()),
    ({"minor": -100}, K.DIRECTION, ()),
    ({"status": EntryStatus.PENDING}, K.TIMEOUT, ()),
    ({"status": EntryStatus.TIMED_OUT}, K.TIMEOUT, ()),
    ({"status": EntryStatus.VOID}, K.STATUS, ()),
    ({"minor": 97, "fee_minor": 3}, K.FEE, ()),
    ({"minor": 98}, K.ROUNDING, ()),
    ({"minor": 90}, K.AMOUNT, ()),
    ({"booking_date": FIRST_DAY + 9}, K.VALUE_DATE, ()),
    ({"minor": 90, "booking_date": FIRST_DAY + 9}, K.AMOUNT, (K.VALUE_DATE,)),
    ({"minor": 90, "counterparty_name": "Beta"}, K.AMOUNT, (K.PARTY,)),
    ({"minor": 90, "counterparty_account": "62220002"}, K.AMOUNT, (K.PARTY,)),
    ({"minor": 90, "references": ((1, "KEY1"), (7, "ORD2"))}, K.AMOUNT, (K.REFERENCE,)),
    (
        {"minor": -98, "currency": "USD", "status": EntryStatus.PENDING, "fee_minor": 2},
        K.CURRENCY,
        (K.DIRECTION, K.TIMEOUT, K.FEE, K.ROUNDING),
    ),
]


@pytest.mark.parametrize(("other", "kind", "also"), TWO_SIDED)
def test_one_key_and_a_difference_is_one_break(
    other: dict[str, object], kind: BreakKind, also: tuple[BreakKind, ...]
) -> None:
    """The first kind that holds names it, the rest stand in `also`."""
    mine = entry(
        "s",
        references=((1, "KEY1"), (7, "ORD1")),
        counterparty_name="Alpha",
        counterparty_account="6222-0001",
    )
    theirs = entry("o", **({"key": "KEY1"} | other))  # type: ignore[arg-type]
    terms = Terms(currencies={"CNY": 2}, passes=SHORT, rounding_minor=2)
    found = only(run_of((mine,), (theirs,), terms=terms, **PAST))
    assert (found.kind, found.also) == (kind, also)
    assert (found.servicer, found.owner) == (("s",), ("o",))


def test_a_missing_optional_field_agrees_with_anything() -> None:
    """Nothing is said about a party that one side leaves out."""
    run = run_of(
        (entry("s", key="KEY1", counterparty_name="Alpha"),), (entry("o", 90, key="KEY1"),)
    )
    assert only(run).also == ()


def test_the_fee_of_a_schedule_is_a_fee() -> None:
    """Where no pass confirmed gross and net, the difference is named by the terms' schedule."""
    fee = FeeSchedule(rate_ppm=6_000)
    passes = (one_pass("e2e", "end_to_end_id"), one_pass("net", "order_no", fee=fee))
    terms = Terms(currencies={"CNY": 2}, passes=passes)
    run = run_of((entry("s", 9_940, key="KEY1"),), (entry("o", 10_000, key="KEY1"),), terms=terms)
    assert only(run).kind is K.FEE


def test_sole_candidates_with_other_references_are_one_reference_break() -> None:
    """Amount, date and account agree, the references do not: one break with nothing to pay."""
    run = run_of(
        (entry("s", key="KEY1", counterparty_account="6222 0001"),),
        (entry("o", key="KEY2", counterparty_account="62220001"),),
    )
    found = only(run)
    assert found.kind is K.REFERENCE
    assert found.signed == (("CNY", 0),)


def test_two_candidates_are_no_reference_break() -> None:
    """Only sole candidates on both sides pair; otherwise each stands alone."""
    servicer = (entry("s", key="KEY1"), entry("s2", key="KEY2"))
    found = breaks_of(run_of(servicer, (entry("o", key="KEY3"),), **PAST))
    assert [item.kind for item in found] == [
        K.MISSING_AT_SERVICER,
        K.MISSING_AT_OWNER,
        K.MISSING_AT_OWNER,
    ]


def test_parts_that_do_not_add_up_are_one_split() -> None:
    """All that remains under one group_ref on both sides is one break with the missing amount."""
    parts = tuple(entry(f"o{i}", 30, group_ref="PAY1") for i in range(3))
    found = only(run_of((entry("s", 100, group_ref="PAY1"),), parts))
    assert found.kind is K.SPLIT
    assert found.signed == (("CNY", 10),)
    assert found.owner == ("o0", "o1", "o2")


def test_void_entries_are_in_no_break() -> None:
    """VOID alone, and VOID against VOID, are counted and nothing else."""
    void = EntryStatus.VOID
    servicer = (entry("s", key="KEY1", status=void), entry("s2", status=void))
    assert breaks_of(run_of(servicer, (entry("o", key="KEY1", status=void),))) == ()


@pytest.mark.parametrize(
    ("parts", "kind"),
    [
        ({"status": EntryStatus.PENDING}, K.TIMEOUT),
        ({"is_reversal": True}, K.REVERSAL_ORPHAN),
        ({"is_reversal": True, "reversal_of": "nowhere"}, K.REVERSAL_ORPHAN),
        ({"status": EntryStatus.RETURNED}, K.RETURN),
        ({"key": "KEY1"}, K.DUPLICATE),
        ({"key": "KEY2", "booking_date": FIRST_DAY + 1}, K.TIMING),
        ({"key": "KEY2", "minor": 55}, K.MISSING_AT_OWNER),
        ({"is_reversal": True, "reversal_of": "a0", "minor": -100}, K.MISSING_AT_OWNER),
    ],
)
def test_one_sided_kinds(parts: dict[str, object], kind: BreakKind) -> None:
    """An entry without counterpart has the first kind that holds."""
    servicer = (entry("a0", key="KEY1"), entry("s", **parts))  # type: ignore[arg-type]
    found = only(run_of(servicer, (entry("o", key="KEY1"),), **PAST))
    assert found.kind is kind
    assert found.servicer == ("s",)


def test_grace_counts_the_business_days_of_the_side_where_it_is_missing() -> None:
    """The owner's holidays stretch the grace of what the owner misses, not of what it has."""
    holidays = Calendar(holidays=(FIRST_DAY + 1, FIRST_DAY + 2))
    terms = Terms(currencies={"CNY": 2}, passes=SHORT, owner_calendar=holidays)
    books = (entry("s", 5),), (entry("o", 6),)
    found = breaks_of(run_of(*books, terms=terms, window=window_of(FIRST_DAY + 3)))
    assert {item.kind: item.age_days for item in found} == {K.TIMING: 1, K.MISSING_AT_SERVICER: 3}


def test_marks_say_late_stale_and_not_there() -> None:
    """They stand beside the kind and never replace it."""
    mine = entry("s", occurred_at=1_000)
    late = SideBook((mine,), late_refs=frozenset({"s"}))
    spoken = SideBook((), watermark_ms=301_001)
    found = only(run_of(late, spoken, window=window_of(FIRST_DAY + 8)))
    assert found.kind is K.MISSING_AT_OWNER
    assert found.marks == (Mark.LATE, Mark.STALE, Mark.NOT_THERE)


@pytest.mark.parametrize(
    ("other", "marked"),
    [
        (SideBook(()), False),
        (SideBook((), watermark_ms=301_000), False),
        (SideBook((), watermark_ms=301_001), True),
        (SideBook((), closed_through=FIRST_DAY), False),
        (SideBook((), closed_through=FIRST_DAY + 1), True),
    ],
)
def test_not_there_is_decided_by_watermark_or_closed_windows(other: SideBook, marked: bool) -> None:
    """The other side spoke past the moment and allowance, or closed past the day and grace."""
    found = only(run_of((entry("s", occurred_at=1_000),), other))
    assert (Mark.NOT_THERE in found.marks) is marked


def test_a_break_names_its_proposals() -> None:
    """Each entry of a proposal stands in one break that names it."""
    books = (entry("s"), entry("s2")), (entry("o"),)
    run = run_of(*books)
    matched = match(run)
    assert [(p.pass_name, p.reason) for p in matched.proposals] == [("bare", "NEVER_CONFIRMED")]
    assert {item.proposals for item in classify(run, matched)} == {(matched.proposals[0].key,)}


def test_a_key_is_stable_and_merged_breaks_list_the_younger() -> None:
    """The entry carried longest names the break, whatever its booking date."""
    old, new = entry("s", 100, key="KEY1"), entry("o", 90, key="KEY1", booking_date=FIRST_DAY - 5)
    first, second = break_key(AGREEMENT, Side.SERVICER, "s"), b"n" * 32
    run = run_of(
        SideBook((), carried=(CarriedItem(old, first, since_window=8),)),
        SideBook((), carried=(CarriedItem(new, second, since_window=16),)),
    )
    found = only(run)
    assert found.key == first
    assert found.merged_keys == (second,)


def test_a_new_break_is_named_by_its_first_entry() -> None:
    """Ties go by the total order over both sides."""
    run = run_of(
        (entry("s", 100, key="KEY1", booking_date=FIRST_DAY + 1),), (entry("o", 90, key="KEY1"),)
    )
    assert only(run).key == break_key(AGREEMENT, Side.OWNER, "o")


def test_parts_of_one_break_that_drift_apart_keep_different_keys() -> None:
    """The key stays with the entry it was made of; the other part is named by its own."""
    shared = break_key(AGREEMENT, Side.SERVICER, "s")
    s, o = entry("s", 100, key="KEY1"), entry("o", 90, key="KEY2")
    run = run_of(
        SideBook((), carried=(CarriedItem(s, shared),)),
        SideBook((), carried=(CarriedItem(o, shared),)),
    )
    keys = {item.servicer + item.owner: item.key for item in breaks_of(run)}
    assert keys == {("s",): shared, ("o",): break_key(AGREEMENT, Side.OWNER, "o")}


def test_signed_amounts_count_only_what_moves() -> None:
    """Per currency, the servicer's balance-moving entries minus the owner's."""
    pending = entry("s", 100, key="KEY1", status=EntryStatus.PENDING)
    found = only(run_of((pending,), (entry("o", 90, key="KEY1", currency="USD"),)))
    assert found.signed == (("CNY", 0), ("USD", -90))
