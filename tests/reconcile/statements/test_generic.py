from __future__ import annotations

import datetime as dt
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconcile.model import (
    Balance,
    BalanceBasis,
    Carrier,
    Direction,
    Entry,
    EntryStatus,
    InputError,
    Statement,
    StatementFile,
    UsageError,
    day_number,
)
from reconcile.statements import (
    digits_of,
    read_statement,
    read_statement_bytes,
    statement_json,
    write_generic,
)

Read = Callable[..., StatementFile]
HEAD = "direction,amount,currency,booking_date,remittance\n"


def test_a_book_with_balances_reads_into_entries_balances_and_lines(data: Path) -> None:
    """The generic profile carries every field; a pending entry moves no balance."""
    file = read_statement(data / "book.csv")
    assert (file.format, file.profile) == ("csv", "generic")
    one = file.statements[0]
    assert (one.account, one.currency, one.digits, one.lines) == ("99-0001", "CNY", 2, (5, 6, 7))
    assert one.opening_balance == Balance(10_000, Direction.IN, 20_776, BalanceBasis.STATED)
    assert [entry.entry_ref for entry in one.entries] == ["B-1", "B-2", "B-3"]
    assert [entry.signed_minor for entry in one.entries] == [100_000, -6_650, -500]
    assert one.entries[0].reference(Carrier.END_TO_END_ID) == "E2E-1"
    assert one.entries[1].fee_minor == 50
    assert one.entries[1].remittance == "退款, 部分"
    assert one.entries[2].status is EntryStatus.PENDING


def test_the_json_has_the_fields_of_interfaces_md(data: Path) -> None:
    """Amounts are decimal strings in minor units and dates ISO 8601."""
    said = statement_json(read_statement(data / "book.csv"))
    one: dict[str, Any] = cast(list[dict[str, Any]], said["statements"])[0]
    assert one["provable"] is True
    assert one["closing_balance"] == {
        "amount_minor": "103350",
        "direction": "IN",
        "date": "2026-11-20",
        "basis": "STATED",
    }
    entry = one["entries"][0]
    assert entry["amount_minor"] == "100000"
    assert (entry["booking_date"], entry["value_date"]) == ("2026-11-20", "2026-11-21")
    assert (entry["status"], entry["line"]) == ("BOOKED", 5)
    assert entry["references"] == {"end_to_end_id": "E2E-1"}


@pytest.mark.parametrize(
    ("row", "code", "field"),
    [
        ("IN,1.234,CNY,2026-11-20,x", "AMOUNT_DIGITS", "amount"),
        ("IN,1.5,JPY,2026-11-20,x", "AMOUNT_DIGITS", "amount"),
        ("IN,-1.00,CNY,2026-11-20,x", "AMOUNT_INVALID", "amount"),
        ("IN,１.00,CNY,2026-11-20,x", "AMOUNT_INVALID", "amount"),
        ("IN,1e5,CNY,2026-11-20,x", "AMOUNT_INVALID", "amount"),
        ("IN,99999999999999999999,CNY,2026-11-20,x", "AMOUNT_RANGE", "amount"),
        ("IN,,CNY,2026-11-20,x", "FIELD_MISSING", "amount"),
        ("UP,1.00,CNY,2026-11-20,x", "DIRECTION_UNKNOWN", "direction"),
        ("IN,1.00,ABC,2026-11-20,x", "CURRENCY_UNKNOWN", "currency"),
        ("IN,1.00,CNY,2026-02-30,x", "DATE_INVALID", "booking_date"),
        ("IN,1.00,CNY,20/11/2026,x", "DATE_INVALID", "booking_date"),
        ("IN,1.00,CNY,2026-11-20", "ROW_SHAPE", None),
        ("IN,1.00,CNY,2026-11-20,a\x07b", "CONTROL_CHARACTER", "remittance"),
        (f"IN,1.00,CNY,2026-11-20,{'x' * 1025}", "FIELD_TOO_LONG", "remittance"),
    ],
)
def test_a_bad_row_is_refused_with_its_line_and_field(
    read: Read,
    row: str,
    code: str,
    field: str | None,
) -> None:
    """Strict names code, line and field; lenient keeps the good rows and says not provable."""
    text = HEAD + "IN,1.00,CNY,2026-11-20,good\n" + row + "\n"
    with pytest.raises(InputError) as caught:
        read(text)
    assert caught.value.code == code
    assert (caught.value.where.line, caught.value.where.field) == (3, field)
    file = read(text, lenient=True)
    assert file.statements[0].entries[0].remittance == "good"
    assert [one.code for one in file.statements[0].contradictions] == [code]
    assert not file.statements[0].provable


def test_a_control_character_is_removed_and_a_long_text_cut_in_lenient(read: Read) -> None:
    """Lenient never yields an entry that its canonical bytes would refuse."""
    text = HEAD + f"IN,1.00,CNY,2026-11-20,a\x07b\nIN,1.00,CNY,2026-11-20,{'x' * 2000}\n"
    entries = read(text, lenient=True).statements[0].entries
    assert entries[0].remittance == "ab"
    assert entries[1].remittance == "x" * 1024


