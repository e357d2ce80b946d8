from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from reconcile.model import (
    Carrier,
    Direction,
    EntryStatus,
    InputError,
    StatementFile,
    day_iso,
)

Read = Callable[..., StatementFile]


@pytest.fixture(scope="module")
def day(data: Path) -> str:
    """An MT940 with a German structured, a slash-coded and a bare line."""
    return (data / "day.sta").read_text(encoding="utf-8")


def test_a_statement_reads_with_reversals_as_net_directions(read: Read, day: str) -> None:
    """RC takes money out, RD brings it in; both are marked as reversals."""
    file = read(day, "day.sta")
    assert file.format == "mt940"
    one = file.statements[0]
    assert (one.account, one.statement_ref, one.currency) == ("99-0001", "7/1", "EUR")
    assert [entry.signed_minor for entry in one.entries] == [10_000, -2_000, 500]
    assert [entry.is_reversal for entry in one.entries] == [False, True, True]
    assert one.lines == (6, 9, 11)


def test_an_entry_date_takes_the_year_nearest_to_its_value_date(read: Read, day: str) -> None:
    """A value date in November booked on 1 January is booked in the next year."""
    first, second, _ = read(day, "day.sta").statements[0].entries
    assert first.value_date is not None
    assert (day_iso(first.value_date), day_iso(first.booking_date)) == ("2026-11-20", "2027-01-01")
    assert day_iso(second.booking_date) == "2026-11-20"


def test_german_details_carry_references_party_and_purpose(read: Read, day: str) -> None:
    """EREF, KREF and SVWZ inside ?20 to ?29, wrapped names and accounts are put together."""
    entry = read(day, "day.sta").statements[0].entries[0]
    assert entry.reference(Carrier.END_TO_END_ID) == "E-1"
    assert entry.reference(Carrier.INSTRUCTION_ID) == "K-1"
    assert entry.reference(Carrier.SERVICER_REF) == "BANK-000001"
    assert entry.remittance == "Rechnung 7"
    assert (entry.counterparty_name, entry.counterparty_account) == ("Alpha GmbH", "XX99ALPHA")
    assert entry.kind == "166 GUTSCHRIFT"
    assert entry.entry_ref == "BANK-000001"


def test_slash_codes_carry_references_party_and_purpose(read: Read, day: str) -> None:
    """/EREF/, /NAME/ and /REMI/ are read; NONREF is no reference."""
    entry = read(day, "day.sta").statements[0].entries[1]
    assert entry.references == ((1, "E-2"),)
    assert (entry.counterparty_name, entry.remittance) == ("Beta", "back")


@pytest.mark.parametrize(
    ("old", "new", "code", "line"),
    [
        ("EUR95,00", "EUR95,01", "TOTALS", 12),
        (":62F:C261120EUR95,00\n", "", "TRUNCATED", 12),
        (":25:99-0001\n", "", "FIELD_MISSING", 2),
        ("61:261120RC", "61:260230RC", "DATE_INVALID", 9),
        ("C261119EUR", "C261131EUR", "DATE_INVALID", 5),
        ("C261119EUR", "C261119QQQ", "BALANCE_INVALID", 5),
        ("C261119EUR", "C261119USD", "CURRENCY_MISMATCH", 12),
        ("RD5,00", "RD5,001", "AMOUNT_DIGITS", 11),
        ("RD5,00", "RD,", "AMOUNT_INVALID", 11),
        ("RD5,00", "XX5,00", "FIELD_INVALID", 11),
        (":62F:", ":62F:C261120EUR95,00\n:61:261120C1,00NMSC\n:62F:", "FIELD_ORDER", 13),
    ],
)
def test_a_contradiction_is_refused_with_its_line(
    read: Read,
    day: str,
    old: str,
    new: str,
    code: str,
    line: int,
) -> None:
    """Strict refuses where the library would pass over; lenient reads the rest and lists it."""
    text = day.replace(old, new, 1)
    assert text != day
    with pytest.raises(InputError) as caught:
        read(text, "day.sta")
    assert (code, line) in {(one.code, one.line) for one in caught.value.details}
    one = read(text, "day.sta", lenient=True).statements[0]
    assert code in {item.code for item in one.contradictions}
    assert len(one.entries) >= 2


