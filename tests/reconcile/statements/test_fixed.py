"""Lines of fixed width: UnionPay's files and a user's own layout."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from reconcile.model import Carrier, EntryStatus, InputError, StatementFile, day_iso
from reconcile.statements import load_profile

Read = Callable[..., StatementFile]

# Field -> width, as the file interface specification orders them; one blank between.
_ACOMN = (11, 11, 6, 10, 19, 12, 12, 12, 4, 6, 4, 8, 15, 12, 2, 6, 11, 6, 2, 3, 12, 12, 12, 1, 3, 1)
_ACOMN_TAIL = (1, 10, 11, 1, 2, 2, 12, 14, 19, 2, 40, 4)


def _acomn(
    trace: str,
    minor: int,
    *,
    message: str = "0200",
    process: str = "000000",
    answer: str = "00",
    order: str = "",
    original: str = "",
) -> str:
    """Write one line of the acquirer's flow file."""
    cells = [
        "99010000", "99010001", trace, "1119235959", "9900001234567890", f"{minor:012}", "", "0",
        message, process, "5411", "99000001", "990000000000001", f"RRN{trace}", "00", "",
        "99020000", original, answer, "021", "0" * 12, "000000000125", "D00000000005", "0", "", "0",
        "0", "", "99020000", "0", "01", "", "", "", "", "", order, "",
    ]  # fmt: skip
    widths = (*_ACOMN, *_ACOMN_TAIL)
    return " ".join(c.ljust(w) for c, w in zip(cells, widths, strict=True)) + "\r\n"


FLOW = (
    _acomn("000001", 10_000, order="O-0001")
    + _acomn("000002", 5_000)
    + _acomn("000003", 5_000, message="0420", original="000002")
    + _acomn("000004", 2_500, message="0220", process="200000")
    + _acomn("000005", 700, process="200000")
    + _acomn("000006", 0, message="0100", process="030000")
    + _acomn("000007", 900, answer="51")
)
NAME = "IND26112001ACOMN"


def test_unionpays_flow_is_read_from_the_acquirers_side(read: Read) -> None:
    """A purchase is IN; refund, void and reversal are OUT; a hold and a decline move nothing."""
    file = read(FLOW, NAME)
    assert (file.format, file.profile) == ("fixed", "unionpay-acomn")
    entries = file.statements[0].entries
    assert [e.signed_minor for e in entries] == [10_000, 5_000, -5_000, -2_500, -700, 0, 900]
    assert [e.is_reversal for e in entries] == [False, False, True, False, True, False, False]
    assert [e.status for e in entries[3:]] == [
        EntryStatus.RETURNED, EntryStatus.BOOKED, EntryStatus.VOID, EntryStatus.VOID,
    ]  # fmt: skip


def test_the_year_comes_from_the_settlement_date_in_the_name(read: Read) -> None:
    """23:59:59 on 19 November settles on the 20th; the moment is Beijing's."""
    entry = read(FLOW, NAME).statements[0].entries[0]
    assert (day_iso(entry.booking_date), day_iso(entry.settlement_date or 0)) == (
        "2026-11-19", "2026-11-20",
    )  # fmt: skip
    assert entry.occurred_at == 1_795_103_999_000
    new_year = read(FLOW.replace("1119235959", "1231235959"), "IND27010101ACOMN")
    assert day_iso(new_year.statements[0].entries[0].booking_date) == "2026-12-31"
    with pytest.raises(InputError) as caught:
        read(FLOW, "flow.txt")
    assert caught.value.code == "DATE_REQUIRED"


def test_references_fee_and_name_of_a_flow_line(read: Read) -> None:
    """Institution, trace and time name the entry; fees are netted, D is paid and C received."""
    entries = read(FLOW, NAME).statements[0].entries
    assert entries[0].entry_ref == "99010000-99010001-000001-1119235959"
    assert entries[0].reference(Carrier.RRN) == "RRN000001"
    assert entries[0].reference(Carrier.ORDER_NO) == "O-0001"
    assert entries[0].fee_minor == 125 + 5
    received = read(FLOW.replace("D00000000005", "C00000000005"), NAME).statements[0].entries
    assert received[0].fee_minor == 125 - 5
    assert entries[2].reversal_of == "000002"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("000000010000", "00000001A000", "AMOUNT_INVALID"),
        ("1119235959", "1132235959", "DATE_INVALID"),
        ("0420 000000", "0420 400000", "DIRECTION_UNKNOWN"),
        (" 99020000    0 01", "\r\n99020000    0 01", "ROW_SHAPE"),
    ],
)
def test_a_flow_line_that_does_not_hold_is_named(read: Read, old: str, new: str, code: str) -> None:
    """A transfer's direction is not known from the line, so it is refused and not guessed."""
    text = FLOW.replace(old, new, 1)
    assert text != FLOW
    with pytest.raises(InputError) as caught:
        read(text, NAME, profile="unionpay-acomn")
    assert code in {one.code for one in caught.value.details}


