"""The desk and the API of one or several institutions as one ASGI application."""

from __future__ import annotations

import re
import secrets
import shutil
import tempfile
import threading
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from node.settings import Settings
from node.web import export
from node.web.api import health, problem, stream, v1
from node.web.auth import Cookies, Limits
from node.web.console import (
    ageing,
    blacklist,
    cases,
    chains,
    days,
    decisions,
    disputes,
    door,
    house,
    imports,
    results,
)
from node.web.doorkeeper import Doorkeeper
from node.web.middleware import Guard
from node.web.node_view import NodeView
from node.web.pages import HERE, Desk
from node.web.sources import Sources
from reconcile.model import UsageError

SLUG: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
RESERVED: Final = frozenset({"static", "healthz", "readyz", "metrics"})
LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
SECRET_BYTES: Final = 32
PARTS: Final = (
    health,
    v1,
    stream,
    door,
    export,
    days,
    results,
    imports,
    ageing,
    blacklist,
    disputes,
    decisions,
    cases,
    chains,
    house,
)
MINUTE_MS: Final = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """What the desk is told; everything has a safe default for loopback.

    `secret` signs session cookies: None makes a new one, so log-ins end with the process.
    `allowed_hosts` are the names the desk answers to; `*` for any.
    `pdf_font`, `booking_accounts`: as in `Settings`.
    """

    secret: bytes | None = None
    secure_cookies: bool = False
    max_body_bytes: int = 268_435_456
    uploads: Path | None = None
    allowed_hosts: tuple[str, ...] = LOOPBACK
    limits: Limits = field(default_factory=Limits)
    metrics: bool = True
    pdf_font: Path | None = None
    booking_accounts: Path | None = None

    @classmethod
    def of(cls, settings: Settings) -> WebSettings:
        """Return what a node's settings say about its desk."""
        tls = settings.tls_certificate is not None
        return cls(
            secure_cookies=tls,
            max_body_bytes=max(settings.max_upload_bytes, settings.max_body_bytes),
            allowed_hosts=tuple(dict.fromkeys((*LOOPBACK, settings.host))),
            metrics=settings.metrics,
            limits=Limits(
                max_failed=settings.login_attempts,
                max_failed_source=settings.login_source_attempts,
                lock_ms=settings.login_lock_min * MINUTE_MS,
                session_ms=settings.session_max_h * 60 * MINUTE_MS,
                idle_ms=settings.session_idle_min * MINUTE_MS,
            ),
            pdf_font=settings.pdf_font,
            booking_accounts=settings.booking_accounts,
        )


def create_app(nodes: Mapping[str, NodeView], settings: WebSettings | None = None) -> FastAPI:
    """Return the application of these institutions, by the word in their addresses.

    Raises UsageError SLUG_WRONG for a word that no address can hold.
    """
    chosen = settings or WebSettings()
    for slug in nodes:
        if not SLUG.fullmatch(slug) or slug in RESERVED:
            raise UsageError(
                "SLUG_WRONG",
                f"{slug!r} cannot stand in an address",
                help="use lower-case letters, digits and dashes",
            )
    app = FastAPI(
        title="Kanhe",
        summary="Two institutions, one result.",
        version="1",
        docs_url=None,  # its page loads scripts from another host
        redoc_url=None,
        openapi_url=None,  # served per institution, behind the log-in
    )
    uploads = chosen.uploads or Path(tempfile.mkdtemp(prefix="kanhe-uploads-"))
    uploads.mkdir(mode=0o700, parents=True, exist_ok=True)
    if chosen.uploads is None:
        # A statement that was shown and never taken does not outlive the desk.
        weakref.finalize(app, shutil.rmtree, uploads, ignore_errors=True)
    app.state.desk = Desk(
        nodes=dict(nodes),
        cookies=Cookies(chosen.secret or secrets.token_bytes(SECRET_BYTES)),
        secure_cookies=chosen.secure_cookies,
        uploads=uploads,
        limits=chosen.limits,
        metrics=chosen.metrics,
        sources=Sources(chosen.limits.max_failed_source, chosen.limits.lock_ms),
        pdf_font=chosen.pdf_font,
        booking_accounts=chosen.booking_accounts,
    )
    app.state.watchers = {}
    app.state.stopping = threading.Event()
    problem.install(app)
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    # The routes themselves: `include_router` would make each anew for every application.
    app.router.routes.extend(route for part in PARTS for route in part.router.routes)
    app.add_middleware(Doorkeeper)
    app.add_middleware(
        Guard,
        max_body_bytes=chosen.max_body_bytes,
        allowed_hosts=chosen.allowed_hosts,
        secure=chosen.secure_cookies,
    )
    return app
