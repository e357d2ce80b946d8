"""Names of currencies as tables write them, turned into ISO 4217 codes."""

from __future__ import annotations

from typing import Final

from reconcile.currency import digits_of

_NAMES: Final = {
    "人民币": "CNY", "人民币元": "CNY", "人民幣": "CNY", "RMB": "CNY", "元": "CNY", "CNH": "CNY",
    "美元": "USD", "美金": "USD", "港币": "HKD", "港元": "HKD", "港幣": "HKD", "欧元": "EUR",
    "日元": "JPY", "日圆": "JPY", "英镑": "GBP", "澳元": "AUD", "澳大利亚元": "AUD",
    "加元": "CAD", "加拿大元": "CAD", "新加坡元": "SGD", "新币": "SGD", "瑞士法郎": "CHF",
    "韩元": "KRW", "韩国元": "KRW", "澳门元": "MOP", "新台币": "TWD", "新西兰元": "NZD",
    "卢布": "RUB", "泰铢": "THB", "科威特第纳尔": "KWD", "瑞典克朗": "SEK", "€": "EUR",
    "£": "GBP", "US$": "USD", "HK$": "HKD", "EURO": "EUR",
    # Numeric ISO 4217 codes, as clearing files carry them.
    "156": "CNY", "840": "USD", "344": "HKD", "978": "EUR", "392": "JPY", "826": "GBP",
}  # fmt: skip


def currency_code(text: str) -> str:
    """Return the ISO 4217 code of a name or code; the text itself if it is neither."""
    text = text.strip()
    upper = text.upper()
    found = _NAMES.get(upper)
    if found is not None:
        return found
    return upper if digits_of(upper) is not None else text
