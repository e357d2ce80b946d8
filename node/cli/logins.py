"""Commands about this node's people: `login add | list | close`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli.output import EXIT_DONE, JsonTo, emit, say, table
from node.cli.session import Home, actor, node_of
from node.cli.words import short

if TYPE_CHECKING:
    from node.web.logins import LoginRow

Login = Annotated[str, typer.Argument(help="The login: lower-case letters, digits, . - or _")]


def register(app: typer.Typer) -> None:
    """Put the commands into the tree."""
    login = typer.Typer(no_args_is_help=True, help="The people who act on this node.")
    login.command("add")(login_add)
    login.command("list")(login_list)
    login.command("close")(login_close)
    app.add_typer(login, name="login")


def login_add(
    login: Login,
    role: Annotated[
        list[str],
        typer.Option(
            "--role",
            help="viewer, maker, checker, operator, auditor, teller, single (a one-person "
            "enterprise) or bookkeeper (never reconciles); may be repeated.",
        ),
    ],
    name: Annotated[str, typer.Option(help="How the desk calls the person.")] = "",
    agreement: Annotated[
        str | None,
        typer.Option("--agreement", "-a", help="The roles hold for this agreement alone."),
    ] = None,
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """Add a person, or roles to one; prints a link, for one day and once, to set a password."""
    from node.web.auth import invite_person
    from node.web.logins import require_open

    with node_of(home) as node:
        found = None if agreement is None else node.network.find_agreement(agreement).agreement
        require_open(node.sessions, login)
        path = invite_person(
            node.sessions,
            login=login,
            display_name=name or login,
            roles=role,
            now_ms=node.clock(),
            agreement=found,
            actor=actor(),
        )
    answer = {"login": login, "roles": role, "agreement": found, "link": path}

    def human() -> None:
        say(f"{login}: {', '.join(role)}")
        say(f"one-time link, below the institution's page (`kanhe run --desk`: /desk): {path}")

    emit(answer, json_to, human)
    return EXIT_DONE


def login_list(home: Home = None, json_to: JsonTo = None) -> int:
    """List who holds a role on this node."""
    from node.web.logins import login_rows

    with node_of(home) as node:
        found = login_rows(node.sessions)
    emit(
        {"logins": [_to_json(row) for row in found]},
        json_to,
        lambda: table(
            "Logins" if found else "Nobody holds a role yet: `kanhe login add NAME --role ROLE`",
            ("login", "name", "state", "roles"),
            [(row.login, row.name, _state(row), ", ".join(_roles(row))) for row in found],
        ),
    )
    return EXIT_DONE


def _to_json(row: LoginRow) -> dict[str, Any]:
    roles = [{"role": role, "agreement": scope} for role, scope in row.roles]
    return {"login": row.login, "name": row.name, "state": _state(row), "roles": roles}


def _state(row: LoginRow) -> str:
    if not row.active:
        return "closed"
    return "active" if row.entered else "no password yet"


def _roles(row: LoginRow) -> list[str]:
    return [role if scope is None else f"{role} ({short(scope)})" for role, scope in row.roles]


def login_close(login: Login, home: Home = None, json_to: JsonTo = None) -> int:
    """Let a person act no more: sessions and API tokens end. A closed login stays closed."""
    from node.web.logins import close_login

    with node_of(home) as node:
        close_login(node.sessions, login, actor=actor(), now_ms=node.clock())
    emit({"login": login, "state": "closed"}, json_to, lambda: say(f"{login}: closed"))
    return EXIT_DONE
