from __future__ import annotations

from collections.abc import Callable

import pytest

from reconcile.model import EntryStatus, InputError, StatementFile, UsageError
from reconcile.statements import read_statement_bytes

Read = Callable[..., StatementFile]

ALIPAY = (
    "支付宝账户：a@example.com\n共{count}笔记录\n"
    "交易时间,交易分类,交易对方,对方账号,商品说明,收/支,金额,收/付款方式,交易状态,交易订单号,商家订单号,备注,\n"
)
WECHAT = (
    "微信昵称：[甲],,,,,,,,,,\n共{count}笔记录,,,,,,,,,,\n"
    "交易时间,交易类型,交易对方,商品,收/支,金额(元),支付方式,当前状态,交易单号,商户单号,备注\n"
)


def _alipay(*rows: str) -> bytes:
    lines = [
        f"2026-11-20 1{n}:00:00,购物,乙,/,{row}ORDER-{n:04}\t,M{n}\t,,"
        if row.count(",") == 5
        else f"2026-11-20 1{n}:00:00,购物,乙,/,{row}"
        for n, row in enumerate(rows)
    ]
    return (ALIPAY.format(count=len(rows)) + "\n".join(lines) + "\n").encode("gb18030")


def _wechat(*rows: str) -> str:
    lines = [f"2026-11-20 10:00:0{n},{row},WX-{n:06},M-{n},/" for n, row in enumerate(rows)]
    return WECHAT.format(count=len(rows)) + "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("row", "signed", "status"),
    [
        ("书,支出,5.00,余额,交易成功,", -500, EntryStatus.BOOKED),
        ("书,支出,5.00,余额,等待确认收货,", -500, EntryStatus.BOOKED),
        ("书,支出,5.00,余额&红包,交易成功,", -500, EntryStatus.BOOKED),
        ("书,支出,5.00,余额宝,交易成功,", -500, EntryStatus.VOID),
        ("书,支出,5.00,花呗,交易成功,", -500, EntryStatus.VOID),
        ("书,支出,5.00,某银行信用卡(0001),交易成功,", -500, EntryStatus.VOID),
        ("书,支出,5.00,余额,交易关闭,", -500, EntryStatus.VOID),
        ("书,支出,5.00,余额,等待付款,", -500, EntryStatus.PENDING),
        ("转账,收入,5.00,余额,交易成功,", 500, EntryStatus.BOOKED),
        ("退款-书,不计收支,5.00,余额,退款成功,", 500, EntryStatus.RETURNED),
        ("退款-书,不计收支,5.00,某银行信用卡(0001),退款成功,", 500, EntryStatus.VOID),
        ("提现-实时提现,不计收支,5.00,某银行(0001),提现成功,", -500, EntryStatus.BOOKED),
        ("充值-普通充值,不计收支,5.00,某银行(0001),充值成功,", 500, EntryStatus.BOOKED),
        ("余额宝-收益发放,不计收支,5.00,余额宝,交易成功,", 500, EntryStatus.VOID),
    ],
)
def test_what_alipay_rows_do_to_the_balance_account(
    read: Read,
    row: str,
    signed: int,
    status: EntryStatus,
) -> None:
    """Only what 余额 paid or received moves it; what other funds paid is kept as VOID."""
    file = read(_alipay(row), "a.csv")
    assert file.profile == "alipay"
    one = file.statements[0]
    assert one.account == "a@example.com 余额"
    assert (one.entries[0].signed_minor, one.entries[0].status) == (signed, status)
    assert one.entries[0].entry_ref == "ORDER-0000"
    funds = row.split(",")[3]
    if status is EntryStatus.VOID and funds != "余额":
        assert one.entries[0].kind == f"购物 ({funds})"


def test_the_fund_account_sees_the_same_file_from_its_side(read: Read) -> None:
    """Profile alipay-yuebao books what 余额宝 paid and the yield it received."""
    content = _alipay(
        "书,支出,5.00,余额宝,交易成功,",
        "余额宝-收益发放,不计收支,0.05,余额宝,交易成功,",
        "书,支出,7.00,余额,交易成功,",
    )
    entries = read(content, "a.csv", profile="alipay-yuebao").statements[0].entries
    assert [e.signed_minor for e in entries if e.moving] == [-500, 5]


