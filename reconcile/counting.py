"""Counts with their nouns, and amounts in major units, as English says them."""

from __future__ import annotations


def counted(count: int, one: str, many: str = "") -> str:
    """Return "1 break", "1,204 breaks"; `many` where an s is not enough: "2 entries"."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def money(minor: int, digits: int) -> str:
    """Return minor units as an amount in major units, grouped, e.g. (-123450, 2) -> -1,234.50."""
    sign = "-" if minor < 0 else ""
    whole, part = divmod(abs(minor), 10**digits)
    return f"{sign}{whole:,}" + (f".{part:0{digits}d}" if digits else "")
