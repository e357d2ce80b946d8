"""What the relay's tests share: a network that can be spoiled, and a few questions."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
from ledger_world import World, entries
from sqlalchemy import select

from node.chain.client import ChainClient
from node.chain.trust import trust_for
from node.tables import (
    Intent,
    QueuedRecord,
)
from reconcile.model import Side

SERVICER = Side.SERVICER
Meddle = Callable[[list[dict[str, Any]], Callable[[], httpx.Response]], httpx.Response]


class Meddler(httpx.BaseTransport):
    """The network between node and chain: `meddle` sees every request and may spoil it."""

    def __init__(self, meddle: Meddle) -> None:
        self.meddle = meddle
        self.inner = httpx.HTTPTransport(verify=trust_for(()))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Let `meddle` decide."""
        body = json.loads(request.read())
        calls = body if isinstance(body, list) else [body]
        return self.meddle(calls, lambda: self.inner.handle_request(request))


def sends(calls: list[dict[str, Any]]) -> bool:
    """Say whether these requests send transactions."""
    return calls[0]["method"] == "eth_sendRawTransaction"


def answered(calls: list[dict[str, Any]], message: str) -> httpx.Response:
    """Answer every call with an error."""
    answers = [
        {"jsonrpc": "2.0", "id": call["id"], "error": {"code": -32000, "message": message}}
        for call in calls
    ]
    return httpx.Response(200, json=answers if len(answers) > 1 else answers[0])


def through(world: World, meddle: Meddle) -> None:
    """Put a meddler between the servicer's node and the chain."""
    party = world.servicer
    party.client = ChainClient(world.client.urls, transport=Meddler(meddle))
    party.restart()


def post(world: World, count: int = 5, size: int = 2, prefix: str = "e") -> None:
    """Queue and seal entries of the servicer."""
    world.servicer.queue(world.agreement, SERVICER, entries(count, prefix), world.window)
    world.servicer.seal(world.agreement, SERVICER, size)


def check(world: World, count: int, prefix: str = "e") -> None:
    """Every entry once, seen by the counterparty, and the queue empty."""
    assert world.owner.refs(SERVICER) == [f"{prefix}{n:04d}" for n in range(count)]
    assert world.servicer.count(QueuedRecord, QueuedRecord.state != "POSTED") == 0
    assert world.servicer.count(Intent, Intent.state.in_(("WAITING", "SIGNED", "HELD"))) == 0


def only(world: World, table: type[Any], *where: Any) -> Any:  # noqa: ANN401 - any row
    """Return the one row of the servicer's table."""
    with world.servicer.database.reading() as session:
        return session.scalars(select(table).where(*where)).one()


def rows(world: World, table: type[Any]) -> list[Any]:
    """Return the servicer's rows."""
    with world.servicer.database.reading() as session:
        return list(session.scalars(select(table)))