def test_an_interim_report_takes_its_currency_from_the_floor_limit(read: Read) -> None:
    """MT942: no balances, expected entries are pending, :90D: and :90C: are control totals."""
    text = (
        ":20:R\n:25:99-0001\n:28C:1/1\n:34F:EUR0,\n:13D:2611201730+0100\n"
        ":61:261120D2,30NMSC\n:61:261120ED1,00NMSC\n:90D:2EUR3,30\n-\n"
    )
    file = read(text, "x.sta")
    assert file.format == "mt942"
    entries = file.statements[0].entries
    assert [(e.signed_minor, e.status) for e in entries] == [
        (-230, EntryStatus.BOOKED),
        (-100, EntryStatus.PENDING),
    ]
    with pytest.raises(InputError, match="CONTROL_TOTALS"):
        read(text.replace(":90D:2EUR", ":90D:3EUR"), "x.sta")


def test_several_statements_of_several_accounts_stand_in_one_file(read: Read, day: str) -> None:
    """Each message is a statement; the next of the same account must open where it closed."""
    other = day.replace("99-0001", "99-0002").replace("BANK-000001", "BANK-000002")
    assert [one.account for one in read(day + other, "x.sta").statements] == ["99-0001", "99-0002"]
    third = other.replace("99-0002", "99-0001")
    with pytest.raises(InputError) as caught:
        read(day + third, "x.sta")
    assert {one.code for one in caught.value.details} == {"CONTINUITY"}
    follow = third.replace("C261119EUR10,00", "C261120EUR95,00").replace(
        "EUR95,00\n-}", "EUR180,00\n-}"
    )
    assert len(read(day + follow, "x.sta").statements) == 2


def test_the_funds_code_and_currencies_without_cents_are_understood(read: Read) -> None:
    """`CY` is a credit with the third letter of JPY; 1500, is fifteen hundred yen."""
    text = (
        ":20:R\n:25:A\n:28C:1\n:60F:C261119JPY0,\n"
        ":61:261120CY1500,NTRFREF0001\n:62F:C261120JPY1500,\n"
    )
    entry = read(text, "x.sta").statements[0].entries[0]
    assert (entry.amount_minor, entry.direction) == (1500, Direction.IN)
    with pytest.raises(InputError, match="AMOUNT_DIGITS"):
        read(text.replace("CY1500,", "CY1500,50"), "x.sta")


def test_a_refused_line_prints_nothing(
    read: Read,
    day: str,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The library's logger would show a statement's text on standard error; it stays silent."""
    with caplog.at_level(logging.DEBUG), pytest.raises(InputError):
        read(day.replace(":61:261120RC20,00", ":61:SECRET"), "x.sta")
    assert "SECRET" not in "".join(capfd.readouterr())
    assert "SECRET" not in caplog.text


def test_text_in_a_code_page_is_read(read: Read, day: str) -> None:
    """Names in Windows-1252 or code page 852 are understood, though SWIFT says ASCII."""
    text = day.replace("Alpha Gm", "Müller Gm")
    for encoding in ("utf-8", "cp1252", "cp852"):
        entry = read(text.encode(encoding), "x.sta").statements[0].entries[0]
        assert entry.counterparty_name == "Müller GmbH"


def test_line_ends_of_every_system_are_read(read: Read, day: str) -> None:
    """CR LF, LF and a lone CR end lines."""
    wanted = read(day, "x.sta").statements[0].entries
    assert read(day.replace("\n", "\r\n"), "x.sta").statements[0].entries == wanted
    assert read(day.replace("\n", "\r"), "x.sta").statements[0].entries == wanted
