"""What other members' nodes may ask of this one: a POST a word, the caller known by certificate.

Each handler takes the member that calls and the body, and returns the answer's body (JSON). The
desk and its people live in another application at another address; nothing here knows a session.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Final

from fastapi import FastAPI, Request
from fastapi.responses import Response
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from node.courtesy import Courtesy
from node.errors import NotFound
from node.peers.client import PREFIX
from node.telemetry import logger
from node.web.api.problem import problem
from reconcile.model import KanheError, OutsideError, ProtocolError, UsageError

Handler = Callable[[int, bytes], bytes]
Authenticate = Callable[[bytes], int]
MAX_BODY_BYTES: Final = 16 << 20
#: Where `PeerProtocol` puts the caller's certificate (DER) into a request's state.
CERTIFICATE: Final = "peer_certificate"
_log = logger("peers")


class BodyTooLarge(UsageError):  # noqa: N818 - a statement
    """Raised when a call's body is longer than is read."""

    http_status = 413


def create_peer_app(
    handlers: Mapping[str, Handler],
    authenticate: Authenticate,
    *,
    courtesy: Courtesy | None = None,
    max_body_bytes: int = MAX_BODY_BYTES,
) -> FastAPI:
    """Return the application; `authenticate` says whose certificate (DER) this is, or refuses it.

    `handlers` are by the word behind `/peer/v1/`; `courtesy` hears of each call.
    """
    answering = (courtesy or Courtesy()).answering
    app = FastAPI(title="Kanhe peers", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.stopping = threading.Event()

    @app.post(PREFIX + "{word:path}")
    async def call(word: str, request: Request) -> Response:
        body = await _body(request, max_body_bytes)
        certificate = request.scope.get("state", {}).get(CERTIFICATE)
        with answering():
            answer = await run_in_threadpool(_serve, word, certificate, body)
        return Response(answer, media_type="application/json")

    def _serve(word: str, certificate: bytes | None, body: bytes) -> bytes:
        if not certificate:
            raise ProtocolError(
                "PEER_CERTIFICATE_MISSING",
                "the call came without a certificate",
                help="nodes speak to each other over mutual TLS alone",
            )
        member = authenticate(certificate)
        handler = handlers.get(word)
        if handler is None:
            raise NotFound("PEER_CALL_UNKNOWN", f"{word[:64]!r} is nothing that nodes ask here")
        return handler(member, body)

    @app.exception_handler(KanheError)
    def refused(_request: Request, error: KanheError) -> Response:
        return problem(error)

    @app.exception_handler(HTTPException)
    def nothing(request: Request, _error: HTTPException) -> Response:
        says = f"{request.method} {request.url.path[:64]}: nodes send POST to {PREFIX}"
        return problem(NotFound("PEER_CALL_UNKNOWN", says))

    @app.exception_handler(SQLAlchemyError)
    def database(_request: Request, error: SQLAlchemyError) -> Response:
        _log.error("database", error=type(error).__name__)
        return problem(OutsideError("DATABASE_FAILED", "the node's database did not answer"))

    return app


def hello(member: int, _body: bytes) -> bytes:
    """Answer whom a caller is taken for."""
    return b'{"you":"%d"}' % member


async def _body(request: Request, most: int) -> bytes:
    """Read a body up to a bound, whatever its header says."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise BodyTooLarge("BODY_TOO_LARGE", f"at most {most:,} bytes are taken")
        parts.append(part)
    return b"".join(parts)
