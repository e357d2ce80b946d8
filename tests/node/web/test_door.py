from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from desk_town import Reader, Replica, Town, served
from desk_town import invite as invite_to
from sqlalchemy import select

from node.acts import verify_chain
from node.tables import Person, SetupLink, WebSession
from node.web.app import WebSettings, create_app
from node.web.auth import IDLE_DEFAULT_MS, invite_person
from node.web.console import cases, days, door, house, imports
from reconcile.model import InputError, UsageError

PASSWORD = "a long sentence is easy to keep"


@pytest.fixture
def visitor(replica: Replica) -> Iterator[Reader]:
    """Somebody at the door who is not logged in."""
    with served({"firm": replica}) as base:
        yield Reader(base)


def invite(replica: Replica, *roles: str) -> str:
    """Return a one-time link's path."""
    return invite_to(replica, *roles, login="wei")


def try_login(visitor: Reader, password: str, login: str = "wei") -> int:
    """Send the log-in form; return the status."""
    page = visitor.client.get("/firm/login").text
    found = re.search(r'name="door" value="([^"]+)"', page)
    assert found
    form = {"door": found.group(1), "login": login, "password": password, "next": "/firm/ledger"}
    return visitor.client.post("/firm/login", data=form).status_code


def test_a_one_time_link_sets_a_password_once(visitor: Reader, replica: Replica) -> None:
    """The link logs in and sets the password; the second use is refused; the log-in then works."""
    path = invite(replica, "viewer")
    visitor.enter(path, PASSWORD)
    assert "Today" in visitor.get("/")
    visitor.client.cookies.delete("kanhe_session_firm")
    assert visitor.client.get(f"/firm{path}").status_code == 401
    assert try_login(visitor, PASSWORD) == 303


def test_looking_at_a_one_time_link_does_not_use_it_up(visitor: Reader, replica: Replica) -> None:
    """A preview by a mail program leaves the link alive."""
    path = invite(replica, "viewer")
    for _ in range(3):
        assert visitor.client.get(f"/firm{path}").status_code == 200
    visitor.enter(path)


def test_a_link_expires(visitor: Reader, replica: Replica) -> None:
    """A day later the link is refused and says what to do."""
    path = invite(replica, "viewer")
    replica.now_ms += 86_400_001
    answer = visitor.client.get(f"/firm{path}")
    assert answer.status_code == 401
    assert "LINK_SPENT" in answer.text


def test_a_short_password_is_refused_and_the_link_stays(visitor: Reader, replica: Replica) -> None:
    """Eleven characters are too few; the same link then takes a longer one."""
    path = invite(replica, "viewer")
    with pytest.raises(AssertionError, match="12 characters"):
        visitor.enter(path, "x" * 11)
    visitor.enter(path, PASSWORD)


def test_five_wrong_passwords_lock_a_person_out(visitor: Reader, replica: Replica) -> None:
    """The sixth try fails even with the right password, until the quarter of an hour is over."""
    visitor.enter(invite(replica, "viewer"), PASSWORD)
    visitor.client.cookies.delete("kanhe_session_firm")
    assert [try_login(visitor, "wrong") for _ in range(5)] == [401] * 5
    assert try_login(visitor, PASSWORD) == 401
    replica.now_ms += 15 * 60_000 + 1
    assert try_login(visitor, PASSWORD) == 303


def test_an_unknown_login_is_told_the_same_as_a_wrong_password(visitor: Reader) -> None:
    """Nobody learns by the answer which logins exist."""
    assert try_login(visitor, PASSWORD, login="nobody") == 401


def test_an_idle_session_ends(visitor: Reader, replica: Replica) -> None:
    """After half an hour without a click the person is sent to the log-in page."""
    visitor.enter(invite(replica, "viewer"))
    replica.now_ms += IDLE_DEFAULT_MS
    answer = visitor.client.get("/firm/ledger")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/firm/login?next=/firm/ledger"


def test_secrets_are_kept_as_hashes_only(visitor: Reader, replica: Replica) -> None:
    """Neither link, session, password nor API token stands in the database."""
    path = invite(replica, "viewer")
    visitor.enter(path, PASSWORD)
    token = re.search(r"kanhe_[0-9a-f]{64}", visitor.post("/me/tokens", 200, label="erp"))
    assert token
    cookie = visitor.client.cookies["kanhe_session_firm"].strip('"')
    with replica.sessions() as session:
        assert session.scalar(select(SetupLink.token_sha256)) not in {b"", None}
        assert session.scalar(select(WebSession.token_sha256)) is not None
    stored = Path(str(replica.database.engine.url.database)).read_bytes()
    wal = Path(f"{replica.database.engine.url.database}-wal")
    stored += wal.read_bytes() if wal.exists() else b""
    for secret in (path.rsplit("/", 1)[1], PASSWORD, token.group(0), cookie.split(".")[0]):
        assert secret.encode() not in stored


