"""The blacklist on the desk: entries, disputes with clocks, points."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from node.services.screening import DisputeView
from node.web import blacklist_words, lookup_words
from node.web.pages import Page
from node.web.read.parties import Names

router = APIRouter(include_in_schema=False)
PAGE_ENTRIES = 50
PAGE_MOVEMENTS = 50
LAST_MOVEMENTS = 5
PAGE_LOOKUPS = 100
PAGE_AUDITS = 20
LAST_VERSIONS = 10


@router.get("/{slug}/blacklist")
def blacklist(request: Request, slug: str, who: str = "ours", after: str | None = None) -> Response:
    """Show our entries or everybody's, the disputes that wait, and our points in one line."""
    page = open_page(request, slug)
    service = page.node.screening
    ours = who != "all"
    rows, more = service.entries(ours=ours, after=after, limit=PAGE_ENTRIES)
    return render_in_words(
        page,
        "blacklist.html",
        rows=rows,
        more=more,
        ours=ours,
        disputes=_soonest_first(service.disputes()),
        points=service.points(limit=LAST_MOVEMENTS),
    )


@router.get("/{slug}/blacklist/disputes")
def disputes(request: Request, slug: str) -> Response:
    """Show every dispute, the open ones by the clock that runs out first."""
    page = open_page(request, slug)
    found = page.node.screening.disputes(everything=True)
    settled = [item for item in found if item.outcome is not None]
    still = [item for item in found if item.outcome is None]
    return render_in_words(
        page,
        "disputes.html",
        disputes=[*_soonest_first(still), *reversed(settled)],
        open=len(still),
    )


@router.get("/{slug}/blacklist/lookups")
def lookups(request: Request, slug: str) -> Response:
    """Show our lookups, what this node refused as one of the committee, and the index's versions.

    For who looks people up; nothing of a person is among it.
    """
    page = open_page(request, slug)
    page.who.require("screen")
    node = page.node
    return render_in_words(
        page,
        "lookups.html",
        kw=lookup_words,
        lookups=node.lookups.lookups(limit=PAGE_LOOKUPS),
        refusals=node.parts.answering.refusals(limit=PAGE_LOOKUPS),
        versions=node.parts.index.versions(limit=LAST_VERSIONS),
    )


@router.get("/{slug}/blacklist/points")
def points(
    request: Request, slug: str, member: int | None = None, after: str | None = None
) -> Response:
    """Show a member's points and each movement with its reason; ours by default."""
    page = open_page(request, slug)
    it = page.node.screening.points(member, after=after, limit=PAGE_MOVEMENTS)
    who = it.account.member
    audits = page.node.parts.audits
    # The regulator's own page shows all that it audits; nobody audits it.
    of = None if audits.is_regulator(who) else who
    found = audits.audits(member=of, limit=PAGE_AUDITS)
    return render_in_words(page, "points.html", it=it, member=member, audits=found)


def open_page(request: Request, slug: str) -> Page:
    """Return the page of somebody who may read."""
    page = Page(request, slug)
    page.who.require("view")
    return page


def render_in_words(page: Page, template: str, *, status: int = 200, **context: Any) -> Response:  # noqa: ANN401 - template values
    """Return a page with the blacklist's words, the members' names and the present second."""
    names: Names = page.names
    now_s = page.now_ms // 1_000
    return page.render(
        template, status=status, lw=blacklist_words, names=names, now_s=now_s, **context
    )


def _soonest_first(found: tuple[DisputeView, ...] | list[DisputeView]) -> list[DisputeView]:
    """Order by the clock that runs out first: what we must do, before what we wait for."""
    return sorted(found, key=lambda item: (not item.moves, item.due_s or item.suspends_s))
