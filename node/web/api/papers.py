"""REST: 余额调节表, suggested bookings and ageing, as JSON or as files."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, Response

from node.web.adjustment import load_paper, write_paper
from node.web.api.calls import Caller, caller
from node.web.bookings import Voucher, bookings_csv, load_vouchers
from node.web.i18n import Speaker, pick_locale
from node.web.numbers import WindowNumber
from node.web.pages import Desk, reading
from node.web.read.ageing import BUCKETS, load_ageing
from node.web.read.breaks import latest_runs

router = APIRouter()
By = Annotated[Caller, Depends(caller)]


@router.get("/agreements/{agreement}/windows/{window}/adjustment", tags=["windows"])
def adjustment(by: By, agreement: str, window: WindowNumber) -> JSONResponse:
    """余额调节表 of a window's proof, a sheet a currency; both adjusted balances agree."""
    with reading(by.node)() as session:
        view = by.view(session, agreement)
    found = by.node.reconciliation.adjustment(view.agreement, window)
    body: dict[str, Any] = {
        "agreement": view.agreement.hex(),
        "window": str(window),
        "digest": found.stored.digest.hex(),
        "state": found.stored.state,
        "sheets": [sheet.to_json() for sheet in found.sheets],
    }
    return JSONResponse(body)


@router.get("/agreements/{agreement}/windows/{window}/adjustment.{ending}", tags=["windows"])
def adjustment_file(
    request: Request,
    by: By,
    agreement: str,
    window: WindowNumber,
    ending: str,
    lang: Annotated[str, Query(description="zh or en.")] = "zh",
) -> Response:
    """余额调节表 as `html`, `pdf` or `xlsx`."""
    with reading(by.node)() as session:
        view = by.view(session, agreement)
    desk: Desk = request.app.state.desk
    paper = load_paper(by.node, view, window, Speaker(pick_locale(lang, None)))
    written = write_paper(paper, ending, font=desk.pdf_font)
    headers = {"content-disposition": f'attachment; filename="{written.name}"'}
    return Response(written.data, media_type=written.media_type, headers=headers)


@router.get("/agreements/{agreement}/windows/{window}/bookings", tags=["windows"])
def bookings(request: Request, by: By, agreement: str, window: WindowNumber) -> JSONResponse:
    """补记凭证: the vouchers, of both sides, that would settle what the window leaves open."""
    found = _vouchers(request, by, agreement, window, every=True)
    rows = [
        {
            **item.booking.to_json(),
            "suggestion": item.number,
            "debit_account": item.debit,
            "credit_account": item.credit,
        }
        for item in found
    ]
    return JSONResponse({"bookings": rows})


@router.get("/agreements/{agreement}/windows/{window}/bookings.csv", tags=["windows"])
def bookings_file(request: Request, by: By, agreement: str, window: WindowNumber) -> Response:
    """补记凭证 of our side as CSV for the ERP."""
    found = _vouchers(request, by, agreement, window, every=False)
    return Response(bookings_csv(found), media_type="text/csv; charset=utf-8")


def _vouchers(
    request: Request, by: Caller, agreement: str, window: int, *, every: bool
) -> tuple[Voucher, ...]:
    desk: Desk = request.app.state.desk
    with reading(by.node)() as session:
        view = by.view(session, agreement)
    return load_vouchers(
        by.node,
        view,
        window,
        Speaker("zh"),
        accounts=desk.booking_accounts,
        side=None if every else view.ours,
    )


@router.get("/agreements/{agreement}/ageing", tags=["breaks"])
def ageing(by: By, agreement: str, sort: str = "kind") -> JSONResponse:
    """Open breaks by kind and age in business days; `sums` are absolute amounts."""
    with reading(by.node)() as session:
        view = by.view(session, agreement)
        rows = load_ageing(session, latest_runs(session, [view.agreement]), sort=sort)
    body = [
        {
            "kind": row.kind.value,
            "window": str(row.window),
            "count": str(row.total.count),
            "oldest_days": str(row.oldest_days),
            "ages": [
                {
                    "days": bucket.word,
                    "count": str(cell.count),
                    "sums": [
                        {"currency": code, "minor": str(minor)}
                        for code, minor in sorted(cell.sums.items())
                    ],
                }
                for bucket, cell in zip(BUCKETS, row.cells, strict=True)
            ],
        }
        for row in rows
    ]
    return JSONResponse({"ageing": body})
