"""/healthz, /readyz and /metrics, for machines that watch; no institution's figures in clear."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import generate_latest
from sqlalchemy.exc import SQLAlchemyError

from node.web.node_view import now_ms_of
from node.web.pages import Desk, reading
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
            "stale": "the follower has not written for a while",
            "stalled": "the chain makes no blocks",
        }
        reason = "signing has stopped" if strip.signing_stopped else reasons[strip.health]
        answers[slug] = {"ok": not reason, "reason": reason, "lag": strip.lag}
    ready = all(item["ok"] for item in answers.values())
    return JSONResponse({"ok": ready, "institutions": answers}, 200 if ready else 503)


@router.get("/metrics")
def metrics(request: Request) -> PlainTextResponse:
    """Return every institution's Prometheus figures, each under its own label."""
    desk: Desk = request.app.state.desk
    parts: list[str] = []
    for slug, node in desk.nodes.items():
        figures = getattr(node, "metrics", None)
        if figures is not None:
            text = generate_latest(figures.registry).decode()
            parts.append(_labelled(text, slug, headers=not parts))
    return PlainTextResponse("".join(parts), media_type="text/plain; version=0.0.4; charset=utf-8")


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
