"""Errors as RFC 9457 problem+json for programs, as a page for people."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from node.errors import NotFound
from node.telemetry import logger
from node.web.access import LoginError
from node.web.pages import Desk, Page, render, speaker_of
from reconcile.model import KanheError, OutsideError, UsageError, Where

PROBLEM = "application/problem+json"
RETRY_AFTER_S = 2


class MethodError(UsageError):
    """Raised when an address exists for another HTTP method."""

    http_status = 405


def problem_of(error: KanheError) -> dict[str, Any]:
    """Return the problem document; `code`, `where` and `help` are as in `interfaces.md`."""
    body = error.to_json()
    return {
        "type": "about:blank",
        "title": error.code.replace("_", " ").capitalize(),
        "status": error.http_status,
        "detail": error.message,
        **{key: body[key] for key in ("code", "where", "help", "details") if key in body},
    }


def problem(error: KanheError) -> JSONResponse:
    """Return the problem as an answer."""
    status = error.http_status
    wait_s = getattr(error, "retry_after_s", RETRY_AFTER_S)
    headers = {"retry-after": str(wait_s)} if status in {429, 503} else {}
    if status == 401:  # noqa: PLR2004 - HTTP's number
        headers["www-authenticate"] = "Bearer"
    return JSONResponse(problem_of(error), status, headers, media_type=PROBLEM)


def answer(request: Request, error: KanheError) -> Response:
    """Return a problem to a program, a page to a person."""
    path = request.url.path
    parts = path.strip("/").split("/")
    if path == "/metrics" or (len(parts) > 1 and parts[1] in {"api", "live"}):
        return problem(error)
    desk: Desk = request.app.state.desk
    slug = parts[0]
    if isinstance(error, LoginError) and error.code == "LOGIN_NEEDED" and slug in desk.nodes:
        target = path if request.method == "GET" else f"/{slug}/"
        return RedirectResponse(f"/{slug}/login?next={target}", status_code=303)
    back = f"/{slug}/" if slug in desk.nodes else "/"
    page: Page | None = None
    if slug in desk.nodes:
        try:
            page = Page(request, slug)
            return page.render("error.html", status=error.http_status, error=error, back=back)
        except (KanheError, SQLAlchemyError):
            # The frame needs the very database that may have failed: say it on a bare page.
            page = None
    speaker = speaker_of(request)
    text = render(desk, request, "error.html", speaker, error=error, back=back, page=None)
    return HTMLResponse(text, error.http_status)


def install(app: FastAPI) -> None:
    """Turn every exception into an answer; each has one place and one shape."""

    @app.exception_handler(KanheError)
    def refused(request: Request, error: KanheError) -> Response:
        return answer(request, error)

    @app.exception_handler(RequestValidationError)
    def malformed(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
        wrong = UsageError(
            "REQUEST_MALFORMED",
            f"{field}: {first['msg']}",
            where=Where(field=field),
            help="see the OpenAPI document for the shape of this call",
        )
        return answer(request, wrong)

    @app.exception_handler(HTTPException)
    def http(request: Request, error: HTTPException) -> Response:
        if error.status_code == 400:  # noqa: PLR2004 - HTTP's number
            wrong = UsageError(
                "REQUEST_MALFORMED",
                "the body cannot be read",
                help="see the OpenAPI document for the shape of this call",
            )
            return answer(request, wrong)
        says = f"{request.method} {request.url.path}: nothing here"
        if error.status_code == 405:  # noqa: PLR2004 - HTTP's number
            return answer(request, MethodError("METHOD_WRONG", says))
        return answer(request, NotFound("PAGE_UNKNOWN", says))

    @app.exception_handler(SQLAlchemyError)
    def database(request: Request, error: SQLAlchemyError) -> Response:
        logger("desk").error("database", error=type(error).__name__)
        broken = OutsideError(
            "DATABASE_FAILED",
            "the node's database did not answer",
            help="try again; `kanhe doctor` says more",
        )
        return answer(request, broken)
