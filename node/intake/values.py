"""Cells to the terms of a listing. No message quotes a cell: it may be a shifted identifier."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from node.intake import header_words
from node.intake.bands import Bands
from node.intake.drafts import Facts
from node.intake.header_words import squeeze
from node.screening.listings import MAX_BAND
from reconcile.model import InputError, Where, day_iso
from reconcile.statements.dates import day_of
from reconcile.statements.money import AmountError, signed_minor_units

WORDS: Final[Mapping[str, Mapping[str, object]]] = {
    "id_type": header_words.ID_TYPES,
    "reason": header_words.REASONS,
    "product": header_words.PRODUCTS,
    "action": header_words.ACTIONS,
    "proof_level": header_words.PROOF_LEVELS,
}
VALUE_FIELDS: Final = frozenset(
    {*Facts.__dataclass_fields__, "amount", "days_past_due", "event_date"}
)
_DAYS: Final = ("effective_from", "expires_at", "notice_at")
_HASHES: Final = ("notice_hash", "consent", "evidence")
_MONTH: Final = re.compile(r"([0-9]{4})[-/.年]?(0?[1-9]|1[0-2])月?")
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_THOUSANDS: Final = re.compile(r"(?<=[0-9])[,，](?=[0-9]{3})")
_SIGNS: Final = re.compile(r"[¥￥$€£元\s]")
_MONEY_DIGITS: Final = 2
_MAX_NUMBER_SIGNS: Final = 6


def facts_of(
    cells: Mapping[str, str],
    words: Mapping[str, Mapping[str, object]],
    bands: Bands,
    *,
    month_first: bool,
) -> Facts:
    """Return what cells, by field, say; an empty cell says nothing.

    Raises `InputError` ROW_WORD_UNKNOWN, ROW_AMOUNT, ROW_NUMBER, ROW_BAND, ROW_DATE, ROW_MONTH or
    ROW_HASH, each with its field.
    """
    said: dict[str, Any] = {}
    for field, text in cells.items():
        if not text.strip():
            continue
        name, value = _read(field, text.strip(), words, bands, month_first)
        # A band that is stated itself goes before one that is computed.
        if name == field or name not in said:
            said[name] = value
    return Facts(**said)


def _read(
    field: str,
    text: str,
    words: Mapping[str, Mapping[str, object]],
    bands: Bands,
    month_first: bool,
) -> tuple[str, object]:
    if field in words:
        found = words[field].get(squeeze(text))
        if found is None:
            raise _refuse("ROW_WORD_UNKNOWN", field, f"is no {field} that is known")
        return field, found
    if field == "amount":
        return "amount_band", bands.amount_band(_amount(text))
    if field == "days_past_due":
        return "days_past_due_band", bands.days_band(_number(text, field))
    if field in {"amount_band", "days_past_due_band"}:
        band = _number(text, field)
        if band > MAX_BAND:
            raise _refuse("ROW_BAND", field, f"is no band from 0 to {MAX_BAND}")
        return field, band
    if field == "event_month":
        return field, _month(text)
    if field == "event_date":
        return "event_month", day_iso(_day(text, field, month_first))[:7]
    if field in _DAYS:
        return field, _day(text, field, month_first)
    assert field in _HASHES, "every field of a row is read above or is a hash"
    if not _HASH.fullmatch(text.lower()):
        raise _refuse("ROW_HASH", field, "is no SHA-256 in hexadecimal")
    return field, bytes.fromhex(text)


def _amount(text: str) -> int:
    plain = _THOUSANDS.sub("", _SIGNS.sub("", text))
    try:
        minor = signed_minor_units(plain, _MONEY_DIGITS)
    except AmountError:
        minor = -1
    if minor < 0:
        raise _refuse("ROW_AMOUNT", "amount", "is no amount of zero or more")
    return minor


def _number(text: str, field: str) -> int:
    plain = text.removesuffix("天").removesuffix(" days").strip()
    if not plain.isascii() or not plain.isdigit() or len(plain) > _MAX_NUMBER_SIGNS:
        raise _refuse("ROW_NUMBER", field, "is no whole number")
    return int(plain)


def _day(text: str, field: str, month_first: bool) -> int:
    found = day_of(text, month_first=month_first)
    if found is None:
        raise _refuse("ROW_DATE", field, "is no date")
    return found


def _month(text: str) -> str:
    found = _MONTH.fullmatch(text)
    if found is None:
        raise _refuse("ROW_MONTH", "event_month", "is no month YYYY-MM")
    return f"{found[1]}-{int(found[2]):02d}"


def _refuse(code: str, field: str, says: str) -> InputError:
    return InputError(
        code,
        f"the cell {says}",
        where=Where(field=field),
        help="mend the cell, or map its word; the cell is not shown here on purpose",
    )
