"""REST: head office's chains of vouchers and what is in transit."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse

from node.services.reconciliation import state_of_word
from node.web.api.calls import Caller, caller
from node.web.pages import reading
from node.web.read.parties import load_agreements

router = APIRouter()
By = Annotated[Caller, Depends(caller)]
MAX_CHAINS = 1_000


@router.get("/chains", tags=["chains"])
def chains(
    by: By,
    voucher_no: Annotated[str | None, Query(description="Part of a voucher number.")] = None,
    state: Annotated[
        str | None, Query(description="originated, at_head, received or irregular.")
    ] = None,
    open_only: Annotated[bool, Query(description="Only what has not arrived.")] = False,
    limit: Annotated[int, Query(ge=1, le=MAX_CHAINS)] = 200,
) -> JSONResponse:
    """Vouchers from branch to branch over all agreements, with the in-transit identity."""
    by.who.require("view")
    with reading(by.node)() as session:
        views = load_agreements(session, by.node.member, by.node.name)
        seen = [view.agreement for view in views if by.who.sees(view.agreement)]
    found = by.node.reconciliation.chains(
        only=seen,
        voucher_no=voucher_no,
        state=state_of_word(state),
        open_only=open_only,
        limit=limit,
    )
    return JSONResponse(found.to_json())
