"""The decisions workbook: everything locked but the verdict and its reason."""

from __future__ import annotations

import io
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import xlsxwriter

from node.web.i18n import Speaker
from node.web.sheets import fitting
from node.web.words import VERDICTS
from node.web.workbook.lines import (
    DECISION,
    HEAD,
    HIDDEN,
    MAX_REASON,
    MIN_REASON,
    REASON,
    STAMP_SHEET,
    Line,
    Stamp,
)

WIDTHS: Final = (10, 10, 5, 22, 16, 8, 9, 16, 44, 44, 44, 24, 40)
A4_PAPER: Final = 9


def write_workbook(stamp: Stamp, lines: Sequence[Line], speaker: Speaker) -> bytes:
    """Return the workbook of these rows."""
    out = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(out, options) as book:
        _ = speaker.gettext
        page = book.add_worksheet(_("Decisions"))
        _set_up(page, lines)
        shapes = _shapes(book)
        names = [name if name in {"key", "proposal", "#"} else _(name) for name in HEAD]
        page.write_row(0, 0, names, shapes["head"])
        for number, line in enumerate(lines, start=1):
            _write(page, number, line, shapes, speaker)
        hidden = book.add_worksheet(STAMP_SHEET)
        for row, pair in enumerate(stamp.pairs()):
            hidden.write_row(row, 0, pair)
        hidden.protect()
        hidden.very_hidden()
    return out.getvalue()


def _set_up(page: Any, lines: Sequence[Line]) -> None:  # noqa: ANN401 - the library has no types
    for column, width in enumerate(WIDTHS):
        page.set_column(column, column, width, None, {"hidden": column < HIDDEN})
    page.freeze_panes(1, HIDDEN + 2)
    page.autofilter(0, HIDDEN, max(len(lines), 1), len(HEAD) - 1)
    page.set_landscape()
    page.set_paper(A4_PAPER)
    page.fit_to_pages(1, 0)
    page.repeat_rows(0)
    # Without a password: it keeps the hand from slipping. What comes back is compared anyway.
    page.protect("", {"autofilter": True, "format_rows": True, "format_columns": True})


def _shapes(book: Any) -> dict[str, Any]:  # noqa: ANN401 - the library has no types
    base = {"valign": "top", "text_wrap": True}
    return {
        "head": book.add_format({**base, "bold": True, "bottom": 1, "bg_color": "#F0F2F4"}),
        "locked": book.add_format(base),
        "figure": book.add_format({**base, "align": "right", "num_format": "#,##0.00######"}),
        "open": book.add_format({**base, "locked": False, "bg_color": "#FFF9E0", "border": 1}),
    }


def _write(
    page: Any,  # noqa: ANN401 - the library has no types
    row: int,
    line: Line,
    shapes: dict[str, Any],
    speaker: Speaker,
) -> None:
    _ = speaker.gettext
    for column, cell in enumerate(line.cells):
        if isinstance(cell, str):
            page.write_string(row, column, fitting(cell), shapes["locked"])
        else:
            shape = shapes["figure" if isinstance(cell, Decimal) else "locked"]
            page.write_number(row, column, cell, shape)
    page.write_blank(row, DECISION, None, shapes["open"])
    page.write_blank(row, REASON, None, shapes["open"])
    page.data_validation(
        row,
        DECISION,
        row,
        DECISION,
        {
            "validate": "list",
            "source": [_(VERDICTS[word]) for word in line.verdicts],
            "error_title": _("Decision"),
            "error_message": _("Choose one from the list, or leave the cell empty."),
        },
    )
    page.data_validation(
        row,
        REASON,
        row,
        REASON,
        {
            "validate": "length",
            "criteria": "between",
            "minimum": MIN_REASON,
            "maximum": MAX_REASON,
            "error_title": _("Reason"),
            "error_message": _("Say why in 3 to 500 characters."),
        },
    )
