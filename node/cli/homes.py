"""Commands about a node's home and life: `init`, `run`, `doctor`, `backup`."""

from __future__ import annotations

import contextlib
import gc
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli.output import EXIT_DONE, EXIT_NO, JsonTo, emit, note, say, write_json
from node.cli.session import Home, node_of, passphrase_of, read_settings, running_node

if TYPE_CHECKING:
    from node.bootstrap import ChainTarget, Node


def register(app: typer.Typer) -> None:
    """Put the commands into the tree."""
    app.command("init")(init)
    app.command("run")(run)
    app.command("doctor")(doctor)
    app.command("backup")(backup)
    app.command("restore")(restore)


def init(
    name: Annotated[str, typer.Option(help="What people call this institution.")],
    home: Home = None,
    code: Annotated[
        str | None, typer.Option(help="Public code of a full member: LEI, CNAPS, USCC.")
    ] = None,
    chain_url: Annotated[str | None, typer.Option(help="JSON-RPC address of the chain.")] = None,
    chain_id: Annotated[int | None, typer.Option(help="The chain's id.")] = None,
    registry: Annotated[str | None, typer.Option(help="Registry's address.")] = None,
    ledger: Annotated[str | None, typer.Option(help="Ledger's address.")] = None,
    profile: Annotated[
        str, typer.Option(help="What is final: embedded, instant, clique, bft.")
    ] = "bft",
    from_block: Annotated[int, typer.Option(help="First block that may hold our logs.")] = 0,
    blacklist: Annotated[
        str, typer.Option(help="Blacklist's address, where the network has one.")
    ] = "",
    lookups: Annotated[str, typer.Option(help="Lookups' address, beside --blacklist.")] = "",
    points: Annotated[str, typer.Option(help="Points' address, beside --blacklist.")] = "",
    json_to: JsonTo = None,
) -> int:
    """Make a node's home: keys under a passphrase, their backup, node.toml."""
    from node.bootstrap import init_home

    settings = read_settings(home)
    target = _target(
        chain_url,
        chain_id,
        registry,
        ledger,
        profile,
        from_block,
        screening=(blacklist, lookups, points),
    )
    info = init_home(
        settings.home,
        name=name,
        passphrase=passphrase_of(settings, confirm=True),
        code=code,
        target=target,
    )
    answer = {
        "home": str(info.home),
        "name": info.name,
        "code": info.code,
        "addresses": dict(info.addresses),
    }
    emit(answer, json_to, lambda: _show_home(answer))
    return EXIT_DONE


def _target(
    url: str | None,
    chain_id: int | None,
    registry: str | None,
    ledger: str | None,
    profile: str,
    from_block: int,
    *,
    screening: tuple[str, str, str],
) -> ChainTarget | None:
    from node.bootstrap import ChainTarget
    from reconcile.model import UsageError

    given = (url, chain_id, registry, ledger)
    if all(item is None for item in given) and not any(screening):
        return None
    if url is None or chain_id is None or registry is None or ledger is None:
        raise UsageError(
            "CHAIN_INCOMPLETE",
            "a chain is named by its address, its id and both contracts",
            help="give --chain-url, --chain-id, --registry and --ledger together",
        )
    blacklist, lookups, points = screening
    target = ChainTarget(
        url,
        chain_id,
        registry,
        ledger,
        profile,
        from_block,
        blacklist=blacklist,
        lookups=lookups,
        points=points,
    )
    # An address that is none is refused before a key is made.
    _ = target.contracts
    return target


def _show_home(answer: dict[str, Any]) -> None:
    say(f"{answer['name']}: {answer['home']}")
    for role, address in sorted(answer["addresses"].items()):
        say(f"  {role.lower():9} {address}")
    say("back the folder up: a lost key store is lost for ever")


def run(
    home: Home = None,
    desk: Annotated[bool, typer.Option("--desk/--no-desk", help="Serve the desk too.")] = False,
    host: Annotated[str | None, typer.Option(help="Address of the desk.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of the desk; 0: a free one.")] = None,
    json_to: JsonTo = None,
) -> int:
    """Run one node until it is stopped; it survives being killed at any moment."""
    stop = threading.Event()
    with running_node(home) as node:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda _number, _frame: stop.set())
        if json_to is not None:
            write_json({"name": node.name, "member": node.member, "home": str(node.home)}, json_to)
        note(f"{node.name} runs: chain {node.target.chain_id} at {node.target.url}")
        with _serving_peers(node, stop):
            if desk:
                _run_with_desk(node, stop, host, port)
            else:
                node.run(stop, at_rest=keep_for_good)
    return EXIT_DONE


