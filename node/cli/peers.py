"""Commands about the nodes of other members that this one speaks to: `peer`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from node.cli.output import EXIT_DONE, JsonTo, emit, note, say, say_lines, table
from node.cli.session import Home, actor, node_of

MemberArg = Annotated[int, typer.Argument(help="The member's number.")]


def register(app: typer.Typer) -> None:
    """Put the commands into the tree."""
    peer = typer.Typer(no_args_is_help=True, help="Nodes of other members, over mutual TLS.")
    peer.command("certify")(peer_certify)
    peer.command("show")(peer_show)
    peer.command("pin")(peer_pin)
    peer.command("unpin")(peer_unpin)
    peer.command("list")(peer_list)
    peer.command("ping")(peer_ping)
    app.add_typer(peer, name="peer")


def peer_certify(
    home: Home = None,
    renew: Annotated[bool, typer.Option("--renew", help="Replace the present key.")] = False,
    json_to: JsonTo = None,
) -> int:
    """Make this node's TLS key and a certificate that its approver key binds to its member."""
    from node.peers.certificates import certificate_facts

    with node_of(home, keys=True) as node:
        made = node.peers.certify(renew=renew, actor=actor())
        path = node.peers.own.certificate_file
    answer = {"certificate": str(path), **certificate_facts(made)}
    emit(answer, json_to, lambda: say(f"{path}: to {answer['ends']}"))
    note("give the certificate to the members that this node speaks to: `kanhe peer show`")
    return EXIT_DONE


def peer_show(
    home: Home = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write it to this file.")] = None,
    json_to: JsonTo = None,
) -> int:
    """Print this node's certificate, to be pinned by others; it holds no secret."""
    from node.peers.certificates import certificate_facts, write_pem

    with node_of(home, keys=True) as node:
        found = node.peers.own.certificate()
    text = write_pem(found)
    if out is not None:
        out.write_text(text, encoding="ascii")
    answer = {"certificate": text, **certificate_facts(found)}
    emit(answer, json_to, lambda: say_lines(text if out is None else str(out)))
    return EXIT_DONE


def peer_pin(
    file: Annotated[Path, typer.Argument(help="The member's certificate (PEM).")],
    home: Home = None,
    url: Annotated[
        str, typer.Option(help="Where its node listens, https://host:port; empty: it only calls.")
    ] = "",
    keep_old: Annotated[
        bool, typer.Option("--keep-old", help="Keep the certificates that are pinned already.")
    ] = False,
    json_to: JsonTo = None,
) -> int:
    """Let a member's node in; its certificate must be signed for by a registry key of it."""
    from node.peers.certificates import certificate_facts, read_pem

    with node_of(home) as node:
        (certificate, *_) = read_pem(file.read_bytes())
        peer = node.peers.pin(certificate, url=url, keep_old=keep_old, actor=actor())
    answer = {"member": str(peer.member), "url": peer.url, **certificate_facts(certificate)}
    emit(answer, json_to, lambda: say(f"member {peer.member}: pinned, to {answer['ends']}"))
    return EXIT_DONE


def peer_unpin(member: MemberArg, home: Home = None, json_to: JsonTo = None) -> int:
    """Let a member's node in no longer."""
    with node_of(home) as node:
        node.peers.unpin(member, actor=actor())
    emit({"member": str(member)}, json_to, lambda: say(f"member {member}: not let in any more"))
    return EXIT_DONE


def peer_list(home: Home = None, json_to: JsonTo = None) -> int:
    """List the pinned nodes."""
    from node.peers.certificates import certificate_facts

    with node_of(home) as node:
        peers = node.peers.book.peers()
    answer: dict[str, Any] = {
        "peers": [
            {
                "member": str(member),
                "url": peer.url,
                "certificates": [certificate_facts(item) for item in peer.certificates],
            }
            for member, peer in sorted(peers.items())
        ]
    }
    rows = [
        (item["member"], item["url"] or "–", fact["fingerprint"][:16], fact["ends"])
        for item in answer["peers"]
        for fact in item["certificates"]
    ]
    columns = (">member", "address", "certificate", "ends")
    emit(answer, json_to, lambda: table("Peers", columns, rows))
    return EXIT_DONE


def peer_ping(member: MemberArg, home: Home = None, json_to: JsonTo = None) -> int:
    """Ask a member's node who it takes us for."""
    with node_of(home, keys=True) as node:
        ours = node.peers.ping(member)
    answer = {"member": str(member), "takes_us_for": str(ours)}
    emit(answer, json_to, lambda: say(f"member {member} answers; we are member {ours}"))
    return EXIT_DONE
