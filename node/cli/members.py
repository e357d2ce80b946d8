"""Commands about who is who: `member`, `motion`, `invite`, `join`."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from node.cli.output import EXIT_DONE, JsonTo, emit, say, table
from node.cli.session import (
    Home,
    Wait,
    acting,
    actor,
    finish,
    node_of,
    passphrase_of,
    read_settings,
)

if TYPE_CHECKING:
    from node.services.network import KeyGrant

INVITATION: Final = "kanhe/invitation/1"
ANSWER: Final = "kanhe/answer/1"
HASH_BYTES: Final = 32


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
    app.command("invite")(invite)
    app.command("join")(join)


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
            body = _read(_required(answer, "--answer"), ANSWER)
            motion = node.network.propose_admission(str(body["code"]), _grant(body), actor=actor())
        elif word == "REPLACE_ADMIN":
            body = _read(_required(answer, "--answer"), ANSWER)
            target = _required(member, "--member")
            motion = node.network.propose_new_admin(target, _grant(body), actor=actor())
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


# ------------------------------------------------------------------- invite and join
def invite(
    out: Annotated[
        Path | None, typer.Option(help="Write an invitation for an applicant here.")
    ] = None,
    answer: Annotated[
        Path | None, typer.Option(help="Sponsor the participant who answered with this file.")
    ] = None,
    home: Home = None,
    wait: Wait = False,
    json_to: JsonTo = None,
) -> int:
    """Invite an enterprise or branch (--out), then sponsor the one that answered (--answer)."""
    from reconcile.model import UsageError

    if (out is None) == (answer is None):
        raise UsageError("OPTION_MISSING", "give either --out or --answer")
    if out is not None:
        with node_of(home) as node:
            body: dict[str, Any] = {
                "kanhe": INVITATION,
                "by": node.name,
                "member": None if node.member is None else str(node.member),
                "chain": asdict(node.target),
            }
        _write(out, body)
        emit({"invitation": str(out)}, json_to, lambda: say(f"invitation in {out}"))
        return EXIT_DONE
    assert answer is not None
    body = _read(answer, ANSWER)
    commitment = bytes.fromhex(body["commitment"])
    with acting(home) as node:
        node.network.sponsor(commitment, _grant(body), actor=actor())
    done = finish(home, wait=wait)
    emit({"commitment": commitment.hex(), "done": done}, json_to, lambda: say("sponsored"))
    return EXIT_DONE


def join(
    invitation: Annotated[Path, typer.Argument(help="The invitation's file.")],
    out: Annotated[Path, typer.Option(help="Write the answer here.")],
    code: Annotated[str, typer.Option(help="This institution's code.")],
    name: Annotated[str | None, typer.Option(help="What people call it.")] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Apply as a full member: the code becomes public.")
    ] = False,
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """Answer an invitation: make the home if there is none, and consent with the admin key."""
    from node.bootstrap import ChainTarget, init_home, write_target
    from node.home import CONFIG_FILE, open_keys
    from node.identity import Identity, Place
    from node.services.network.members import code_hash, grant, participant_commitment

    body = _read(invitation, INVITATION)
    # Consent that named nobody would let whoever saw it first sponsor the participant.
    sponsor = 0 if full else int(_required_sponsor(body))
    chain = body["chain"]
    target = ChainTarget(**{**chain, "more_urls": tuple(chain["more_urls"])})
    settings = read_settings(home)
    passphrase = passphrase_of(settings, confirm=True)
    if (settings.home / CONFIG_FILE).exists():
        write_target(settings.home, target)
    else:
        init_home(settings.home, name=name or code, passphrase=passphrase, code=code, target=target)
    contracts = target.contracts
    place = Place(contracts.chain_id, contracts.registry, contracts.ledger)
    identity = Identity(open_keys(settings.home, passphrase), place)
    salt = secrets.token_bytes(HASH_BYTES)
    commitment = code_hash(code) if full else participant_commitment(code, salt)
    consent = grant(identity, "ADMIN", member=sponsor, code=commitment)
    # The code and its salt open the commitment: a participant shows them to counterparties only.
    _write(settings.home / "participant.json", {"code": code, "salt": salt.hex()})
    _write(
        out,
        {
            "kanhe": ANSWER,
            "full": full,
            "code": code if full else None,
            "commitment": commitment.hex(),
            "address": consent.address,
            "valid_from": consent.valid_from,
            "valid_to": consent.valid_to,
            "signature": consent.signature.hex(),
        },
    )
    emit({"answer": str(out), "full": full}, json_to, lambda: say(f"answer in {out}"))
    return EXIT_DONE


def _required_sponsor(body: dict[str, Any]) -> str:
    from reconcile.model import InputError

    if body["member"] is None:
        raise InputError(
            "SPONSOR_MISSING",
            "the invitation comes from an institution that is no member yet",
            help="ask it for a new one once it is a member, or apply with --full",
        )
    return str(body["member"])


def _grant(body: dict[str, Any]) -> KeyGrant:
    from node.services.network import KeyGrant

    return KeyGrant(
        body["address"],
        "ADMIN",
        int(body["valid_from"]),
        int(body["valid_to"]),
        bytes.fromhex(body["signature"]),
    )


def _write(path: Path, body: dict[str, Any]) -> None:
    path.write_text(json.dumps(body, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _read(path: Path, kind: str) -> dict[str, Any]:
    from reconcile.model import InputError, Where

    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError):
        body = None
    if not isinstance(body, dict) or body.get("kanhe") != kind:
        raise InputError(
            "FILE_MALFORMED",
            f"the file is no {kind}",
            where=Where(file=str(path)),
            help="take the file that `kanhe invite` or `kanhe join` wrote",
        )
    return body
