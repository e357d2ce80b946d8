"""余额调节表 as PDF: A4, an embedded font, the table's head on every page, places to sign."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    Flowable,
    KeepTogether,
    Paragraph,
    SimpleDocTemplate,
    Spacer,
    Table,
)

from node.web.adjustment.font import find_font, shown
from node.web.adjustment.paper import Block, Currency, Paper, Part, Signer
from node.web.words import BASES

MARGIN: Final = 14 * mm
WIDTHS: Final = tuple(width * mm for width in (36, 27, 15, 35, 41, 28))
AMOUNT: Final = len(WIDTHS) - 1
PADDING: Final = 3
LINE: Final = colors.HexColor("#b9c0c7")
GROUND: Final = colors.HexColor("#f0f2f4")
SOFT: Final = colors.HexColor("#444444")
Cells = list[Any]


class Styles:
    """The paper's few styles, all of one font."""

    def __init__(self, font: TTFont, *, cjk: bool) -> None:
        """Set sizes; Chinese breaks between any two characters, English between words."""
        base: dict[str, Any] = {"fontName": font.fontName, "wordWrap": "CJK" if cjk else None}
        self.font = font
        # A table's cells begin with a font that no file embeds, unless told.
        self.face = ("FONTNAME", (0, 0), (-1, -1), font.fontName)
        self.title = ParagraphStyle("title", fontSize=16, leading=22, **base)
        self.head = ParagraphStyle("head", fontSize=11, leading=15, spaceBefore=8, **base)
        self.text = ParagraphStyle("text", fontSize=8.5, leading=11, **base)
        # A reference has no blanks to break at: between any two characters is right for it.
        self.code = ParagraphStyle(
            "code", fontName=font.fontName, wordWrap="CJK", fontSize=8.5, leading=11
        )
        self.strong = ParagraphStyle("strong", fontSize=9, leading=12, spaceBefore=3, **base)
        self.soft = ParagraphStyle("soft", fontSize=7.5, leading=10, textColor=SOFT, **base)
        self.figure = ParagraphStyle(
            "figure", fontName=font.fontName, fontSize=8.5, leading=11, alignment=TA_RIGHT
        )

        self.columns = (self.text, self.text, self.text, self.code, self.code, self.figure)

    def say(self, text: str, style: ParagraphStyle) -> Paragraph:
        """Return a text as a paragraph; markup in it is text."""
        return Paragraph(escape(shown(text, self.font)), style)

    def cell(self, text: str, style: ParagraphStyle, width: float) -> Any:  # noqa: ANN401
        """Return a text that fits its column as it is, else as a paragraph: that costs far more."""
        known = shown(text, self.font)
        fits = stringWidth(known, self.font.fontName, style.fontSize) <= width - 2 * PADDING
        return known if fits else Paragraph(escape(known), style)


def adjustment_pdf(paper: Paper, font: Path | None = None) -> bytes:
    """Return the paper as PDF bytes, the same for the same paper.

    Raises OutsideError FONT_NOT_FOUND or FONT_UNUSABLE.
    """
    styles = Styles(find_font(font), cjk=paper.speaker.locale == "zh")
    out = io.BytesIO()
    document = SimpleDocTemplate(
        out,
        pagesize=A4,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN + 6 * mm,
        title=f"{paper.title} {paper.label} {paper.day}",
        author=paper.label,
        subject=paper.digest,
        lang="zh-CN" if paper.speaker.locale == "zh" else "en",
        # No clock in the file: two prints of one result are one file.
        invariant=1,
        # Else a page begins with a font that no file embeds.
        initialFontName=styles.font.fontName,
    )
    foot = partial(_foot, paper=paper, styles=styles)
    document.build(list(_story(paper, styles)), onFirstPage=foot, onLaterPages=foot)
    return out.getvalue()


def _story(paper: Paper, styles: Styles) -> Iterator[Flowable]:
    yield styles.say(paper.title, styles.title)
    yield _facts(paper, styles)
    for warning in paper.warnings:
        yield styles.say(warning, styles.strong)
    for sheet in paper.currencies:
        yield styles.say(sheet.currency, styles.head)
        yield _sheet(paper, sheet, styles)
        yield styles.say(paper.verdict(sheet), styles.strong)
    yield Spacer(1, 5 * mm)
    yield KeepTogether([_signatures(paper, styles)])


def _facts(paper: Paper, styles: Styles) -> Table:
    rows = [
        [styles.say(name, styles.soft), styles.say(text, styles.code)] for name, text in paper.facts
    ]
    return Table(
        rows,
        colWidths=(30 * mm, sum(WIDTHS) - 30 * mm),
        style=[
            styles.face,
            ("TOPPADDING", (0, 0), (-1, -1), 1),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 1),
        ],
        hAlign="LEFT",
    )


