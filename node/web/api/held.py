"""REST: records that are held; released by an operator, given up by two people."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from node.services.posting import Choice, DiscardView
from node.web.api import schemas as out
from node.web.api.calls import Caller, caller
from node.web.console.days import side_of
from node.web.numbers import Number, SeqNumber
from node.web.pages import reading

router = APIRouter(tags=["held"])
By = Annotated[Caller, Depends(caller)]
Reason = Annotated[str, Field(min_length=3, max_length=500)]


class Discard(BaseModel):
    """Which held records to give up: of a batch, never sent, by reference; all of a side else."""

    reason: Reason
    side: str | None = None
    batch: SeqNumber | None = None
    unsent: bool = False
    refs: list[str] = Field(default=[], max_length=1_000)


class Check(BaseModel):
    """What the checker saw: the draft's `body_sha256`."""

    body_sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Refusal(BaseModel):
    """Why a draft is refused."""

    reason: Reason


@router.get("/agreements/{agreement}/held")
def held(by: By, agreement: str) -> JSONResponse:
    """What is held on this agreement, and what is drafted to be given up."""
    with reading(by.node)() as session:
        view = by.view(session, agreement)
    posting = by.node.posting
    records = [row for row in posting.held_records() if row.agreement == view.agreement]
    drafts = [row for row in posting.discards(waiting=True) if row.agreement == view.agreement]
    body: dict[str, Any] = {
        "records": [
            {
                "side": row.side.word,
                "batch": None if row.seq is None else str(row.seq),
                "window": str(row.window),
                "records": str(row.records),
                "reason": row.reason,
                "since_ms": str(row.since_ms),
            }
            for row in records
        ],
        "discards": [row.to_json() for row in drafts],
    }
    return JSONResponse(body)


@router.post("/agreements/{agreement}/held/discard", status_code=202)
def discard(by: By, agreement: str, wish: Discard) -> out.Accepted:
    """Draft, as maker, to give up held records; a second person approves it."""
    with reading(by.node)() as session:
        view = by.view(session, agreement, "discard")
    made = by.node.posting.propose_discard(
        view.agreement,
        Choice(seq=wish.batch, unsent=wish.unsent, refs=wish.refs),
        reason=wish.reason,
        side=None if wish.side is None else side_of(wish.side),
        actor=by.who.login,
    )
    return out.Accepted(id=str(made.discard_id))


@router.post("/agreements/{agreement}/discards/{number}/approve")
def approve(by: By, agreement: str, number: Number, check: Check) -> JSONResponse:
    """Give up, as checker, exactly what the draft names."""
    found = _about(by, agreement, number)
    done = by.node.posting.approve_discard(
        found.discard_id,
        actor=by.who.login,
        single=by.who.single(found.agreement),
        person_id=by.who.person_id,
        shown=bytes.fromhex(check.body_sha256),
    )
    return JSONResponse(done.to_json())


@router.post("/agreements/{agreement}/discards/{number}/reject")
def reject(by: By, agreement: str, number: Number, refusal: Refusal) -> JSONResponse:
    """Refuse a draft as checker; its records stay held."""
    found = _about(by, agreement, number)
    done = by.node.posting.reject_discard(
        found.discard_id, actor=by.who.login, reason=refusal.reason
    )
    return JSONResponse(done.to_json())


def _about(by: Caller, agreement: str, number: int) -> DiscardView:
    """Return a draft about this agreement that the person may check."""
    with reading(by.node)() as session:
        view = by.view(session, agreement, "check")
    return by.node.posting.require_discard(view.agreement, number)
