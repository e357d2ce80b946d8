"""Merchant bills of Alipay and WeChat Pay: headers as published, rows and numbers made up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reconcile.model import Carrier, EntryStatus, InputError, StatementFile

Read = Callable[..., StatementFile]
DATA = Path(__file__).parent / "data"

ALIPAY_TRADE = (DATA / "alipay-trade.csv").read_text(encoding="utf-8")

ALIPAY_FUNDS = (DATA / "alipay-funds.csv").read_text(encoding="utf-8")

WECHAT_TRADE = (DATA / "wechat-trade.csv").read_text(encoding="utf-8")

WECHAT_FUNDS = (DATA / "wechat-funds.csv").read_text(encoding="utf-8")
BILLS = {
    "alipay-trade": ALIPAY_TRADE,
    "alipay-funds": ALIPAY_FUNDS,
    "wechat-trade": WECHAT_TRADE,
    "wechat-funds": WECHAT_FUNDS,
}


@pytest.mark.parametrize("name", BILLS)
@pytest.mark.parametrize("encoding", ["gb18030", "utf-8-sig"])
def test_a_bill_is_recognised_by_its_own_header(read: Read, name: str, encoding: str) -> None:
    """Each of the four bills is read provably, in either encoding, without an option."""
    file = read(BILLS[name].encode(encoding), "bill.csv")
    assert file.profile == name
    assert file.statements[0].provable
    assert len(file.statements[0].entries) == 3


def test_alipays_trade_bill_moves_the_claim_gross_of_fees(read: Read) -> None:
    """商家实收 is the amount, the service fee stands beside it, a refund is RETURNED."""
    one = read(ALIPAY_TRADE.encode("gb18030"), "b.csv").statements[0]
    assert one.account == "20889900000000000156 业务"
    assert [e.signed_minor for e in one.entries] == [3_580, 900, -580]
    assert [e.fee_minor for e in one.entries] == [21, 5, 3]
    assert [e.status for e in one.entries][1:] == [EntryStatus.BOOKED, EntryStatus.RETURNED]
    assert [e.reference(Carrier.ORDER_NO) for e in one.entries][:2] == ["ORDER-0001", "ORDER-0002"]
    refs = [e.entry_ref for e in one.entries]
    assert refs == ["2026112099000001", "2026112099000002", "2026112099000001-REFUND-01"]
    assert one.opening_balance is None


def test_alipays_funds_bill_moves_the_balance_with_fees_of_their_own(read: Read) -> None:
    """The same payments stand in the balance account, where a fee is a row and balances run."""
    one = read(ALIPAY_FUNDS.encode("gb18030"), "b.csv").statements[0]
    assert one.account == "20889900000000000156 余额"
    assert [e.signed_minor for e in one.entries] == [3_580, -21, -580]
    assert one.entries[1].kind == "收费"
    assert one.opening_balance is not None
    assert one.closing_balance is not None
    assert (one.opening_balance.signed_minor, one.closing_balance.signed_minor) == (10_000, 12_979)


def test_wechats_cells_lose_their_backticks_and_refunds_take_their_own_amount(read: Read) -> None:
    """A refund's amount is 退款金额; 0 is no refund number."""
    one = read(WECHAT_TRADE, "b.csv").statements[0]
    assert [e.signed_minor for e in one.entries] == [2_000, 990, -550]
    assert [e.entry_ref for e in one.entries] == [
        "4299000001", "4299000002", "4299000001-5099000001",
    ]  # fmt: skip
    assert one.entries[0].reference(Carrier.ORDER_NO) == "M-1"
    assert one.entries[2].status is EntryStatus.RETURNED
    assert [e.fee_minor for e in one.entries] == [12, 6, 3]


