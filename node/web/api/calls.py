"""Who calls the API: a token's person, or a browser's session with its CSRF token.

`By`, `Key`, `Limit` and `After` are the parameters that calls share.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec
from fastapi import Depends, Header, Path, Query, Request
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from node.acts import RUNNING, claim, give_up, remember
from node.errors import Conflict
from node.web.access import LoginError
from node.web.auth import check_csrf
from node.web.node_view import NodeView, now_ms_of
from node.web.pages import Desk, person_of
from node.web.read.parties import AgreementView, find_agreement
from reconcile.model import UsageError, Where

MAX_KEY: Final = 200
# A second equal call waits so long for the first one's answer.
WAIT_S: Final = 20.0
POLL_S: Final = 0.05
NS_PER_MS: Final = 1_000_000


class Caller:
    """The institution and person behind an API call."""

    def __init__(self, request: Request, slug: str) -> None:
        """Find the person by token or session; LoginError TOKEN_NEEDED or TOKEN_WRONG."""
        desk: Desk = request.app.state.desk
        self.slug = slug
        self.node: NodeView = desk.node(slug)
        self.now_ms = now_ms_of(self.node)
        who = person_of(request, desk, slug, self.now_ms)
        if who is None:
            raise LoginError(
                "TOKEN_NEEDED",
                "this call needs an API token",
                help="make one on your own page of the desk; send it as Authorization: Bearer",
            )
        self.who = who
        if request.method not in {"GET", "HEAD"} and self.who.csrf:
            check_csrf(self.who, request.headers.get("x-csrf-token"))

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
        *,
        status: int = 202,
    ) -> JSONResponse:
        """Do a write once per key: the same key and body give the same answer.

        `status` is 202 where the ledger follows, 200 where all is done.
        Of two equal calls at once the second waits for the first one's answer. Raises `Conflict`
        IDEMPOTENCY_RUNNING when that takes too long.
        """
        if key is None:
            return JSONResponse(act(), status)
        if not 0 < len(key) <= MAX_KEY:
            raise UsageError("IDEMPOTENCY_KEY", f"an idempotency key has 1 to {MAX_KEY} characters")
        name = f"api/{self.who.login}/{scope}"
        before = self._claimed(name, key, body)
        if before is not None:
            return JSONResponse(msgspec.json.decode(before), status)
        try:
            answer = act()
        except BaseException:
            # What failed may be asked again under the same key.
            with self.node.sessions.begin() as session:
                give_up(session, name, key)
            raise
        with self.node.sessions.begin() as session:
            remember(session, name, key, msgspec.json.encode(answer), now_ms=self.now_ms)
        return JSONResponse(answer, status)

    def _claimed(self, name: str, key: str, body: bytes) -> bytes | None:
        """Claim a key for this call, or return the answer that the call before it got."""
        deadline = time.monotonic() + WAIT_S
        while True:
            now_ms = time.time_ns() // NS_PER_MS
            with self.node.sessions.begin() as session:
                found = claim(session, name, key, body, now_ms=now_ms)
            if found is not RUNNING:
                return found
            if time.monotonic() > deadline:
                raise Conflict(
                    "IDEMPOTENCY_RUNNING",
                    f"the call with the key {key!r} is still at work",
                    help="ask again with the same key",
                )
            time.sleep(POLL_S)


def caller(
    request: Request,
    slug: Annotated[str, Path(description="The institution.")],
) -> Caller:
    """Return who calls."""
    return Caller(request, slug)


By = Annotated[Caller, Depends(caller)]
Key = Annotated[str | None, Header(alias="Idempotency-Key")]
Limit = Annotated[int, Query(ge=1, le=500)]
After = Annotated[str | None, Query(description="Cursor: `next` of the page before.")]


def base64_of(text: str, field: str) -> bytes:
    """Return a field that holds base64; `UsageError` BASE64_MALFORMED, without what it held."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise UsageError(
            "BASE64_MALFORMED", f"{field} is no base64", where=Where(field=field)
        ) from None
