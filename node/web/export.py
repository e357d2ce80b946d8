"""CSV and XLSX of what is filtered: today's table, breaks, the audit log."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse
from sqlalchemy.orm import Session

from node.web.console.days import kind_of
from node.web.i18n import digits_of
from node.web.pages import Page
from node.web.read.ageing import Bucket, bucket_of_words
from node.web.read.breaks import BreakPage, latest_runs, list_breaks
from node.web.read.members import load_audit
from node.web.read.parties import AgreementView
from node.web.read.today import load_today
from node.web.read.windows import load_window
from node.web.sheets import EXACT_DIGITS, Cell, fitting, safe_cell
from node.web.words import kind_title
from reconcile.model import BreakKind, day_iso, window_day

router = APIRouter(include_in_schema=False)
MAX_ROWS: Final = 100_000
STEP: Final = 500
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def major(minor: int, currency: str) -> Decimal:
    """Return minor units as an exact decimal in major units."""
    return Decimal(minor).scaleb(-digits_of(currency))


def csv_answer(head: Sequence[str], rows: Iterable[Sequence[Cell]], name: str) -> Response:
    """Return the rows as UTF-8 CSV with a byte order mark, so that Excel reads Chinese."""

    def lines() -> Iterator[str]:
        yield "\ufeff"
        yield _csv_line(head)
        for cells in rows:
            yield _csv_line([safe_cell(cell) for cell in cells])

    headers = {"content-disposition": f'attachment; filename="{name}.csv"'}
    return StreamingResponse(lines(), media_type="text/csv; charset=utf-8", headers=headers)


def _csv_line(cells: Sequence[str]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue()


def xlsx_answer(head: Sequence[str], rows: Iterable[Sequence[Cell]], name: str) -> Response:
    """Return the rows as a workbook; amounts are numbers, references stay text."""
    # By the first workbook, not by every start of a node.
    import xlsxwriter

    out = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(out, options) as book:
        sheet = book.add_worksheet(name[:31])
        sheet.write_row(0, 0, head, book.add_format({"bold": True, "bottom": 1}))
        sheet.freeze_panes(1, 0)
        for number, cells in enumerate(rows, start=1):
            for column, cell in enumerate(cells):
                if isinstance(cell, str):
                    sheet.write_string(number, column, fitting(cell))
                elif isinstance(cell, Decimal) and len(cell.as_tuple().digits) > EXACT_DIGITS:
                    sheet.write_string(number, column, str(cell))
                elif cell is not None:
                    sheet.write_number(number, column, cell)
    headers = {"content-disposition": f'attachment; filename="{name}.xlsx"'}
    return Response(out.getvalue(), media_type=XLSX, headers=headers)


def _break_head(page: Page) -> list[str]:
    _ = page.translate
    return [
        _("Agreement"),
        _("Business day"),
        _("Kind"),
        _("What"),
        _("Marks"),
        _("Servicer's entry"),
        _("Owner's entry"),
        _("Currency"),
        _("Difference"),
        _("Age in business days"),
        _("Key"),
    ]


def _break_rows(
    page: Page, found: BreakPage, views: dict[bytes, AgreementView]
) -> Iterator[list[Cell]]:
    for row in found.rows:
        view = views[row.agreement]
        for currency, minor in row.signed or (("", 0),):
            yield [
                view.label,
                day_iso(window_day(row.window)),
                row.kind.value,
                kind_title(row.kind, view.ours, page.translate),
                " ".join(row.marks),
                " ".join(row.servicer),
                " ".join(row.owner),
                currency,
                major(minor, currency) if currency else None,
                row.age_days,
                row.key.hex(),
            ]


def _all_breaks(
    page: Page,
    session: Session,
    run_ids: list[int],
    wanted: tuple[BreakKind | None, Bucket | None],
    sort: str,
    views: dict[bytes, AgreementView],
) -> Iterator[list[Cell]]:
    after: str | None = None
    for _ in range(MAX_ROWS // STEP):
        found = list_breaks(
            session, run_ids, kind=wanted[0], age=wanted[1], sort=sort, after=after, limit=STEP
        )
        yield from _break_rows(page, found, views)
        after = found.more
        if after is None:
            return


@router.get("/{slug}/export/breaks.{ending}")
def export_breaks(
    request: Request,
    slug: str,
    ending: str,
    agreement: str = "",
    kind: str = "",
    age: str = "",
    sort: str = "order",
    window: Annotated[int | None, Query()] = None,
) -> Response:
    """Return the filtered breaks as CSV or XLSX."""
    page = Page(request, slug)
    chosen = kind_of(kind)
    with page.reading() as session:
        views = {view.agreement: view for view in page.agreements(session)}
        wanted = [key for key, view in views.items() if agreement in {"", view.short}]
        if window is not None and len(wanted) == 1:
            row = load_window(session, views[wanted[0]], window, page.now_ms)
            runs = [row.figures.run_id] if row.figures else []
        else:
            runs = list(latest_runs(session, wanted).values())
        rows = list(_all_breaks(page, session, runs, (chosen, bucket_of_words(age)), sort, views))
    answer = xlsx_answer if ending == "xlsx" else csv_answer
    return answer(_break_head(page), rows, "breaks")


@router.get("/{slug}/export/today.csv")
def export_today(request: Request, slug: str) -> Response:
    """Return the day's table as CSV."""
    page = Page(request, slug)
    _ = page.translate
    head = [
        _("Agreement"),
        _("Business day"),
        _("State"),
        _("Servicer's entries"),
        _("Owner's entries"),
        _("Matched"),
        _("Breaks"),
        _("Currency"),
        _("Proof amount"),
    ]
    rows: list[list[Cell]] = []
    with page.reading() as session:
        for row in load_today(session, page.agreements(session), page.now_ms).rows:
            f = row.figures
            for currency, minor in (f.unexplained if f else ()) or (("", 0),):
                rows.append(
                    [
                        row.agreement.label,
                        day_iso(row.day),
                        row.state,
                        f.servicer_entries if f else row.posted[0],
                        f.owner_entries if f else row.posted[1],
                        f.matched if f else None,
                        f.breaks if f else None,
                        currency,
                        major(minor, currency) if currency else None,
                    ],
                )
    return csv_answer(head, rows, "today")


@router.get("/{slug}/export/audit.csv")
def export_audit(request: Request, slug: str) -> Response:
    """Return the audit log as CSV, newest first, with its hashes."""
    page = Page(request, slug)
    page.who.require("audit")
    rows: list[list[Cell]] = []
    after: str | None = None
    with page.reading() as session:
        for _ in range(MAX_ROWS // STEP):
            part = load_audit(session, after=after, limit=STEP)
            rows += [
                [
                    row.id,
                    row.at_ms,
                    row.actor,
                    row.act,
                    row.subject,
                    "; ".join(f"{key}={value}" for key, value in row.details.items()),
                    row.hash.hex(),
                ]
                for row in part.rows
            ]
            after = part.more
            if after is None:
                break
    head = ["id", "at_ms", "actor", "act", "subject", "details", "hash"]
    return csv_answer(head, rows, "audit")