def _sheet(paper: Paper, sheet: Currency, styles: Styles) -> Table:
    _ = paper.speaker.gettext
    names = (
        _("Item"),
        _("Date"),
        _("Age in business days"),
        _("Voucher or reference"),
        _("Remark"),
        _("Amount"),
    )
    head = [
        styles.say(name, styles.figure if column == AMOUNT else styles.text)
        for column, name in enumerate(names)
    ]
    rows: list[Cells] = [head]
    rules: list[tuple[Any, ...]] = [
        styles.face,
        ("GRID", (0, 0), (-1, -1), 0.4, LINE),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("BACKGROUND", (0, 0), (-1, 0), GROUND),
        ("TOPPADDING", (0, 0), (-1, -1), 2),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2.5),
        ("LEFTPADDING", (0, 0), (-1, -1), PADDING),
        ("RIGHTPADDING", (0, 0), (-1, -1), PADDING),
        ("FONTSIZE", (0, 0), (-1, -1), styles.text.fontSize),
        ("LEADING", (0, 0), (-1, -1), styles.text.leading),
        ("ALIGN", (AMOUNT, 0), (AMOUNT, -1), "RIGHT"),
    ]
    for block in sheet.blocks:
        _block(paper, sheet, block, styles, rows, rules)
    return Table(rows, colWidths=WIDTHS, repeatRows=1, style=rules, hAlign="LEFT")


def _block(
    paper: Paper,
    sheet: Currency,
    block: Block,
    styles: Styles,
    rows: list[Cells],
    rules: list[tuple[Any, ...]],
) -> None:
    _ = paper.speaker.gettext

    def wide(text: str, minor: int, *, shade: bool) -> None:
        row = len(rows)
        figure = styles.say(paper.speaker.amount(minor, sheet.currency), styles.figure)
        rows.append([styles.say(text, styles.strong), *[""] * (AMOUNT - 1), figure])
        rules.append(("SPAN", (0, row), (AMOUNT - 1, row)))
        if shade:
            rules.append(("BACKGROUND", (0, row), (-1, row), GROUND))

    basis = _(BASES.get(block.basis, block.basis))
    wide(f"{block.title} · {block.name} ({basis})", block.closing_minor, shade=True)
    for part in block.parts:
        wide(part.title, part.total_minor, shade=False)
        rows.extend(_items(paper, sheet, part, styles))
    wide(_("Adjusted balance"), block.adjusted_minor, shade=True)


def _items(paper: Paper, sheet: Currency, part: Part, styles: Styles) -> Iterator[Cells]:
    speaker = paper.speaker
    for row in part.rows:
        amount = speaker.amount(row.minor, sheet.currency, plus=True)
        texts = (row.what, row.day, row.age, row.voucher, row.remark, amount)
        yield [
            styles.cell(text, style, width)
            for text, style, width in zip(texts, styles.columns, WIDTHS, strict=True)
        ]
    if part.left:
        more = speaker.gettext("and %(number)s more, together") % {
            "number": speaker.count(part.left)
        }
        figure = speaker.amount(part.left_minor, sheet.currency, plus=True)
        yield [styles.say(more, styles.text), "", "", "", "", styles.say(figure, styles.figure)]


def _signatures(paper: Paper, styles: Styles) -> Table:
    width = sum(WIDTHS) / 2
    return Table(
        [[_signer(paper, item, styles, width) for item in paper.signers]],
        colWidths=(width, width),
        style=[
            styles.face,
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LEFTPADDING", (0, 0), (-1, -1), 0),
        ],
        hAlign="LEFT",
    )


def _signer(paper: Paper, signer: Signer, styles: Styles, width: float) -> Table:
    _ = paper.speaker.gettext
    signed = _("signed by key %(key)s") % {"key": signer.key} if signer.key else _("not signed")
    lines = (
        (_("Prepared by"), signer.prepared_by),
        (_("Reviewed by"), signer.reviewed_by),
        (_("Seal of the institution"), ""),
        (_("Date"), ""),
    )
    rows: list[Cells] = [
        [styles.say(signer.name, styles.strong), ""],
        [styles.say(signed, styles.soft), ""],
        *[[styles.say(name, styles.text), styles.say(text, styles.text)] for name, text in lines],
    ]
    last = len(rows) - 1
    return Table(
        rows,
        colWidths=(34 * mm, width - 40 * mm),
        style=[
            styles.face,
            ("SPAN", (0, 0), (1, 0)),
            ("SPAN", (0, 1), (1, 1)),
            ("LINEBELOW", (1, 2), (1, last), 0.4, LINE),
            ("TOPPADDING", (0, 2), (-1, -1), 7),
        ],
        hAlign="LEFT",
    )


def _foot(canvas: Canvas, document: SimpleDocTemplate, *, paper: Paper, styles: Styles) -> None:
    canvas.saveState()
    canvas.setFont(styles.font.fontName, 7)
    canvas.setFillColor(SOFT)
    page = paper.speaker.gettext("page %(number)s") % {"number": document.page}
    said = f"{paper.title} · {paper.label} · {paper.day} · {paper.digest[:16]}"
    canvas.drawString(MARGIN, MARGIN, shown(said, styles.font))
    canvas.drawRightString(A4[0] - MARGIN, MARGIN, page)
    canvas.restoreState()
