"""The terms as values: the rule set that both sides accepted (matching.md, "Terms")."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from reconcile.model import Entry, Side, window_day, window_of
from reconcile.terms.calendar import Calendar, common_calendar

PPM: Final = 1_000_000
MINUTES_PER_DAY: Final = 1_440
MS_PER_MINUTE: Final = 60_000
MS_PER_DAY: Final = MINUTES_PER_DAY * MS_PER_MINUTE

ENTRY_FORMAT: Final = 1
ENGINE: Final = "kanhe/match/1"

CHINA_OFFSETS: Final = ((0, 480),)
CLOSE_AT_MIN: Final = 600
WEEKDAYS: Final = Calendar()


@dataclass(frozen=True, slots=True)
class KeyPair:
    """One carrier of each side, compared after the same normalisations.

    Shorter results than `min_length` characters and placeholders never match.
    """

    servicer: str
    owner: str
    normalise: tuple[str, ...]
    min_length: int

    def carrier(self, side: Side) -> str:
        """Return the carrier's word on one side."""
        return self.servicer if side is Side.SERVICER else self.owner


@dataclass(frozen=True, slots=True)
class AmountRule:
    """How far two amounts may differ: by `tolerance_minor` or by parts per million, if any."""

    tolerance_minor: int = 0
    tolerance_ppm: int = 0

    @property
    def exact(self) -> bool:
        """Say whether amounts must be equal."""
        return self.tolerance_minor == 0 and self.tolerance_ppm == 0


@dataclass(frozen=True, slots=True)
class FeeSchedule:
    """gross - fee = net. The fee is rate x gross, rounded as named, plus fixed, at most the cap.

    `rounding`: floor, ceiling, half_up or half_even, of minor units.
    """

    rate_ppm: int = 0
    fixed_minor: int = 0
    cap_minor: int | None = None
    rounding: str = "half_up"

    def fee_of(self, gross_minor: int) -> int:
        """Return the fee of a gross amount, both without sign, in minor units."""
        fee = _rounded(gross_minor * self.rate_ppm, self.rounding) + self.fixed_minor
        return fee if self.cap_minor is None else min(fee, self.cap_minor)


def _rounded(scaled: int, rounding: str) -> int:
    """Divide parts per million by a million, rounding as named; `scaled` is not negative."""
    whole, rest = divmod(scaled, PPM)
    if rounding == "floor" or rest == 0:
        return whole
    if rounding == "ceiling":
        return whole + 1
    if 2 * rest == PPM and rounding == "half_even":
        return whole + whole % 2
    return whole + (2 * rest >= PPM)


@dataclass(frozen=True, slots=True)
class SubsetRule:
    """The limits of a subset search (shape N:M).

    `max_states`: choices that one search of the pass may make over all its blocks, each time the
    rounds come to it. `max_parts`: entries of one side in a solution. `max_solutions`: how many
    of a block are listed as proposals.
    """

    max_states: int = 100_000
    max_parts: int = 6
    max_solutions: int = 8


@dataclass(frozen=True, slots=True)
class MatchPass:
    """One pass as data; `confirm` is always, unique or never.

    `shape` holds 1:1, 1:N, N:1, or N:M alone, which `subset` then bounds. `guards`: valid,
    different values of its keys forbid a pair, as those of an `always` pass do.
    """

    name: str
    keys: tuple[KeyPair, ...]
    amount: AmountRule
    fee: FeeSchedule | None
    value_date_days: int
    shape: tuple[str, ...]
    confirm: str
    subset: SubsetRule | None = None
    guards: bool = False

    @property
    def tells_apart(self) -> bool:
        """Say whether valid, different values of its keys forbid a pair outside `always` passes."""
        return self.guards or self.confirm == "always"


@dataclass(frozen=True, slots=True)
class Terms:
    """The agreed rule set; `parse_terms` alone builds one from outside data.

    `currencies`: code -> minor-unit digits. `utc_offset_min`: (from day, minutes east of UTC),
    ascending from day 0. `cut_off_min` and `close_at_min`: minutes after local midnight.
    """

    currencies: Mapping[str, int]
    passes: tuple[MatchPass, ...]
    utc_offset_min: tuple[tuple[int, int], ...] = CHINA_OFFSETS
    servicer_calendar: Calendar = WEEKDAYS
    owner_calendar: Calendar = WEEKDAYS
    cut_off_min: int = MINUTES_PER_DAY
    close_at_min: int = CLOSE_AT_MIN
    grace_days: int = 1
    stale_after_days: int = 5
    settlement_lag_days: int = 0
    rounding_minor: int = 0
    tolerance_budget_minor: int = 0
    timeout_allowance_s: int = 300
    posting_interval_ms: int = 200
    compression: str = "zstd"
    entry_format: int = ENTRY_FORMAT
    engine: str = ENGINE
    common_calendar: Calendar = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Join the calendars once: windows and distances count days on which both sides work."""
        common = common_calendar(self.servicer_calendar, self.owner_calendar)
        object.__setattr__(self, "common_calendar", common)

    def calendar(self, side: Side) -> Calendar:
        """Return one side's calendar."""
        return self.servicer_calendar if side is Side.SERVICER else self.owner_calendar

    def offset_min(self, day: int) -> int:
        """Return the offset from UTC in force on a day, in minutes."""
        place = bisect_right(self.utc_offset_min, day, key=lambda item: item[0])
        return self.utc_offset_min[max(place - 1, 0)][1]

    @property
    def greatest_offset_min(self) -> int:
        """Return the greatest offset: the ledger's `utcOffset_min`."""
        return max(minutes for _, minutes in self.utc_offset_min)

    def local_moment(self, occurred_at: int) -> tuple[int, int]:
        """Return the local day and the minute of that day of a moment in ms UTC."""
        guess = occurred_at // MS_PER_DAY
        local_ms = occurred_at + self.offset_min(guess) * MS_PER_MINUTE
        day, rest = divmod(local_ms, MS_PER_DAY)
        return day, rest // MS_PER_MINUTE

    def window_for(self, entry: Entry) -> int:
        """Return the window an entry belongs to: business day and session.

        The day is the settlement date; where none is stated, `settlement_lag_days` business days
        after the booking date. These are plain dates and never shifted. Only a moment
        (`occurred_at`) at or after the cut-off of the booking date itself moves the entry to the
        following day. A closed day's entries belong to the next common business day.
        """
        days = self.common_calendar
        if entry.settlement_date is not None:
            day = entry.settlement_date
        else:
            day = days.add(self._business_day(entry), self.settlement_lag_days)
        return window_of(days.next_business_day(day), entry.session or 0)

    def _business_day(self, entry: Entry) -> int:
        if entry.occurred_at is None:
            return entry.booking_date
        day, minute = self.local_moment(entry.occurred_at)
        after_cut_off = day == entry.booking_date and minute >= self.cut_off_min
        return day + 1 if after_cut_off else entry.booking_date

    def close_at_ms(self, window: int) -> int:
        """Return when a window closes: `close_at` of the next common business day, ms UTC."""
        day = self.common_calendar.add(window_day(window), 1)
        minutes = day * MINUTES_PER_DAY + self.close_at_min - self.offset_min(day)
        return minutes * MS_PER_MINUTE
