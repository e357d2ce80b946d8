"""Commands about the committee that holds the lookups' key: `committee`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from node.cli.output import EXIT_DONE, JsonTo, emit, note, say, table
from node.cli.session import Home, Wait, acting, actor, finish, node_of

RunArg = Annotated[str, typer.Argument(help="The run's id or its beginning.")]
MembersArg = Annotated[list[int], typer.Argument(help="The members that will hold shares.")]
Threshold = Annotated[
    int, typer.Option("--threshold", "-t", help="How many of them evaluate; 2t > n.")
]
PhaseBlocks = Annotated[
    int | None, typer.Option("--phase-blocks", help="Blocks of each phase; a safe number else.")
]


def register(app: typer.Typer) -> None:
    """Put the commands into the tree."""
    committee = typer.Typer(no_args_is_help=True, help="The committee of the blacklist's key.")
    committee.command("list")(committee_list)
    committee.command("generate")(committee_generate)
    committee.command("reshare")(committee_reshare)
    committee.command("join")(committee_join)
    committee.command("approve")(committee_approve)
    app.add_typer(committee, name="committee")


def committee_list(home: Home = None, json_to: JsonTo = None) -> int:
    """List key epochs and the runs that made them, with this node's part."""
    with node_of(home) as node:
        epochs, runs = node.committee.epochs(), node.committee.runs()
    answer = {
        "epochs": [_json(asdict(item)) for item in epochs],
        "runs": [_json(asdict(item)) for item in runs],
    }

    def human() -> None:
        columns: tuple[str, ...] = (">epoch", ">sharing", "t of members", "from block", "state")
        rows: list[tuple[object, ...]] = [
            (
                item.key_epoch,
                item.sharing,
                f"{item.threshold} of {_list(item.members)}",
                item.switch_block,
                ("in use" if item.current else "") + (", share held here" if item.held else ""),
            )
            for item in epochs
        ]
        table("Key epochs", columns, rows)
        columns = ("run", ">epoch", "for", "joined", "phase", ">to block", "here")
        rows = [
            (
                item.run.hex()[:16],
                f"{item.key_epoch}.{item.sharing}",
                f"{item.threshold} of {_list(item.members)}",
                _list(item.joined),
                item.phase,
                "–" if item.ends_block is None else item.ends_block,
                item.ours + (f" {item.error_code}" if item.error_code else ""),
            )
            for item in runs
        ]
        table("Runs", columns, rows)

    emit(answer, json_to, human)
    if any(item.current and item.for_demonstration for item in epochs):
        note("two colluding nodes can open everything: take a threshold of 3 or more in production")
    return EXIT_DONE


def committee_generate(
    members: MembersArg,
    threshold: Threshold,
    home: Home = None,
    phase_blocks: PhaseBlocks = None,
    wait: Wait = True,
    json_to: JsonTo = None,
) -> int:
    """Propose the next key epoch's key, and join; the others join with `committee join`."""
    return _propose(home, members, threshold, phase_blocks, wait, json_to, reshare=False)


def committee_reshare(
    members: MembersArg,
    threshold: Threshold,
    home: Home = None,
    phase_blocks: PhaseBlocks = None,
    wait: Wait = True,
    json_to: JsonTo = None,
) -> int:
    """Propose to share the present key anew, for other members or another threshold, and join."""
    return _propose(home, members, threshold, phase_blocks, wait, json_to, reshare=True)


def _propose(
    home: Home,
    members: list[int],
    threshold: int,
    phase_blocks: int | None,
    wait: bool,
    json_to: JsonTo,
    *,
    reshare: bool,
) -> int:
    with acting(home) as node:
        run = node.committee.propose(
            members, threshold, reshare=reshare, phase_blocks=phase_blocks, actor=actor()
        )
    done = finish(home, wait=wait)
    answer = {"run": run.hex(), "waited": done}
    emit(answer, json_to, lambda: say(f"run {run.hex()}"))
    note("its phases go on while `kanhe run` serves every member's node (KANHE_PEER_PORT)")
    return EXIT_DONE


def committee_join(
    run: RunArg, home: Home = None, wait: Wait = True, json_to: JsonTo = None
) -> int:
    """Take part in a run that another member proposed, and approve what comes out of it."""
    with acting(home) as node:
        found = node.committee.find_run(run)
        node.committee.join(found, actor=actor())
    done = finish(home, wait=wait)
    emit({"run": found.hex(), "waited": done}, json_to, lambda: say(f"joined {found.hex()}"))
    return EXIT_DONE


def committee_approve(
    run: RunArg, home: Home = None, wait: Wait = True, json_to: JsonTo = None
) -> int:
    """Approve a finished run's outcome as a full member outside of its committee."""
    with acting(home) as node:
        found = node.committee.find_run(run)
        node.committee.approve(found, actor=actor())
    done = finish(home, wait=wait)
    emit({"run": found.hex(), "waited": done}, json_to, lambda: say(f"approved {found.hex()}"))
    return EXIT_DONE


def _json(body: dict[str, Any]) -> dict[str, Any]:
    """Return numbers as text and bytes as hexadecimal, as the other commands do."""
    return {name: _plain(value) for name, value in body.items()}


def _plain(value: object) -> object:
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return str(value)


def _list(members: tuple[int, ...]) -> str:
    return ", ".join(map(str, members)) or "–"
