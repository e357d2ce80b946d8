from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reconcile.model import Carrier, Direction, EntryStatus, InputError, StatementFile, day_iso
from reconcile.statements.bai2_records import after_funds, records

Read = Callable[..., StatementFile]


@pytest.fixture(scope="module")
def day(data: Path) -> str:
    """Two accounts: one with every funds type and a continuation, one overdrawn and idle."""
    return (data / "day.bai").read_text(encoding="utf-8")


def test_accounts_become_statements_with_their_ledger_balances(read: Read, day: str) -> None:
    """010 and 015 are opening and closing; the group's currency stands in for a missing one."""
    file = read(day, "day.bai")
    assert file.format == "bai2"
    first, second = file.statements
    assert (first.account, first.currency, second.account) == ("9900001234", "USD", "9900005678")
    assert second.currency == "USD"
    assert first.statement_ref == "77-2026-11-19"
    for one, opening, closing in ((first, 100_000, 155_500), (second, -2_500, -2_500)):
        assert one.opening_balance is not None
        assert one.closing_balance is not None
        assert one.opening_balance.signed_minor == opening
        assert one.closing_balance.signed_minor == closing
        assert one.provable
    assert day_iso(first.entries[0].booking_date) == "2026-11-19"


def test_type_codes_say_direction_status_and_reversal(read: Read, day: str) -> None:
    """Credits are 100 to 399, debits 400 to 699; returns and reversals are named; 890 is none."""
    entries = read(day, "day.bai").statements[0].entries
    assert [(e.kind, e.signed_minor) for e in entries] == [
        ("195", 50_000), ("257", 15_000), ("399", 5_000), ("475", -4_500), ("558", -10_000),
    ]  # fmt: skip
    assert [e.status for e in entries][:2] == [EntryStatus.BOOKED, EntryStatus.RETURNED]
    assert [e.is_reversal for e in entries] == [False, False, False, False, True]


def test_every_funds_type_takes_its_own_number_of_fields(read: Read, day: str) -> None:
    """References stand behind V (2), S (3) and D (pairs); V and 0 say the value date."""
    entries = read(day, "day.bai").statements[0].entries
    assert [e.entry_ref for e in entries] == [f"BANKREF-{n:06}" for n in range(1, 6)]
    assert entries[0].reference(Carrier.END_TO_END_ID) == "E2E-1"
    assert entries[3].reference(Carrier.VOUCHER_NO) == "1001"
    values = [None if e.value_date is None else day_iso(e.value_date) for e in entries]
    assert values == ["2026-11-20", None, None, None, "2026-11-19"]


