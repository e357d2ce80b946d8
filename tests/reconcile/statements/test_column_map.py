from __future__ import annotations

from collections.abc import Callable

import pytest

from reconcile.model import Carrier, InputError, StatementFile, day_iso

Read = Callable[..., StatementFile]

CHINESE = (
    "某某银行交易明细\n"
    "交易日期,收入金额,支出金额,账户余额,对方户名,对方账号,附言,交易流水号\n"
    '2026-11-20,"1,234.00",,"1,334.00",甲公司,9900000001,货款,LS-000001\n'
    "2026-11-20,,34.00,1300.00,乙公司,,退款,LS-000002\n"
    ",,,,,,,\n"
)


def test_an_unknown_table_is_shown_in_words_before_it_is_read(read: Read) -> None:
    """The refusal names the columns, shows the first rows in words and says --accept-map."""
    with pytest.raises(InputError) as caught:
        read(CHINESE, currency="CNY")
    error = caught.value
    assert error.code == "COLUMN_MAP_UNCONFIRMED"
    assert "money INTO your account 1,234.00 CNY from 甲公司" in error.message
    assert "money OUT OF your account 34.00 CNY to 乙公司" in error.message
    assert "amount_in = 收入金额" in error.message
    assert "--accept-map" in error.help


def test_an_accepted_map_reads_like_a_profile(read: Read) -> None:
    """With accept_map the same rows become entries with references and running balances."""
    file = read(CHINESE, currency="CNY", accept_map=True)
    assert file.profile == "column-map"
    one = file.statements[0]
    assert [entry.signed_minor for entry in one.entries] == [123_400, -3_400]
    assert one.entries[0].entry_ref == "LS-000001"
    assert one.entries[0].reference(Carrier.SERVICER_REF) == "LS-000001"
    assert one.entries[0].counterparty_account == "9900000001"
    assert one.lines == (3, 4)
    assert one.opening_balance is not None
    assert one.opening_balance.signed_minor == 10_000
    with pytest.raises(InputError, match="CURRENCY_REQUIRED"):
        read(CHINESE, accept_map=True)


@pytest.mark.parametrize(
    ("text", "signed", "day"),
    [
        ("Date,Description,Amount,Balance\n13/11/2026,Rent,-12.50,87.50\n", -1_250, "2026-11-13"),
        ("Date,Description,Amount,Balance\n11/13/2026,Rent,-12.50,87.50\n", -1_250, "2026-11-13"),
        ("Date,Details,Paid in,Paid out\n2026-11-13,Fee,,1.00\n", -100, "2026-11-13"),
        (
            "Buchungstag;Verwendungszweck;Betrag;Saldo\n13.11.2026;Miete;-1.234,50;0,00\n",
            -123_450,
            "2026-11-13",
        ),
        ("Date,Type,Amount,CR/DR\n2026-11-13,X,5.00,CR\n", 500, "2026-11-13"),
        ("Date,Memo,Amount,Direction\n20261113,X,5.00,OUT\n", -500, "2026-11-13"),
        ("日期,摘要,发生额,收支\n2026年11月13日,工资,5.00,收入\n", 500, "2026-11-13"),
        ("Date|Payee|Amount\n2026/11/13|Shop|(5.00)\n", -500, "2026-11-13"),
    ],
)
def test_headers_and_number_styles_of_many_banks_are_proposed(
    read: Read,
    text: str,
    signed: int,
    day: str,
) -> None:
    """Chinese, English, German and Dutch headers, decimal commas and both day orders are read."""
    file = read(text, currency="EUR", accept_map=True)
    entry = file.statements[0].entries[0]
    assert (entry.signed_minor, day_iso(entry.booking_date)) == (signed, day)


def test_debit_and_credit_words_need_a_perspective(read: Read) -> None:
    """借 and 贷 mean opposite things in a bank's statement and in a company's ledger."""
    text = "日期,摘要,金额,借贷标志,币种\n2026-11-20,货款,5.00,贷,人民币\n"
    with pytest.raises(InputError, match="PERSPECTIVE_REQUIRED"):
        read(text, accept_map=True)
    statement = read(text, accept_map=True, perspective="statement")
    ledger = read(text, accept_map=True, perspective="ledger")
    assert statement.statements[0].entries[0].signed_minor == 500
    assert ledger.statements[0].entries[0].signed_minor == -500
    columns = "Date,Debit,Credit,Currency\n2026-11-20,5.00,,EUR\n"
    with pytest.raises(InputError, match="PERSPECTIVE_REQUIRED"):
        read(columns, accept_map=True)
    found = read(columns, accept_map=True, perspective="ledger")
    assert found.statements[0].entries[0].signed_minor == 500


