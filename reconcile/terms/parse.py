"""Strict reading of terms: unknown fields, wrong types and rules that cannot be meant are refused.

A field that is left out takes its default, so that a short file is enough; the canonical form
always holds every field. `currencies` must be given: nobody agrees about unnamed money.
"""

from __future__ import annotations

from typing import Any, Final

from reconcile.currency import digits_of, lacks_minor_unit
from reconcile.terms.calendar import MAX_CLOSED_DAYS, Calendar, is_weekend
from reconcile.terms.contradictions import require_tolerance
from reconcile.terms.passes import read_passes
from reconcile.terms.reader import Reader, as_day, as_integer, load_object, refuse
from reconcile.terms.rules import (
    CHINA_OFFSETS,
    CLOSE_AT_MIN,
    ENGINE,
    ENTRY_FORMAT,
    MINUTES_PER_DAY,
    Terms,
)

MAX_DAYS: Final = 366
MAX_MINOR: Final = 2**63 - 1
MAX_CURRENCIES: Final = 64
MAX_DIGITS: Final = 4
MAX_SECONDS: Final = 86_400
MAX_INTERVAL_MS: Final = 60_000
MAX_OFFSET_MIN: Final = 840
MAX_OFFSETS: Final = 256
CURRENCY_LETTERS: Final = 3
COMPRESSIONS: Final = ("zstd", "none")

_FIELDS: Final = (
    "entry_format",
    "engine",
    "currencies",
    "utc_offset_min",
    "calendar",
    "cut_off",
    "close_at",
    "grace_days",
    "stale_after_days",
    "settlement_lag_days",
    "rounding_minor",
    "tolerance_budget_minor",
    "timeout_allowance_s",
    "posting_interval_ms",
    "compression",
    "passes",
)


def parse_terms(data: bytes | dict[str, Any]) -> Terms:
    """Return the terms in JSON bytes or an already parsed object.

    Raises InputError TERMS_NOT_JSON, TERMS_TOO_LARGE, TERMS_FIELD_REPEATED, TERMS_FIELD_UNKNOWN,
    TERMS_FIELD_MISSING, TERMS_FIELD_TYPE, TERMS_INTEGER, TERMS_RANGE, TERMS_DATE, TERMS_TIME,
    TERMS_WORD_UNKNOWN, TERMS_FORMAT_UNKNOWN, TERMS_CURRENCY, TERMS_CURRENCY_DIGITS,
    TERMS_CALENDAR, TERMS_CARRIER, TERMS_NORMALISATION, TERMS_NAME or TERMS_CONTRADICTION.
    """
    body = data if isinstance(data, dict) else load_object(bytes(data))
    top = Reader(body, "", _FIELDS)
    _require_known_engine(top)
    servicer, owner = _calendars(top)
    # A field left out takes its default here; `Terms` holds the same values.
    return Terms(
        currencies=_currencies(top),
        utc_offset_min=_offsets(top),
        servicer_calendar=servicer,
        owner_calendar=owner,
        cut_off_min=_cut_off(top),
        close_at_min=top.clock("close_at", CLOSE_AT_MIN),
        grace_days=top.integer("grace_days", 0, MAX_DAYS, 1),
        stale_after_days=top.integer("stale_after_days", 0, MAX_DAYS, 5),
        settlement_lag_days=top.integer("settlement_lag_days", 0, MAX_DAYS, 0),
        rounding_minor=_rounding(top),
        tolerance_budget_minor=top.integer("tolerance_budget_minor", 0, MAX_MINOR, 0),
        timeout_allowance_s=top.integer("timeout_allowance_s", 0, MAX_SECONDS, 300),
        posting_interval_ms=top.integer("posting_interval_ms", 0, MAX_INTERVAL_MS, 200),
        compression=top.word("compression", COMPRESSIONS, "zstd"),
        passes=read_passes(top),
    )


def _require_known_engine(top: Reader) -> None:
    formats = top.integer("entry_format", 0, MAX_MINOR, ENTRY_FORMAT)
    if formats != ENTRY_FORMAT:
        raise refuse(
            "TERMS_FORMAT_UNKNOWN",
            f"entry_format {formats} is unknown here",
            "entry_format",
            f"this version knows {ENTRY_FORMAT}",
        )
    engine = top.value.get("engine", ENGINE)
    if engine != ENGINE:
        raise refuse(
            "TERMS_FORMAT_UNKNOWN",
            f"engine {engine!r} is unknown here",
            "engine",
            f"this version knows {ENGINE}",
        )


