"""The ageing of open breaks: a table by kind and age, and the same as CSV or XLSX."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from node.web.console.days import kind_of
from node.web.export import csv_answer, major, xlsx_answer
from node.web.pages import Page
from node.web.read.ageing import BUCKETS, SORTS, AgeCell, AgeRow, load_ageing
from node.web.read.breaks import latest_runs
from node.web.read.parties import AgreementView
from node.web.sheets import Cell
from node.web.words import kind_title
from reconcile.model import day_iso, window_day

router = APIRouter(include_in_schema=False)
ENDINGS: Final = {"csv": csv_answer, "xlsx": xlsx_answer}
Views = dict[bytes, AgreementView]


@router.get("/{slug}/ageing")
def ageing(
    request: Request, slug: str, agreement: str = "", kind: str = "", sort: str = "kind"
) -> Response:
    """Show open breaks by kind and age, per agreement."""
    page = Page(request, slug)
    rows, views = _load(page, agreement, kind, sort)
    total = AgeCell()
    sums = [AgeCell() for _ in BUCKETS]
    for row in rows:
        for target, cell in zip([*sums, total], [*row.cells, row.total], strict=True):
            target.count += cell.count
            for currency, minor in cell.sums.items():
                target.sums[currency] += minor
    filters = {"agreement": agreement, "kind": kind, "sort": "" if sort == "kind" else sort}
    return page.render(
        "ageing.html",
        rows=rows,
        views=views,
        buckets=BUCKETS,
        sums=sums,
        total=total,
        chosen=agreement,
        kind=kind_of(kind),
        sort=sort,
        sorts=SORTS,
        query="&".join(f"{name}={value}" for name, value in filters.items() if value),
    )


@router.get("/{slug}/export/ageing.{ending}")
def export_ageing(
    request: Request,
    slug: str,
    ending: str,
    agreement: str = "",
    kind: str = "",
    sort: str = "kind",
) -> Response:
    """Return what is filtered: one line an agreement, kind, age and currency."""
    page = Page(request, slug)
    rows, views = _load(page, agreement, kind, sort)
    _ = page.translate
    head = [
        _("Agreement"),
        _("Business day"),
        _("Kind"),
        _("What"),
        _("Age in business days"),
        _("Breaks"),
        _("Currency"),
        _("Amount"),
        _("Oldest"),
    ]
    answer = ENDINGS.get(ending, csv_answer)
    return answer(head, list(_cells(page, rows, views)), "ageing")


def _load(page: Page, agreement: str, kind: str, sort: str) -> tuple[tuple[AgeRow, ...], Views]:
    with page.reading() as session:
        views = {view.agreement: view for view in page.agreements(session)}
        wanted = [key for key, view in views.items() if agreement in {"", view.short}]
        runs = latest_runs(session, wanted)
        return load_ageing(session, runs, kind=kind_of(kind), sort=sort), views


def _cells(page: Page, rows: tuple[AgeRow, ...], views: Views) -> Iterator[list[Cell]]:
    for row in rows:
        view = views[row.agreement]
        for bucket, cell in zip(BUCKETS, row.cells, strict=True):
            if not cell.count:
                continue
            for currency, minor in sorted(cell.sums.items()) or [("", 0)]:
                yield [
                    view.label,
                    day_iso(window_day(row.window)),
                    row.kind.value,
                    kind_title(row.kind, view.ours, page.translate),
                    bucket.word,
                    cell.count,
                    currency,
                    major(minor, currency) if currency else None,
                    row.oldest_days,
                ]
