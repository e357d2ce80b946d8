"""Nobody's upload is read: a large body needs a logged-in person before its first byte is taken.

The framework parses a form before it asks who sent it, and spools a large one to the disk.
"""

from __future__ import annotations

from typing import Final

from anyio import to_thread
from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from node.web.access import LoginError
from node.web.api.problem import problem
from node.web.node_view import now_ms_of
from node.web.pages import Desk, person_of
from reconcile.model import KanheError, OutsideError

# Every form of the desk but an upload fits; so does a log-in, which nobody is logged in for.
SMALL_BODY_BYTES: Final = 64 * 1_024
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Doorkeeper:
    """Refuses large bodies of strangers without reading them."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`; the desk is found through it."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judge the request by its head, then hand it on."""
        if scope["type"] == "http" and _asks(scope):
            refusal = await to_thread.run_sync(_refusal, scope)
            if refusal is not None:
                refusal.headers["connection"] = "close"
                await refusal(scope, receive, send)
                return
        await self.app(scope, receive, send)


def _asks(scope: Scope) -> bool:
    if scope["method"] in SAFE_METHODS:
        return False
    headers = Headers(scope=scope)
    length = headers.get("content-length")
    if headers.get("content-type", "").startswith("multipart/"):
        return True
    if length is None:
        return "transfer-encoding" in headers
    return not length.isdecimal() or int(length) > SMALL_BODY_BYTES


def _refusal(scope: Scope) -> Response | None:
    request = Request(scope)
    desk: Desk = scope["app"].state.desk
    parts = scope["path"].strip("/").split("/")
    slug = parts[0]
    program = len(parts) > 1 and parts[1] == "api"
    try:
        node = desk.node(slug)
        if person_of(request, desk, slug, now_ms_of(node)) is not None:
            return None
    except LoginError as error:
        return problem(error)
    except SQLAlchemyError:
        return problem(OutsideError("DATABASE_FAILED", "the node's database did not answer"))
    except KanheError as error:
        return problem(error)
    if program:
        return _stranger()
    return RedirectResponse(f"/{slug}/login", status_code=303)


def _stranger() -> JSONResponse:
    return problem(
        LoginError(
            "TOKEN_NEEDED",
            "this call needs an API token",
            help="make one on your own page of the desk; send it as Authorization: Bearer",
        )
    )
