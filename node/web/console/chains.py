"""Head office's page: vouchers from branch to branch, rolled up and drilled into."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from node.services.reconciliation import state_of_word
from node.web.pages import Page
from reconcile.report import ChainState

router = APIRouter(include_in_schema=False)
PAGE_CHAINS = 200


@router.get("/{slug}/chains")
def chains(
    request: Request,
    slug: str,
    state: str = "",
    voucher: str = "",
    open: str = "",  # noqa: A002
) -> Response:
    """Show what is in transit between the branches, and each voucher's way."""
    page = Page(request, slug)
    page.who.require("view")
    with page.reading() as session:
        views = {view.agreement: view for view in page.agreements(session)}
    found = page.node.reconciliation.chains(
        only=views.keys(),
        voucher_no=voucher or None,
        state=state_of_word(state or None),
        open_only=bool(open),
        limit=PAGE_CHAINS,
    )
    return page.render(
        "chains.html",
        it=found,
        views=views,
        states=tuple(ChainState),
        state=state.upper(),
        voucher=voucher,
        open_only=bool(open),
    )