def test_an_order_paid_closed_and_refunded_moved_twice(read: Read) -> None:
    """A closed order with a refund row was paid: both rows count and cancel out."""
    content = _alipay(
        "书,支出,5.00,余额,交易关闭,2026001\t,M1\t,,",
        "退款-书,不计收支,5.00,余额,退款成功,2026001_R1\t,M1\t,,",
        "画,支出,9.00,余额,交易关闭,2026002\t,M2\t,,",
    )
    entries = read(content, "a.csv").statements[0].entries
    assert [entry.status for entry in entries] == [
        EntryStatus.BOOKED,
        EntryStatus.RETURNED,
        EntryStatus.VOID,
    ]
    assert entries[1].reversal_of == "2026001"


@pytest.mark.parametrize(
    ("row", "signed", "status"),
    [
        ("商户消费,乙,茶,支出,¥5.00,零钱,支付成功", -500, EntryStatus.BOOKED),
        ("商户消费,乙,茶,支出,¥5.00,零钱通,支付成功", -500, EntryStatus.VOID),
        ("商户消费,乙,茶,支出,¥5.00,某银行(0001),支付成功", -500, EntryStatus.VOID),
        ("商户消费,乙,茶,支出,¥5.00,零钱,已全额退款", -500, EntryStatus.BOOKED),
        ("商户消费,乙,茶,支出,¥5.00,零钱,支付失败", -500, EntryStatus.VOID),
        ("商户消费-退款,乙,茶,收入,¥5.00,零钱,退款成功", 500, EntryStatus.RETURNED),
        ("商户消费-退款,乙,茶,收入,¥5.00,某银行(0001),退款成功", 500, EntryStatus.VOID),
        ("微信红包,丙,/,收入,¥5.00,/,已存入零钱", 500, EntryStatus.BOOKED),
        ("零钱提现,某银行,/,/,¥5.00,某银行,提现已到账", -500, EntryStatus.BOOKED),
        ("零钱充值,某银行,/,/,¥5.00,某银行,充值完成", 500, EntryStatus.BOOKED),
        ("零钱通转出-到零钱,/,/,/,¥5.00,零钱通,支付成功", 500, EntryStatus.BOOKED),
        ("转入零钱通-来自零钱,/,/,/,¥5.00,零钱,支付成功", -500, EntryStatus.BOOKED),
        ("转入零钱通-来自某银行,/,/,/,¥5.00,某银行,支付成功", 500, EntryStatus.VOID),
    ],
)
def test_what_wechat_rows_do_to_the_balance_account(
    read: Read,
    row: str,
    signed: int,
    status: EntryStatus,
) -> None:
    """Neutral rows move 零钱 by what their kind says, payments by what funded them."""
    file = read(_wechat(row), "w.csv")
    assert file.profile == "wechat"
    entry = file.statements[0].entries[0]
    assert (entry.signed_minor, entry.status) == (signed, status)
    assert entry.references == ((3, "WX-000000"), (7, "M-0"))


def test_a_withdrawal_names_its_fee(read: Read) -> None:
    """The amount that left includes the service fee, which stands in the remark."""
    text = _wechat("零钱提现,某银行,/,/,¥100.10,某银行,提现已到账").replace(
        ",/\n", ",服务费¥0.10\n"
    )
    entry = read(text, "w.csv").statements[0].entries[0]
    assert (entry.amount_minor, entry.fee_minor) == (10_010, 10)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("共1笔记录", "共2笔记录", "CONTROL_TOTALS"),
        ("支付成功", "意外状态", "STATUS_UNKNOWN"),
        (",支出,", ",别的,", "DIRECTION_UNKNOWN"),
        ("¥5.00", "¥5.001", "AMOUNT_DIGITS"),
        ("2026-11-20", "2026-11-31", "DATE_INVALID"),
    ],
)
def test_a_bill_that_contradicts_itself_is_refused(
    read: Read,
    old: str,
    new: str,
    code: str,
) -> None:
    """Counts above the header, unknown words and wrong amounts are named in strict."""
    text = _wechat("商户消费,乙,茶,支出,¥5.00,零钱,支付成功").replace(old, new)
    with pytest.raises(InputError) as caught:
        read(text, "w.csv")
    assert code in {one.code for one in caught.value.details}
    one = read(text, "w.csv", lenient=True).statements[0]
    assert code in {item.code for item in one.contradictions}


