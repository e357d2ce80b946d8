"""The blacklist on the desk: entries, one entry's trace, disputes with clocks, points."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from node.services.screening import DisputeView
from node.web import blacklist_words
from node.web.pages import Page
from node.web.read.parties import Names

router = APIRouter(include_in_schema=False)
PAGE_ENTRIES = 50
PAGE_MOVEMENTS = 50
LAST_MOVEMENTS = 5


@router.get("/{slug}/blacklist")
def blacklist(request: Request, slug: str, who: str = "ours", after: str | None = None) -> Response:
    """Show our entries or everybody's, the disputes that wait, and our points in one line."""
    page = _page(request, slug)
    service = page.node.screening
    ours = who != "all"
    rows, more = service.entries(ours=ours, after=after, limit=PAGE_ENTRIES)
    return _render(
        page,
        "blacklist.html",
        rows=rows,
        more=more,
        ours=ours,
        disputes=_soonest_first(service.disputes()),
        points=service.points(limit=LAST_MOVEMENTS),
    )


@router.get("/{slug}/blacklist/entries/{text}")
def trace(request: Request, slug: str, text: str) -> Response:
    """Show where an entry comes from and every change of it, each with its transaction."""
    page = _page(request, slug)
    service = page.node.screening
    return _render(page, "trace.html", it=service.trace(service.find_entry(text)))


@router.get("/{slug}/blacklist/disputes")
def disputes(request: Request, slug: str) -> Response:
    """Show every dispute, the open ones by the clock that runs out first."""
    page = _page(request, slug)
    found = page.node.screening.disputes(everything=True)
    settled = [item for item in found if item.outcome is not None]
    still = [item for item in found if item.outcome is None]
    return _render(
        page,
        "disputes.html",
        disputes=[*_soonest_first(still), *reversed(settled)],
        open=len(still),
    )


@router.get("/{slug}/blacklist/points")
def points(
    request: Request, slug: str, member: int | None = None, after: str | None = None
) -> Response:
    """Show a member's points and each movement with its reason; ours by default."""
    page = _page(request, slug)
    it = page.node.screening.points(member, after=after, limit=PAGE_MOVEMENTS)
    return _render(page, "points.html", it=it, member=member)


def _page(request: Request, slug: str) -> Page:
    page = Page(request, slug)
    page.who.require("view")
    return page


def _render(page: Page, template: str, **context: Any) -> Response:  # noqa: ANN401 - template values
    names: Names = page.names
    now_s = page.now_ms // 1_000
    return page.render(template, lw=blacklist_words, names=names, now_s=now_s, **context)


def _soonest_first(found: tuple[DisputeView, ...] | list[DisputeView]) -> list[DisputeView]:
    """Order by the clock that runs out first: what we must do, before what we wait for."""
    return sorted(found, key=lambda item: (not item.moves, item.due_s or item.suspends_s))
