"""Days since 1970-01-01, and the windows of business days."""

from __future__ import annotations

import datetime as dt
from typing import Final

EPOCH: Final = dt.date(1970, 1, 1)
#: The days that have a date: years 1 to 9999.
FIRST_DAY: Final = (dt.date.min - EPOCH).days
LAST_DAY: Final = (dt.date.max - EPOCH).days
_DAY_S: Final = 86_400


def day_number(date: dt.date) -> int:
    """Return days since 1970-01-01."""
    return (date - EPOCH).days


def day_iso(day: int) -> str:
    """Return a day number as ISO 8601, e.g. 20779 -> 2026-11-22; `day N` for one without a date.

    A ledger's days are numbers that others chose: showing one must not end in an error.
    """
    if not FIRST_DAY <= day <= LAST_DAY:
        return f"day {day}"
    return (EPOCH + dt.timedelta(days=day)).isoformat()


def time_iso(at_s: int) -> str:
    """Return a Unix time as ISO 8601 in UTC; its day as `day_iso` does for one without a date."""
    day = at_s // _DAY_S
    if not 0 <= day <= LAST_DAY:
        return day_iso(day)
    return dt.datetime.fromtimestamp(at_s, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def calendar_iso(day: int) -> str:
    """Return a day as `day_iso` does; `ValueError` for one without a date, as of a forged file."""
    if not FIRST_DAY <= day <= LAST_DAY:
        raise ValueError(f"no calendar holds day {day}")
    return day_iso(day)


def window_of(day: int, session: int = 0) -> int:
    """Return the window of a business day and session (ledger.md, "Windows")."""
    return day * 8 + session


def window_day(window: int) -> int:
    """Return a window's business day."""
    return window // 8


def year_of(day: int) -> int:
    """Return the calendar year of a day."""
    return (EPOCH + dt.timedelta(days=day)).year


def day_of_year(day: int) -> int:
    """Return which day of its year a day is, from 1."""
    return (EPOCH + dt.timedelta(days=day)).timetuple().tm_yday
