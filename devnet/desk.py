"""`make desk`: the demo's nodes and their desks again, at a loopback address, until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from devnet.network import Network, reopen_network
from node.bootstrap import Node
from node.telemetry import logger
from node.web.app import create_app
from node.web.auth import invite_person
from node.web.server import serve
from reconcile.model import KanheError

FOLDER: Final = Path("demo")
DEFAULT_PORT: Final = 8420
STEP_PAUSE_S: Final = 0.1
# One person each, with every role but one pair that must never be the same hand.
LOGIN: Final = "desk"
ROLES: Final = ("viewer", "maker", "operator", "auditor")
CHECKER_LOGIN: Final = "checker"
_log = logger("desk")


def links(node: Node, slug: str) -> Mapping[str, str]:
    """Return one-time log-in paths: one for a maker, one for the checker of what she makes."""
    now_ms = time.time_ns() // 1_000_000
    return {
        "maker": f"/{slug}"
        + invite_person(
            node.sessions, login=LOGIN, display_name="Desk", roles=ROLES, now_ms=now_ms
        ),
        "checker": f"/{slug}"
        + invite_person(
            node.sessions,
            login=CHECKER_LOGIN,
            display_name="Checker",
            roles=("viewer", "checker"),
            now_ms=now_ms,
        ),
    }


def _keep_stepping(network: Network, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            idle = network.turn()
        except KanheError as error:
            # The desk shows the stalled chain; the next turn tries again.
            _log.warning("turn_failed", code=error.code, message=error.message)
            idle = True
        if idle:
            stop.wait(STEP_PAUSE_S)


def serve_desk(folder: Path, *, port: int, console: Console) -> None:
    """Serve until a signal arrives; raises `OutsideError` DEMO_NOT_FOUND or PORT_IN_USE."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    network = reopen_network(folder)
    stepping = threading.Thread(target=_keep_stepping, args=(network, stop), name="nodes")
    stepping.start()

    def ready(base: str) -> None:
        console.print(f"The desk is at [bold]{base}[/] until Ctrl-C. One-time log-ins:")
        for slug, node in network.nodes.items():
            for role, path in links(node, slug).items():
                console.print(f"  {slug:<11} {role:<8} {base}{path}", soft_wrap=True)

    try:
        serve(create_app(network.nodes), port=port, on_ready=ready, stop_event=stop)
    finally:
        stop.set()
        stepping.join(timeout=30)
        network.close()


def main(argv: Sequence[str]) -> int:
    """Serve the demo's desk; the words are those of `kanhe desk --help`."""
    parser = argparse.ArgumentParser(prog="kanhe desk", description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 takes a free one")
    options = parser.parse_args(argv)
    serve_desk(options.folder, port=options.port, console=Console(stderr=True))
    return 0
