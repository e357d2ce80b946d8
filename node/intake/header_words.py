"""Header words of overdue lists, Chinese and English, by field; and words for a listing's terms.

Squeezed: no blanks, hyphens or underscores, lower case. The first word of a field that the header
has gives its column. Some say which identifier it is, too.
"""

from __future__ import annotations

import re
from typing import Final

from node.screening.identifiers import IdType
from node.screening.listings import ActionTaken, Product, ProofLevel, Reason

_BLANKS: Final = re.compile(r"[\s_\-‐-―]+")
_WIDE: Final = str.maketrans("（）：／", "():/")


def squeeze(text: str) -> str:
    """Return a word without blanks, underscores and hyphens, in lower case."""
    return _BLANKS.sub("", text.translate(_WIDE)).lower().lstrip("\ufeff")


HEADER_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "identifier": (
        "证件号码", "证件号", "身份证号码", "身份证号", "公民身份号码", "居民身份证号",
        "客户证件号码", "客户证件号", "借款人证件号码", "借款人证件号", "借款人身份证号",
        "统一社会信用代码", "信用代码", "护照号码", "护照号", "identifier", "idnumber", "idno",
        "nationalid", "nationalidnumber", "documentnumber", "customerid(document)", "ssn",
        "socialsecuritynumber", "lei", "leicode", "passportnumber", "uscc",
    ),
    "id_type": (
        "证件类型", "证件种类", "客户证件类型", "idtype", "identifiertype", "documenttype",
    ),
    "reason": (
        "列入原因", "黑名单原因", "入库原因", "名单类型", "原因", "reason", "listingreason",
        "blacklistreason",
    ),
    "product": (
        "产品类型", "产品", "业务品种", "贷款品种", "业务种类", "业务类型", "贷款类型",
        "product", "producttype", "loantype",
    ),
    "amount": (
        "逾期总额", "逾期金额", "逾期金额(元)", "逾期总额(元)", "逾期本息", "逾期本金", "欠款金额",
        "未还金额", "拖欠金额", "overdueamount", "amountoverdue", "pastdueamount",
        "amountpastdue", "outstandingamount", "amount",
    ),
    "amount_band": ("金额档次", "金额档", "amountband"),
    "days_past_due": (
        "逾期天数", "当前逾期天数", "拖欠天数", "dayspastdue", "dpd", "daysoverdue", "overduedays",
    ),
    "days_past_due_band": ("逾期档次", "逾期档", "dayspastdueband", "dpdband"),
    "event_month": ("发生月份", "逾期月份", "eventmonth"),
    "event_date": (
        "逾期起始日", "逾期日期", "逾期开始日期", "首次逾期日期", "首逾日期", "发生日期",
        "eventdate", "overduesince", "defaultdate", "dateofdefault",
    ),
    "effective_from": ("生效日期", "列入日期", "effectivefrom", "effectivedate", "listedfrom"),
    "expires_at": ("失效日期", "有效期至", "到期日期", "移出日期", "expiresat", "expirydate"),
    "action": ("采取措施", "处置措施", "已采取措施", "措施", "actiontaken", "action"),
    "proof_level": ("证明级别", "证据级别", "prooflevel"),
    "notice_at": (
        "告知日期", "通知日期", "告知时间", "通知时间", "noticedate", "noticeat", "notifiedon",
    ),
    "notice_hash": ("告知书摘要", "告知书哈希", "通知书哈希", "noticehash", "noticesha256"),
    "consent": ("授权书摘要", "授权书哈希", "授权哈希", "consenthash", "consentsha256", "consent"),
    "evidence": ("证据摘要", "证据哈希", "evidencehash", "evidencesha256"),
}  # fmt: skip

#: A header that says which identifier its column holds.
ID_TYPE_OF_HEADER: Final[dict[str, IdType]] = {
    **dict.fromkeys(
        ("身份证号码", "身份证号", "公民身份号码", "居民身份证号", "借款人身份证号"), IdType.CN_RID
    ),
    **dict.fromkeys(("统一社会信用代码", "信用代码", "uscc"), IdType.CN_USCC),
    **dict.fromkeys(("护照号码", "护照号", "passportnumber"), IdType.PASSPORT),
    **dict.fromkeys(("ssn", "socialsecuritynumber"), IdType.US_SSN),
    **dict.fromkeys(("lei", "leicode"), IdType.LEI),
}

