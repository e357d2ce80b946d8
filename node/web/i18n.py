"""Chinese and English from one catalogue; money, dates and ages in words.

The English text is the message id. `locale/zh/LC_MESSAGES/desk.po` holds the Chinese and is
compiled in memory when the desk starts: there is no build step to forget. A test extracts every
message of the templates and modules and finds each in the catalogue.
"""

from __future__ import annotations

import datetime as dt
import gettext
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import iso4217
from babel import Locale
from babel.dates import format_date, format_datetime
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import get_decimal_symbol, get_group_symbol

from reconcile.model import EPOCH, FIRST_DAY, LAST_DAY

LOCALES: Final = ("zh", "en")
DEFAULT_LOCALE: Final = "en"
LOCALE_DIR: Final = Path(__file__).parent / "locale"
DOMAIN: Final = "desk"
DEFAULT_OFFSET_MIN: Final = 480

# Symbols that mean one currency only; every other currency shows its ISO code.
SYMBOLS: Final[Mapping[str, str]] = {
    "CNY": "¥",
    "EUR": "€",
    "GBP": "£",
    "HKD": "HK$",
    "USD": "US$",
}
MINUTE_S: Final = 60
HOUR_S: Final = 3_600
DAY_S: Final = 86_400


@cache
def translations(locale: str) -> gettext.NullTranslations:
    """Return the catalogue of `zh` compiled from its .po file, or the English ids themselves."""
    source = LOCALE_DIR / locale / "LC_MESSAGES" / f"{DOMAIN}.po"
    if not source.exists():
        return gettext.NullTranslations()
    with source.open("rb") as stream:
        catalogue = read_po(stream, locale=locale, domain=DOMAIN)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


@cache
def digits_of(currency: str) -> int:
    """Return the currency's minor digits by ISO 4217; 2 where the code is not listed."""
    try:
        return int(iso4217.Currency(currency).exponent or 0)
    except ValueError:
        return 2


def pick_locale(cookie: str | None, accept_language: str | None) -> str:
    """Return the reader's locale: the chosen one, else the browser's first that we speak."""
    if cookie in LOCALES:
        return str(cookie)
    for part in (accept_language or "").split(","):
        primary = part.split(";")[0].strip().lower().split("-")[0]
        if primary in LOCALES:
            return primary
    return DEFAULT_LOCALE


def decimal_text(minor: int, digits: int, *, group: str = ",", point: str = ".") -> str:
    """Return minor units as an exact decimal, e.g. (-312000, 2) -> -3,120.00."""
    whole, part = divmod(abs(minor), 10**digits)
    grouped = f"{whole:,}".replace(",", group)
    text = f"{grouped}{point}{part:0{digits}d}" if digits else grouped
    return f"−{text}" if minor < 0 else text


@dataclass(frozen=True, slots=True)
class Speaker:
    """Says things in one locale: messages, money, dates, ages."""

    locale: str
    offset_min: int = DEFAULT_OFFSET_MIN

    @property
    def zone(self) -> dt.tzinfo:
        """Return the time zone in which moments are shown."""
        return dt.timezone(dt.timedelta(minutes=self.offset_min))

    @property
    def zone_name(self) -> str:
        """Return the zone of the moments that are shown, e.g. `UTC+8`."""
        hours, minutes = divmod(abs(self.offset_min), HOUR_S // MINUTE_S)
        part = f":{minutes:02d}" if minutes else ""
        sign = "-" if self.offset_min < 0 else "+"
        return f"UTC{sign}{hours}{part}" if self.offset_min else "UTC"

    @property
    def gettext(self) -> Callable[[str], str]:
        """Return the function that translates one message."""
        return translations(self.locale).gettext

    @property
    def ngettext(self) -> Callable[[str, str, int], str]:
        """Return the function that translates a counted message."""
        return translations(self.locale).ngettext

    def amount(self, minor: int | str, currency: str, *, plus: bool = False) -> str:
        """Return the figure without currency, grouped, with a true minus."""
        value = int(minor)
        babel = Locale.parse(self.locale)
        text = decimal_text(
            value,
            digits_of(currency),
            group=get_group_symbol(babel),
            point=get_decimal_symbol(babel),
        )
        return f"+{text}" if plus and value > 0 else text

    def money(self, minor: int | str, currency: str) -> str:
        """Return the figure with its currency, e.g. `¥ 3,120.00`; the symbol is never ambiguous."""
        sign = "−" if int(minor) < 0 else ""
        return (
            f"{sign}{SYMBOLS.get(currency, currency)}\u00a0{self.amount(abs(int(minor)), currency)}"
        )

    def count(self, number: int | str) -> str:
        """Return a whole number, grouped."""
        return decimal_text(int(number), 0, group=get_group_symbol(Locale.parse(self.locale)))

    def percent(self, part: int, whole: int) -> str:
        """Return part of whole to a hundredth of a percent, floored; a dash for nothing of nothing.

        Floored, because 99.999 % must never read as 100 %.
        """
        if whole <= 0:
            return "–"
        hundredths = part * 10_000 // whole
        return f"{hundredths // 100}.{hundredths % 100:02d}\u202f%"

    def day(self, day: int | None) -> str:
        """Return days since 1970 as a date in words."""
        if day is None:
            return "–"
        if not FIRST_DAY <= day <= LAST_DAY:
            return self.gettext("day %(number)s") % {"number": day}
        date = EPOCH + dt.timedelta(days=day)
        pattern = "d MMM y" if self.locale == "en" else "y年M月d日"
        return str(format_date(date, pattern, locale=self.locale))

    def date(self, at_ms: int) -> str:
        """Return the local day of a moment (ms since 1970, UTC)."""
        return self.day((at_ms // 1_000 + self.offset_min * MINUTE_S) // DAY_S)

    def time(self, at_ms: int | None) -> str:
        """Return a moment (ms since 1970, UTC) as local date and time."""
        if at_ms is None:
            return "–"
        # The ends of the calendar lie a day apart by zone: no time of day is told there.
        if not FIRST_DAY < at_ms // 1_000 // DAY_S < LAST_DAY:
            return self.date(at_ms)
        moment = dt.datetime.fromtimestamp(at_ms / 1_000, tz=self.zone)
        pattern = "d MMM y, HH:mm:ss" if self.locale == "en" else "y年M月d日 HH:mm:ss"
        return str(format_datetime(moment, pattern, tzinfo=self.zone, locale=self.locale))

    def clock(self, at_ms: int | None) -> str:
        """Return a moment as hours and minutes of the local day."""
        if at_ms is None:
            return "–"
        return dt.datetime.fromtimestamp(at_ms / 1_000, tz=self.zone).strftime("%H:%M")

    def age(self, seconds: float) -> str:
        """Return how long ago, in the largest unit that says it."""
        whole = max(0, int(seconds))
        zh = self.locale == "zh"
        if whole < MINUTE_S:
            tenths = f"{max(0.0, seconds):.1f}"
            return f"{tenths} 秒" if zh else f"{tenths} s"
        for size_s, word_zh, word_en in (
            (DAY_S, "天", "d"),
            (HOUR_S, "小时", "h"),
            (MINUTE_S, "分钟", "min"),
        ):
            if whole >= size_s:
                return f"{whole // size_s} {word_zh if zh else word_en}"
        return ""

    def seconds(self, milliseconds: float | None) -> str:
        """Return a duration in seconds with one or two digits."""
        if milliseconds is None:
            return "–"
        digits = 2 if milliseconds < 1_000 else 1  # noqa: PLR2004 - below a second, hundredths matter
        return f"{milliseconds / 1_000:.{digits}f} s"
