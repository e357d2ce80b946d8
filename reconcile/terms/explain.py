"""A rule set in words, Chinese and English: what each pass does, and what it could falsely confirm.

A rule set that cannot be meant is refused where it is read (`parse_terms`); what stands here can be
meant, and a person decides whether it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from reconcile.counting import counted
from reconcile.terms.rules import KeyPair, MatchPass, Terms

CARRIERS_ZH: Final = {
    "end_to_end_id": "端到端标识",
    "instruction_id": "指令标识",
    "transaction_id": "交易标识",
    "uetr": "UETR",
    "servicer_ref": "银行流水号",
    "voucher_no": "凭证号",
    "order_no": "订单号",
    "trace_no": "系统跟踪号",
    "rrn": "检索参考号",
    "group_ref": "批次号",
    "remittance": "附言",
    "counterparty_name": "对方户名",
    "counterparty_account": "对方账号",
}
STEPS_EN: Final = {
    "nfkc_ascii": "full-width made ASCII",
    "trim": "trimmed",
    "upper": "upper case",
    "alnum": "letters and digits only",
    "digits": "digits only",
    "strip_zeros": "without leading zeros",
}
STEPS_ZH: Final = {
    "nfkc_ascii": "全角转半角",
    "trim": "去首尾空格",
    "upper": "转大写",
    "alnum": "只留字母数字",
    "digits": "只留数字",
    "strip_zeros": "去前导零",
}
# What names a party and not a payment: many payments share it.
PARTY_CARRIERS: Final = frozenset({"counterparty_name", "counterparty_account", "remittance"})
SHORT_KEY: Final = 4
WIDE_DAYS: Final = 10
MINUTES_PER_HOUR: Final = 60


@dataclass(frozen=True, slots=True)
class Said:
    """One sentence in both languages; `code` names a risk, "" for what a pass does.

    `pass_name`: None where the whole rule set is meant.
    """

    code: str
    pass_name: str | None
    en: str
    zh: str


_Say = Callable[[str, str, str], Said]


def explain(terms: Terms) -> tuple[Said, ...]:
    """Return what the whole set says, then what each pass does, in order."""
    passes = (
        Said("", rule.name, f"{rule.name}: {_english(rule)}", f"{rule.name}：{_chinese(rule)}")
        for rule in terms.passes
    )
    return (*_whole(terms), *passes)


def _whole(terms: Terms) -> Iterator[Said]:
    codes = ", ".join(f"{code} ({digits})" for code, digits in sorted(terms.currencies.items()))
    hours, minutes = divmod(terms.close_at_min, MINUTES_PER_HOUR)
    clock = f"{hours:02d}:{minutes:02d}"
    for en, zh in (
        (f"Currencies and their digits: {codes}.", f"币种及小数位：{codes}。"),
        (
            f"A window closes at {clock} of the next business day.",
            f"窗口于下一工作日{clock}关闭。",
        ),
        (
            (
                f"What one side alone booked is missing after {_days(terms.grace_days)} and "
                f"stale after {terms.stale_after_days}."
            ),
            f"单边记录{terms.grace_days}个工作日后算缺失，{terms.stale_after_days}个工作日后算逾期。",
        ),
        (
            (
                "Under equal keys a difference up to "
                f"{counted(terms.rounding_minor, 'minor unit')} is called rounding."
            ),
            f"键相同时，{terms.rounding_minor}最小货币单位以内的差额称为尾差。",
        ),
        (
            (
                f"A time-out is decided {terms.timeout_allowance_s} s behind the other side's "
                "watermark."
            ),
            f"超时在对方水位线越过发生时间{terms.timeout_allowance_s}秒后判定。",
        ),
    ):
        yield Said("", None, en, zh)


def risks(terms: Terms) -> tuple[Said, ...]:
    """Return what could falsely confirm or never confirm, pass by pass, then the whole."""
    found = [said for rule in terms.passes for said in _pass_risks(rule, terms)]
    return (*found, *_set_risks(terms))


# ---------------------------------------------------------------------- what it does
def _days(number: int) -> str:
    return counted(number, "business day")


def _english(rule: MatchPass) -> str:
    confirm = {
        "always": "confirms",
        "unique": "confirms the only candidate on both sides",
        "never": "proposes, a person decides,",
    }[rule.confirm]
    keys = " and ".join(_key_en(pair) for pair in rule.keys) or "nothing but amount and date"
    days = f"value dates at most {_days(rule.value_date_days)} apart"
    guards = "; where both sides hold it and differ, no pass but `always` ones joins them"
    return (
        f"{confirm} by {keys}; {_amount_en(rule)}; {days}; {_shape_en(rule)}"
        f"{guards if rule.guards else ''}."
    )


def _chinese(rule: MatchPass) -> str:
    confirm = {
        "always": "直接确认",
        "unique": "双方各只有一个候选时确认",
        "never": "只提议，由人决定",
    }[rule.confirm]
    keys = "且".join(_key_zh(pair) for pair in rule.keys) or "仅金额与日期"
    days = f"起息日相差不超过{rule.value_date_days}个工作日"
    guards = "；双方都有而不相同时，除直接确认的规则外不得勾对"
    return (
        f"按{keys}{confirm}；{_amount_zh(rule)}；{days}；{_shape_zh(rule)}"
        f"{guards if rule.guards else ''}。"
    )


def _key_en(pair: KeyPair) -> str:
    name = pair.servicer if pair.servicer == pair.owner else f"{pair.servicer} = {pair.owner}"
    steps = [STEPS_EN.get(step, step) for step in pair.normalise]
    steps.append(f"at least {counted(pair.min_length, 'character')}")
    return f"{name} ({', '.join(steps)})"


def _key_zh(pair: KeyPair) -> str:
    mine, theirs = CARRIERS_ZH[pair.servicer], CARRIERS_ZH[pair.owner]
    name = mine if mine == theirs else f"账户行{mine}＝账户主{theirs}"
    steps = [STEPS_ZH.get(step, step) for step in pair.normalise]
    return f"{name}（{'、'.join([*steps, f'至少{pair.min_length}位'])}）"


def _amount_en(rule: MatchPass) -> str:
    amount, said = rule.amount, ["equal amounts"]
    if not amount.exact:
        said.append(
            f"then amounts within {amount.tolerance_minor} minor units or "
            f"{amount.tolerance_ppm} millionths"
        )
    if rule.fee is not None:
        cap = "" if rule.fee.cap_minor is None else f", at most {rule.fee.cap_minor}"
        said.append(
            f"then gross less a fee of {rule.fee.rate_ppm} millionths + {rule.fee.fixed_minor}"
            f"{cap} minor units, rounded {rule.fee.rounding}"
        )
    return ", ".join(said)


def _amount_zh(rule: MatchPass) -> str:
    amount, said = rule.amount, ["金额相等"]
    if not amount.exact:
        said.append(
            f"其次相差{amount.tolerance_minor}最小货币单位或百万分之{amount.tolerance_ppm}以内"
        )
    if rule.fee is not None:
        cap = "" if rule.fee.cap_minor is None else f"，封顶{rule.fee.cap_minor}"
        said.append(
            f"其次总额减手续费（百万分之{rule.fee.rate_ppm}＋{rule.fee.fixed_minor}{cap}最小货币单位，"
            f"{rule.fee.rounding}取整）等于净额"
        )
    return "，".join(said)


def _shape_en(rule: MatchPass) -> str:
    if rule.subset is not None:
        return (
            f"sums of up to {rule.subset.max_parts} entries a side out of what no other pass "
            f"settles, within {rule.subset.max_states} states"
        )
    words = {"1:1": "one to one", "1:N": "one against all parts", "N:1": "all parts against one"}
    return ", ".join(words[shape] for shape in rule.shape)


def _shape_zh(rule: MatchPass) -> str:
    if rule.subset is not None:
        return (
            f"在其他规则未了结的记录中，找每方至多{rule.subset.max_parts}笔的等额组合，"
            f"至多{rule.subset.max_states}个状态"
        )
    words = {"1:1": "一对一", "1:N": "一对全部多笔", "N:1": "全部多笔对一"}
    return "、".join(words[shape] for shape in rule.shape)


# ---------------------------------------------------------------------- what may go wrong
def _pass_risks(rule: MatchPass, terms: Terms) -> Iterator[Said]:
    def said(code: str, en: str, zh: str) -> Said:
        return Said(code, rule.name, f"{rule.name}: {en}", f"{rule.name}：{zh}")

    if rule.confirm == "never":
        return
    if rule.keys and all({p.servicer, p.owner} <= PARTY_CARRIERS for p in rule.keys):
        if rule.confirm == "always":
            yield said(
                "PARTY_KEY_ALWAYS",
                "two payments of one party with equal amounts are confirmed with each other, "
                "whichever they are",
                "同一对方的两笔等额款项会不加区分地互相确认",
            )
        else:
            yield said(
                "PARTY_KEY_UNIQUE",
                "a missing payment can be confirmed with another one of the same party, amount "
                "and days",
                "一笔缺失的款项可能与同一对方、同额、同期的另一笔被确认",
            )
    if not rule.keys:
        yield said(
            "NO_KEY",
            "strangers of one amount and date are confirmed as long as nothing else fits",
            "金额与日期相同的两笔无关款项，只要没有其他候选就会被确认",
        )
    yield from _key_risks(rule, said)
    yield from _amount_risks(rule, terms, said)


def _key_risks(rule: MatchPass, said: _Say) -> Iterator[Said]:
    for pair in rule.keys:
        name = pair.servicer
        if pair.min_length < SHORT_KEY and rule.confirm == "always" and name not in PARTY_CARRIERS:
            yield said(
                "SHORT_KEY",
                f"{name} as short as {counted(pair.min_length, 'character')} is often no reference",
                f"{CARRIERS_ZH[name]}短至{pair.min_length}位，往往不是真正的流水号",
            )
        cut = [step for step in pair.normalise if step.startswith(("first(", "last(", "extract("))]
        if cut:
            yield said(
                "CUT_KEY",
                f"references that agree in {cut[-1]} alone are one key",
                f"仅在{cut[-1]}部分相同的参考号视为同一个键",
            )
        if name not in PARTY_CARRIERS and "digits" in pair.normalise:
            yield said(
                "DIGITS_KEY",
                "references that differ in their letters alone are one key",
                "仅字母不同的参考号视为同一个键",
            )
    if rule.value_date_days > WIDE_DAYS:
        yield said(
            "WIDE_DATES",
            f"over {_days(rule.value_date_days)} a recurring payment can pair with an "
            "earlier one of the same key and amount",
            f"{rule.value_date_days}个工作日之内，周期性款项可能与早先同键同额的一笔配对",
        )


def _amount_risks(rule: MatchPass, terms: Terms, said: _Say) -> Iterator[Said]:
    if rule.subset is not None:
        yield said(
            "SUMS_BY_CHANCE",
            "sums can be equal by chance, the more entries one counterparty has open",
            "对方未了结的记录越多，合计金额越可能偶然相等",
        )
    if not rule.amount.exact and terms.tolerance_budget_minor == 0:
        yield said(
            "TOLERANCE_WITHOUT_BUDGET",
            "the tolerance never confirms a difference: the budget of a run is 0",
            "容差预算为0，此容差永远不会确认任何差额",
        )
    elif not rule.amount.exact:
        yield said(
            "TOLERANCE",
            f"differences up to the tolerance stay open as residuals, together at most "
            f"{terms.tolerance_budget_minor} minor units a currency and run",
            f"容差内的差额作为余差挂着，每次每币种合计至多{terms.tolerance_budget_minor}最小货币单位",
        )
    if rule.fee is not None and rule.confirm != "always":
        yield said(
            "FEE_BY_CANDIDATE",
            "without a reference of its own an amount less a fee may be another payment's",
            "没有专属参考号时，扣费后的金额可能属于另一笔款项",
        )


def _set_risks(terms: Terms) -> Iterator[Said]:
    if terms.grace_days > terms.stale_after_days:
        yield Said(
            "STALE_BEFORE_MISSING",
            None,
            f"a break is stale after {_days(terms.stale_after_days)}, before it counts as "
            f"missing after {terms.grace_days}",
            f"逾期（{terms.stale_after_days}个工作日）早于判定缺失（{terms.grace_days}个工作日）",
        )
    for side, zh, calendar in (
        ("servicer", "账户行", terms.servicer_calendar),
        ("owner", "账户主", terms.owner_calendar),
    ):
        if not calendar.holidays:
            yield Said(
                "NO_HOLIDAYS",
                None,
                f"the {side}'s calendar has no holidays: ages and distances count them as worked",
                f"{zh}日历没有节假日：账龄与日距会把节假日算作工作日",
            )
    for number, rule in enumerate(terms.passes):
        hidden = _hides(terms.passes[:number], rule)
        if hidden is not None:
            yield Said(
                "UNREACHED",
                rule.name,
                f"{rule.name}: finds nothing that {hidden.name} before it leaves",
                f"{rule.name}：{hidden.name}已在前面确认了它能找到的一切",
            )


def _hides(earlier: Sequence[MatchPass], rule: MatchPass) -> MatchPass | None:
    """Return the earlier pass that confirms always what this one could."""
    for item in earlier:
        if (
            item.confirm == "always"
            and item.keys == rule.keys
            and set(rule.shape) <= set(item.shape)
            and rule.amount.tolerance_minor <= item.amount.tolerance_minor
            and rule.amount.tolerance_ppm <= item.amount.tolerance_ppm
            and rule.fee in {None, item.fee}
            and rule.value_date_days <= item.value_date_days
        ):
            return item
    return None
