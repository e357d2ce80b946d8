"""Business days as data: weekends, holidays and the weekends that are worked.

Days are integers since 1970-01-01, a Thursday.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Final

DAYS_PER_WEEK: Final = 7
WORKDAYS_PER_WEEK: Final = 5
# 1970-01-01 is a Thursday; the Monday of that week is day -3.
_MONDAY_SHIFT: Final = 3
# Longer runs of holidays are no calendar; a search for the next business day ends there.
MAX_CLOSED_DAYS: Final = 366


def is_weekend(day: int) -> bool:
    """Say whether a day is a Saturday or Sunday."""
    return (day + _MONDAY_SHIFT) % DAYS_PER_WEEK >= WORKDAYS_PER_WEEK


def _workdays_before(day: int) -> int:
    """Return Mondays to Fridays from the Monday of day -3 up to, not including, `day`."""
    weeks, rest = divmod(day + _MONDAY_SHIFT, DAYS_PER_WEEK)
    return weeks * WORKDAYS_PER_WEEK + min(rest, WORKDAYS_PER_WEEK)


@dataclass(frozen=True, slots=True)
class Calendar:
    """One side's business days. Holidays on a weekend change nothing.

    Both tuples ascend without repeats; `working_weekends` are Saturdays and Sundays.
    """

    holidays: tuple[int, ...] = ()
    working_weekends: tuple[int, ...] = ()
    _closed_weekdays: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Keep the holidays that close a weekday: only they count."""
        weekdays = tuple(day for day in self.holidays if not is_weekend(day))
        object.__setattr__(self, "_closed_weekdays", weekdays)

    def is_business_day(self, day: int) -> bool:
        """Say whether the side works on a day."""
        return self.ordinal(day) != self.ordinal(day - 1)

    def ordinal(self, day: int) -> int:
        """Return the number of business days up to and including `day`.

        Counted from the Monday before 1970-01-01, so the distance of two days is the difference
        of their ordinals; a closed day has the ordinal of the business day before it.
        """
        return (
            _workdays_before(day + 1)
            - bisect_right(self._closed_weekdays, day)
            + bisect_right(self.working_weekends, day)
        )

    def next_business_day(self, day: int) -> int:
        """Return the first business day on or after `day`; `add(day, 1)` is strictly after."""
        found = day
        while not self.is_business_day(found):
            found += 1
            assert found - day <= MAX_CLOSED_DAYS, "a calendar has business days"
        return found

    def add(self, day: int, count: int) -> int:
        """Return the day `count` business days after `day` (before it, where negative).

        From a closed day the first step forward reaches the next business day; 0 changes nothing.
        """
        step = 1 if count >= 0 else -1
        found, left = day, abs(count)
        while left:
            found += step
            if self.is_business_day(found):
                left -= 1
            assert abs(found - day) <= MAX_CLOSED_DAYS * (abs(count) + 1), "business days exist"
        return found


def common_calendar(first: Calendar, second: Calendar) -> Calendar:
    """Return the days on which both sides work."""
    return Calendar(
        holidays=tuple(sorted({*first.holidays, *second.holidays})),
        working_weekends=tuple(
            sorted(set(first.working_weekends) & set(second.working_weekends)),
        ),
    )