def keep_for_good() -> None:
    """Let the cycle collector look no more at what a node has made by its first rest.

    It stays until the node ends; looking at it again took a tenth of a second, in which whoever
    asked this node waited.
    """
    gc.collect()
    gc.freeze()


@contextlib.contextmanager
def _serving_peers(node: Node, stop: threading.Event) -> Iterator[None]:
    """Serve other members' nodes beside the turns, where a port is set for them."""
    settings = node.settings
    if not settings.peer_port:
        yield
        return
    from node.web.peer_server import serve_peers_of

    failed: list[BaseException] = []

    def serve() -> None:
        try:
            serve_peers_of(
                node,
                stop,
                host=settings.peer_host,
                port=settings.peer_port,
                on_ready=lambda address: note(f"peers: {address}"),
            )
        except BaseException as error:  # noqa: BLE001 - raised again by the main thread
            failed.append(error)
            stop.set()

    worker = threading.Thread(target=serve, name="peers", daemon=True)
    worker.start()
    try:
        yield
    finally:
        stop.set()
        worker.join()
    if failed:
        raise failed[0]


def _run_with_desk(node: Node, stop: threading.Event, host: str | None, port: int | None) -> None:
    from node.web.app import WebSettings, create_app
    from node.web.logins import login_rows
    from node.web.server import serve

    settings = replace(node.settings, host=host or node.settings.host)
    failed: list[BaseException] = []

    def turns() -> None:
        try:
            node.run(stop, at_rest=keep_for_good)
        except BaseException as error:  # noqa: BLE001 - raised again by the main thread
            failed.append(error)
            stop.set()

    if not login_rows(node.sessions):
        note("nobody can log in yet: `kanhe login add NAME --role ROLE` prints a one-time link")
    worker = threading.Thread(target=turns, name="node", daemon=True)
    worker.start()
    try:
        serve(
            create_app({"desk": node}, WebSettings.of(settings)),
            host=settings.host,
            port=settings.port if port is None else port,
            on_ready=lambda address: note(f"desk: {address}"),
            stop_event=stop,
            tls_cert=settings.tls_certificate,
            tls_key=settings.tls_key,
            client_ca=settings.tls_client_ca,
        )
    finally:
        stop.set()
        worker.join()
    if failed:
        raise failed[0]


def backup(
    out: Annotated[Path, typer.Argument(help="Where to copy the home to.")],
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """Copy keys, settings and (on SQLite) the database, and record the backup."""
    from node.backups import back_up

    with node_of(home, keys=True) as node:
        made = back_up(node.home, node.database, node.keys, out)
    answer = {
        "out": str(out),
        "key_files": str(made.key_files),
        "keys": str(made.keys),
        "database": made.database,
    }
    emit(answer, json_to, lambda: say(f"{made.key_files} key files, {made.keys} keys in {out}"))
    if not made.database:
        note("the database is a server's: back it up there too (pg_dump)")
    return EXIT_DONE


def restore(
    source: Annotated[Path, typer.Argument(help="The folder that `kanhe backup` wrote.")],
    keys: Annotated[
        list[Path] | None,
        typer.Option("--keys", help="A folder with later key files, e.g. the lost home's backup."),
    ] = None,
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """Make a home from a backup; what the lost one sent since then is listed and taken over."""
    from node.backups import restore as restore_home

    settings = read_settings(home)
    made = restore_home(
        source,
        settings.home,
        passphrase_of(settings),
        more_keys=keys or (),
        database_url=settings.database_url,
    )
    answer = {
        "home": str(settings.home),
        "key_files": str(made.key_files),
        "keys": str(made.keys),
        "database": made.database,
    }
    emit(answer, json_to, lambda: say(f"{made.key_files} key files restored to {settings.home}"))
    note("make sure that the lost copy never runs again, then start this one: `kanhe run`")
    note("what the lost copy sent since the backup: `kanhe outbox list`, then `outbox adopt`")
    return EXIT_DONE


def doctor(home: Home = None, json_to: JsonTo = None) -> int:
    """Look at keys, database, chain, contracts, clock, membership and incidents."""
    from node.cli.doctor import examine

    checks = examine(read_settings(home))
    answer = {
        "checks": [{"name": name, "ok": ok, "says": says} for name, ok, says in checks],
        "ok": all(ok for _, ok, _ in checks),
    }
    emit(answer, json_to, lambda: _show_checks(answer))
    return EXIT_DONE if answer["ok"] else EXIT_NO


def _show_checks(answer: dict[str, Any]) -> None:
    for item in answer["checks"]:
        say(f"{'ok  ' if item['ok'] else 'FAIL'}  {item['name']}: {item['says']}")
