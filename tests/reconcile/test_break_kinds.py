"""Every kind and mark of matching.md, "Breaks": found, not falsely found, its key kept."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

sys.path.insert(0, str(Path(__file__).parent / "matching"))

from matching_books import FIRST_DAY, SHORT
from matching_runs import AGREEMENT, entry

from reconcile.matching import RunInput
from reconcile.matching.keys import bare_break_key, break_key
from reconcile.model import (
    AgreementKind,
    Balance,
    BalanceBasis,
    Break,
    BreakKind,
    Direction,
    Entry,
    EntryStatus,
    Mark,
    Side,
    SideBook,
    window_of,
)
from reconcile.report import Result, carry_of, reconcile
from reconcile.terms import Terms

K = BreakKind
Book = tuple[Entry, ...]
OLD = FIRST_DAY - 3  # the Friday before: past grace on Tuesday
TODAY = window_of(FIRST_DAY + 1)
TERMS = Terms(currencies={"CNY": 2, "USD": 2}, passes=SHORT, rounding_minor=2)


def key(text: str, **parts: object) -> dict[str, Any]:
    """Return an entry's fields with an end_to_end_id, booked before the weekend."""
    return {"key": text, "booking_date": OLD, **parts}


def run(servicer: SideBook, owner: SideBook, window: int = TODAY, **more: Any) -> Result:  # noqa: ANN401
    """Reconcile two books."""
    fields = {"previous_window": None, "terms": TERMS, **more}
    return reconcile(
        RunInput(
            agreement=AGREEMENT,
            kind=AgreementKind.BANK_ENTERPRISE,
            window=window,
            servicer=servicer,
            owner=owner,
            **fields,
        )
    )


def following(before: Result, servicer: Book = (), owner: Book = (), days: int = 1) -> Result:
    """Reconcile a later window that starts from the report alone."""
    carry = carry_of(before.report)
    books = (servicer, owner)
    sides = [SideBook(books[side], carried=carry.carried[side]) for side in Side]
    return run(
        sides[0],
        sides[1],
        carry.window + 8 * days,
        previous_window=carry.window,
        residuals=carry.residuals,
        written_off=carry.written_off,
        held=carry.held,
        rejected=carry.rejected,
        last_decisions=carry.last_decisions,
    )


