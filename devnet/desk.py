"""`make desk`: the demo's nodes and their desks again, at a loopback address, until Ctrl-C."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from devnet.network import NETWORK_FILE, reopen_network
from devnet.parsing import Parser, write_outcome
from devnet.screening_network import reopen_members
from devnet.turns import one_at_a_time
from node.bootstrap import Node
from node.telemetry import logger
from node.web.app import create_app
from node.web.auth import invite_person
from node.web.server import serve
from reconcile.model import KanheError

FOLDER: Final = Path("demo")
#: Where the demo's second act has its own network, inside the demo's folder.
SECOND_ACT: Final = "blacklist"
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


def _keep_running(node: Node, stop: threading.Event) -> None:
    """Let one node take turns; one whose chain is another stops alone, the desk shows it stale."""
    try:
        node.run(stop, interval_s=STEP_PAUSE_S)
    except KanheError as error:
        _log.error("node_stopped", node=node.name, code=error.code, message=error.message)


def _start(nodes: Iterable[Node], stop: threading.Event) -> list[threading.Thread]:
    threads = [
        threading.Thread(target=_keep_running, args=(node, stop), name=node.name) for node in nodes
    ]
    for thread in threads:
        thread.start()
    return threads


def serve_desk(folder: Path, *, port: int, console: Console, json_to: str | None = None) -> None:
    """Serve until a signal arrives; raises `OutsideError` DEMO_NOT_FOUND or PORT_IN_USE.

    `json_to` takes one object once the desk answers: its address and the one-time log-ins.
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with contextlib.ExitStack() as stack:
        stack.enter_context(one_at_a_time(folder))
        network = reopen_network(folder)
        stack.callback(network.close)
        nodes = dict(network.nodes)
        if (folder / SECOND_ACT / NETWORK_FILE).exists():
            members = reopen_members(folder / SECOND_ACT)
            stack.callback(members.close)
            nodes |= members.network.nodes
        _serve_nodes(nodes, stop, port=port, console=console, json_to=json_to)


def _serve_nodes(
    nodes: Mapping[str, Node],
    stop: threading.Event,
    *,
    port: int,
    console: Console,
    json_to: str | None,
) -> None:
    threads = _start(nodes.values(), stop)

    def ready(base: str) -> None:
        found = [
            {"institution": slug, "role": role, "address": f"{base}{path}"}
            for slug, node in nodes.items()
            for role, path in links(node, slug).items()
        ]
        if json_to is not None:
            write_outcome({"desk": base, "log_ins": found}, json_to)
        console.print(f"The desk is at [bold]{base}[/] until Ctrl-C. One-time log-ins:")
        for item in found:
            words = f"  {item['institution']:<11} {item['role']:<8} {item['address']}"
            console.print(words, soft_wrap=True)

    try:
        serve(create_app(nodes), port=port, on_ready=ready, stop_event=stop)
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=30)


def main(argv: Sequence[str]) -> int:
    """Serve the demo's desk; the words are those of `kanhe desk --help`."""
    parser = Parser(prog="kanhe desk", description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 takes a free one")
    parser.add_argument("--json", metavar="FILE", help="address and log-ins; - standard output")
    options = parser.parse_args(argv)
    console = Console(stderr=True)
    serve_desk(options.folder, port=options.port, console=console, json_to=options.json)
    return 0