def _currencies(top: Reader) -> dict[str, int]:
    value = top.need("currencies")
    if not isinstance(value, dict) or not 0 < len(value) <= MAX_CURRENCIES:
        raise refuse(
            "TERMS_CURRENCY",
            f"1 to {MAX_CURRENCIES} currencies with digits are expected",
            "currencies",
            'for example {"CNY": "2"}',
        )
    found = {}
    for code in sorted(value):
        path = f"currencies.{code}"
        if len(code) != CURRENCY_LETTERS or not (
            code.isascii() and code.isalpha() and code.isupper()
        ):
            raise refuse("TERMS_CURRENCY", f"{code!r} is no ISO 4217 code", path)
        if lacks_minor_unit(code):
            raise refuse(
                "TERMS_CURRENCY_NO_MINOR_UNIT",
                f"{code} has no minor unit by ISO 4217: no amount is kept in it",
                path,
                "name the currency in which the books are kept",
            )
        if value[code] is None:
            raise refuse(
                "TERMS_CURRENCY_DIGITS", f"{code} has no number of digits", path, 'write "2"'
            )
        digits = as_integer(value[code], path, 0, MAX_DIGITS)
        known = digits_of(code)
        if known is not None and known != digits:
            raise refuse(
                "TERMS_CONTRADICTION", f"{code} has {known} digits by ISO 4217, not {digits}", path
            )
        found[code] = digits
    return found


def _offsets(top: Reader) -> tuple[tuple[int, int], ...]:
    items = top.array("utc_offset_min", MAX_OFFSETS)
    if not top.has("utc_offset_min"):
        return CHINA_OFFSETS
    found: list[tuple[int, int]] = []
    for index, item in enumerate(items):
        reader = Reader(item, f"utc_offset_min[{index}]", ("from", "min"))
        day = as_day(reader.need("from"), reader.at("from"))
        minutes = reader.integer("min", -MAX_OFFSET_MIN, MAX_OFFSET_MIN)
        if found and day <= found[-1][0]:
            raise refuse(
                "TERMS_CONTRADICTION", "the dates must ascend", reader.at("from"), "sort them"
            )
        found.append((day, minutes))
    if not found or found[0][0] > 0:
        raise refuse(
            "TERMS_CONTRADICTION",
            "days before the first offset have none",
            "utc_offset_min",
            "let the first be from 1970-01-01",
        )
    return tuple(found)


def _calendars(top: Reader) -> tuple[Calendar, Calendar]:
    if not top.has("calendar"):
        return Calendar(), Calendar()
    both = Reader(top.value["calendar"], "calendar", ("servicer", "owner"))
    servicer, owner = (_calendar(both, side) for side in ("servicer", "owner"))
    return servicer, owner


def _calendar(both: Reader, side: str) -> Calendar:
    if not both.has(side):
        return Calendar()
    reader = Reader(both.value[side], both.at(side), ("holidays", "working_weekends"))
    holidays, working = (_days(reader, name) for name in ("holidays", "working_weekends"))
    for day in working:
        if not is_weekend(day) or day in holidays:
            raise refuse(
                "TERMS_CONTRADICTION",
                "a working weekend is a Saturday or Sunday that is no holiday",
                reader.at("working_weekends"),
            )
    calendar = Calendar(holidays=holidays, working_weekends=working)
    _require_business_days(calendar, reader.path)
    return calendar


def _require_business_days(calendar: Calendar, path: str) -> None:
    for day in calendar.holidays:
        if calendar.ordinal(day + MAX_CLOSED_DAYS // 2) == calendar.ordinal(day):
            raise refuse(
                "TERMS_CALENDAR", "half a year without a business day", path, "check the holidays"
            )


def _days(reader: Reader, name: str) -> tuple[int, ...]:
    days = [as_day(item, reader.at(name)) for item in reader.array(name)]
    if len(set(days)) != len(days):
        raise refuse("TERMS_CALENDAR", "a day stands twice", reader.at(name), "keep one")
    return tuple(sorted(days))


def _rounding(top: Reader) -> int:
    minor = top.integer("rounding_minor", 0, MAX_MINOR, 0)
    require_tolerance(minor, "rounding_minor")
    return minor


def _cut_off(top: Reader) -> int:
    minutes = top.clock("cut_off", MINUTES_PER_DAY)
    if minutes == 0:
        raise refuse(
            "TERMS_CONTRADICTION",
            "a cut-off at 00:00 leaves the day nothing",
            "cut_off",
            "write 24:00 for the end of the day",
        )
    return minutes