# kind -> books that make it and, beside it, the smallest change that must not
S, O = entry, entry  # noqa: E741 - the two sides
V = EntryStatus
CASES: dict[BreakKind, tuple[Book, Book, Book, Book]] = {
    K.SPLIT: (
        (S("s", 100, booking_date=OLD, group_ref="PAY1"),),
        (
            O("o1", 60, booking_date=OLD, group_ref="PAY1"),
            O("o2", 30, booking_date=OLD, group_ref="PAY1"),
        ),
        (S("s", 100, booking_date=OLD, group_ref="PAY1"),),
        (
            O("o1", 60, booking_date=OLD, group_ref="PAY1"),
            O("o2", 40, booking_date=OLD, group_ref="PAY1"),
        ),
    ),
    K.CURRENCY: (
        (S("s", 100, **key("KEY1")),),
        (O("o", 100, **key("KEY1", currency="USD")),),
        (S("s", 100, **key("KEY1")),),
        (O("o", 100, **key("KEY2", currency="USD")),),
    ),
    K.DIRECTION: (
        (S("s", 100, **key("KEY1")),),
        (O("o", -100, **key("KEY1")),),
        (S("s", 100, **key("KEY1")),),
        (O("o", -100, **key("KEY2")),),
    ),
    K.TIMEOUT: (
        (S("s", 100, **key("KEY1", status=V.PENDING)),),
        (O("o", 100, **key("KEY1")),),
        (S("s", 100, **key("KEY1", status=V.BOOKED)),),
        (O("o", 100, **key("KEY1")),),
    ),
    K.STATUS: (
        (S("s", 100, **key("KEY1", status=V.VOID)),),
        (O("o", 100, **key("KEY1")),),
        (S("s", 100, **key("KEY1", status=V.RETURNED)),),
        (O("o", 100, **key("KEY1", status=V.REVERSED)),),
    ),
    K.FEE: (
        (S("s", 95, **key("KEY1", fee_minor=5)),),
        (O("o", 100, **key("KEY1")),),
        (S("s", 94, **key("KEY1", fee_minor=5)),),
        (O("o", 100, **key("KEY1")),),
    ),
    K.ROUNDING: (
        (S("s", 98, **key("KEY1")),),
        (O("o", 100, **key("KEY1")),),
        (S("s", 97, **key("KEY1")),),
        (O("o", 100, **key("KEY1")),),
    ),
    K.AMOUNT: (
        (S("s", 97, **key("KEY1")),),
        (O("o", 100, **key("KEY1")),),
        (S("s", 98, **key("KEY1")),),
        (O("o", 100, **key("KEY1")),),
    ),
    K.VALUE_DATE: (
        (S("s", 100, **key("KEY1", value_date=OLD - 8)),),
        (O("o", 100, **key("KEY1")),),
        # Thursday to Tuesday is three business days: within the pass's distance
        (S("s", 100, **key("KEY1", value_date=OLD - 1)),),
        (O("o", 100, **key("KEY1", value_date=OLD + 4)),),
    ),
    K.REFERENCE: (
        (S("s", 100, **key("KEY1", counterparty_account="6222-0001")),),
        (O("o", 100, **key("KEY2", counterparty_account="62220001")),),
        (S("s", 100, **key("KEY1", counterparty_account="6222-0001")),),
        (O("o", 100, **key("KEY2", counterparty_account="62220002")),),
    ),
    K.REVERSAL_ORPHAN: (
        (S("s", -100, **key("KEY1", is_reversal=True, reversal_of="nowhere")),),
        (),
        (
            S("s0", 100, **key("KEY2")),
            S("s", -100, **key("KEY1", is_reversal=True, reversal_of="s0")),
        ),
        (O("o", 100, **key("KEY2")),),
    ),
    K.RETURN: (
        (S("s", 100, **key("KEY1", status=V.RETURNED)),),
        (),
        (S("s", 100, **key("KEY1", status=V.RETURNED)),),
        (O("o", 100, **key("KEY1", status=V.RETURNED)),),
    ),
    K.DUPLICATE: (
        (S("s", 100, **key("KEY1")), S("s2", 100, **key("KEY1"))),
        (O("o", 100, **key("KEY1")),),
        (S("s", 100, **key("KEY1")), S("s2", 101, **key("KEY1"))),
        (O("o", 100, **key("KEY1")),),
    ),
    K.TIMING: (
        (S("s", 100, key="KEY1", booking_date=FIRST_DAY),),
        (),
        (S("s", 100, key="KEY1", booking_date=OLD),),
        (),
    ),
    K.MISSING_AT_OWNER: (
        (S("s", 100, **key("KEY1")),),
        (),
        (S("s", 100, key="KEY1", booking_date=FIRST_DAY),),
        (),
    ),
    K.MISSING_AT_SERVICER: (
        (),
        (O("o", 100, **key("KEY1")),),
        (),
        (O("o", 100, key="KEY1", booking_date=FIRST_DAY),),
    ),
}
# What a break is called in the window after, where nothing was done about it.
LATER = {K.TIMING: K.MISSING_AT_OWNER, K.DUPLICATE: K.MISSING_AT_OWNER}


def of_kind(result: Result, kind: BreakKind) -> list[Break]:
    """Return the breaks of one kind."""
    return [item for item in result.breaks if item.kind is kind]


@pytest.mark.parametrize("kind", CASES, ids=str)
def test_each_kind_is_found_and_keeps_its_key(kind: BreakKind) -> None:
    """One break of the kind; carried through the report it keeps its key and its entries."""
    servicer, owner, _, _ = CASES[kind]
    first = run(SideBook(servicer), SideBook(owner))
    (found,) = of_kind(first, kind)
    assert found.key in {
        break_key(AGREEMENT, side, item.entry_ref)
        for side, book in ((Side.SERVICER, servicer), (Side.OWNER, owner))
        for item in book
    }
    second = following(first)
    (kept,) = [item for item in second.breaks if item.key == found.key]
    assert kept.kind is LATER.get(kind, kind)
    assert (kept.servicer, kept.owner, kept.signed) == (found.servicer, found.owner, found.signed)
    third = following(second, days=10)
    (stale,) = [item for item in third.breaks if item.key == found.key]
    assert Mark.STALE in stale.marks
    assert stale.age_days > kept.age_days


