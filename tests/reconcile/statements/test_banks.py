"""Chinese banks' own exports: headers as published, accounts, names and amounts made up."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
import xlsxwriter

from reconcile.model import Carrier, InputError, StatementFile, day_iso

Read = Callable[..., StatementFile]
DATA = Path(__file__).parent / "data"

CCB = (DATA / "ccb.csv").read_text(encoding="utf-8")
CCB_CORPORATE = (DATA / "ccb-corporate.csv").read_text(encoding="utf-8")
BOC = (DATA / "boc.csv").read_text(encoding="utf-8")
BOC_CORPORATE = (DATA / "boc-corporate.csv").read_text(encoding="utf-8")
ABC = (DATA / "abc.csv").read_text(encoding="utf-8")
BOCOM = (DATA / "bocom.csv").read_text(encoding="utf-8")
CASES = {
    "ccb": (CCB, [-1_250, 200_000, 35], 100_000, 298_785),
    "ccb-corporate": (CCB_CORPORATE, [1_000_000, -123_456], 500_000, 1_376_544),
    "boc": (BOC, [-7_189, 5_000, -260_000], 586_217, 324_028),
    "boc-corporate": (BOC_CORPORATE, [50_000, -20_000], 100_000, 130_000),
    "abc": (ABC, [1_000_000, -1_000, 35], 100_000, 1_099_035),
    "bocom": (BOCOM, [123, -321, 1_000], 100_000, 100_802),
}


@pytest.mark.parametrize("name", CASES)
def test_an_export_is_recognised_and_its_balances_run(read: Read, name: str) -> None:
    """Amounts, opening and closing of each bank's own header, oldest or newest first."""
    text, moved, opening, closing = CASES[name]
    file = read(text.encode("gb18030"), "export.csv")
    assert file.profile == name
    one = file.statements[0]
    assert [entry.signed_minor for entry in one.entries] == moved
    assert one.opening_balance is not None
    assert one.closing_balance is not None
    assert (one.opening_balance.signed_minor, one.closing_balance.signed_minor) == (
        opening,
        closing,
    )
    assert one.provable
    assert one.currency == "CNY"


@pytest.mark.parametrize("name", ["ccb", "boc", "abc", "bocom"])
def test_a_missing_row_breaks_the_running_balance(read: Read, name: str) -> None:
    """An export from which a middle row was taken is refused with the line."""
    lines = CASES[name][0].splitlines()
    with pytest.raises(InputError) as caught:
        read("\n".join([*lines[:-2], lines[-1]]) + "\n", "export.csv")
    assert caught.value.code == "RUNNING_BALANCE"
    assert caught.value.where.line is not None


def test_who_the_other_party_is(read: Read) -> None:
    """One cell is split, payer and payee are chosen by the direction, dashes are nobody."""
    parties = {
        name: [
            (e.counterparty_name, e.counterparty_account)
            for e in read(CASES[name][0], "e.csv").statements[0].entries
        ]
        for name in CASES
    }
    assert parties["ccb"][:2] == [("某商户", "99000000000000"), ("某单位", "99000000000001")]
    assert parties["ccb"][2] == (None, None)
    assert parties["boc-corporate"] == [("某客户", "990001"), ("某供应商", "990002")]
    assert parties["abc"][2][0] is None
    assert read(BOC, "e.csv").statements[0].entries[0].remittance == "卡组织线上/无卡交易"


def test_accounts_references_and_times(read: Read) -> None:
    """The head names the account; serial numbers are references; zeros are none."""
    accounts = {name: read(CASES[name][0], "e.csv").statements[0].account for name in CASES}
    assert accounts["ccb"] == "9900000000000001234"
    assert accounts["ccb-corporate"] == "99000000000000005678"
    assert accounts["boc-corporate"] == "990012345678"
    corporate = read(CCB_CORPORATE, "e.csv").statements[0].entries
    assert corporate[0].entry_ref == "1-N9900000001"
    assert corporate[1].reference(Carrier.INSTRUCTION_ID) == "EB-0001"
    log = read(ABC, "e.csv").statements[0].entries
    assert log[0].reference(Carrier.SERVICER_REF) == "990696693"
    assert log[2].reference(Carrier.SERVICER_REF) is None
    boc = read(BOC, "e.csv").statements[0].entries[0]
    assert boc.occurred_at is not None
    assert day_iso(boc.booking_date) == "2026-11-20"


def test_a_bank_workbook_reads_like_its_table(read: Read) -> None:
    """The same rows as a workbook give the same entries."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    sheet = book.add_worksheet()
    for index, line in enumerate(BOCOM.splitlines()):
        sheet.write_row(index, 0, line.split(","))
    book.close()
    workbook = read(out.getvalue(), "export.xlsx").statements[0]
    assert workbook.entries == read(BOCOM, "export.csv").statements[0].entries