def test_a_text_keeps_its_commas_and_slashes_over_a_continuation(read: Read, day: str) -> None:
    """The last field of a 16 runs to its end; 88 goes on with it."""
    assert read(day, "day.bai").statements[0].entries[0].remittance == (
        "WIRE IN, REF A/B SECOND LINE"
    )


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("49,+424500,10", "49,+424501,10", "CONTROL_TOTALS"),
        ("49,+424500,10", "49,+424500,11", "CONTROL_TOTALS"),
        ("98,419500,2,14", "98,419500,1,14", "CONTROL_TOTALS"),
        ("98,419500,2,14", "98,419400,2,14", "CONTROL_TOTALS"),
        ("98,419500,2,14", "98,419500,2,15", "CONTROL_TOTALS"),
        ("99,419500,1,16", "99,419500,2,16", "CONTROL_TOTALS"),
        ("99,419500,1,16", "99,,1,16", "CONTROL_TOTALS"),
        ("100,70000,3", "100,70000,4", "CONTROL_TOTALS"),
        ("015,155500", "015,155501", "TOTALS"),
        ("49,-5000,2/\n", "", "TRUNCATED"),
        ("99,419500,1,16/\n", "", "TRUNCATED"),
        ("98,419500,2,14/\n", "", "TRUNCATED"),
        ("02,CORP99,BANK99,1,", "02,CORP99,BANK99,4,", "STATUS_UNKNOWN"),
        ("02,CORP99,BANK99,1,", "02,CORP99,BANK99,2,", "STATUS_UNKNOWN"),
        ("1,261119,", "1,261131,", "DATE_INVALID"),
        ("16,399,5000,S", "16,399,50.00,S", "AMOUNT_INVALID"),
        ("16,399,5000,S", "16,399,99999999999999999999,S", "AMOUNT_INVALID"),
        ("16,399,5000,S", "16,399,9999999999999999999,S", "AMOUNT_RANGE"),
        ("16,399,5000,S", "16,760,5000,S", "DIRECTION_UNKNOWN"),
        ("16,399,5000,S", "16,399,5000,Q", "FIELD_INVALID"),
        ("16,399,5000,S", "16,399,,S", "FIELD_MISSING"),
        ("16,890,,Z", "17,890,,Z", "ROW_SHAPE"),
        (",,,2/", ",,,1/", "FIELD_INVALID"),
        ("03,9900001234,USD", "03,9900001234,QQQ", "CURRENCY_UNKNOWN"),
        ("03,9900001234,USD", "03,,USD", "FIELD_MISSING"),
        ("03,9900001234,USD", "16,9900001234,USD", "FIELD_ORDER"),
    ],
)
def test_what_does_not_hold_is_refused_with_its_line(
    read: Read, day: str, old: str, new: str, code: str
) -> None:
    """Sums and counts of all three trailers, order, codes and amounts are checked."""
    text = day.replace(old, new, 1)
    assert text != day
    with pytest.raises(InputError) as caught:
        read(text, "day.bai")
    found = [one for one in caught.value.details if one.code == code]
    assert found
    assert found[0].line is not None
    assert not read(text, "day.bai", lenient=True).statements[0].provable


def test_a_test_group_never_moves_a_balance(read: Read, day: str) -> None:
    """Lenient reads what a bank marked as a test, but as VOID."""
    text = day.replace("02,CORP99,BANK99,1,", "02,CORP99,BANK99,4,")
    entries = read(text, "day.bai", lenient=True).statements[0].entries
    assert {entry.status for entry in entries} == {EntryStatus.VOID}


def test_a_negative_amount_turns_the_direction(read: Read, day: str) -> None:
    """A credit of -150.00 took money out."""
    text = day.replace("16,257,15000", "16,257,-15000")
    entry = read(text, "day.bai", lenient=True).statements[0].entries[1]
    assert (entry.direction, entry.amount_minor) == (Direction.OUT, 15_000)


def test_files_that_follow_each_other_are_read_as_one(read: Read, day: str) -> None:
    """A second 01 after the 99 begins a new file of the next day."""
    second = day.replace("1,261119,", "1,261120,").replace("261120,0730,77", "261121,0730,78")
    second = second.replace("BANKREF-0", "BANKREF-1").replace("010,100000", "010,155500")
    second = second.replace("015,155500", "015,211000")
    for total in ("424500", "419500"):
        second = second.replace(total, str(int(total) + 111_000))
    file = read(day + second, "two.bai")
    assert [one.provable for one in file.statements] == [True] * 4
    assert len(file.statements[2].entries) == 5


@pytest.mark.parametrize("ending", ["\r\n", "\r", "  \n", "\n\n"])
def test_line_ends_and_padding_change_nothing(read: Read, day: str, ending: str) -> None:
    """Carriage returns, blank lines and records padded to a width are the same file."""
    plain = read(day, "day.bai").statements
    other = read(day.replace("\n", ending), "day.bai").statements
    assert [one.entries for one in other] == [one.entries for one in plain]


def test_a_record_split_inside_its_groups_is_joined() -> None:
    """A type code may end one line and its amount begin the next."""
    text = "03,975312468,,010,500000,,,110/\n88,70000000,15,D,3,0,20,1,30,3,20/\n"
    (record,) = records(text)
    assert record.fields[6:9] == ("110", "70000000", "15")
    assert after_funds(record, 9) == len(record.fields)
    assert record.lines == 2
