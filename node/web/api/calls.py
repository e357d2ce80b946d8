"""Who calls the API: a token's person, or a browser's session with its CSRF token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec
from fastapi import Header, Path, Request
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from node.acts import once, remember
from node.web.access import LoginError, Who
from node.web.auth import check_csrf, who_of_session, who_of_token
from node.web.node_view import NodeView, now_ms_of
from node.web.pages import Desk, session_cookie
from node.web.read.parties import AgreementView, find_agreement
from reconcile.model import UsageError

MAX_KEY: Final = 200


class Caller:
    """The institution and person behind an API call."""

    def __init__(self, request: Request, slug: str, authorization: str | None) -> None:
        """Find the person by token or session; LoginError TOKEN_NEEDED or TOKEN_WRONG."""
        desk: Desk = request.app.state.desk
        self.slug = slug
        self.node: NodeView = desk.node(slug)
        self.now_ms = now_ms_of(self.node)
        self.who = self._person(request, desk, authorization)
        if request.method not in {"GET", "HEAD"} and self.who.csrf:
            check_csrf(self.who, request.headers.get("x-csrf-token"))

    def _person(self, request: Request, desk: Desk, authorization: str | None) -> Who:
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() == "bearer" and token:
            return who_of_token(self.node.sessions, token.strip(), self.now_ms)
        session = desk.cookies.open(request.cookies.get(session_cookie(self.slug)), self.slug)
        if session:
            who = who_of_session(self.node.sessions, session, self.now_ms, desk.limits)
            if who is not None:
                return who
        raise LoginError(
            "TOKEN_NEEDED",
            "this call needs an API token",
            help="make one on your own page of the desk; send it as Authorization: Bearer",
        )

    def view(self, session: Session, text: str, act: str = "view") -> AgreementView:
        """Return an agreement on which the person may do the act."""
        found = find_agreement(session, self.node.member, self.node.name, text)
        self.who.require(act, found.agreement)
        return found

    def once(
        self,
        scope: str,
        key: str | None,
        body: bytes,
        act: Callable[[], dict[str, Any]],
    ) -> JSONResponse:
        """Do a write once per key: the same key and body give the same answer."""
        if key is None:
            return JSONResponse(act(), 202)
        if not 0 < len(key) <= MAX_KEY:
            raise UsageError("IDEMPOTENCY_KEY", f"an idempotency key has 1 to {MAX_KEY} characters")
        name = f"api/{self.who.login}/{scope}"
        with self.node.sessions() as session:
            before = once(session, name, key, body)
        if before is not None:
            return JSONResponse(msgspec.json.decode(before), 202)
        answer = act()
        with self.node.sessions.begin() as session:
            # Two calls at once: the services underneath are idempotent, the first answer stays.
            if once(session, name, key, body) is None:
                encoded = msgspec.json.encode(answer)
                remember(session, name, key, body, encoded, now_ms=self.now_ms)
        return JSONResponse(answer, 202)


def caller(
    request: Request,
    slug: Annotated[str, Path(description="The institution.")],
    authorization: Annotated[str | None, Header()] = None,
) -> Caller:
    """Return who calls."""
    return Caller(request, slug, authorization)
