"""Failed log-ins by address, large bodies of strangers, and equal calls at once."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest
from desk_town import Reader, Replica, reader_of, served
from sqlalchemy import select

from node.acts import CLAIM_MS, RUNNING, claim, give_up, remember
from node.db import Database
from node.errors import BackPressure
from node.tables import IdempotencyKey
from node.web.app import WebSettings
from node.web.auth import Limits
from node.web.sources import MAX_SOURCES, Sources, place_of
from reconcile.model import ProtocolError

HOME, AWAY = "192.0.2.1", "192.0.2.2"
LARGE = 200_000_000


# ------------------------------------------------------------------------ by address
def test_an_address_waits_twice_as_long_each_time() -> None:
    """A few failures are free; then 1, 2, 4 … seconds, at most the longest; others do not wait."""
    sources = Sources(max_failed=3, max_pause_ms=60_000)
    now_ms, pauses = 0, []
    for _ in range(12):
        sources.require(HOME, now_ms)
        sources.failed(HOME, now_ms)
        try:
            sources.require(HOME, now_ms)
        except BackPressure as error:
            pauses.append(error.retry_after_s)
            now_ms += error.retry_after_s * 1_000
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]
    sources.require(AWAY, now_ms)


def test_a_success_and_a_long_time_forget() -> None:
    """Who knew the password starts anew, and so does an address that was quiet long enough."""
    sources = Sources(max_failed=2, max_pause_ms=60_000)
    for _ in range(2):
        sources.failed(HOME, 0)
        sources.failed(AWAY, 0)
    sources.passed(HOME)
    sources.require(HOME, 0)
    sources.failed(AWAY, 120_000)
    sources.require(AWAY, 120_000)


def test_memory_is_bounded() -> None:
    """However many addresses fail, only the latest are remembered."""
    sources = Sources(max_failed=1)
    for number in range(MAX_SOURCES + 10):
        sources.failed(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 0)
    assert len(sources._known) == MAX_SOURCES
    sources.require("10.0.0.0", 0)


def test_a_network_counts_as_one_place() -> None:
    """All addresses of an IPv6 /64 are one place; an IPv4 address in IPv6 dress is itself."""
    assert place_of("2001:db8::1") == place_of("2001:db8::ffff:1") == "2001:db8::/64"
    assert place_of("2001:db8:0:1::1") != place_of("2001:db8::1")
    assert place_of("::ffff:192.0.2.1") == HOME
    assert place_of("not an address") == "not an address"


def test_the_door_answers_429_with_how_long(replica: Replica) -> None:
    """After the free tries the right password waits too; the answer says how many seconds."""
    limits = Limits(max_failed=100, max_failed_source=2)
    with (
        served({"firm": replica}, WebSettings(limits=limits)) as base,
        httpx.Client(base_url=base, timeout=30) as client,
    ):
        answers = [_try(client, f"nobody{number}") for number in range(3)]
    assert [answer.status_code for answer in answers] == [401, 401, 429]
    assert answers[2].headers["retry-after"] == "1"
    assert "too many log-ins have failed" in answers[2].text


def _try(client: httpx.Client, login: str) -> httpx.Response:
    page = client.get("/firm/login", headers={"accept-language": "en"}).text
    found = re.search(r'name="door" value="([^"]+)"', page)
    assert found
    form = {"door": found.group(1), "login": login, "password": "a long enough password"}
    return client.post("/firm/login", data=form, headers={"accept-language": "en"})


# ------------------------------------------------------------------------ large bodies
@pytest.mark.parametrize(
    ("path", "head", "status"),
    [
        ("/firm/agreements/00/import", f"Content-Length: {LARGE}", 303),
        ("/firm/agreements/00/import", "Transfer-Encoding: chunked", 303),
        ("/firm/api/v1/agreements/00/import", f"Content-Length: {LARGE}", 401),
        ("/nobody/api/v1/agreements/00/import", f"Content-Length: {LARGE}", 404),
    ],
)
def test_a_strangers_upload_is_refused_by_its_head(
    replica: Replica, path: str, head: str, status: int
) -> None:
    """The answer comes before a byte of the body was sent: nothing is parsed or spooled."""
    with served({"firm": replica}) as base:
        host, port = base.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as wire:
            lines = [f"POST {path} HTTP/1.1", f"Host: {host}:{port}", head]
            lines += ["Content-Type: multipart/form-data; boundary=x", "", ""]
            wire.sendall("\r\n".join(lines).encode())
            answer = wire.recv(65_536).decode()
    assert answer.startswith(f"HTTP/1.1 {status} ")
    assert "content-security-policy" in answer.lower()


def test_a_members_upload_is_taken(replica: Replica) -> None:
    """With a session the same request reaches the page's own checks."""
    with reader_of(replica, "viewer", login="vera") as viewer:
        form = {"csrf": viewer.csrf}
        files = {"file": ("a.csv", b"x" * 100_000)}
        answer = viewer.client.post("/firm/agreements/00/import", data=form, files=files)
    assert answer.status_code == 404


