"""Downloads of a window: HTML report, 余额调节表, signed JSON, one record's proof."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from node.crypto.bundle import file_bytes
from node.web.adjustment import load_paper, write_paper
from node.web.bookings import bookings_csv, load_vouchers
from node.web.console.days import side_of
from node.web.numbers import WindowNumber
from node.web.pages import Page
from node.web.read.entries import load_entry
from node.web.read.parties import AgreementView
from node.web.read.windows import load_window
from node.web.report_html import report_html
from reconcile.model import UsageError
from reconcile.report.groups import group_json

router = APIRouter(include_in_schema=False)
# A file that carries its own style and no script; it is opened apart from the desk.
ALONE: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; font-src data:; frame-ancestors 'none'"
)
CSV_TYPE: Final = "text/csv; charset=utf-8"
# A reference is the counterparty's text; a header takes neither its quotes nor its characters.
ODD: Final = re.compile(r"[^A-Za-z0-9._-]")


def _download(body: Mapping[str, object], name: str) -> Response:
    """Return the very bytes that `kanhe verify` takes: it refuses a re-formatted file."""
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(file_bytes(body), media_type="application/json", headers=headers)


def _names(view: AgreementView) -> dict[str, str]:
    return {"agreement": view.label, "servicer": view.names[0], "owner": view.names[1]}


@router.get("/{slug}/agreements/{text}/windows/{window}/report.html")
def report_page(request: Request, slug: str, text: str, window: WindowNumber) -> Response:
    """Return the report as one file that opens from disk."""
    page = Page(request, slug)
    with page.reading() as session:
        view = page.agreement(session, text)
        row = load_window(session, view, window, page.now_ms)
    found = page.node.reconciliation.adjustment(view.agreement, window)
    stored = found.stored
    signatures = [
        {
            "side": signed.side.word,
            "signer": f"0x{(signed.signer or b'').hex()}",
            "signature": signed.signature.hex(),
        }
        for signed in row.signatures
        if signed is not None and signed.digest == stored.digest
    ]
    html = report_html(
        stored.report,
        [group_json(group) for group in stored.groups],
        signatures=signatures,
        names=_names(view),
        digest=stored.digest.hex(),
        locale=page.speaker.locale,
        sheets=found.sheets,
    )
    return HTMLResponse(html, headers={"content-security-policy": ALONE})


@router.get("/{slug}/agreements/{text}/windows/{window}/adjustment.{ending}")
def adjustment(
    request: Request, slug: str, text: str, window: WindowNumber, ending: str
) -> Response:
    """Return the window's 余额调节表 as HTML, PDF or XLSX."""
    page = Page(request, slug)
    with page.reading() as session:
        view = page.agreement(session, text)
    paper = load_paper(page.node, view, window, page.speaker)
    written = write_paper(paper, ending, font=page.desk.pdf_font)
    how = "inline" if ending == "html" else "attachment"
    headers = {"content-disposition": f'{how}; filename="{written.name}"'}
    if ending == "html":
        headers["content-security-policy"] = ALONE
    return Response(written.data, media_type=written.media_type, headers=headers)


@router.get("/{slug}/agreements/{text}/windows/{window}/bookings")
def bookings(request: Request, slug: str, text: str, window: WindowNumber) -> Response:
    """Show the vouchers that would settle what a window leaves open: ours, then theirs."""
    page = Page(request, slug)
    with page.reading() as session:
        view = page.agreement(session, text)
    found = load_vouchers(
        page.node, view, window, page.speaker, accounts=page.desk.booking_accounts
    )
    ours = [item for item in found if item.booking.side is view.ours]
    theirs = [item for item in found if item.booking.side is not view.ours]
    return page.render("bookings.html", view=view, window=window, ours=ours, theirs=theirs)


@router.get("/{slug}/agreements/{text}/windows/{window}/bookings.csv")
def bookings_file(request: Request, slug: str, text: str, window: WindowNumber) -> Response:
    """Return our suggested vouchers as CSV for the ERP."""
    page = Page(request, slug)
    with page.reading() as session:
        view = page.agreement(session, text)
    found = load_vouchers(
        page.node,
        view,
        window,
        page.speaker,
        accounts=page.desk.booking_accounts,
        side=view.ours,
    )
    name = f"kanhe-bookings-{view.short[:8]}-{window}.csv"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(bookings_csv(found), media_type=CSV_TYPE, headers=headers)


@router.get("/{slug}/agreements/{text}/windows/{window}/bundle.json")
def bundle(request: Request, slug: str, text: str, window: WindowNumber) -> Response:
    """Return the report bundle that `kanhe verify` checks."""
    page = Page(request, slug)
    with page.reading() as session:
        view = page.agreement(session, text)
    body = page.node.proofs.bundle(view.agreement, window)
    return _download(body, f"kanhe-{view.short}-{window}.json")


# Before the entry's own page: its address takes the rest of the path.
@router.get("/{slug}/agreements/{text}/entries/{side}/{ref:path}/proof.json")
def record_proof(request: Request, slug: str, text: str, side: str, ref: str) -> Response:
    """Return one record's proof against the closing head that a signed report names."""
    page = Page(request, slug)
    which = side_of(side)
    with page.reading() as session:
        view = page.agreement(session, text)
        it = load_entry(session, view.agreement, which, ref)
    if it.provable_window is None:
        raise UsageError(
            "WINDOW_NOT_AGREED",
            "no signed report covers this entry yet",
            help="both sides sign its window first",
        )
    proof = page.node.proofs.record_proof(
        view.agreement,
        which,
        ref,
        window=it.provable_window,
    )
    return _download(proof, f"kanhe-proof-{which.word}-{ODD.sub('_', ref[:40])}.json")
