"""余额调节表 as a workbook: a sheet a currency, numbers, formulas for the sums, print set-up.

A spreadsheet's number is a double. Where an amount has more digits than one holds exactly, that
currency's amounts are text and its sums are figures, so that nothing is rounded.
"""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import xlsxwriter
from xlsxwriter.utility import xl_rowcol_to_cell

from node.web.adjustment.paper import Block, Currency, Paper, Part, Row
from node.web.sheets import EXACT_DIGITS, fitting
from node.web.words import BASES

A4_PAPER: Final = 9
WIDTHS: Final = (38, 14, 8, 30, 34, 18)
AMOUNT: Final = len(WIDTHS) - 1
COLUMN: Final = "F"
ITEM_INDENT: Final = 1


def adjustment_xlsx(paper: Paper) -> bytes:
    """Return the paper as a workbook."""
    out = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(out, options) as book:
        book.set_properties({"title": paper.title, "subject": paper.digest})
        for sheet in paper.currencies:
            _Writer(book, paper, sheet).write()
        if not paper.currencies:
            book.add_worksheet(paper.title[:31])
    return out.getvalue()


class _Writer:
    """Writes one currency's sheet, row after row."""

    def __init__(self, book: Any, paper: Paper, sheet: Currency) -> None:  # noqa: ANN401
        self.paper, self.sheet = paper, sheet
        self.page = book.add_worksheet(sheet.currency)
        self.row = 0
        amounts = [minor for block in sheet.blocks for minor in _minors(block)]
        self.exact = all(len(str(abs(minor))) <= EXACT_DIGITS for minor in amounts)
        figure = f"#,##0.{'0' * sheet.digits}" if sheet.digits else "#,##0"
        shape: dict[str, Any] = {"valign": "top", "text_wrap": True}
        number = {"num_format": f"{figure};-{figure}", "align": "right", "valign": "top"}
        self.text = book.add_format(shape)
        self.item = book.add_format({**shape, "indent": ITEM_INDENT})
        self.strong = book.add_format({**shape, "bold": True})
        self.title = book.add_format({"bold": True, "font_size": 16})
        self.head = book.add_format({**shape, "bold": True, "bottom": 1, "bg_color": "#F0F2F4"})
        self.date = book.add_format({**shape, "num_format": "yyyy-mm-dd", "align": "left"})
        self.figure = book.add_format(number)
        self.sum = book.add_format({**number, "bold": True, "top": 1})

    def write(self) -> None:
        _ = self.paper.speaker.gettext
        self._set_up()
        self.page.write_string(0, 0, self.paper.title, self.title)
        self.row = 2
        for name, text in (*self.paper.facts, (_("Currency"), self.sheet.currency)):
            self._texts((name, text))
        for warning in self.paper.warnings:
            self._texts((warning,), self.strong)
        self.row += 1
        head = (
            _("Item"),
            _("Date"),
            _("Age in business days"),
            _("Voucher or reference"),
            _("Remark"),
            _("Amount"),
        )
        self._texts(head, self.head)
        first = self.row
        adjusted = [self._block(block) for block in self.sheet.blocks]
        self.page.repeat_rows(first - 1)
        self._difference(adjusted[0], adjusted[1])
        self._signatures()

    def _set_up(self) -> None:
        page = self.page
        for column, width in enumerate(WIDTHS):
            page.set_column(column, column, width)
        page.set_paper(A4_PAPER)
        page.set_portrait()
        page.fit_to_pages(1, 0)
        page.set_margins(left=0.5, right=0.5, top=0.6, bottom=0.7)
        page.set_footer(f"&L{self.paper.digest[:16]}&R&P / &N")
        page.hide_gridlines(2)

    def _texts(self, cells: tuple[str, ...], shape: Any = None) -> None:  # noqa: ANN401
        for column, text in enumerate(cells):
            self.page.write_string(self.row, column, fitting(text), shape or self.text)
        self.row += 1

    def _figure(self, minor: int, shape: Any, formula: str = "") -> str:  # noqa: ANN401
        """Write the row's amount and end the row; return its cell."""
        value = Decimal(minor).scaleb(-self.sheet.digits)
        if not self.exact:
            self.page.write_string(self.row, AMOUNT, f"{value:f}", shape)
        elif formula:
            self.page.write_formula(self.row, AMOUNT, formula, shape, value)
        else:
            self.page.write_number(self.row, AMOUNT, value, shape)
        self.row += 1
        return str(xl_rowcol_to_cell(self.row - 1, AMOUNT))

    def _block(self, block: Block) -> str:
        _ = self.paper.speaker.gettext
        basis = _(BASES.get(block.basis, block.basis))
        self._wide(f"{block.title} · {block.name} ({basis})")
        cells = [self._figure(block.closing_minor, self.sum)]
        cells += [self._part(part) for part in block.parts]
        self._wide(_("Adjusted balance"))
        # Rounded to the currency's digits: a sum of doubles may end a hair beside.
        formula = f"=ROUND({'+'.join(cells)},{self.sheet.digits})"
        cell = self._figure(block.adjusted_minor, self.sum, formula)
        self.row += 1
        return cell

    def _part(self, part: Part) -> str:
        """Write a section's sum above its items, as the form has it; return the sum's cell."""
        top = self.row
        self._wide(part.title)
        count = len(part.rows) + bool(part.left)
        span = f"{COLUMN}{top + 2}:{COLUMN}{top + 1 + count}"
        formula = f"=ROUND(SUM({span}),{self.sheet.digits})" if count else ""
        cell = self._figure(part.total_minor, self.sum, formula)
        for row in part.rows:
            self._item(row)
        if part.left:
            more = self.paper.speaker.gettext("and %(number)s more, together")
            self.page.write_string(self.row, 0, more % {"number": part.left}, self.item)
            self._figure(part.left_minor, self.figure)
        return cell

    def _item(self, row: Row) -> None:
        page = self.page
        page.write_string(self.row, 0, row.what, self.item)
        if row.day_iso is None:
            page.write_string(self.row, 1, row.day, self.text)
        else:
            day = dt.datetime.fromisoformat(row.day_iso)
            page.write_datetime(self.row, 1, day, self.date)
        if row.age.isdecimal():
            page.write_number(self.row, 2, int(row.age), self.text)
        else:
            page.write_string(self.row, 2, row.age, self.text)
        page.write_string(self.row, 3, fitting(row.voucher), self.text)
        page.write_string(self.row, 4, fitting(row.remark), self.text)
        self._figure(row.minor, self.figure)

    def _wide(self, text: str) -> None:
        """Write a line's name over all columns but the amount's."""
        self.page.merge_range(self.row, 0, self.row, AMOUNT - 1, text, self.strong)

    def _difference(self, owner: str, servicer: str) -> None:
        _ = self.paper.speaker.gettext
        self._wide(_("Difference of the adjusted balances"))
        formula = f"=ROUND({servicer}-{owner},{self.sheet.digits})"
        self._figure(self.sheet.difference_minor, self.sum, formula)
        self._texts((self.paper.verdict(self.sheet),), self.strong)
        self.row += 1

    def _signatures(self) -> None:
        _ = self.paper.speaker.gettext
        for signer in self.paper.signers:
            self._texts((signer.name,), self.strong)
            key = signer.key
            self._texts((_("signed by key %(key)s") % {"key": key} if key else _("not signed"),))
            self._texts((_("Prepared by"), signer.prepared_by))
            self._texts((_("Reviewed by"), signer.reviewed_by))
            self._texts((_("Seal of the institution"), ""))
            self._texts((_("Date"), ""))
            self.row += 1


def _minors(block: Block) -> Iterator[int]:
    yield block.closing_minor
    yield block.adjusted_minor
    for part in block.parts:
        yield part.total_minor
        yield from (row.minor for row in part.rows)
