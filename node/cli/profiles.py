"""`kanhe profile list | show NAME | try FILE`: what layouts there are, and what one would read."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from node.cli.offline import Currency, Perspective, Profile, perspective_word, profile_choice
from node.cli.output import (
    EXIT_DONE,
    EXIT_NO,
    JsonTo,
    emit,
    note,
    require_file,
    say,
    say_lines,
    table,
)

if TYPE_CHECKING:
    from reconcile.model import Balance, Statement
    from reconcile.statements import Profile as Layout
    from reconcile.statements import Trial

SHOWN_CONTRADICTIONS: Final = 10


def register(app: typer.Typer) -> None:
    """Put the commands into the tree."""
    group = typer.Typer(no_args_is_help=True, help="Layouts of tables: shipped ones and your own.")
    group.command("list")(list_profiles)
    group.command("show")(show)
    group.command("try")(try_file)
    app.add_typer(group, name="profile")


def list_profiles(json_to: JsonTo = None) -> int:
    """List every profile: its name, what it is for, and where its layout is known from."""
    from reconcile.statements import shipped_profiles

    _, own = profile_choice(None)
    rows = [("own", one) for one in own]
    rows += [("shipped", one) for one in shipped_profiles().values()]
    answer = [
        {"name": one.name, "title": one.title, "from": origin, "source": one.source,
         "fixed_width": one.fixed is not None, "autodetect": one.autodetect}
        for origin, one in rows
    ]  # fmt: skip
    emit({"profiles": answer}, json_to, lambda: _show_list(rows))
    return EXIT_DONE


def _show_list(rows: list[tuple[str, Layout]]) -> None:
    cells = [(one.name, one.title, origin, one.source) for origin, one in rows]
    table("", ("name", "for", "from", "known from"), cells)


def show(
    name: Annotated[str, typer.Argument(help="A profile's name, or a TOML file.")],
    json_to: JsonTo = None,
) -> int:
    """Print a profile's TOML, to read or to start one of your own from."""
    text = _text_of(name)
    emit({"name": name, "toml": text}, json_to, lambda: say_lines(text))
    return EXIT_DONE


def _text_of(name: str) -> str:
    from node.profiles import SUFFIX, own_file
    from node.settings import Settings
    from reconcile.statements import profile_named, shipped_profiles

    chosen, own = profile_choice(name)
    if name.endswith(SUFFIX):
        return Path(name).read_text(encoding="utf-8")
    if profile_named(str(chosen), own).name in shipped_profiles():
        folder = resources.files("reconcile.statements") / "profile_data"
        return (folder / f"{chosen}.toml").read_text(encoding="utf-8")
    return own_file(Settings.of_environment("profiles").profiles, str(chosen)).read_text("utf-8")


def try_file(
    file: Annotated[Path, typer.Argument(help="A table or a file of fixed-width lines.")],
    profile: Profile = None,
    perspective: Perspective = None,
    currency: Currency = None,
    json_to: JsonTo = None,
) -> int:
    """Say which profile reads a file and why, and what it reads. Exit 1: none, or a contradiction.

    Where none fits, the TOML of one is proposed: save it, name it, and try again with --profile.
    """
    from reconcile.statements import read_whole, try_profile

    name, own = profile_choice(profile)
    found = try_profile(
        read_whole(require_file(file)),
        file.name,
        profile=name,
        own=own,
        perspective=perspective_word(perspective),
        currency=currency,
    )
    emit(_json(found), json_to, lambda: _show_trial(found))
    clean = found.read is not None and all(one.provable for one in found.read.statements)
    return EXIT_DONE if clean else EXIT_NO


def _json(found: Trial) -> dict[str, Any]:
    from reconcile.statements import statement_json

    return {
        "format": found.format,
        "profile": found.profile,
        "reason": found.reason,
        "rows": list(found.rows),
        "nearest": list(found.nearest),
        "proposal": found.proposal,
        "problem": None if found.problem is None else found.problem.to_json(),
        "read": None if found.read is None else statement_json(found.read),
    }


def _show_trial(found: Trial) -> None:
    say(f"format   {found.format}")
    say(f"profile  {found.profile or 'none'}: {found.reason}")
    for text in found.nearest:
        say(f"         {text}")
    if found.problem is not None:
        say(f"nothing was read: {found.problem}")
        if found.problem.help:
            say(f"         {found.problem.help}")
    if found.rows:
        say("first rows")
        for text in found.rows:
            say(f"  {text}")
    for statement in found.read.statements if found.read is not None else ():
        _show_statement(statement)
    if found.proposal is not None:
        fits = "this one would read the rows as above" if found.rows else "begin one of your own"
        say()
        say(f"no profile fits; {fits}:")
        say()
        say_lines(found.proposal)


def _show_statement(statement: Statement) -> None:
    from node.cli.words import money

    digits = statement.digits
    say(f"account {statement.account or '(none named)'}, {statement.currency}")
    for word, way in (("in", 0), ("out", 1)):
        chosen = [one for one in statement.entries if one.moving and one.direction == way]
        total = money(sum(one.amount_minor for one in chosen), digits)
        say(f"  {len(chosen):,} {word}, {total}")
    still = sum(not one.moving for one in statement.entries)
    if still:
        say(f"  {still:,} that move nothing")
    say(f"  opening {_balance(statement.opening_balance, digits)}")
    say(f"  closing {_balance(statement.closing_balance, digits)}")
    for item in statement.contradictions[:SHOWN_CONTRADICTIONS]:
        at = f"line {item.line}: " if item.line else ""
        expected = f" (expected {item.expected}, found {item.found})" if item.expected else ""
        note(f"  contradiction: {at}{item.message} [{item.code}]{expected}")


def _balance(balance: Balance | None, digits: int) -> str:
    from node.cli.words import money
    from reconcile.model import day_iso

    if balance is None:
        return "not stated"
    return f"{money(balance.signed_minor, digits)} on {day_iso(balance.date)} ({balance.basis})"