@pytest.mark.parametrize("kind", CASES, ids=str)
def test_no_kind_is_found_where_it_is_not(kind: BreakKind) -> None:
    """The nearest books without it have other breaks or none."""
    _, _, servicer, owner = CASES[kind]
    assert of_kind(run(SideBook(servicer), SideBook(owner)), kind) == []


@pytest.mark.parametrize("kind", CASES, ids=str)
def test_swapped_sides_have_the_mirrored_kind(kind: BreakKind) -> None:
    """No kind but MISSING knows which chair is whose."""
    servicer, owner, _, _ = CASES[kind]
    swapped = {
        K.MISSING_AT_OWNER: K.MISSING_AT_SERVICER,
        K.MISSING_AT_SERVICER: K.MISSING_AT_OWNER,
    }
    (found,) = of_kind(run(SideBook(servicer), SideBook(owner)), kind)
    (other,) = of_kind(run(SideBook(owner), SideBook(servicer)), swapped.get(kind, kind))
    assert (other.servicer, other.owner) == (found.owner, found.servicer)
    assert other.signed == tuple((code, -minor) for code, minor in found.signed)
    assert (other.marks, other.also) == (found.marks, found.also)


def test_every_kind_of_a_report_has_a_case() -> None:
    """Only PARTY never leads: equal keys make a group, other keys are REFERENCE first."""
    audits = {K.COMMITMENT, K.LEDGER_ONLY, K.BOOK_ONLY}
    bare = {K.BALANCE, K.STATEMENT_GAP}
    assert set(BreakKind) - audits - bare - {K.PARTY} == set(CASES)


def test_the_servicers_own_numbers_tell_payments_of_one_account_apart() -> None:
    """Where both books hold its number and differ, the account confirms nothing: REFERENCE."""
    party = {"counterparty_account": "62220001", "booking_date": OLD}

    def books(mine: str | None, theirs: str | None) -> tuple[SideBook, SideBook]:
        held = [() if text is None else ((5, text),) for text in (mine, theirs)]
        sides = zip("so", held, strict=True)
        servicer, owner = (entry(ref, 100, references=refs, **party) for ref, refs in sides)
        return SideBook((servicer,)), SideBook((owner,))

    found = run(*books("SRV1", "SRV2"))
    assert (len(found.groups), [item.kind for item in found.breaks]) == (0, [K.REFERENCE])
    assert found.breaks[0].also == ()
    for mine, theirs in (("SRV1", None), (None, "SRV2"), (None, None)):
        assert [group.pass_name for group in run(*books(mine, theirs)).groups] == ["account"]
    plain = Terms(currencies={"CNY": 2}, passes=tuple(replace(r, guards=False) for r in SHORT))
    assert [g.pass_name for g in run(*books("SRV1", "SRV2"), terms=plain).groups] == ["account"]


# -------------------------------------------------------------------- carrying forward
def test_a_carried_item_is_settled_by_the_entry_that_comes_late() -> None:
    """The break of the first window is gone in the second, and its entry is in a group."""
    first = run(SideBook((entry("s", 100, **key("KEY1")),)), SideBook(()))
    second = following(first, owner=(entry("o", 100, key="KEY1", booking_date=FIRST_DAY),))
    assert second.breaks == ()
    assert [(g.servicer, g.owner) for g in second.groups] == [(("s",), ("o",))]


def test_an_old_item_with_a_recurring_reference_keeps_its_age() -> None:
    """A monthly reference pairs this month's payments; the old item is not renewed by them."""
    monthly = {"value_date": None}
    first = run(SideBook((entry("s1", 100, **key("RENT", **monthly)),)), SideBook(()))
    later = FIRST_DAY + 28
    second = following(
        first,
        (entry("s2", 100, key="RENT", booking_date=later),),
        (entry("o2", 100, key="RENT", booking_date=later),),
        days=27,
    )
    assert [(g.servicer, g.owner) for g in second.groups] == [(("s2",), ("o2",))]
    (old,) = second.breaks
    assert (old.servicer, old.marks) == (("s1",), (Mark.STALE,))
    assert old.age_days > 20