ID_TYPES: Final[dict[str, IdType]] = {
    **{name.value.lower().replace("-", ""): name for name in IdType},
    **dict.fromkeys(("身份证", "居民身份证", "第二代居民身份证", "residentid"), IdType.CN_RID),
    **dict.fromkeys(("统一社会信用代码", "营业执照"), IdType.CN_USCC),
    **dict.fromkeys(("护照", "passport"), IdType.PASSPORT),
    **dict.fromkeys(("ssn", "socialsecuritynumber"), IdType.US_SSN),
}
REASONS: Final[dict[str, Reason]] = {
    **{name.value.lower().replace("_", ""): name for name in Reason},
    **dict.fromkeys(("逾期", "严重逾期", "逾期m3", "m3+", "逾期m3+", "overdue"), Reason.OVERDUE_M3),
    **dict.fromkeys(("核销", "呆账核销", "chargeoff", "writtenoff"), Reason.CHARGED_OFF),
    **dict.fromkeys(("申请欺诈", "骗贷", "伪造资料"), Reason.APPLICATION_FRAUD),
    **dict.fromkeys(("身份被盗用", "身份冒用", "identitytheft"), Reason.IDENTITY_STOLEN),
    **dict.fromkeys(("涉诈账户", "跑分账户", "洗钱账户", "moneymule"), Reason.MULE_ACCOUNT),
    **dict.fromkeys(("抵押物造假", "抵押欺诈"), Reason.COLLATERAL_FRAUD),
    **dict.fromkeys(("商户套现", "商户合谋"), Reason.MERCHANT_COLLUSION),
    **dict.fromkeys(("失信被执行人", "法院判决", "courtjudgment"), Reason.COURT_CONFIRMED),
}
PRODUCTS: Final[dict[str, Product]] = {
    **{name.value.lower().replace("_", ""): name for name in Product},
    **dict.fromkeys(("信用卡", "贷记卡", "creditcard"), Product.CARD),
    **dict.fromkeys(("消费贷", "消费贷款", "个人消费贷款", "personalloan"), Product.CONSUMER_LOAN),
    **dict.fromkeys(("住房贷款", "按揭", "个人住房贷款", "房贷"), Product.MORTGAGE),
    **dict.fromkeys(("经营贷", "经营性贷款", "流动资金贷款", "企业贷款"), Product.BUSINESS_LOAN),
    **dict.fromkeys(("担保", "保证"), Product.GUARANTEE),
    **dict.fromkeys(("账户", "存款账户"), Product.ACCOUNT),
    **dict.fromkeys(("收单", "商户收单"), Product.ACQUIRING),
}
ACTIONS: Final[dict[str, ActionTaken]] = {
    **{name.value.lower().replace("_", ""): name for name in ActionTaken},
    **dict.fromkeys(("拒贷", "拒绝授信", "refused"), ActionTaken.CREDIT_REFUSED),
    **dict.fromkeys(("降额", "调减额度"), ActionTaken.LIMIT_REDUCED),
    **dict.fromkeys(("冻结", "账户冻结", "frozen"), ActionTaken.ACCOUNT_FROZEN),
    **dict.fromkeys(("催收", "委外催收"), ActionTaken.COLLECTION),
    **dict.fromkeys(("诉讼", "起诉", "仲裁", "lawsuit"), ActionTaken.LEGAL_ACTION),
    **dict.fromkeys(("报案", "上报"), ActionTaken.REPORTED),
    **dict.fromkeys(("保护",), ActionTaken.PROTECTED),
}
PROOF_LEVELS: Final[dict[str, ProofLevel]] = {
    **{str(level.value): level for level in ProofLevel},
    **{level.name.lower(): level for level in ProofLevel},
    "陈述": ProofLevel.STATED,
    "有凭证": ProofLevel.DOCUMENTED,
    "司法确认": ProofLevel.ADJUDICATED,
}
