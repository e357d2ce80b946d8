"""What every answer gets: secure headers, a bounded body, the institution's own host names.

Plain ASGI, because Starlette's function middleware would buffer the live stream.
"""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)
SECURE_HEADERS: Final = (
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), microphone=(), geolocation=(), payment=()"),
)
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
STATIC_AGE_S: Final = 3_600


class Guard:
    """Refuses foreign hosts, cross-site writes and bodies that are too large; adds headers."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_body_bytes: int,
        allowed_hosts: tuple[str, ...],
        secure: bool,
    ) -> None:
        """Wrap `app`; `secure` adds Strict-Transport-Security."""
        self.app = app
        self.max_body_bytes = max_body_bytes
        self.allowed_hosts = allowed_hosts
        self.secure = secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judge the request, then hand it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope["method"], headers)
        dressed = self._dress(scope, send)
        if refusal is not None:
            status, code, message = refusal
            body = {"type": "about:blank", "status": status, "code": code, "detail": message}
            answer = JSONResponse(body, status, media_type="application/problem+json")
            await answer(scope, receive, dressed)
            return
        await self.app(scope, self._bounded(receive), dressed)

    def _refusal(self, method: str, headers: Headers) -> tuple[int, str, str] | None:
        host = headers.get("host", "").rsplit(":", 1)[0]
        if "*" not in self.allowed_hosts and host not in self.allowed_hosts:
            # A name that merely resolves to us (DNS rebinding) must not reach a session.
            return 421, "HOST_UNKNOWN", f"this desk does not answer as {host!r}"
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self.max_body_bytes:
            return 413, "BODY_TOO_LARGE", f"at most {self.max_body_bytes} bytes are taken"
        if method not in SAFE_METHODS and not _same_origin(headers):
            return 403, "CROSS_SITE", "this act was sent from another site"
        return None

    def _bounded(self, receive: Receive) -> Receive:
        seen = 0

        async def bounded() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self.max_body_bytes:
                # Chunked bodies carry no length: the connection is treated as gone.
                return {"type": "http.disconnect"}
            return message

        return bounded

    def _dress(self, scope: Scope, send: Send) -> Send:
        static = "/static/" in scope["path"]

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURE_HEADERS:
                    headers.setdefault(name, value)
                if self.secure:
                    headers["strict-transport-security"] = "max-age=31536000"
                age = f"public, max-age={STATIC_AGE_S}" if static else "no-store"
                headers.setdefault("cache-control", age)
            await send(message)

        return dressed


def _same_origin(headers: Headers) -> bool:
    """Say whether a write comes from our own pages or from no page at all (a program)."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in {"same-origin", "none"}
    origin = headers.get("origin")
    return origin is None or origin.split("://", 1)[-1] == headers.get("host")
