"""Dates as files write them, turned into days since 1970-01-01.

A plain date is never shifted: of a timestamp in a statement the local date counts as written
(matching.md, "Terms": only a timestamp with an offset is converted, and then only into
`occurred_at`).
"""

from __future__ import annotations

import datetime as dt
import re
from functools import lru_cache
from typing import Final

from reconcile.days import EPOCH

_COMPACT: Final = re.compile(r"(\d{4})(\d{2})(\d{2})(?:[ T]?\d{2}:?\d{2}(?::?\d{2})?)?\Z", re.ASCII)
_YEAR_FIRST: Final = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?!\d)", re.ASCII)
_DAY_FIRST: Final = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d{2})(?!\d)", re.ASCII)
_CLOCK: Final = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?", re.ASCII)
_OFFSET: Final = re.compile(r"(Z|[+-]\d{2}:?\d{2})\Z")
_MAX_CHARACTERS: Final = 40
_ISO_DAY: Final = len("2026-11-20")
_UTC_LENGTHS: Final = frozenset({len("2026-11-20T06:45:17Z"), len("2026-11-20T06:45:17.937Z")})
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECOND: Final = dt.timedelta(milliseconds=1)
_CENTURY_PIVOT: Final = 70
_LAST_MONTH: Final = 12


@lru_cache(maxsize=65_536)
def day_of(text: str, *, month_first: bool = False) -> int | None:
    """Read a date, alone or before a time of day; None if it is none (30 February too)."""
    text = text.strip()
    if len(text) > _MAX_CHARACTERS:
        return None
    found = _YEAR_FIRST.match(text) or _COMPACT.match(text)
    if found:
        return day_from(int(found[1]), int(found[2]), int(found[3]))
    found = _DAY_FIRST.match(text)
    if not found:
        return None
    first, second, year = int(found[1]), int(found[3]), int(found[4])
    if len(found[4]) == len("26"):
        year = full_year(year)
    if month_first:
        first, second = second, first
    return day_from(year, second, first)


@lru_cache(maxsize=65_536)
def iso_day(text: str) -> int | None:
    """Read exactly YYYY-MM-DD, the common case, without trying anything else."""
    if len(text) != _ISO_DAY or text[4] != "-" or text[7] != "-":
        return None
    return day_of(text)


def day_from(year: int, month: int, day: int) -> int | None:
    """Return the day number, None where the calendar has no such day or it is before 1970."""
    try:
        number = (dt.date(year, month, day) - EPOCH).days
    except ValueError:
        return None
    return number if number >= 0 else None


def full_year(two_digits: int) -> int:
    """Read a two-digit year as 1970 to 2069, as SWIFT users do."""
    return two_digits + (1900 if two_digits >= _CENTURY_PIVOT else 2000)


def must_be_month_first(texts: list[str]) -> bool | None:
    """Say whether dates like 12/31/2026 have the month first; None if nothing tells."""
    answer: bool | None = None
    for text in texts:
        found = _DAY_FIRST.match(text.strip())
        if not found:
            continue
        if int(found[1]) > _LAST_MONTH:
            return False
        if int(found[3]) > _LAST_MONTH:
            answer = True
    return answer


def instant_of(text: str, *, offset_min: int | None = None) -> int | None:
    """Read a timestamp as milliseconds since 1970 UTC.

    Without an offset in the text, `offset_min` is used; without either there is no instant.
    """
    text = text.strip()
    if len(text) in _UTC_LENGTHS and text[-1] == "Z":
        instant = _utc_instant(text)
        if instant is not None:
            return instant
    day = day_of(text)
    found = _CLOCK.search(text, 8) if day is not None and len(text) <= _MAX_CHARACTERS else None
    if day is None or found is None:
        return None
    offset = _OFFSET.search(text, found.end())
    if offset is not None:
        offset_min = _offset_minutes(offset[1])
    if offset_min is None:
        return None
    hours, minutes, seconds = int(found[1]), int(found[2]), int(found[3] or 0)
    millis = int((found[4] or "0").ljust(3, "0")[:3])
    if hours > 24 or minutes > 59 or seconds > 60:  # noqa: PLR2004 - a clock's limits
        return None
    whole = ((day * 24 + hours) * 60 + minutes - offset_min) * 60 + seconds
    instant = whole * 1000 + millis
    return instant if instant >= 0 else None


def _utc_instant(text: str) -> int | None:
    """Read the commonest form several times as fast, None where it is any other."""
    if text[4] + text[7] + text[13] + text[16] != "--::" or text[10] not in "T ":
        return None
    if text[19] not in ".,Z":
        return None
    try:
        since = dt.datetime.fromisoformat(text) - _EPOCH
    except ValueError:
        return None
    return since // _MILLISECOND if since >= dt.timedelta() else None


def _offset_minutes(text: str) -> int:
    if text == "Z":
        return 0
    minutes = int(text[1:3]) * 60 + int(text[-2:])
    return -minutes if text[0] == "-" else minutes
