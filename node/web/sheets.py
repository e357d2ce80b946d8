"""What spreadsheets need to keep a text a text and a figure exact."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from reconcile.statements.guards import guarded

# A spreadsheet's number is a double: more digits than these it would round.
EXACT_DIGITS: Final = 15
MAX_CELL: Final = 32_767
Cell = str | int | Decimal | None


def safe_cell(cell: Cell) -> str:
    """Return a CSV cell that no spreadsheet takes for a formula; figures stay figures."""
    if cell is None:
        return ""
    if isinstance(cell, (int, Decimal)):
        return str(cell)
    return guarded(cell)


def fitting(text: str) -> str:
    """Return what a cell holds of a text; the library would leave out a longer one whole."""
    return text if len(text) <= MAX_CELL else f"{text[: MAX_CELL - 1]}…"