def test_a_table_without_date_and_amount_is_unknown(read: Read) -> None:
    """Nothing is proposed for a table that names neither."""
    with pytest.raises(InputError) as caught:
        read("a,b,c\n1,2,3\n", accept_map=True, lenient=True)
    assert caught.value.code == "FORMAT_UNKNOWN"


def test_a_row_both_in_and_out_is_listed_not_guessed(read: Read) -> None:
    """Two filled amounts have no direction."""
    text = CHINESE.replace(",,34.00,", ",1.00,34.00,")
    with pytest.raises(InputError, match="DIRECTION_UNKNOWN"):
        read(text, currency="CNY", accept_map=True)


ROWS = {
    "CCB": (
        (
            "序号,摘要,币别,钞汇,交易日期,交易金额,账户余额,交易地点/附言,对方账号与户名\n"
            "1,工资,人民币元,钞,20261120,5.00,15.00,货款,990001/甲\n"
        ),
        500,
    ),
    "BOC": (
        (
            "交易日期,业务摘要,对方账户名称,对方账户账号,币种,收入金额,支出金额,余额,附言\n"
            "2026/11/20,汇款,甲,990001,人民币,,5.00,10.00,货款\n"
        ),
        -500,
    ),
    "ABC": (
        (
            "交易日期,交易时间,交易金额,本次余额,对手信息,日志号,交易渠道,交易附言,币种\n"
            "20261120,101500,-5.00,10.00,甲,990000001,网银,货款,CNY\n"
        ),
        -500,
    ),
    "Alipay merchant funds": (
        (
            "#支付宝账务明细查询\n"
            "账务流水号,业务流水号,商户订单号,商品名称,发生时间,对方账号,收入金额（+元）,"
            "支出金额（-元）,账户余额（元）,交易渠道,业务类型,备注\n"
            "LS0001,YW1,M1,书,2026-11-20 10:00:00,a@example.com,0.00,-5.00,10.00,支付宝,在线支付,\n"
            "#-----\n#支出合计：1笔，共-5.00元\n#收入合计：0笔，共0.00元\n"
        ),
        -500,
    ),
    "ING": (
        (
            '"Datum","Naam / Omschrijving","Rekening","Tegenrekening","Code","Af Bij",'
            '"Bedrag (EUR)","MutatieSoort","Mededelingen"\n'
            '"20261120","Shop","NL1","NL2","BA","Af","5,00","Betaalautomaat","Pas 1"\n'
        ),
        -500,
    ),
    "Sparkasse": (
        (
            '"Auftragskonto";"Buchungstag";"Valutadatum";"Buchungstext";"Verwendungszweck";'
            '"Kundenreferenz (End-to-End)";"Beguenstigter/Zahlungspflichtiger";"Kontonummer/IBAN";'
            '"Betrag";"Waehrung"\n'
            '"DE1";"20.11.26";"20.11.26";"LOHN";"Miete";"E-1";"Müller";"DE2";"-5,00";"EUR"\n'
        ),
        -500,
    ),
    "Revolut": (
        (
            "Type,Product,Started Date,Completed Date,Description,Amount,Fee,Currency,State,"
            "Balance\n"
            "MOVE,Now,2026-11-19 08:00:00,2026-11-20 09:00:00,To A,-5.00,0.00,GBP,DONE,10.00\n"
        ),
        -500,
    ),
}


@pytest.mark.parametrize("bank", ROWS)
def test_downloads_of_further_banks_are_mapped(read: Read, bank: str) -> None:
    """Headers of banks without a profile are proposed with the right amount and day."""
    text, signed = ROWS[bank]
    file = read(text, accept_map=True)
    entry = file.statements[0].entries[0]
    assert (entry.signed_minor, day_iso(entry.booking_date)) == (signed, "2026-11-20")
    assert file.statements[0].currency in {"CNY", "EUR", "GBP"}
