"""Opening a home from the command line, and waiting for what was asked of the ledger."""

from __future__ import annotations

import contextlib
import getpass
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from node.cli.output import note, progress

if TYPE_CHECKING:
    from node.bootstrap import Node
    from node.services.network import AgreementView
    from node.settings import Settings

Home = Annotated[Path | None, typer.Option("--home", help="The node's home folder (KANHE_HOME).")]
Wait = Annotated[
    bool,
    typer.Option("--wait/--no-wait", help="Wait until the ledger has it, finally."),
]
AgreementArg = Annotated[
    str, typer.Argument(help="An agreement's name or id, or the beginning of either.")
]
AgreementOption = Annotated[
    str,
    typer.Option(
        "--agreement", "-a", help="An agreement's name or id, or the beginning of either."
    ),
]
SideOption = Annotated[
    str | None,
    typer.Option("--side", help="'servicer' or 'owner', where this node posts for both."),
]
WindowOption = Annotated[
    int | None, typer.Option("--window", "-w", help="A window: day × 8 + session, 0 the opening.")
]
DayOption = Annotated[
    str | None, typer.Option("--day", help="A window by its business day, e.g. 2026-11-20.")
]
WAIT_TIMEOUT_S: Final = 120.0
HOME_WAIT_S: Final = 20.0
POLL_S: Final = 0.2


def actor() -> str:
    """Return who acts, for the audit log."""
    return f"cli:{getpass.getuser()}"


def login_of(
    node: Node, login: str | None, act: str, agreement: bytes, *, single: bool = False
) -> str:
    """Return the login that acts: a person of this node whose roles allow it, as on the desk.

    Nothing proves that who types is that person, so the audit log names the user of this machine
    too. `single`: the person wants to check what the same person made. Raises `NotAllowed`
    LOGIN_UNKNOWN, LOGIN_CLOSED, NOT_ALLOWED.
    """
    from node.acts import record_act
    from node.errors import NotAllowed
    from node.web.logins import who_of_login

    who = who_of_login(node.sessions, login or getpass.getuser())
    who.require(act, agreement)
    if single and not who.single(agreement):
        raise NotAllowed(
            "NOT_ALLOWED",
            f"{who.login} may not check alone here",
            help="a second person approves it; the role `single` is a one-person enterprise's",
        )
    with node.sessions.begin() as session:
        record_act(
            session,
            actor=actor(),
            act="ACTS_AS",
            subject=f"person/{who.login}",
            now_ms=node.clock(),
            details={"act": act, "agreement": agreement.hex()},
        )
    return who.login


def read_settings(home: Path | None) -> Settings:
    """Return the settings, the home named on the command line first."""
    from dataclasses import replace

    from node.settings import Settings

    settings = Settings.from_environment()
    return settings if home is None else replace(settings, home=home)


def passphrase_of(settings: Settings, *, confirm: bool = False) -> str:
    """Return the passphrase from the settings, else from the terminal.

    Raises `UsageError` PASSPHRASE_NEEDED where there is no terminal to ask at.
    """
    from reconcile.model import UsageError

    if settings.passphrase_file is not None:
        lines = settings.passphrase_file.read_text(encoding="utf-8").splitlines()
        return lines[0] if lines else ""
    if settings.passphrase:
        return settings.passphrase
    if not sys.stdin.isatty():
        raise UsageError(
            "PASSPHRASE_NEEDED",
            "no passphrase was given and there is no terminal to ask at",
            help="set KANHE_PASSPHRASE_FILE (or KANHE_PASSPHRASE)",
        )
    given = getpass.getpass("passphrase: ")
    if confirm and getpass.getpass("again: ") != given:
        raise UsageError("PASSPHRASE_DIFFERS", "the two passphrases differ")
    return given


def has_passphrase(home: Path | None) -> bool:
    """Say whether the settings hold a passphrase, so that nobody has to be asked for it."""
    settings = read_settings(home)
    return bool(settings.passphrase) or settings.passphrase_file is not None


