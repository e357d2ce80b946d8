"""Shared by the peers' tests: two members, one of them served."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from peer_town import NETWORK, NOW_S, Member, Town, echo, rant, refuse

from node.peers.client import PeerBook
from node.peers.directory import Peer, pin
from node.web.peer_app import create_peer_app
from node.web.peer_server import authenticator, serve_peers


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """One serving node and one calling node that pinned each other."""
    server, caller = Member(1, tmp_path / "one"), Member(2, tmp_path / "two")
    certificates = [member.certify() for member in (server, caller)]
    keys = {member.number: {member.signer.address} for member in (server, caller)}
    pin(server.home, Peer(2, "", (certificates[1],)))
    stop, ready = threading.Event(), threading.Event()
    town = Town(server, caller, keys, "", stop)
    book = PeerBook(server.home)
    app = create_peer_app(
        {"echo": echo, "refuse": refuse, "rant": rant},
        authenticator(book, NETWORK, is_key_of=town.is_key_of, now_s=lambda: NOW_S),
        max_body_bytes=1_000,
    )

    def said(address: str) -> None:
        town.url = address
        ready.set()

    thread = threading.Thread(
        target=serve_peers,
        args=(app, book, server.own),
        kwargs={"host": "127.0.0.1", "port": 0, "stop_event": stop, "on_ready": said},
        daemon=True,
    )
    thread.start()
    assert ready.wait(10)
    pin(caller.home, Peer(1, town.url, (certificates[0],)))
    yield town
    stop.set()
    thread.join(10)
