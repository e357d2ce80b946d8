"""Who acts on the command line: a login of this node that may, as on the desk."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from desk_town import Reader, Town, served
from sqlalchemy import select

from node.acts import verify_chain
from node.cli import main
from node.tables import AuditRow, Draft
from node.web.auth import make_api_token
from node.web.logins import who_of_login

Run = Callable[..., tuple[int, dict[str, object]]]


@pytest.fixture
def run(town: Town, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command on the firm's home; its exit code and its JSON."""

    def go(*words: str) -> tuple[int, dict[str, object]]:
        code = main([*words, "--home", str(town.firm.home), "--json", "-"])
        return code, json.loads(capsys.readouterr().out)

    return go


def code_of(answer: dict[str, object]) -> object:
    """Return the code of a refusal."""
    return answer["error"]["code"]  # type: ignore[index]


def decide(town: Town, number: int, *more: str) -> tuple[str, ...]:
    """Return the words that draft a decision on the window's break `number`."""
    key = town.firm.breaks.breaks(town.agreement, town.open)[number].key.hex()
    words = ("break", "decide", town.agreement.hex(), "write_off", "--reason", "why", "--key", key)
    return (*words, *more)


def test_an_invented_name_is_no_second_pair_of_eyes(town: Town, run: Run) -> None:
    """Maker and checker are logins of this node with the role; anything else is refused."""
    for name, roles in (("ada", ("maker",)), ("bo", ("checker",)), ("cy", ("viewer",))):
        assert run("login", "add", name, *(f"--role={role}" for role in roles))[0] == 0
    assert code_of(run(*decide(town, 0, "--as", "invented"))[1]) == "LOGIN_UNKNOWN"
    assert code_of(run(*decide(town, 0))[1]) == "LOGIN_UNKNOWN", "this user is no login either"
    assert code_of(run(*decide(town, 0, "--as", "cy"))[1]) == "NOT_ALLOWED"
    code, made = run(*decide(town, 0, "--as", "ada"))
    assert (code, made["maker"]) == (0, "ada")
    number = str(made["id"])
    with town.firm.sessions() as session:
        before = len(session.scalars(select(Draft)).all())
    for group in ("decision", "break"):
        approve = (group, "approve", number)
        assert code_of(run(*approve, "--as", "invented")[1]) == "LOGIN_UNKNOWN"
        assert code_of(run(*approve)[1]) == "LOGIN_UNKNOWN"
        for name in ("ada", "cy"):
            assert code_of(run(*approve, "--as", name)[1]) == "NOT_ALLOWED"
        code, answer = run(*approve, "--as", "bo", "--single")
        assert code_of(answer) == "NOT_ALLOWED", "only a one-person enterprise checks alone"
    reject = ("decision", "reject", number, "--reason", "no")
    assert code_of(run(*reject, "--as", "invented")[1]) == "LOGIN_UNKNOWN"
    assert code_of(run(*reject, "--as", "ada")[1]) == "NOT_ALLOWED"
    assert town.firm.breaks.decision(int(number)).state == "DRAFTED"
    code, answer = run(*reject, "--as", "bo")
    assert (code, answer["state"], answer["checker"]) == (0, "REJECTED", "bo")
    with town.firm.sessions() as session:
        assert len(session.scalars(select(Draft)).all()) == before
        said = session.scalars(select(AuditRow).where(AuditRow.act == "ACTS_AS")).all()
        assert [row.subject for row in said] == ["person/ada", "person/bo"]
        assert all(row.actor.startswith("cli:") for row in said), "who typed it is noted too"
        assert verify_chain(session) == []


def test_one_person_alone_checks_with_the_role(town: Town, run: Run) -> None:
    """`--single` is for the role `single`, here on this agreement alone."""
    scope = ("-a", town.agreement.hex())
    assert run("login", "add", "solo", "--role", "single", *scope)[0] == 0
    code, made = run(*decide(town, -1, "--as", "solo"))
    assert code == 0
    approve = ("decision", "approve", str(made["id"]), "--as", "solo")
    code, answer = run(*approve)
    assert code_of(answer["rows"][0]) == "SAME_PERSON"  # type: ignore[index]
    code, answer = run(*approve, "--single")
    assert (code, answer["taken"]) == (0, "1")


def test_a_person_is_added_enters_and_is_closed(town: Town, run: Run) -> None:
    """The link logs in; closing ends sessions, tokens and acts, and is for ever."""
    code, made = run("login", "add", "dee", "--role", "checker", "--role", "viewer")
    assert code == 0
    with served({"firm": town.firm}) as base:
        reader = Reader(base)
        reader.enter(str(made["link"]), "a sentence to log in")
        assert "dee" in reader.get("/me")
        with town.firm.sessions.begin() as session:
            who = who_of_login(town.firm.sessions, "dee")
            token = make_api_token(session, who.person_id, "t", ["viewer"], town.firm.clock())
        bearer = {"authorization": f"Bearer {token}"}
        address = f"/firm/api/v1/agreements/{town.agreement.hex()}"
        assert reader.client.get(address, headers=bearer).status_code == 200
        (row,) = [item for item in run("login", "list")[1]["logins"] if item["login"] == "dee"]  # type: ignore[attr-defined]
        assert row["state"] == "active"
        assert [held["role"] for held in row["roles"]] == ["checker", "viewer"]
        assert run("login", "close", "dee")[0] == 0
        reader.client.cookies.delete("kanhe_language")
        assert reader.client.get("/firm/me", follow_redirects=False).status_code != 200
        fresh = Reader(base)
        assert fresh.client.get(address, headers=bearer).status_code == 401
    assert code_of(run(*decide(town, 0, "--as", "dee"))[1]) == "LOGIN_CLOSED"
    assert code_of(run("login", "close", "dee")[1]) == "LOGIN_CLOSED"
    assert code_of(run("login", "add", "dee", "--role", "maker")[1]) == "LOGIN_CLOSED"
    assert code_of(run("login", "close", "nobody")[1]) == "LOGIN_UNKNOWN"
    assert code_of(run("login", "add", "A b", "--role", "maker")[1]) == "LOGIN_SHAPE"
    assert code_of(run("login", "add", "ok", "--role", "king")[1]) == "ROLE_UNKNOWN"
