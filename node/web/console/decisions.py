"""Decisions of an agreement: waiting, on the ledger, and in bulk by a workbook."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Form, Request, UploadFile
from fastapi.responses import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from node.errors import NotFound
from node.runs import groups_numbered
from node.services.breaks import DecisionView, Outcome, digest_of
from node.tables import MatchRun
from node.web.adjustment import XLSX_TYPE
from node.web.numbers import Number, WindowNumber
from node.web.pages import Page
from node.web.read.parties import AgreementView
from node.web.workbook import load_book, take_workbook, write_workbook
from node.web.workbook.read import MAX_BYTES
from reconcile.model import KanheError, MatchGroup

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form()]
SHOWN: Final = 200
PROOF: Final = "PROOF"


@router.get("/{slug}/agreements/{text}/decisions")
def decisions(request: Request, slug: str, text: str, workbook: str = "") -> Response:
    """Show what waits for a checker, what they decided, and the history."""
    page, view = _open(request, slug, text)
    return _show(page, view, workbook=workbook)


@router.get("/{slug}/agreements/{text}/decisions.xlsx")
def download(
    request: Request, slug: str, text: str, window: WindowNumber | None = None, search: str = ""
) -> Response:
    """Return breaks, proposals and groups as a workbook to fill in."""
    page, view = _open(request, slug, text)
    with page.reading() as session:
        book = load_book(session, view, window, page.speaker, search=search)
    name = f"kanhe-decisions-{view.short[:8]}-{book.stamp.window}.xlsx"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    data = write_workbook(book, page.speaker)
    return Response(data, media_type=XLSX_TYPE, headers=headers)


@router.post("/{slug}/agreements/{text}/decisions/import")
def upload(request: Request, slug: str, text: str, file: UploadFile, csrf: Text = "") -> Response:
    """Take a filled-in workbook as maker, and show what became of every row."""
    page, view = _open(request, slug, text)
    page.act(csrf, "propose", view.agreement)
    data = file.file.read(MAX_BYTES + 1)
    try:
        outcomes = take_workbook(
            page.node, view, data, name=file.filename or "", actor=page.who.login
        )
    except KanheError as error:
        return _show(page, view, error=error)
    return _show(page, view, outcomes=outcomes)


@router.post("/{slug}/agreements/{text}/decisions/approve")
def approve(
    request: Request,
    slug: str,
    text: str,
    digest: Text,
    ids: Annotated[list[Number], Form()],
    csrf: Text = "",
) -> Response:
    """Approve the very decisions that were shown."""
    page, view = _open(request, slug, text)
    page.act(csrf, "check", view.agreement)
    single = page.who.single(view.agreement)
    outcomes = page.node.breaks.approve_many(
        view.agreement, ids, digest=digest, actor=page.who.login, single=single
    )
    return _show(page, view, outcomes=outcomes)


@router.post("/{slug}/agreements/{text}/decisions/join")
def join(
    request: Request,
    slug: str,
    text: str,
    decision: Text,
    reason: Text,
    csrf: Text = "",
) -> Response:
    """Propose the same as the other side has posted."""
    page, view = _open(request, slug, text)
    page.act(csrf, "propose", view.agreement)
    found = [
        item for item in page.node.breaks.standing(view.agreement) if item.hash.hex() == decision
    ]
    if not found:
        raise NotFound("DECISION_UNKNOWN", "no such decision is on the ledger")
    theirs = found[0].decision
    write_off = theirs.verdict == "write_off"
    page.node.breaks.propose_decision(
        view.agreement,
        verdict=theirs.verdict,
        reason=reason,
        actor=page.who.login,
        key=theirs.subject if write_off else None,
        servicer=theirs.servicer,
        owner=theirs.owner,
    )
    said = page.translate("Proposed; a second person checks it.")
    return page.go(f"/agreements/{view.short}/decisions", said=said)


@router.post("/{slug}/agreements/{text}/windows/{window}/groups/{number}/unmatch")
def unmatch(
    request: Request,
    slug: str,
    text: str,
    window: WindowNumber,
    number: Number,
    reason: Text,
    csrf: Text = "",
) -> Response:
    """Propose to take a matched group apart."""
    page, view = _open(request, slug, text)
    page.act(csrf, "propose", view.agreement)
    with page.reading() as session:
        group = _group(session, view, window, number)
    page.node.breaks.propose_decision(
        view.agreement,
        verdict="unmatch",
        reason=reason,
        actor=page.who.login,
        servicer=group.servicer,
        owner=group.owner,
        window=window,
    )
    said = page.translate("Proposed; a second person checks it.")
    return page.go(f"/agreements/{view.short}/decisions", said=said)


def _group(session: Session, view: AgreementView, window: int, number: int) -> MatchGroup:
    runs = session.execute(
        select(MatchRun.id, MatchRun.kind).where(
            MatchRun.agreement == view.agreement, MatchRun.window == window
        )
    ).all()
    # A proof decides where there is one.
    for run_id, _ in sorted(runs, key=lambda row: row.kind != PROOF):
        for _, group in groups_numbered(session, run_id, [number]):
            return group
    raise NotFound("GROUP_UNKNOWN", f"window {window} has no group {number}")


def _open(request: Request, slug: str, text: str) -> tuple[Page, AgreementView]:
    page = Page(request, slug)
    with page.reading() as session:
        view = page.agreement(session, text)
    return page, view


def _show(
    page: Page,
    view: AgreementView,
    *,
    workbook: str = "",
    outcomes: tuple[Outcome, ...] | None = None,
    error: KanheError | None = None,
) -> Response:
    every = page.node.breaks.waiting_decisions(view.agreement)
    waiting = [item for item in every if (item.workbook or "").startswith(workbook)][:SHOWN]
    mine = [item for item in waiting if _may_check(page, view, item)]
    standing = page.node.breaks.standing(view.agreement)
    theirs = [
        item
        for item in standing
        if item.effect == "WAITING" and view.ours is not None and not item.posted_by(view.ours)
    ]
    return page.render(
        "decisions.html",
        status=error.http_status if error else 200,
        view=view,
        waiting=waiting,
        left=len(every) - len(waiting),
        checkable=mine,
        digest=digest_of(mine),
        theirs=theirs,
        history=list(reversed(standing))[:SHOWN],
        outcomes=outcomes,
        error=error,
        drafts=page.node.breaks.decisions(view.agreement)[:SHOWN],
    )


def _may_check(page: Page, view: AgreementView, item: DecisionView) -> bool:
    """Say whether this person may be the second pair of eyes."""
    if not page.who.may("check", view.agreement):
        return False
    return item.maker != page.who.login or page.who.single(view.agreement)