def test_a_form_without_the_csrf_token_does_nothing(reader: Reader) -> None:
    """A write without the session's token is refused."""
    answer = reader.client.post("/firm/me/tokens", data={"label": "x", "csrf": "0" * 64})
    assert answer.status_code == 403
    assert "CSRF" in answer.text


def test_a_form_from_another_site_does_nothing(reader: Reader) -> None:
    """Even with the right token, another origin is refused."""
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://elsewhere.example"}):
        data = {"label": "x", "csrf": reader.csrf}
        answer = reader.client.post("/firm/me/tokens", data=data, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "CROSS_SITE")


def test_every_page_that_writes_asks_for_the_csrf_token(reader: Reader) -> None:
    """No POST route of the desk works for a logged-in browser that sends no token."""
    parts = (door, days, cases, house, imports)
    routes = [
        route.path  # type: ignore[attr-defined]
        for part in parts
        for route in part.router.routes
        if "POST" in route.methods  # type: ignore[attr-defined]
        and not route.path.endswith(("/login", "/enter/{token}"))  # type: ignore[attr-defined]
    ]
    assert len(routes) >= 12
    for route in routes:
        path = re.sub(r"\{slug\}", "firm", route)
        path = re.sub(r"\{(window|draft_id|incident_id|intent_id|token_id)\}", "1", path)
        path = re.sub(r"\{[^}]+\}", "0" * 16, path)
        form = {"reason": "because", "verdict": "confirm", "label": "x", "staged": "x", "text": "x"}
        answer = reader.client.post(path, data=form, files={"file": ("a.csv", b"x")})
        assert answer.status_code in {403, 404}, f"{path}: {answer.status_code}"


def test_a_foreign_host_name_is_refused(reader: Reader) -> None:
    """A name that merely resolves to this machine does not reach a session."""
    answer = reader.client.get("/firm/", headers={"host": "evil.example"})
    assert (answer.status_code, answer.json()["code"]) == (421, "HOST_UNKNOWN")


def test_a_body_that_is_too_large_is_refused(replica: Replica) -> None:
    """The declared length is judged before anything is read."""
    with served({"firm": replica}, WebSettings(max_body_bytes=100)) as base:
        answer = httpx.post(f"{base}/firm/login", data={"login": "x" * 200})
    assert (answer.status_code, answer.json()["code"]) == (413, "BODY_TOO_LARGE")


def test_after_the_log_in_one_stays_inside(visitor: Reader, replica: Replica) -> None:
    """`next` never leads to another site."""
    visitor.enter(invite(replica, "viewer"), PASSWORD)
    for target in ("https://evil.example/", "//evil.example", "/firm//evil.example", "/bank/"):
        page = visitor.client.get("/firm/login", params={"next": target}).text
        assert 'name="next" value="/firm/"' in page


def test_a_viewer_cannot_act(visitor: Reader, replica: Replica, town: Town) -> None:
    """Without the role the act is refused in words and the audit page is not shown."""
    visitor.enter(invite(replica, "viewer"))
    short = town.agreement.hex()[:16]
    visitor.get("/audit", 403)
    page = visitor.post(f"/agreements/{short}/reconcile", 403)
    assert "NOT_ALLOWED" in page


def test_acts_at_the_door_stand_in_the_audit_log(visitor: Reader, replica: Replica) -> None:
    """Links, log-ins and failures are chained; the chain verifies."""
    visitor.enter(invite(replica, "operator"), PASSWORD)
    try_login(visitor, "wrong")
    visitor.get("/audit?verify=1")
    with replica.sessions() as session:
        assert verify_chain(session) == []
    page = visitor.get("/audit")
    for act in ("LINK_MADE", "LINK_USED", "LOGIN_FAILED"):
        assert act in page


def test_slugs_and_logins_have_a_shape(replica: Replica) -> None:
    """What cannot stand in an address or a log is refused at the start."""
    with pytest.raises(UsageError, match="SLUG_WRONG"):
        create_app({"static": replica})
    with pytest.raises(InputError, match="LOGIN_SHAPE"):
        invite_person(replica.sessions, login="A b", display_name="x", roles=["viewer"], now_ms=1)
    with pytest.raises(InputError, match="ROLE_UNKNOWN"):
        invite_person(replica.sessions, login="ab", display_name="x", roles=["king"], now_ms=1)
    with replica.sessions() as session:
        assert session.scalar(select(Person).where(Person.login == "ab")) is None
