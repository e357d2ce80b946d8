"""Serves `peer_app` over mutual TLS; the caller's certificate comes with each request."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from node.peers.certificates import (
    IsKeyOf,
    Network,
    read_der,
    require_member,
    write_pem,
)
from node.peers.client import PeerBook
from node.peers.contexts import server_context
from node.peers.directory import Peer
from node.peers.own import OwnCertificate
from node.peers.peering import Peering
from node.telemetry import logger
from node.web.peer_app import CERTIFICATE, Authenticate, Handler, create_peer_app, hello
from node.web.server import serve
from reconcile.model import KanheError, ProtocolError

LOOK_S: Final = 1.0
_log = logger("peers")


class NodeWithPeers(Protocol):
    """A node as its peers' server needs it."""

    @property
    def peers(self) -> Peering:
        """Return whom it lets in."""

    def peer_handlers(self) -> Mapping[str, Handler]:
        """Return what others may ask of it, by word."""


class PeerProtocol(H11Protocol):
    """HTTP/1.1 whose requests carry the certificate that the connection was made with."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Note the certificate for every request of this connection."""
        super().connection_made(transport)
        connection = transport.get_extra_info("ssl_object")
        shown = None if connection is None else connection.getpeercert(binary_form=True)
        self.app_state: dict[str, Any] = {**self.app_state, CERTIFICATE: shown}


def authenticator(
    book: PeerBook, network: Network, *, is_key_of: IsKeyOf, now_s: Callable[[], int]
) -> Authenticate:
    """Return the function that says whose certificate a caller shows.

    It has to be pinned now: a pin taken back ends connections that stand, too. Raises the errors of
    `require_member` and `ProtocolError` PEER_CERTIFICATE_WRONG.
    """

    def authenticate(der: bytes) -> int:
        certificate = read_der(der)
        member = require_member(certificate, network, is_key_of, now_s())
        peer = book.peers().get(member)
        if peer is None or certificate not in peer.certificates:
            raise ProtocolError(
                "PEER_CERTIFICATE_WRONG",
                f"this certificate of member {member} is not pinned here",
                help="give your present certificate to this node's operator",
            )
        return member

    return authenticate


def serve_peers(
    app: FastAPI,
    book: PeerBook,
    own: OwnCertificate,
    *,
    host: str,
    port: int,
    stop_event: threading.Event,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until `stop_event` is set; certificates pinned meanwhile are let in within a second.

    Raises what `serve` raises, and the errors of the own key and of peers.toml.
    """
    context = server_context(own, _certificates(book.peers()))
    looking = threading.Thread(target=_follow, args=(book, context, stop_event), daemon=True)
    looking.start()
    serve(
        app,
        host=host,
        port=port,
        on_ready=on_ready,
        stop_event=stop_event,
        peer_context=context,
        protocol=PeerProtocol,
    )


def serve_peers_of(
    node: NodeWithPeers,
    stop_event: threading.Event,
    *,
    host: str,
    port: int,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve what other members' nodes may ask of `node`, until `stop_event` is set."""
    peers = node.peers
    authenticate = authenticator(
        peers.book, peers.network, is_key_of=peers.is_key_of, now_s=peers.now_s
    )
    handlers = {"hello": hello, **node.peer_handlers()}
    app = create_peer_app(handlers, authenticate, courtesy=peers.courtesy)
    serve_peers(
        app,
        peers.book,
        peers.own,
        host=host,
        port=port,
        stop_event=stop_event,
        on_ready=on_ready,
    )


def _follow(book: PeerBook, context: ssl.SSLContext, stop: threading.Event) -> None:
    """Let newly pinned certificates through the handshake; those taken back fail behind it."""
    known = set(_certificates(book.peers()))
    while not stop.wait(LOOK_S):
        try:
            new = [item for item in _certificates(book.peers()) if item not in known]
        except KanheError as error:
            _log.warning("peers not read", code=error.code, says=error.message)
            continue
        for certificate in new:
            with contextlib.suppress(ssl.SSLError):
                context.load_verify_locations(cadata=write_pem(certificate))
            known.add(certificate)


def _certificates(peers: Mapping[int, Peer]) -> list[Any]:
    return [certificate for peer in peers.values() for certificate in peer.certificates]