def test_bank_tables_check_running_balances_in_either_order(read: Read) -> None:
    """CMB lists newest or oldest first; the balances beside the lines give both balances."""
    head = "记账日期,货币,交易金额,联机余额,交易摘要,对手信息,客户摘要\n"
    rows = [
        "2026-11-18,CNY,100.00,150.00,汇入,甲 99000001,",
        '2026-11-19,CNY,"-1,00.00",50.00,汇出,乙,',
        "2026-11-20,人民币,-30.00,20.00,汇出,丙,",
    ]
    rows[1] = rows[1].replace('"-1,00.00"', "-100.00")
    for order in (rows, rows[::-1]):
        one = read(head + "\n".join(order) + "\n", "c.csv").statements[0]
        assert one.opening_balance is not None
        assert one.closing_balance is not None
        assert one.opening_balance.signed_minor == 5_000
        assert one.closing_balance.signed_minor == 2_000
        assert one.closing_balance.basis.value == "RUNNING"
    assert one.entries[2].counterparty_account == "99000001"
    with pytest.raises(InputError, match="RUNNING_BALANCE"):
        read(head + "\n".join((rows[0], rows[2])) + "\n", "c.csv")


def test_the_same_day_read_again_with_more_rows_keeps_every_ref(read: Read) -> None:
    """A running balance tells equal lines apart, so refs do not depend on order or length."""
    head = "记账日期,货币,交易金额,联机余额,交易摘要,对手信息,客户摘要\n"
    rows = [f"2026-11-20,CNY,-1.00,{90 - n}.00,茶,乙," for n in range(4)]
    short = read(head + "\n".join(rows[:2]), "c.csv").statements[0].entries
    long = read(head + "\n".join(rows[::-1]), "c.csv").statements[0].entries
    assert {entry.entry_ref for entry in short} < {entry.entry_ref for entry in long}


def test_icbc_checks_its_row_of_sums(read: Read) -> None:
    """The last row (人民币合计) must add up, and a file without it was cut off."""
    text = (
        "卡号: 9900****0001\n交易日期,摘要,记账金额(收入),记账金额(支出),记账币种,余额,对方户名\n"
        "2026-11-20 \t,工资 \t,5.00 \t,\t,人民币 \t,15.00 \t,甲 \t\n"
        "2026-11-20 \t,消费 \t,\t,2.00 \t,人民币 \t,13.00 \t,乙 \t\n"
        "人民币合计,,5.00,2.00,,,\n"
    )
    one = read(text, "i.csv").statements[0]
    assert one.account == "9900****0001"
    assert [entry.signed_minor for entry in one.entries] == [500, -200]
    with pytest.raises(InputError, match="CONTROL_TOTALS"):
        read(text.replace("5.00,2.00,,,", "5.00,2.01,,,"), "i.csv")
    with pytest.raises(InputError, match="TRUNCATED"):
        read(text[: text.index("人民币合计")], "i.csv")


def test_an_unknown_profile_is_named_with_those_there_are() -> None:
    """--profile is checked before anything is read."""
    with pytest.raises(UsageError) as caught:
        read_statement_bytes(b"a,b\n1,2\n", "x.csv", profile="nobank")
    assert caught.value.code == "PROFILE_UNKNOWN"
    assert "wechat" in caught.value.help
    with pytest.raises(InputError, match="PROFILE_MISMATCH"):
        read_statement_bytes(b"a,b\n1,2\n", "x.csv", profile="icbc")
