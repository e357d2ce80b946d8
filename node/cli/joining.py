"""Commands of admission: `invite`, `join`; also how a member that lost its admin key asks again."""

from __future__ import annotations

import secrets
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from node.cli.answers import ANSWER, INVITATION, field_of, grant_of, read_answer, write_answer
from node.cli.output import EXIT_DONE, JsonTo, emit, say
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
    from node.bootstrap import ChainTarget
    from node.identity import Identity
    from node.services.network import KeyGrant

HASH_BYTES: Final = 32


def register(app: typer.Typer) -> None:
    """Put the commands into the tree."""
    app.command("invite")(invite)
    app.command("join")(join)


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
        write_answer(out, body)
        emit({"invitation": str(out)}, json_to, lambda: say(f"invitation in {out}"))
        return EXIT_DONE
    assert answer is not None
    body = read_answer(answer, ANSWER)
    commitment = bytes.fromhex(field_of(body, "commitment"))
    with acting(home) as node:
        node.network.sponsor(commitment, grant_of(body), actor=actor())
    done = finish(home, wait=wait)
    emit({"commitment": commitment.hex(), "done": done}, json_to, lambda: say("sponsored"))
    return EXIT_DONE


def join(
    invitation: Annotated[Path, typer.Argument(help="The invitation's file.")],
    out: Annotated[Path, typer.Option(help="Write the answer here.")],
    code: Annotated[str | None, typer.Option(help="This institution's code.")] = None,
    name: Annotated[str | None, typer.Option(help="What people call it.")] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Apply as a full member: the code becomes public.")
    ] = False,
    replaces: Annotated[
        int | None,
        typer.Option(help="This member's number: ask for a new admin key, the old one is lost."),
    ] = None,
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """Answer an invitation: make the home if there is none, and consent with the admin key."""
    from node.home import open_keys
    from node.identity import Identity

    body = read_answer(invitation, INVITATION)
    if (code is None) == (replaces is None):
        raise _one_of("--code", "--replaces")
    settings = read_settings(home)
    passphrase = passphrase_of(settings, confirm=True)
    target = _chain_of(body)
    _home_for(settings.home, name or code or f"member {replaces}", code, passphrase, target)
    identity = Identity(open_keys(settings.home, passphrase), target.place)
    if replaces is not None:
        answer = _replacement(settings.home, identity, replaces)
    else:
        assert code is not None, "one of the two is given"
        # Consent that named nobody would let whoever saw it first sponsor the participant.
        sponsor = 0 if full else int(_required_sponsor(body))
        answer = _application(settings.home, identity, code, sponsor, full=full)
    write_answer(out, answer)
    emit({"answer": str(out), "full": full}, json_to, lambda: say(f"answer in {out}"))
    return EXIT_DONE


def _one_of(first: str, second: str) -> Exception:
    from reconcile.model import UsageError

    return UsageError("OPTION_MISSING", f"give either {first} or {second}")


def _chain_of(body: dict[str, Any]) -> ChainTarget:
    from node.bootstrap import ChainTarget

    chain = body["chain"]
    return ChainTarget(**{**chain, "more_urls": tuple(chain["more_urls"])})


def _home_for(
    folder: Path, name: str, code: str | None, passphrase: str, target: ChainTarget
) -> None:
    """Make a home, or note the chain in the one that is there; an admin key it lacks is made."""
    from node.bootstrap import init_home, write_target
    from node.crypto.keyfile import KeyRole
    from node.crypto.keystore import Keystore
    from node.home import CONFIG_FILE
    from node.identity import system_clock

    if not (folder / CONFIG_FILE).exists():
        init_home(folder, name=name, passphrase=passphrase, code=code, target=target)
        return
    write_target(folder, target)
    store = Keystore(folder / "keystore")
    if not store.keys(KeyRole.ADMIN):
        store.create(KeyRole.ADMIN, passphrase, label=name)
        store.back_up(folder / "backup" / "keystore", system_clock())


def _replacement(folder: Path, identity: Identity, member: int) -> dict[str, Any]:
    """Return the new admin key's consent to its role at a member that lost its own."""
    from node.services.network.members import grant
    from reconcile.model import UsageError

    consent = grant(identity, "ADMIN", member=member)
    with node_of(folder) as node:
        known = {key.address.lower() for item in node.network.members() for key in item.keys}
    if consent.address.lower() in known:
        raise UsageError(
            "KEY_REGISTERED",
            f"the admin key {consent.address} is registered already, a lost one needs another",
            help=f"move {folder / 'keystore'}/admin-*.json elsewhere: a new one is made then",
        )
    return _answer(consent, replaces=str(member))


def _application(
    folder: Path, identity: Identity, code: str, sponsor: int, *, full: bool
) -> dict[str, Any]:
    """Return the consent of a new member's first admin key."""
    from node.services.network.members import code_hash, grant, participant_commitment

    salt = secrets.token_bytes(HASH_BYTES)
    commitment = code_hash(code) if full else participant_commitment(code, salt)
    consent = grant(identity, "ADMIN", member=sponsor, code=commitment)
    # The code and its salt open the commitment: a participant shows them to counterparties only.
    write_answer(folder / "participant.json", {"code": code, "salt": salt.hex()})
    return _answer(consent, full=full, code=code if full else None, commitment=commitment.hex())


def _answer(consent: KeyGrant, **more: object) -> dict[str, Any]:
    return {
        "kanhe": ANSWER,
        **more,
        "address": consent.address,
        "valid_from": consent.valid_from,
        "valid_to": consent.valid_to,
        "signature": consent.signature.hex(),
    }


def _required_sponsor(body: dict[str, Any]) -> str:
    from reconcile.model import InputError

    if body["member"] is None:
        raise InputError(
            "SPONSOR_MISSING",
            "the invitation comes from an institution that is no member yet",
            help="ask it for a new one once it is a member, or apply with --full",
        )
    return str(body["member"])
