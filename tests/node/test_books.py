from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.books import Book, book_of, refuse_mirrored, refuse_repeated
from reconcile.model import (
    Balance,
    BalanceBasis,
    Direction,
    Entry,
    InputError,
    Statement,
    StatementFile,
)

DAY = 20_000


def entry(ref: str, minor: int) -> Entry:
    """An entry in CNY whose sign says its direction."""
    direction = Direction.IN if minor >= 0 else Direction.OUT
    return Entry(ref, 0, direction, abs(minor), "CNY", DAY)


def statement(account: str, opening: int, closing: int, day: int = DAY) -> Statement:
    """A statement of one day without entries."""
    basis = BalanceBasis.STATED
    return Statement(
        account=account,
        statement_ref=str(day),
        currency="CNY",
        digits=2,
        opening_balance=Balance.of_signed(opening, day, basis),
        closing_balance=Balance.of_signed(closing, day, basis),
        entries=(),
        lines=(),
    )


def file_of(*statements: Statement) -> StatementFile:
    """A file of statements."""
    return StatementFile("csv", "generic", "00" * 32, statements)


def book(*entries: Entry) -> Book:
    """A book without balances."""
    return Book("", entries, (), {}, {}, (), provable=True)


def test_statements_of_one_account_are_joined_in_order_of_days() -> None:
    """Opening is the first day's, closing the last day's, whatever the order in the file."""
    joined = book_of(file_of(statement("A", 5, 9, DAY + 1), statement("A", 1, 5)), "f")
    assert joined.opening["CNY"].signed_minor == 1
    assert joined.closing["CNY"].signed_minor == 9
    assert joined.gaps == ()


def test_a_gap_between_statements_is_named() -> None:
    """A day that does not open where the one before closed is a gap."""
    joined = book_of(file_of(statement("A", 1, 5), statement("A", 6, 9, DAY + 1)), "f")
    assert len(joined.gaps) == 1


def test_one_account_is_reconciled_at_a_time() -> None:
    """Several accounts need a name; a wrong name lists those that are there."""
    both = file_of(statement("A", 1, 5), statement("B", 0, 0))
    with pytest.raises(InputError) as caught:
        book_of(both, "f")
    assert caught.value.code == "ACCOUNT_AMBIGUOUS"
    assert "A, B" in caught.value.help
    assert book_of(both, "f", account="B").account == "B"
    with pytest.raises(InputError, match="ACCOUNT_UNKNOWN"):
        book_of(both, "f", account="C")
    with pytest.raises(InputError, match="STATEMENT_EMPTY"):
        book_of(file_of(), "f")


@given(st.lists(st.integers(1, 10**6), min_size=3, max_size=40, unique=True))
def test_a_mirrored_book_is_stopped_and_a_right_one_is_not(amounts: list[int]) -> None:
    """Opposite signs throughout stop with the option that mends it; equal signs never do."""
    ours = book(*(entry(f"s{n}", minor) for n, minor in enumerate(amounts)))
    same = book(*(entry(f"o{n}", minor) for n, minor in enumerate(amounts)))
    turned = book(*(entry(f"o{n}", -minor) for n, minor in enumerate(amounts)))
    refuse_mirrored(ours, same, advice="--x")
    if len(amounts) > 3:
        with pytest.raises(InputError) as caught:
            refuse_mirrored(ours, turned, advice="--x")
        assert caught.value.code == "DIRECTION_MIRRORED"
        assert "--x" in caught.value.help


def test_a_ref_stands_for_one_content() -> None:
    """Byte-equal repeats pass, other content under the same ref is refused with its line."""
    refuse_repeated([entry("a", 1), entry("a", 1)], [2, 3], "f")
    with pytest.raises(InputError) as caught:
        refuse_repeated([entry("a", 1), entry("a", 2)], [2, 3], "f")
    assert (caught.value.code, caught.value.where.line) == ("ENTRY_CONFLICT", 3)