def test_a_wrong_token_takes_no_upload(replica: Replica) -> None:
    """A token that does not hold is refused before the body, with its own code."""
    with served({"firm": replica}) as base:
        answer = httpx.post(
            f"{base}/firm/api/v1/agreements/00/import",
            headers={"authorization": "Bearer kanhe_00"},
            files={"file": ("a.csv", b"x" * 10)},
        )
    assert (answer.status_code, answer.json()["code"]) == (401, "TOKEN_WRONG")


# ------------------------------------------------------------------------ equal calls
def test_a_claimed_key_runs_once(database: Database) -> None:
    """A key is free, then at work, then answered; given up it is free, and a dead claim too."""

    def ask(now_ms: int = 0, body: bytes = b"body") -> object:
        with database.writing.begin() as session:
            return claim(session, "close", "k1", body, now_ms=now_ms)

    assert ask() is None
    assert ask() is RUNNING
    with pytest.raises(ProtocolError, match="IDEMPOTENCY_CONFLICT"):
        ask(body=b"another")
    assert ask(now_ms=CLAIM_MS) is None
    with database.writing.begin() as session:
        give_up(session, "close", "k1")
    assert ask() is None
    with database.writing.begin() as session:
        remember(session, "close", "k1", b"answer", now_ms=1)
    assert ask() == b"answer"
    with database.writing.begin() as session:
        give_up(session, "close", "k1")
    assert ask() == b"answer"


@pytest.fixture
def token(reader: Reader) -> Iterator[dict[str, str]]:
    """The headers of a program's token."""
    found = re.search(r"kanhe_[0-9a-f]{64}", reader.post("/me/tokens", 200, label="program"))
    assert found
    return {"authorization": f"Bearer {found.group(0)}"}  # type: ignore[return-value]


def test_two_equal_calls_at_once_act_once(
    reader: Reader, replica: Replica, token: dict[str, str], town: object
) -> None:
    """Sixteen equal calls at the same moment: one act, the same answer for all."""
    acts: list[float] = []

    class Slow:
        """A reconciliation that takes a while and counts its runs."""

        def attest(self, *_args: object, **_words: object) -> int:
            acts.append(time.monotonic())
            time.sleep(0.4)
            return 4711

    replica.reconciliation = Slow()  # type: ignore[attr-defined]
    path = f"/firm/api/v1/agreements/{town.agreement.hex()}/windows/{town.agreed}/attest"  # type: ignore[attr-defined]
    path += f"?digest={'ab' * 32}"
    answers: list[tuple[int, str]] = []
    barrier = threading.Barrier(16)

    def call() -> None:
        with httpx.Client(base_url=reader.base, timeout=60) as client:
            barrier.wait()
            answer = client.post(path, headers={**token, "idempotency-key": "once-1"})
            answers.append((answer.status_code, answer.text))

    threads = [threading.Thread(target=call) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(acts) == 1
    assert {status for status, _ in answers} == {202}
    assert {text for _, text in answers} == {'{"id":"4711"}'}
    assert len(answers) == 16


def test_a_refused_act_frees_its_key(
    reader: Reader, replica: Replica, token: dict[str, str], town: object
) -> None:
    """What was refused may be asked again under the same key."""
    path = f"/firm/api/v1/agreements/{town.agreement.hex()}/windows/{town.agreed}/close"  # type: ignore[attr-defined]
    for _ in range(2):
        answer = httpx.post(
            f"{reader.base}{path}", headers={**token, "idempotency-key": "again-1"}, timeout=30
        )
        assert answer.json()["code"] == "WINDOW_CLOSED", answer.text
    with replica.database.reading() as session:
        mine = select(IdempotencyKey).where(IdempotencyKey.key == "again-1")
        assert session.scalars(mine).all() == []