@pytest.mark.parametrize(
    ("state", "refund", "status"),
    [
        ("REFUND", "PROCESSING", EntryStatus.RETURNED),
        ("REFUND", "FAIL", EntryStatus.VOID),
        ("REVOKED", "SUCCESS", EntryStatus.RETURNED),
    ],
)
def test_what_a_refund_of_wechat_does(
    read: Read, state: str, refund: str, status: EntryStatus
) -> None:
    """A refund that failed moved nothing; a revoked payment went back."""
    text = WECHAT_TRADE.replace("`REFUND,", f"`{state},").replace(
        "`SUCCESS,`茶,", f"`{refund},`茶,"
    )
    entry = read(text, "b.csv").statements[0].entries[2]
    assert (entry.signed_minor, entry.status) == (-550, status)


def test_the_header_before_2018_is_the_same_bill(read: Read) -> None:
    """总金额 and 总交易额 stand for 应结订单金额 and its total."""
    text = (DATA / "wechat-trade-2014.csv").read_text(encoding="utf-8")
    file = read(text, "b.csv")
    assert file.profile == "wechat-trade"
    assert [e.signed_minor for e in file.statements[0].entries] == [1]


def test_wechats_funds_bill_runs_with_its_balance(read: Read) -> None:
    """收入 is IN, 支出 OUT; opening and closing come from the balances beside the rows."""
    one = read(WECHAT_FUNDS, "b.csv").statements[0]
    assert [e.signed_minor for e in one.entries] == [2_000, -12, -550]
    assert one.opening_balance is not None
    assert one.opening_balance.signed_minor == 10_000


@pytest.mark.parametrize(
    ("name", "old", "new", "code"),
    [
        ("alipay-trade", "交易合计：2笔", "交易合计：3笔", "CONTROL_TOTALS"),
        ("alipay-trade", "实收共44.80", "实收共44.81", "CONTROL_TOTALS"),
        ("alipay-trade", "退款共-5.80", "退款共-5.81", "CONTROL_TOTALS"),
        ("alipay-trade", "#交易合计", "#合计", "TRUNCATED"),
        ("alipay-trade", ",交易\t,茶杯", ",充值\t,茶杯", "DIRECTION_UNKNOWN"),
        ("alipay-trade", "2026-11-20 11:00:05", "2026-11-23 11:00:05", "PERIOD"),
        ("alipay-funds", "支出合计：2笔", "支出合计：1笔", "CONTROL_TOTALS"),
        ("alipay-funds", "共35.80元", "共35.70元", "CONTROL_TOTALS"),
        ("alipay-funds", "135.59", "135.58", "RUNNING_BALANCE"),
        ("wechat-trade", "`3,`29.90,", "`2,`29.90,", "CONTROL_TOTALS"),
        ("wechat-trade", "`3,`29.90,", "`3,`29.80,", "CONTROL_TOTALS"),
        ("wechat-trade", "`5.50,`0.00,`0.15", "`5.50,`0.00,`0.16", "CONTROL_TOTALS"),
        ("wechat-trade", "`SUCCESS,`OTHERS", "`NOTPAY,`OTHERS", "DIRECTION_UNKNOWN"),
        ("wechat-funds", "`3.0,`1.0", "`4.0,`1.0", "CONTROL_TOTALS"),
        ("wechat-funds", "`2.0,`5.62", "`2.0,`5.61", "CONTROL_TOTALS"),
        ("wechat-funds", "`119.88", "`119.89", "RUNNING_BALANCE"),
    ],
)
def test_a_bill_that_contradicts_its_foot_is_refused(
    read: Read, name: str, old: str, new: str, code: str
) -> None:
    """The summary under the rows, the period above them and the balances beside them count."""
    text = BILLS[name].replace(old, new, 1)
    assert text != BILLS[name]
    with pytest.raises(InputError) as caught:
        read(text, "b.csv")
    assert code in {one.code for one in caught.value.details}


@pytest.mark.parametrize("name", ["wechat-trade", "wechat-funds"])
def test_a_bill_without_its_foot_was_cut(read: Read, name: str) -> None:
    """WeChat Pay always ends a bill with its totals."""
    text = "\n".join(BILLS[name].splitlines()[:-2]) + "\n"
    with pytest.raises(InputError) as caught:
        read(text, "b.csv")
    assert caught.value.code == "TRUNCATED"
