"""REST: decisions, singly and in bulk; a maker brings, a checker approves."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, File, Query, UploadFile
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from node.services.breaks import Outcome, digest_of
from node.web.adjustment import XLSX_TYPE
from node.web.api.calls import Caller, caller
from node.web.i18n import Speaker, pick_locale
from node.web.numbers import Number, WindowNumber
from node.web.pages import reading
from node.web.workbook import load_book, take_workbook, write_workbook
from node.web.workbook.read import MAX_BYTES

router = APIRouter(tags=["decisions"])
By = Annotated[Caller, Depends(caller)]
Window = Annotated[WindowNumber | None, Query(description="Its run; else the newest window's.")]
Language = Annotated[str, Query(description="zh or en.")]
Search = Annotated[str, Query(description="Only groups of this reference or amount.")]


class Approval(BaseModel):
    """The decisions to approve, and the digest of how they were shown."""

    ids: list[Number] = Field(min_length=1, max_length=20_000)
    digest: str = Field(pattern="^[0-9a-f]{64}$", description="As `waiting_digest` gave it.")


class Rejection(BaseModel):
    """Why a decision is refused."""

    reason: str = Field(min_length=3, max_length=500)


@router.get("/agreements/{agreement}/decisions")
def decisions(by: By, agreement: str) -> JSONResponse:
    """Ours, what both sides posted, and the digest a checker approves the waiting ones with."""
    with reading(by.node)() as session:
        view = by.view(session, agreement)
    waiting = by.node.breaks.waiting_decisions(view.agreement)
    body: dict[str, Any] = {
        "decisions": [item.to_json() for item in by.node.breaks.decisions(view.agreement)],
        "standing": [item.to_json() for item in by.node.breaks.standing(view.agreement)],
        "waiting": [str(item.decision_id) for item in waiting],
        "waiting_digest": digest_of(waiting),
    }
    return JSONResponse(body)


@router.get("/agreements/{agreement}/decisions.xlsx")
def workbook(
    by: By, agreement: str, window: Window = None, lang: Language = "zh", search: Search = ""
) -> Response:
    """Return breaks, proposals and groups as a workbook to fill in."""
    speaker = Speaker(pick_locale(lang, None))
    with reading(by.node)() as session:
        view = by.view(session, agreement)
        book = load_book(session, view, window, speaker, search=search)
    return Response(write_workbook(book, speaker), media_type=XLSX_TYPE)


@router.post("/agreements/{agreement}/decisions/import", status_code=202)
def take(by: By, agreement: str, file: Annotated[UploadFile, File()]) -> JSONResponse:
    """Take a filled-in workbook as maker: every row is taken whole or refused alone."""
    with reading(by.node)() as session:
        view = by.view(session, agreement, "propose")
    data = file.file.read(MAX_BYTES + 1)
    outcomes = take_workbook(by.node, view, data, name=file.filename or "", actor=by.who.login)
    return _answer(outcomes)


@router.post("/agreements/{agreement}/decisions/approve", status_code=202)
def approve(by: By, agreement: str, approval: Approval) -> JSONResponse:
    """Approve decisions as checker: exactly as they were shown, each alone."""
    with reading(by.node)() as session:
        view = by.view(session, agreement, "check")
    outcomes = by.node.breaks.approve_many(
        view.agreement,
        approval.ids,
        digest=approval.digest,
        actor=by.who.login,
        single=by.who.single(view.agreement),
    )
    return _answer(outcomes)


@router.post("/agreements/{agreement}/decisions/{decision}/reject", status_code=202)
def reject(by: By, agreement: str, decision: Number, rejection: Rejection) -> JSONResponse:
    """Refuse a decision as checker, with the reason."""
    with reading(by.node)() as session:
        view = by.view(session, agreement, "check")
    # Who may check one agreement refuses nothing of another.
    by.node.breaks.require_about(view.agreement, decision)
    found = by.node.breaks.reject_decision(decision, actor=by.who.login, reason=rejection.reason)
    return JSONResponse(found.to_json(), 202)


def _answer(outcomes: tuple[Outcome, ...]) -> JSONResponse:
    refused = sum(item.code is not None for item in outcomes)
    body = {
        "taken": str(len(outcomes) - refused),
        "refused": str(refused),
        "rows": [item.to_json() for item in outcomes],
    }
    return JSONResponse(body, 202)
