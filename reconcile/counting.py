"""Counts with their nouns, as English says them."""

from __future__ import annotations


def counted(count: int, one: str, many: str = "") -> str:
    """Return "1 break", "1,204 breaks"; `many` where an s is not enough: "2 entries"."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