def test_balances_that_do_not_follow_are_refused_with_both_sums(read: Read) -> None:
    """Opening + entries must be the closing balance, to the cent."""
    text = "#opening_balance,CNY,1.00,2026-11-19\n#closing_balance,CNY,3.00,2026-11-20\n" + HEAD
    with pytest.raises(InputError) as caught:
        read(text + "IN,1.99,CNY,2026-11-20,\n")
    detail = caught.value.details[0]
    assert (detail.code, detail.line) == ("TOTALS", 2)
    assert caught.value.message.endswith(f" (expected {detail.expected}, found {detail.found})")
    assert (detail.expected, detail.found) == ("2.99 CNY", "3.00 CNY")
    assert read(text + "IN,2.00,CNY,2026-11-20,\n").statements[0].provable


def test_a_missing_closing_balance_is_derived_and_says_so(read: Read) -> None:
    """A balance nobody stated proves nothing."""
    text = "#opening_balance,CNY,-1.00,2026-11-19\n" + HEAD + "OUT,2.00,CNY,2026-11-20,\n"
    closing = read(text).statements[0].closing_balance
    assert closing == Balance(300, Direction.OUT, 20_777, BalanceBasis.DERIVED)
    assert read(HEAD).statements == () or read(HEAD, currency="CNY").statements[0].entries == ()


@pytest.mark.parametrize("code", ["XAU", "XTS", "X" * 3])
def test_a_code_without_a_minor_unit_is_no_currency(read: Read, code: str) -> None:
    """Gold, testing and no currency: refused in rows, in balances and as an option."""
    row = f"IN,2.00,{code},2026-11-20,\n" if code == "X" * 3 else f"IN,2,{code},2026-11-20,\n"
    with pytest.raises(InputError, match="CURRENCY_UNKNOWN"):
        read(HEAD + row)
    with pytest.raises(UsageError, match="CURRENCY_UNKNOWN"):
        read(HEAD, currency=code)


def test_a_stated_number_of_rows_finds_a_file_cut_at_a_line_end(read: Read) -> None:
    """`#entries` is a control total for tables without balances."""
    text = "#entries,2\n" + HEAD + "IN,1.00,CNY,2026-11-20,\n"
    with pytest.raises(InputError, match="CONTROL_TOTALS"):
        read(text)
    assert len(read(text + "IN,1.00,CNY,2026-11-20,\n").statements[0].entries) == 2


def test_debit_and_credit_need_a_perspective_that_says_whose_book_it_is(read: Read) -> None:
    """A debit is money in on the owner's ledger and money out on the bank's statement."""
    text = "booking_date,currency,debit,credit\n2026-11-20,CNY,5.00,\n2026-11-20,CNY,,7.00\n"
    with pytest.raises(InputError) as caught:
        read(text)
    assert caught.value.code == "PERSPECTIVE_REQUIRED"
    ledger = read(text, perspective="ledger").statements[0].entries
    statement = read(text, perspective="statement").statements[0].entries
    assert [entry.signed_minor for entry in ledger] == [500, -700]
    assert [entry.signed_minor for entry in statement] == [-500, 700]
    with pytest.raises(UsageError, match="PERSPECTIVE_UNKNOWN"):
        read(text, perspective="mine")


def test_a_red_entry_becomes_its_net_direction(read: Read) -> None:
    """A negative debit (红字) is money the other way, marked as a reversal."""
    text = "booking_date,currency,debit,credit\n2026-11-20,CNY,-5.00,\n"
    entry = read(text, perspective="ledger").statements[0].entries[0]
    assert (entry.signed_minor, entry.is_reversal) == (-500, True)


def test_one_statement_per_currency_and_each_with_its_own_digits(read: Read) -> None:
    """JPY has no minor digits, KWD three; DEM is known though withdrawn."""
    rows = "IN,500,JPY,2026-11-20,\nIN,1.234,KWD,2026-11-20,\nOUT,1.5,DEM,2026-11-20,\n"
    file = read(HEAD + rows)
    assert [(one.currency, one.digits) for one in file.statements] == [
        ("JPY", 0),
        ("KWD", 3),
        ("DEM", 2),
    ]
    assert [one.entries[0].amount_minor for one in file.statements] == [500, 1234, 150]
    assert read(HEAD + "IN,5.00,JPY,2026-11-20,\n").statements[0].entries[0].amount_minor == 5


def test_another_currency_than_the_one_asked_for_is_refused(read: Read) -> None:
    """--currency is a claim that the file must keep."""
    text = HEAD + "IN,1.00,USD,2026-11-20,\n"
    with pytest.raises(InputError, match="CURRENCY_MISMATCH"):
        read(text, currency="CNY")
    without = "direction,amount,booking_date\nIN,1.00,2026-11-20\n"
    with pytest.raises(InputError, match="CURRENCY_REQUIRED"):
        read(without)
    assert read(without, currency="BHD").statements[0].entries[0].amount_minor == 1000
    with pytest.raises(UsageError, match="CURRENCY_UNKNOWN"):
        read(without, currency="YUAN")