def test_a_timeout_is_decided_by_the_other_sides_entry() -> None:
    """PENDING becomes BOOKED once the other side has spoken; till then the key stays."""
    pending = entry("s", 100, **key("KEY1", status=V.TIMED_OUT))
    first = run(SideBook((pending,)), SideBook(()))
    (waiting,) = first.breaks
    second = following(first, owner=(entry("o", 100, **key("KEY1")),))
    (seen,) = second.breaks
    assert (seen.kind, seen.key, seen.owner) == (K.TIMEOUT, waiting.key, ("o",))
    booked = msgspec.structs.replace(pending, version=1, status=V.BOOKED)
    assert following(second, (booked,)).breaks == ()


@pytest.mark.parametrize(
    ("spoken", "there"),
    [
        ({}, False),
        ({"watermark_ms": 1_000 + 300_000}, False),
        ({"watermark_ms": 1_000 + 300_001}, True),
        ({"closed_through": OLD}, False),
        ({"closed_through": FIRST_DAY}, True),
    ],
)
def test_a_timeout_is_decided_by_watermark_or_closed_window(
    spoken: dict[str, Any], there: bool
) -> None:
    """The other side spoke past the moment and its allowance, or closed past the day and grace."""
    waiting = entry("s", 100, **key("KEY1", status=V.TIMED_OUT, occurred_at=1_000))
    (found,) = run(SideBook((waiting,)), SideBook((), **spoken)).breaks
    assert found.kind is K.TIMEOUT
    assert (Mark.NOT_THERE in found.marks) is there


def test_an_entry_that_is_there_is_never_marked_not_there() -> None:
    """The mark says that the other side has no entry: a two-sided break has one."""
    waiting = entry("s", 100, **key("KEY1", status=V.PENDING))
    spoken = SideBook((entry("o", 100, **key("KEY1")),), closed_through=FIRST_DAY)
    (found,) = run(SideBook((waiting,)), spoken).breaks
    assert Mark.NOT_THERE not in found.marks


def test_a_late_entry_is_marked_where_it_is_open_and_nowhere_else() -> None:
    """LATE stands beside the kind of its own break."""
    book = SideBook(
        (entry("s1", 100, **key("KEY1")), entry("s2", 55, **key("KEY2"))),
        late_refs=frozenset({"s2"}),
    )
    found = {item.servicer: item.marks for item in run(book, SideBook(())).breaks}
    assert found == {("s1",): (), ("s2",): (Mark.LATE,)}


def test_stale_begins_after_the_days_the_terms_allow() -> None:
    """Five business days old is not yet stale, six is."""
    book = SideBook((entry("s", 100, key="KEY1", booking_date=FIRST_DAY),))
    for days, stale in ((7, False), (8, True)):
        (found,) = run(book, SideBook(()), window_of(FIRST_DAY + days)).breaks
        assert (Mark.STALE in found.marks) is stale


# ------------------------------------------------------------- bare breaks, named statements
def stated(minor: int, day: int) -> dict[str, Balance]:
    """Return one stated balance."""
    return {"CNY": Balance.of_signed(minor, day, BalanceBasis.STATED)}


def test_bare_breaks_have_keys_of_their_own() -> None:
    """(kind, side, currency, window) names what has no entries."""
    gap = "CNY: closing 1 on 2026-11-16, next opening 2 on 2026-11-18"
    book = SideBook((), opening=stated(5, OLD), closing=stated(6, OLD), gaps=(gap,))
    found = {item.kind: item for item in run(book, SideBook(())).breaks}
    for kind, currency in ((K.BALANCE, "CNY"), (K.STATEMENT_GAP, "")):
        assert found[kind].key == bare_break_key(AGREEMENT, kind, Side.SERVICER, currency, TODAY)
        assert found[kind].side is Side.SERVICER


def test_directions_are_the_owners_on_both_sides() -> None:
    """The signed amount of a break is servicer's minus owner's, IN plus."""
    found = run(
        SideBook((entry("s", 100, **key("KEY1")),)), SideBook((entry("o", -40, **key("KEY1")),))
    )
    assert found.breaks[0].signed == (("CNY", 140),)
    assert entry("o", -40).direction is Direction.OUT