def test_unionpays_merchant_file_settles_by_c_and_d(read: Read) -> None:
    """C is received by the merchant, D is paid; the fee has a sign of its own."""
    widths = (3, 11, 11, 6, 10, 19, 12, 4, 2, 21, 2, 32, 2, 6, 10, 13, 13, 4, 15, 2)

    def line(code: str, query: str, minor: int, fee: str, settled: str) -> str:
        cells = (
            code, "99010000", "99010001", "000001", "1119101112", "9900001234567890",
            f"{minor:012}", "5411", "07", query, "", f"O-{query[-4:]}", "01", "", "", fee,
            settled, "0001", "", "01",
        )  # fmt: skip
        return " ".join(c.ljust(w) for c, w in zip(cells, widths, strict=True)) + "\n"

    text = line("S22", "990000000000000000001", 10_000, "D000000000060", "C000000009940")
    text += line("S30", "990000000000000000002", 4_000, "C000000000024", "D000000003976")
    file = read(text, "INN26112088ZM_990000000000001")
    assert file.profile == "unionpay-zm"
    entries = file.statements[0].entries
    assert [(e.signed_minor, e.fee_minor) for e in entries] == [(10_000, 60), (-4_000, -24)]
    assert entries[0].entry_ref == "990000000000000000001"


OWN = """
name = "core-ledger"
title = "核心系统日终流水"
source_ref = "voucher_no"
implied_decimals = true
date_format = "YYYYMMDD"
debit_in = true

[fixed]
recognise = '^H核心'
unit = "bytes"
length = 59
detail = '^D'

[[fixed.facts]]
line = '^H'
account = [6, 12]
currency = [18, 3]
settlement_date = [21, 8]
opening_balance = [29, 13]

[[fixed.totals]]
line = '^T'
count = [2, 6]
sum = [8, 13]

[fixed.columns]
"日期" = [2, 8]
"借贷" = [10, 2]
"金额" = [12, 13]
"凭证" = [25, 12]
"摘要" = [37, 20]
"币种" = [57, 3]

[columns]
date = ["日期"]
direction = ["借贷"]
amount = ["金额"]
voucher_no = ["凭证"]
remittance = ["摘要"]
currency = ["币种"]
"""


def _own(text: str, encoding: str = "gb18030") -> bytes:
    return text.encode(encoding)


def _own_line(way: str, minor: int, voucher: str, text: str) -> str:
    pad = 20 - len(text.encode("gb18030"))
    return f"D20261120{way}{minor:013}{voucher:<12}{text}{' ' * pad}CNY\n"


def test_a_users_own_layout_counts_bytes(read: Read) -> None:
    """A Chinese character takes two positions; head, trailer and implied decimals count."""
    profile = load_profile(OWN.encode(), "core.toml")
    text = "H核心990000001234CNY20261120+000000001000\n"
    text += _own_line("借", 12_345, "PZ-000001", "货款二月") + _own_line(
        "贷", 345, "PZ-000002", "fee"
    )
    text += "T0000020000000012690\n"
    file = read(_own(text), "core.txt", own=[profile])
    assert (file.format, file.profile) == ("fixed", "core-ledger")
    one = file.statements[0]
    assert (one.account, one.currency) == ("990000001234", "CNY")
    assert [(e.entry_ref, e.signed_minor, e.remittance) for e in one.entries] == [
        ("PZ-000001", 12_345, "货款二月"), ("PZ-000002", -345, "fee"),
    ]  # fmt: skip
    assert one.opening_balance is not None
    assert one.closing_balance is not None
    assert one.opening_balance.signed_minor == 1_000
    assert one.closing_balance.signed_minor == 13_000


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("T000002", "T000003", "CONTROL_TOTALS"),
        ("0000012690", "0000012691", "CONTROL_TOTALS"),
        ("T0000020000000012690\n", "", "TRUNCATED"),
        ("CNY20261120", "USD20261120", "CURRENCY_MISMATCH"),
        ("CNY20261120", "CNY20261131", "DATE_INVALID"),
        ("D20261120借", "X20261120借", "ROW_SHAPE"),
        ("D20261120借", "D20261120出", "CONTROL_TOTALS"),
    ],
)
def test_a_users_own_totals_are_checked(read: Read, old: str, new: str, code: str) -> None:
    """What head and trailer state is compared with the entries."""
    profile = load_profile(OWN.encode(), "core.toml")
    text = "H核心990000001234CNY20261120+000000001000\n"
    text += _own_line("借", 12_345, "PZ-000001", "货款") + _own_line("贷", 345, "PZ-000002", "fee")
    text += "T0000020000000012690\n"
    broken = text.replace(old, new, 1)
    assert broken != text
    if new.startswith("D20261120出"):
        broken = broken.replace("T000002", "T000001")
    with pytest.raises(InputError) as caught:
        read(_own(broken), "core.txt", own=[profile])
    assert code in {one.code for one in caught.value.details}
