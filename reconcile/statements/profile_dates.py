"""Dates of a profile's rows: whole ones, and those without a year as clearing files write them.

A card network's line says MMDDhhmmss; the year is the one that brings it nearest to the
settlement date, which a header line or the file's name tells.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from reconcile.model import day_iso
from reconcile.statements.dates import day_from, day_of, full_year
from reconcile.statements.drafts import refuse
from reconcile.statements.expressions import expression
from reconcile.statements.profiles import Profile

FORMATS: Final = ("MMDDhhmmss", "MMDD", "YYMMDD", "YYYYMMDD", "YYYYMMDDhhmmss")
_YEARLESS: Final = ("MMDDhhmmss", "MMDD")
_DIGITS: Final = re.compile(r"\d+\Z", re.ASCII)


class DateReader:
    """Reads the date cells of one table; `settlement` is the day of its settlement, if known."""

    def __init__(self, profile: Profile, file: str, settlement_day: int | None) -> None:
        """Take the layout, the file's name and what its head said."""
        self.month_first = profile.month_first
        self.format = profile.date_format
        self.settlement = settlement_day
        if self.settlement is None and profile.file_date_pattern is not None:
            found = expression(profile.file_date_pattern).search(file)
            self.settlement = compact_day(found[1]) if found else None
        if self.format in _YEARLESS and self.settlement is None:
            raise refuse(
                "DATE_REQUIRED",
                f"the dates of profile {profile.name} have no year, and nothing tells it",
                file=file,
                field="settlement_date",
                help="keep the name that the file was sent under, with its settlement date",
            )

    def day(self, text: str) -> int | None:
        """Return the day of a date cell, None if it is none."""
        if self.format is None:
            return day_of(text, month_first=self.month_first)
        if len(text) != len(self.format) or not _DIGITS.match(text):
            return None
        if self.format in _YEARLESS:
            return _nearest(text[:4], self.settlement or 0)
        return compact_day(text[: self.format.index("DD") + 2])

    def text(self, cell: str) -> str:
        """Return a date cell as a date and time that `instant_of` reads."""
        if self.format is None:
            return cell
        day = self.day(cell)
        if day is None or "hhmmss" not in self.format:
            return "" if day is None else day_iso(day)
        clock = cell[-6:]
        return f"{day_iso(day)} {clock[:2]}:{clock[2:4]}:{clock[4:]}"


@lru_cache(maxsize=4096)
def _nearest(month_day: str, settlement: int) -> int | None:
    year = int(day_iso(settlement)[:4])
    month, day = int(month_day[:2]), int(month_day[2:])
    found = [day_from(one, month, day) for one in (year - 1, year, year + 1)]
    days = [one for one in found if one is not None]
    return min(days, key=lambda one: abs(one - settlement), default=None)


def compact_day(text: str) -> int | None:
    """Read YYMMDD or YYYYMMDD."""
    if not _DIGITS.match(text):
        return None
    if len(text) == len("YYMMDD"):
        return day_from(full_year(int(text[:2])), int(text[2:4]), int(text[4:6]))
    if len(text) == len("YYYYMMDD"):
        return day_from(int(text[:4]), int(text[4:6]), int(text[6:8]))
    return None
