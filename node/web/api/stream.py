"""The live view: one server-sent event whenever something moved.

The event carries no data but counters: the page asks again for what it shows. One watcher per
institution polls a few indexed rows; every reader shares it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from node.errors import BackPressure
from node.tables import AuditRow, Cursor, Incident, Intent, MatchRun
from node.web.node_view import NodeView
from node.web.pages import Page, reading

router = APIRouter()
POLL_S: Final = 0.5
WAIT_S: Final = 1.0
MAX_STREAMS: Final = 64
MAX_STREAM_S: Final = 1_800


def marks(session: Session) -> dict[str, int]:
    """Return counters that move whenever a page of this institution would look different."""
    return {
        "run": int(session.scalar(select(func.max(MatchRun.id))) or 0),
        # A provisional run that goes on is the same row at a later time.
        "run_at": int(session.scalar(select(func.max(MatchRun.run_at_ms))) or 0),
        "block": int(session.scalar(select(Cursor.block_number)) or 0),
        "intent": int(session.scalar(select(func.max(Intent.id))) or 0),
        "done": int(session.scalar(select(func.max(Intent.done_at_ms))) or 0),
        "act": int(session.scalar(select(func.max(AuditRow.id))) or 0),
        "incident": int(session.scalar(select(func.max(Incident.id))) or 0),
    }


class Watcher:
    """Polls one institution's marks for all of its readers."""

    def __init__(self, node: NodeView) -> None:
        """Watch `node` while at least one reader listens."""
        self.node = node
        self.readers = 0
        self.now: dict[str, int] = {}
        self.changed = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    def _look(self) -> dict[str, int]:
        with reading(self.node)() as session:
            return marks(session)

    async def _watch(self) -> None:
        while self.readers:
            seen = await run_in_threadpool(self._look)
            if seen != self.now:
                self.now = seen
                # Whoever waits holds the old event; the next change has one of its own.
                past, self.changed = self.changed, asyncio.Event()
                past.set()
            await asyncio.sleep(POLL_S)
        self.task = None

    async def events(self, request: Request) -> AsyncIterator[bytes]:
        """Yield the reader's events until it goes or the time is up; the browser comes back."""
        self.readers += 1
        if self.task is None:
            self.task = asyncio.create_task(self._watch())
        seen = dict(self.now)
        end = asyncio.get_running_loop().time() + MAX_STREAM_S
        try:
            yield b"retry: 2000\n\n"
            while asyncio.get_running_loop().time() < end:
                if await request.is_disconnected() or request.app.state.stopping.is_set():
                    return
                yield await self._next(seen)
                seen = dict(self.now)
        finally:
            self.readers -= 1

    async def _next(self, seen: dict[str, int]) -> bytes:
        # Short waits, so that a stopping server and a reader who left are noticed.
        try:
            if self.now == seen:
                await asyncio.wait_for(self.changed.wait(), WAIT_S)
        except TimeoutError:
            return b": here\n\n"
        return b"event: moved\ndata: " + msgspec.json.encode(self.now) + b"\n\n"


@router.get("/{slug}/live", include_in_schema=False)
async def live(request: Request, slug: str) -> StreamingResponse:
    """Stream `moved` events to a logged-in page."""
    page = await run_in_threadpool(Page, request, slug)
    return stream(request, slug, page.node)


def stream(request: Request, slug: str, node: NodeView) -> StreamingResponse:
    """Return the institution's stream; BackPressure TOO_MANY_STREAMS."""
    watchers: dict[str, Watcher] = request.app.state.watchers
    watcher = watchers.setdefault(slug, Watcher(node))
    if watcher.readers >= MAX_STREAMS:
        raise BackPressure(
            "TOO_MANY_STREAMS",
            f"{MAX_STREAMS} live views are open",
            retry_after_s=30,
            help="close one; pages work without it",
        )
    return StreamingResponse(watcher.events(request), media_type="text/event-stream")