@contextlib.contextmanager
def node_of(home: Path | None, *, keys: bool = False, running: bool = False) -> Iterator[Node]:
    """Open a home's node: `keys` unlocks the key store, `running` takes the home to step it."""
    from node.bootstrap import open_node
    from node.telemetry import configure_logging

    settings = read_settings(home)
    configure_logging(settings.log_level, as_json=settings.log_json)
    node = open_node(
        settings.home,
        passphrase=passphrase_of(settings) if keys else None,
        settings=settings,
        running=running,
    )
    try:
        yield node
    finally:
        node.close()


@contextlib.contextmanager
def running_node(home: Path | None) -> Iterator[Node]:
    """Open a home's node to run it, waiting a little for a command that holds the home.

    Commands take turns themselves where no node runs; one that is at it when the node starts
    again must not keep it down. Raises `OutsideError` HOME_IN_USE when another node stays.
    """
    from reconcile.model import OutsideError

    deadline = time.monotonic() + HOME_WAIT_S
    with contextlib.ExitStack() as stack:
        while True:
            try:
                node = stack.enter_context(node_of(home, keys=True, running=True))
                break
            except OutsideError as error:
                if error.code != "HOME_IN_USE" or time.monotonic() > deadline:
                    raise
            time.sleep(POLL_S)
        yield node


@contextlib.contextmanager
def acting(home: Path | None) -> Iterator[Node]:
    """Open a home's node with its keys to ask something of the ledger.

    Where no node runs, its rows are first brought up to the chain's head; where one runs, or the
    chain does not answer, they are taken as they are.
    """
    from node.errors import ChainError
    from reconcile.model import OutsideError

    with contextlib.ExitStack() as stack:
        try:
            node = stack.enter_context(node_of(home, keys=True, running=True))
        except (ChainError, OutsideError) as error:
            if not isinstance(error, ChainError) and error.code != "HOME_IN_USE":
                raise
            node = stack.enter_context(node_of(home, keys=True))
        yield node


def finish(home: Path | None, *, wait: bool) -> bool:
    """Wait until everything asked of the ledger is done; False when it was left to a node.

    Where no node runs in this home, turns are taken here; else the running one is watched.
    """
    if not wait:
        note("handed to the outbox: the running node sends it (`kanhe run`), or add --wait")
        return False
    from node.errors import ChainError
    from reconcile.model import OutsideError

    deadline = time.monotonic() + WAIT_TIMEOUT_S
    with progress("waiting for the ledger"):
        try:
            with node_of(home, keys=True, running=True) as node:
                node.settle(timeout_s=WAIT_TIMEOUT_S)
                return True
        except ChainError:
            note("what was asked is kept in the outbox, and sent once the chain answers")
            raise
        except OutsideError as error:
            if error.code != "HOME_IN_USE":
                raise
        with node_of(home) as watched:
            while watched.tip()["outbox"] or watched.tip()["queue"]:
                if time.monotonic() > deadline:
                    raise OutsideError("SETTLE_TIMEOUT", f"not done after {WAIT_TIMEOUT_S:.0f} s")
                time.sleep(POLL_S)
    return True


def agreement_of(node: Node, text: str) -> AgreementView:
    """Return the agreement that a word of the command line means."""
    return node.network.find_agreement(text)


def side_of(word: str | None) -> Side | None:
    """Return the side a word means; `UsageError` SIDE_UNKNOWN."""
    from reconcile.model import Side, UsageError

    if word is None:
        return None
    found = {side.word: side for side in Side}.get(word)
    if found is None:
        raise UsageError("SIDE_UNKNOWN", f"{word!r} is no side", help="say servicer or owner")
    return found


def day_of_words(day: str) -> int:
    """Return a day written as ISO 8601; `UsageError` DAY_MALFORMED."""
    import datetime as dt

    from reconcile.model import UsageError, day_number

    try:
        return day_number(dt.date.fromisoformat(day))
    except ValueError:
        raise UsageError(
            "DAY_MALFORMED", f"{day!r} is no day", help="write it as 2026-11-20"
        ) from None


def window_of_words(window: int | None, day: str | None, default: int | None = None) -> int:
    """Return the window that --window or --day names; `UsageError` WINDOW_MISSING."""
    from reconcile.model import UsageError, window_of

    if window is not None:
        return window
    if day is not None:
        return window_of(day_of_words(day))
    if default is not None:
        return default
    raise UsageError("WINDOW_MISSING", "name a window", help="with --window or --day")


if TYPE_CHECKING:
    from reconcile.model import Side
