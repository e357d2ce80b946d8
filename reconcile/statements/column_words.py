"""Header words, Chinese and English (and the commonest German and Dutch), by entry field.

Squeezed: no spaces, hyphens or underscores, lower case. The first word of a field that the
table has gives its column.
"""

from __future__ import annotations

from typing import Final

COLUMN_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "date": (
        "记账日期", "入账日期", "入账日", "交易日期", "账务日期", "日期", "记账时间", "入账时间",
        "交易时间", "发生时间", "记帐日期", "过账日期", "bookingdate", "bookdate",
        "postingdate", "posteddate", "posted", "transactiondate", "date", "datum",
        "buchungstag", "buchungsdatum", "boekdatum", "completeddate", "tradedate", "time",
        "datetime", "transactiontime", "交易日", "记账日", "入帐日期", "交易时间戳",
        "postdate", "bookeddate", "datebooked", "buchung", "executiondate", "entrydate",
    ),
    "value_date": (
        "起息日", "起息日期", "计息日", "生效日期", "valuedate", "value", "valutadatum",
        "valuta", "wertstellung", "rentedatum", "effectivedate", "起息", "wert",
        "valutierung", "interestdate",
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
        "debit(dr)", "dr", "soll", "借", "借方发生额(支取)", "借方发生额(元)",
    ),
    "credit": (
        "贷方金额", "贷方发生额", "贷方", "贷方金额(元)", "credit", "creditamount",
        "credits", "credit(cr)", "cr", "haben", "贷", "贷方发生额(收入)", "贷方发生额(元)",
    ),
    "amount": (
        "交易金额", "金额", "发生额", "金额(元)", "交易金额(元)", "收支金额",
        "收支金额(元)", "amount", "transactionamount", "amt", "betrag", "bedrag", "montant",
        "importe", "netamount", "交易额", "umsatz", "transactionamt", "value(amount)",
        "grossamount",
    ),
    "direction": (
        "借贷标志", "借贷", "借贷方向", "收支", "收/支", "收支类型", "收支方向", "方向",
        "收付标志", "收付", "交易方向", "direction", "dc", "d/c", "cr/dr", "dr/cr",
        "debit/credit", "creditdebitindicator", "cdtdbtind", "debitcredit", "afbij",
        "type(dr/cr)", "sign", "借/贷", "借贷标记", "收支标志", "收/付", "来往标志", "drcr",
        "crdr",
    ),
    "currency": (
        "币种", "货币", "记账币种", "交易币种", "币别", "币种名称", "currency", "ccy",
        "währung", "curr", "currencycode", "valutacode", "munt", "币种代码", "waehrung",
        "whg", "valuta(munt)", "currencyid",
    ),
    "balance": (
        "余额", "账户余额", "账户余额(元)", "联机余额", "本次余额", "账户结余",
        "账户结余(元)", "balance", "runningbalance", "saldo", "kontostand",
        "closingbalance", "balanceafter", "结余", "当前余额", "帐户余额", "可用余额",
        "accountbalance", "ledgerbalance", "saldonachbuchung",
    ),
    "name": (
        "对方户名", "对方名称", "交易对方", "对方账户名", "对方单位", "对方单位名称",
        "对手信息", "对手户名", "对手名称", "收/付款人", "收(付)方名称", "户名", "对方",
        "counterpartyname", "counterparty", "payee", "payer", "payee/payer", "beneficiary",
        "beneficiaryname", "name", "naam", "partnername", "partner", "merchant",
        "auftraggeber/empfänger", "begünstigter/zahlungspflichtiger", "对方账户名称",
        "对方帐户名称", "对方姓名", "交易对手", "付款人名称", "收款人名称", "对方公司",
        "naam/omschrijving", "beguenstigter/zahlungspflichtiger",
        "begünstigter/auftraggeber", "nameofcounterparty", "counterpartyname/description",
        "payeename", "recipient",
    ),
    "peer_account": (
        "对方账号", "对方账户", "对方帐号", "对手账号", "收(付)方账号", "对方卡号",
        "对方卡号/账号", "counterpartyaccount", "counterpartyiban", "iban",
        "beneficiaryaccount", "tegenrekening", "partneriban", "kontonummer", "payeeaccount",
        "kontonummer/iban", "对方账户账号", "收(付)方帐号", "对方账户(账号)", "对手帐号",
        "accountnumber", "iban/kontonummer", "counterpartyaccountnumber",
        "tegenrekeningiban", "kontonummeriban", "ibankontonummer",
    ),
    "kind": (
        "交易类型", "业务类型", "摘要", "交易摘要", "业务名称", "交易名称",
        "transactiontype", "type", "category", "buchungstext", "txtype", "code",
        "mutatiesoort", "业务摘要", "交易种类", "umsatzart", "subcategory",
    ),
    "remittance": (
        "附言", "用途", "备注", "交易附言", "客户摘要", "说明", "商品说明", "商品名称",
        "交易详情", "description", "details", "remittance", "remittanceinformation", "memo",
        "narrative", "particulars", "purpose", "verwendungszweck", "omschrijving",
        "mededelingen", "note", "transactiondetails", "交易地点/附言", "用途/附言",
        "交易用途", "摘要说明", "业务内容", "paymentreference", "reference/description",
        "text", "verwendungszweck/info",
    ),
    "servicer_ref": (
        "交易流水号", "流水号", "账务流水号", "资金流水单号", "银行流水号", "核心流水号",
        "bankreference", "transactionreference", "servicerref", "bankref", "transactionid",
        "transactionno", "journalno", "entryreference", "日志号", "交易序号", "交易编号",
        "核心流水", "回单编号", "bankreferenceno", "transactionnumber", "uniqueid",
    ),
    "end_to_end_id": (
        "端到端标识", "端到端标识号", "endtoendid", "e2eid", "endtoendreference", "eref",
        "kundenreferenz(endtoend)",
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
