"""Commands about the committee that holds the lookups' key: `committee`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

import typer

from node.cli.output import EXIT_DONE, JsonTo, emit, note, plain, say, table
from node.cli.session import Home, Wait, acting, actor, finish, node_of

if TYPE_CHECKING:
    from node.services.committee import CommitteeService

    RunAct = Callable[[CommitteeService, bytes], None]

RunArg = Annotated[str, typer.Argument(help="The run's id or its beginning.")]
MembersArg = Annotated[list[int], typer.Argument(help="The members that will hold shares.")]
Threshold = Annotated[
    int, typer.Option("--threshold", "-t", help="How many of them evaluate; 2t > n.")
]
PhaseBlocks = Annotated[
    int | None, typer.Option("--phase-blocks", help="Blocks of each phase; a safe number else.")
]

#: Commands that propose a run: the word, whether the present key is shared anew, what it says.
PROPOSALS: Final = (
    (
        "generate",
        False,
        "Propose the next key epoch's key, and join; the others join with `committee join`.",
    ),
    (
        "reshare",
        True,
        "Propose to share the present key anew, for other members or another threshold, and join.",
    ),
)
#: Commands on a run that is named: the word, what was done, how, what it says.
RUN_ACTS: Final[tuple[tuple[str, str, RunAct, str], ...]] = (
    (
        "join",
        "joined",
        lambda service, run: service.join(run, actor=actor()),
        "Take part in a run that another member proposed, and approve what comes out of it.",
    ),
    (
        "approve",
        "approved",
        lambda service, run: service.approve(run, actor=actor()),
        "Approve a finished run's outcome as a full member outside of its committee.",
    ),
)


def register(app: typer.Typer) -> None:
    """Put the commands into the tree."""
    committee = typer.Typer(no_args_is_help=True, help="The committee of the blacklist's key.")
    committee.command("list")(committee_list)
    committee.command("refusals")(refusals)
    for word, reshare, says in PROPOSALS:
        committee.command(word, help=says)(_proposing(reshare=reshare))
    for word, done, act, says in RUN_ACTS:
        committee.command(word, help=says)(_acting_on_run(done, act))
    app.add_typer(committee, name="committee")


def committee_list(home: Home = None, json_to: JsonTo = None) -> int:
    """List key epochs and the runs that made them, with this node's part."""
    with node_of(home) as node:
        epochs, runs = node.committee.epochs(), node.committee.runs()
    answer = {
        "epochs": [plain(asdict(item)) for item in epochs],
        "runs": [plain(asdict(item)) for item in runs],
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


def refusals(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, newest first.")] = 50,
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """List what this node refused to evaluate: when, for whom, which ticket, and why."""
    with node_of(home) as node:
        found = node.parts.answering.refusals(limit=limit)
    answer = {"refusals": [plain(asdict(item)) for item in found]}
    rows = [
        (
            time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(item.at_ms // 1_000)),
            item.reader,
            item.ticket or "–",
            item.code,
            item.says,
        )
        for item in found
    ]
    columns = ("at (UTC)", ">member", ">ticket", "code", "why")
    emit(answer, json_to, lambda: table("Refused here", columns, rows))
    return EXIT_DONE


def _proposing(*, reshare: bool) -> Callable[..., int]:
    """Return the command that proposes a run of a kind."""

    def command(
        members: MembersArg,
        threshold: Threshold,
        home: Home = None,
        phase_blocks: PhaseBlocks = None,
        wait: Wait = True,
        json_to: JsonTo = None,
    ) -> int:
        from node.crypto.oprf.shamir import require_shape
        from reconcile.model import ProtocolError, UsageError

        try:
            require_shape(threshold, len(members))
        except ProtocolError as error:
            # On the command line it is the caller's own number.
            raise UsageError(error.code, error.message, help=error.help) from None
        with acting(home) as node:
            run = node.committee.propose(
                members, threshold, reshare=reshare, phase_blocks=phase_blocks, actor=actor()
            )
        done = finish(home, wait=wait)
        answer = {"run": run.hex(), "waited": done}
        emit(answer, json_to, lambda: say(f"run {run.hex()}"))
        note("its phases go on while `kanhe run` serves every member's node (KANHE_PEER_PORT)")
        return EXIT_DONE

    return command


def _acting_on_run(done: str, act: RunAct) -> Callable[..., int]:
    """Return the command that acts on a run that is named."""

    def command(run: RunArg, home: Home = None, wait: Wait = True, json_to: JsonTo = None) -> int:
        with acting(home) as node:
            found = node.committee.find_run(run)
            act(node.committee, found)
        waited = finish(home, wait=wait)
        answer = {"run": found.hex(), "waited": waited}
        emit(answer, json_to, lambda: say(f"{done} {found.hex()}"))
        return EXIT_DONE

    return command


def _list(members: tuple[int, ...]) -> str:
    return ", ".join(map(str, members)) or "–"
