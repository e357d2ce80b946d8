"""Commands about who is who: `member`, `motion`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from node.cli.answers import ANSWER, field_of, grant_of, read_answer, require_replaces
from node.cli.output import EXIT_DONE, JsonTo, emit, say, table
from node.cli.session import (
    Home,
    Wait,
    acting,
    actor,
    finish,
    node_of,
)


def register(app: typer.Typer) -> None:
    """Put the commands into the tree."""
    member = typer.Typer(no_args_is_help=True, help="Members and participants.")
    member.command("list")(member_list)
    member.command("name")(member_name)
    member.command("register")(member_register)
    app.add_typer(member, name="member")
    motion = typer.Typer(no_args_is_help=True, help="Votes of the full members.")
    motion.command("open")(motion_open)
    motion.command("approve")(motion_approve)
    motion.command("execute")(motion_execute)
    motion.command("list")(motion_list)
    app.add_typer(motion, name="motion")


# ------------------------------------------------------------------------- members
def member_list(home: Home = None, json_to: JsonTo = None) -> int:
    """List members and participants with their keys."""
    with node_of(home) as node:
        found = node.network.members()
    answer = {"members": [_member_json(asdict(item)) for item in found]}
    emit(
        answer,
        json_to,
        lambda: table(
            "Members",
            (">no", "name", "kind", "standing", "code", "keys"),
            [
                (
                    item.member,
                    item.name + (" (this node)" if item.ours else ""),
                    "full" if item.full else f"participant of {item.sponsor}",
                    item.standing,
                    item.code_text or "–",
                    ", ".join(key.role for key in item.keys if key.state == "ACTIVE"),
                )
                for item in found
            ],
        ),
    )
    return EXIT_DONE


def _member_json(body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "member": str(body["member"])}


def member_name(
    member: Annotated[int, typer.Argument(help="The member's number.")],
    name: Annotated[str, typer.Argument(help="What to call it here; never on the chain.")],
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """Name a member on this node."""
    with node_of(home) as node:
        node.network.set_name(member, name, actor=actor())
    emit({"member": str(member), "name": name}, json_to, lambda: say(f"{member}: {name}"))
    return EXIT_DONE


def member_register(home: Home = None, wait: Wait = False, json_to: JsonTo = None) -> int:
    """Register this node's POSTER and APPROVER keys, once it is a member."""
    with acting(home) as node:
        intents = {
            role: str(node.network.register_key(role, actor=actor()))
            for role in ("POSTER", "APPROVER")
        }
    done = finish(home, wait=wait)
    emit({"intents": intents, "done": done}, json_to, lambda: say("keys registered"))
    return EXIT_DONE


# ------------------------------------------------------------------------- motions
def motion_open(
    action: Annotated[
        str, typer.Argument(help="admit, suspend, reinstate, revoke or replace-admin.")
    ],
    member: Annotated[int | None, typer.Option(help="The member it is about.")] = None,
    answer: Annotated[
        Path | None, typer.Option(help="The applicant's file of `kanhe join`.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why, in words.")] = "",
    home: Home = None,
    wait: Wait = False,
    json_to: JsonTo = None,
) -> int:
    """Open a motion; it counts as this member's approval."""
    word = action.upper().replace("-", "_")
    with acting(home) as node:
        if word == "ADMIT":
            body = read_answer(_required(answer, "--answer"), ANSWER)
            motion = node.network.propose_admission(
                field_of(body, "code"), grant_of(body), actor=actor()
            )
        elif word == "REPLACE_ADMIN":
            path = _required(answer, "--answer")
            body = read_answer(path, ANSWER)
            target = _required(member, "--member")
            require_replaces(path, body, target)
            motion = node.network.propose_new_admin(target, grant_of(body), actor=actor())
        else:
            motion = node.network.open_motion(
                word, _required(member, "--member"), reason.encode(), actor=actor()
            )
    done = finish(home, wait=wait)
    emit({"motion": motion.hex(), "done": done}, json_to, lambda: say(f"motion {motion.hex()}"))
    return EXIT_DONE


def _required(value: Any, option: str) -> Any:  # noqa: ANN401 - whatever the option holds
    from reconcile.model import UsageError

    if value is None:
        raise UsageError("OPTION_MISSING", f"this motion needs {option}")
    return value


def motion_approve(
    motion: Annotated[str, typer.Argument(help="The motion's id or its beginning.")],
    home: Home = None,
    wait: Wait = False,
    json_to: JsonTo = None,
) -> int:
    """Approve a motion."""
    with acting(home) as node:
        found = node.network.find_motion(motion)
        node.network.approve_motion(found, actor=actor())
    done = finish(home, wait=wait)
    emit({"motion": found.hex(), "done": done}, json_to, lambda: say("approved"))
    return EXIT_DONE


def motion_execute(
    motion: Annotated[str, typer.Argument(help="The motion's id or its beginning.")],
    home: Home = None,
    wait: Wait = False,
    json_to: JsonTo = None,
) -> int:
    """Execute a motion whose approvals suffice."""
    with acting(home) as node:
        found = node.network.find_motion(motion)
        node.network.execute_motion(found, actor=actor())
    done = finish(home, wait=wait)
    emit({"motion": found.hex(), "done": done}, json_to, lambda: say("executed"))
    return EXIT_DONE


def motion_list(home: Home = None, json_to: JsonTo = None) -> int:
    """List motions, newest first."""
    with node_of(home) as node:
        found = node.network.motions()
    answer = {"motions": [asdict(item) for item in found]}
    emit(
        answer,
        json_to,
        lambda: table(
            "Motions",
            ("id", "action", "about", ">proposer", ">approvals", ">eligible", "state"),
            [
                (
                    item.motion.hex()[:16],
                    item.action,
                    item.target_name,
                    item.proposer,
                    item.approvals,
                    item.eligible,
                    "PASSES" if item.passes else item.state,
                )
                for item in found
            ],
        ),
    )
    return EXIT_DONE
