"""Header words, Chinese and English (and the commonest German and Dutch), by entry field.

Squeezed: no spaces, hyphens or underscores, lower case. The first word of a field that the
table has gives its column.
"""

from __future__ import annotations

from typing import Final

COLUMN_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "date": (
        "记账日期", "入账日期", "交易日期", "账务日期", "日期", "记账时间", "入账时间",
        "交易时间", "发生时间", "记帐日期", "过账日期", "bookingdate", "bookdate",
        "postingdate", "posteddate", "posted", "transactiondate", "date", "datum",
        "buchungstag", "buchungsdatum", "boekdatum", "completeddate", "tradedate", "time",
        "datetime", "transactiontime",
    ),
    "value_date": (
        "起息日", "起息日期", "计息日", "生效日期", "valuedate", "value", "valutadatum",
        "valuta", "wertstellung", "rentedatum", "effectivedate",
    ),
    "amount_in": (
        "收入金额", "贷方金额(收入)", "收入", "存入金额", "存入", "转入金额", "转入",
        "入账金额", "收入金额(元)", "收入金额(+元)", "收方金额", "收款金额", "moneyin",
        "paidin", "deposit", "deposits", "depositamount", "in", "amountin", "received",
        "inflow", "bij", "einzahlung", "creditamount(in)",
    ),
    "amount_out": (
        "支出金额", "借方金额(支出)", "支出", "支取金额", "支取", "转出金额", "转出",
        "出账金额", "支出金额(元)", "支出金额(-元)", "付方金额", "付款金额", "moneyout",
        "paidout", "withdrawal", "withdrawals", "withdrawalamount", "out", "amountout",
        "spent", "outflow", "af", "auszahlung", "debitamount(out)",
    ),
    "debit": (
        "借方金额", "借方发生额", "借方", "借方金额(元)", "debit", "debitamount", "debits",
        "debit(dr)", "dr", "soll", "借",
    ),
    "credit": (
        "贷方金额", "贷方发生额", "贷方", "贷方金额(元)", "credit", "creditamount",
        "credits", "credit(cr)", "cr", "haben", "贷",
    ),
    "amount": (
        "交易金额", "金额", "发生额", "金额(元)", "交易金额(元)", "收支金额",
        "收支金额(元)", "amount", "transactionamount", "amt", "betrag", "bedrag", "montant",
        "importe", "netamount",
    ),
    "direction": (
        "借贷标志", "借贷", "借贷方向", "收支", "收/支", "收支类型", "收支方向", "方向",
        "收付标志", "收付", "交易方向", "direction", "dc", "d/c", "cr/dr", "dr/cr",
        "debit/credit", "creditdebitindicator", "cdtdbtind", "debitcredit", "afbij",
        "type(dr/cr)", "sign",
    ),
    "currency": (
        "币种", "货币", "记账币种", "交易币种", "币别", "币种名称", "currency", "ccy",
        "währung", "curr", "currencycode", "valutacode", "munt",
    ),
    "balance": (
        "余额", "账户余额", "账户余额(元)", "联机余额", "本次余额", "账户结余",
        "账户结余(元)", "balance", "runningbalance", "saldo", "kontostand",
        "closingbalance", "balanceafter",
    ),
    "name": (
        "对方户名", "对方名称", "交易对方", "对方账户名", "对方单位", "对方单位名称",
        "对手信息", "对手户名", "对手名称", "收/付款人", "收(付)方名称", "户名", "对方",
        "counterpartyname", "counterparty", "payee", "payer", "payee/payer", "beneficiary",
        "beneficiaryname", "name", "naam", "partnername", "partner", "merchant",
        "auftraggeber/empfänger", "begünstigter/zahlungspflichtiger",
    ),
    "peer_account": (
        "对方账号", "对方账户", "对方帐号", "对手账号", "收(付)方账号", "对方卡号",
        "对方卡号/账号", "counterpartyaccount", "counterpartyiban", "iban",
        "beneficiaryaccount", "tegenrekening", "partneriban", "kontonummer", "payeeaccount",
        "kontonummer/iban",
    ),
    "kind": (
        "交易类型", "业务类型", "摘要", "交易摘要", "业务名称", "交易名称",
        "transactiontype", "type", "category", "buchungstext", "txtype", "code",
        "mutatiesoort",
    ),
    "remittance": (
        "附言", "用途", "备注", "交易附言", "客户摘要", "说明", "商品说明", "商品名称",
        "交易详情", "description", "details", "remittance", "remittanceinformation", "memo",
        "narrative", "particulars", "purpose", "verwendungszweck", "omschrijving",
        "mededelingen", "note", "transactiondetails",
    ),
    "servicer_ref": (
        "交易流水号", "流水号", "账务流水号", "资金流水单号", "银行流水号", "核心流水号",
        "bankreference", "transactionreference", "servicerref", "bankref", "transactionid",
        "transactionno", "journalno", "entryreference",
    ),
    "end_to_end_id": (
        "端到端标识", "端到端标识号", "endtoendid", "e2eid", "endtoendreference", "eref",
    ),
    "voucher_no": (
        "凭证号", "凭证号码", "凭证编号", "业务凭证号", "voucher", "voucherno",
        "documentno",
    ),
    "order_no": (
        "商户订单号", "订单号", "商户单号", "商家订单号", "orderno", "orderid",
        "merchantorderno", "customerreference", "reference", "ref", "yourreference",
        "kundenreferenz",
    ),
    "trace_no": (
        "系统跟踪号", "跟踪号", "traceno", "stan", "systemtrace",
    ),
    "rrn": (
        "检索参考号", "参考号", "rrn", "retrievalreferencenumber",
    ),
    "uetr": (
        "uetr",
    ),
    "fee": (
        "手续费", "服务费", "服务费(元)", "手续费(元)", "fee", "charges", "commission",
    ),
}  # fmt: skip
