"""The decisions workbook: everything locked but the verdict and its reason."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any, Final

from node.web.i18n import Speaker
from node.web.sheets import fitting
from node.web.words import VERDICTS
from node.web.workbook.layout import (
    MAX_REASON,
    MIN_REASON,
    SHEETS,
    STAMP_SHEET,
    Book,
    Layout,
    Line,
    head_words,
)

A4_PAPER: Final = 9


def write_workbook(whole: Book, speaker: Speaker) -> bytes:
    """Return the workbook of these rows."""
    # By the first workbook, not by every start of a node.
    import xlsxwriter

    out = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(out, options) as book:
        shapes = _shapes(book)
        for layout in SHEETS:
            page = book.add_worksheet(speaker.gettext(layout.title))
            _fill(page, layout, whole.lines[layout.listed], shapes, speaker)
        hidden = book.add_worksheet(STAMP_SHEET)
        for row, pair in enumerate(whole.stamp.pairs()):
            hidden.write_row(row, 0, pair)
        hidden.protect()
        hidden.very_hidden()
    return out.getvalue()


def _fill(
    page: Any,  # noqa: ANN401 - the library has no types
    layout: Layout,
    lines: Sequence[Line],
    shapes: dict[str, Any],
    speaker: Speaker,
) -> None:
    _set_up(page, layout, lines)
    page.write_row(0, 0, head_words(layout, speaker.gettext), shapes["head"])
    for number, line in enumerate(lines, start=1):
        _write(page, number, line, layout, shapes)
    for first, last, verdicts in _stretches(lines):
        _validate(
            page, layout, first, last, [speaker.gettext(VERDICTS[v]) for v in verdicts], speaker
        )


def _set_up(page: Any, layout: Layout, lines: Sequence[Line]) -> None:  # noqa: ANN401 - the library has no types
    for column, width in enumerate(layout.widths):
        page.set_column(column, column, width, None, {"hidden": column < layout.hidden})
    page.freeze_panes(1, layout.hidden + 1)
    page.autofilter(0, layout.hidden, max(len(lines), 1), len(layout.head) - 1)
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
    layout: Layout,
    shapes: dict[str, Any],
) -> None:
    for column, cell in enumerate(line.cells):
        if isinstance(cell, str):
            page.write_string(row, column, fitting(cell), shapes["locked"])
        else:
            shape = shapes["figure" if isinstance(cell, Decimal) else "locked"]
            page.write_number(row, column, cell, shape)
    filled = shapes["open" if line.verdicts else "locked"]
    page.write_blank(row, layout.decision, None, filled)
    page.write_blank(row, layout.reason, None, filled)


def _stretches(lines: Sequence[Line]) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """Yield first and last row of neighbours that take the same verdicts, where they take any."""
    for verdicts, some in groupby(enumerate(lines, start=1), key=lambda item: item[1].verdicts):
        rows = [row for row, _ in some]
        if verdicts:
            yield rows[0], rows[-1], verdicts


def _validate(
    page: Any,  # noqa: ANN401 - the library has no types
    layout: Layout,
    first: int,
    last: int,
    choices: list[str],
    speaker: Speaker,
) -> None:
    _ = speaker.gettext
    page.data_validation(
        first,
        layout.decision,
        last,
        layout.decision,
        {
            "validate": "list",
            "source": choices,
            "error_title": _("Decision"),
            "error_message": _("Choose one from the list, or leave the cell empty."),
        },
    )
    page.data_validation(
        first,
        layout.reason,
        last,
        layout.reason,
        {
            "validate": "length",
            "criteria": "between",
            "minimum": MIN_REASON,
            "maximum": MAX_REASON,
            "error_title": _("Reason"),
            "error_message": _("Say why in 3 to 500 characters."),
        },
    )
