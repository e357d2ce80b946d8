"""/healthz, /readyz and /metrics, for machines that watch; figures need a token."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import generate_latest
from sqlalchemy.exc import SQLAlchemyError

from node.errors import NotFound
from node.web.access import LoginError
from node.web.node_view import now_ms_of
from node.web.pages import Desk, person_of, reading
from node.web.read.figures import refresh
from node.web.read.status import load_strip
from reconcile.model import KanheError

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
def healthz() -> JSONResponse:
    """Say that the process answers."""
    return JSONResponse({"ok": True})


@router.get("/readyz")
def readyz(request: Request) -> JSONResponse:
    """Say per institution whether database and ledger are in reach, with the reason if not."""
    desk: Desk = request.app.state.desk
    answers: dict[str, dict[str, object]] = {}
    for slug, node in desk.nodes.items():
        try:
            with reading(node)() as session:
                strip = load_strip(session, now_ms_of(node))
        except (SQLAlchemyError, KanheError) as error:
            answers[slug] = {"ok": False, "reason": f"database: {type(error).__name__}"}
            continue
        reasons = {
            "good": "",
            "none": "the ledger has not been read yet",
            "stale": "the ledger was not read for a while: the chain's endpoint does not answer, "
            "or the node has stopped",
            "stalled": "the chain makes no blocks",
        }
        reason = "signing has stopped" if strip.signing_stopped else reasons[strip.health]
        answers[slug] = {"ok": not reason, "reason": reason, "lag": strip.lag}
    ready = all(item["ok"] for item in answers.values())
    return JSONResponse({"ok": ready, "institutions": answers}, 200 if ready else 503)


@router.get("/metrics")
def metrics(request: Request) -> PlainTextResponse:
    """Return the Prometheus figures of every institution at which the caller's token holds.

    They tell how much is open and how fast it moves, so they are not for everybody: the scraper
    sends an API token (`Authorization: Bearer`). Raises `LoginError` TOKEN_NEEDED, `NotFound`.
    """
    desk: Desk = request.app.state.desk
    if not desk.metrics:
        raise NotFound("PAGE_UNKNOWN", "GET /metrics: nothing here")
    parts: list[str] = []
    seen = False
    for slug, node in desk.nodes.items():
        if not _may_watch(request, desk, slug):
            continue
        seen = True
        figures = getattr(node, "metrics", None)
        if figures is not None:
            with reading(node)() as session:
                refresh(figures, session, now_ms_of(node))
            text = generate_latest(figures.registry).decode()
            parts.append(_labelled(text, slug, headers=not parts))
    if not seen:
        raise LoginError(
            "TOKEN_NEEDED",
            "the figures need an API token",
            help="let the scraper send Authorization: Bearer kanhe_…",
        )
    return PlainTextResponse("".join(parts), media_type="text/plain; version=0.0.4; charset=utf-8")


def _may_watch(request: Request, desk: Desk, slug: str) -> bool:
    """Say whether the token, or a browser's session, holds at this institution."""
    try:
        who = person_of(request, desk, slug, now_ms_of(desk.node(slug)))
    except LoginError:
        # A token of another institution that is hosted here.
        return False
    return who is not None and who.may("view")


def _labelled(text: str, slug: str, *, headers: bool) -> str:
    """Return the exposition with an `institution` label on every sample; headers only once."""
    lines = []
    for line in text.splitlines():
        if line.startswith("#"):
            if headers:
                lines.append(line)
            continue
        name, _, rest = line.partition(" ")
        base, brace, labels = name.partition("{")
        if brace:
            # Label values may hold spaces: cut at the closing brace instead.
            head, _, value = line.rpartition("} ")
            base, _, labels = head.partition("{")
            lines.append(f'{base}{{institution="{slug}",{labels}}} {value}')
        else:
            lines.append(f'{base}{{institution="{slug}"}} {rest}')
    return "\n".join(lines) + "\n"
