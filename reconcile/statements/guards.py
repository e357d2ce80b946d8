"""Texts that a spreadsheet would run as a formula: guarded when written, exact when read back.

A guarded text begins with one apostrophe more than the text itself. Texts that begin with
apostrophes before a formula's sign are guarded too, so that reading takes off what writing put on
and nothing else.
"""

from __future__ import annotations

from typing import Final

GUARD: Final = "'"
# A cell that begins with one of these is run as a formula by spreadsheets.
# (The full-width forms are formulas too where Chinese or Japanese is typed.)
RISKY: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def guarded(text: str) -> str:
    """Return a text as a cell that no spreadsheet takes for a formula."""
    return f"{GUARD}{text}" if text.lstrip(GUARD).startswith(RISKY) else text


def unguarded(cell: str) -> str:
    """Return the text of a cell that `guarded` may have written."""
    if cell[:1] == GUARD and cell.lstrip(GUARD).startswith(RISKY):
        return cell[1:]
    return cell