def test_one_ref_with_two_contents_is_an_error_and_a_repeat_counts_once(read: Read) -> None:
    """Identity is (entry_ref, version): the same pair cannot mean two things."""
    head = "entry_ref,version," + HEAD
    same = "A1,0,IN,1.00,CNY,2026-11-20,x\n"
    with pytest.raises(InputError, match="DUPLICATE_REF"):
        read(head + same + "A1,0,IN,2.00,CNY,2026-11-20,x\n")
    with pytest.raises(InputError, match="DUPLICATE_ENTRY"):
        read(head + same + same)
    assert len(read(head + same + same, lenient=True).statements[0].entries) == 1
    assert len(read(head + same + "A1,1,IN,1.00,CNY,2026-11-20,y\n").statements[0].entries) == 2


def test_the_same_table_reads_the_same_as_csv_tsv_and_in_every_encoding(read: Read) -> None:
    """Delimiter and encoding never reach the entries."""
    text = HEAD + 'IN,1.00,CNY,2026-11-20,"货款, 一月"\nOUT,2.00,CNY,2026-11-20,退款\n'
    wanted = read(text).statements
    assert read(text.encode("utf-8-sig")).statements == wanted
    assert read(text.encode("gb18030")).statements == wanted
    assert read(text.encode("utf-16")).statements == wanted
    assert read(text.replace("\n", "\r\n")).statements == wanted
    tabbed = text.replace('"货款, 一月"', "货款; 一月").replace(",", "\t").replace(";", ",")
    file = read(tabbed, "file.tsv")
    assert file.format == "tsv"
    assert file.statements == wanted


# ------------------------------------------------------------------ writing and reading back
WORDS = (
    st.text(
        st.characters(codec="utf-8", exclude_categories=("C", "Z")) | st.sampled_from(" ,;\"'"),
        min_size=1,
        max_size=40,
    )
    .map(lambda text: text.strip())
    .filter(bool)
)
REFS = st.text(string.ascii_letters + string.digits + "-/.", min_size=6, max_size=30)
DAYS = st.integers(0, day_number(dt.date(2099, 12, 31)))
OPTIONAL_WORDS = st.none() | WORDS


@st.composite
def entries(draw: st.DrawFn, currency: str) -> Entry:
    """Any entry the generic profile can carry."""
    carriers = draw(st.sets(st.sampled_from(list(Carrier))))
    return Entry(
        entry_ref=draw(REFS),
        version=draw(st.integers(0, 3)),
        direction=draw(st.sampled_from(Direction)),
        amount_minor=draw(st.integers(0, 2**53)),
        currency=currency,
        booking_date=draw(DAYS),
        value_date=draw(st.none() | DAYS),
        settlement_date=draw(st.none() | DAYS),
        session=draw(st.none() | st.integers(0, 7)),
        business_type=draw(OPTIONAL_WORDS),
        status=draw(st.sampled_from(EntryStatus)),
        is_reversal=draw(st.booleans()),
        references=tuple((int(one), draw(REFS)) for one in sorted(carriers)),
        kind=draw(OPTIONAL_WORDS),
        counterparty_name=draw(OPTIONAL_WORDS),
        counterparty_account=draw(OPTIONAL_WORDS),
        remittance=draw(OPTIONAL_WORDS),
        fee_minor=draw(st.none() | st.integers(0, 10**6)),
        group_ref=draw(OPTIONAL_WORDS),
        reversal_of=draw(OPTIONAL_WORDS),
        occurred_at=draw(st.none() | st.integers(0, 4 * 10**12)),
    )


@st.composite
def statements(draw: st.DrawFn) -> Statement:
    """A statement that agrees with its own balances."""
    currency = draw(st.sampled_from(["CNY", "EUR", "JPY", "KWD"]))
    body = draw(
        st.lists(entries(currency), min_size=1, max_size=6, unique_by=lambda e: e.entry_ref),
    )
    opening = draw(st.integers(-(10**12), 10**12))
    closing = opening + sum(entry.signed_minor for entry in body if entry.moving)
    return Statement(
        account=draw(st.just("") | REFS),
        statement_ref=draw(st.just("") | REFS),
        currency=currency,
        digits=digits_of(currency) or 0,
        opening_balance=Balance.of_signed(opening, draw(DAYS), BalanceBasis.STATED),
        closing_balance=Balance.of_signed(closing, draw(DAYS), BalanceBasis.STATED),
        entries=tuple(body),
        lines=(),
    )


@settings(max_examples=150)
@given(statements())
def test_a_written_statement_reads_back_equal(statement: Statement) -> None:
    """parse(write(x)) = x for every field of the generic profile."""
    file = read_statement_bytes(write_generic(statement).encode(), "x.csv")
    assert len(file.statements) == 1
    found = file.statements[0]
    assert found.entries == statement.entries
    assert found.opening_balance == statement.opening_balance
    assert found.closing_balance == statement.closing_balance
    assert (found.account, found.statement_ref) == (statement.account, statement.statement_ref)
