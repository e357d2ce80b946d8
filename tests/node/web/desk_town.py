"""A real network of institutions, copies of its databases to damage, and people who read."""

from __future__ import annotations

import datetime as dt
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from sqlalchemy.orm import Session, sessionmaker

from devnet.network import BANK, ENTERPRISE, Network
from devnet.story import Relation
from node.bootstrap import Node
from node.chain.trust import trust_for
from node.db import Database
from node.web.app import WebSettings, create_app
from node.web.auth import invite_person
from node.web.server import serve
from reconcile.model import day_number

ENTRIES = 60
FIRST_DAY = day_number(dt.date(2026, 11, 19))
EVERY_ROLE = ("maker", "checker", "operator", "auditor")
DOOR = re.compile(r'name="door" value="([^"]+)"')
CSRF = re.compile(r'name="csrf" value="([0-9a-f]{64})"')


@dataclass
class Town:
    """The running network: day one agreed, day two posted and matched as it arrived."""

    network: Network
    relation: Relation
    folder: Path

    @property
    def bank(self) -> Node:
        """Return the account servicer's node."""
        return self.network.nodes[BANK.slug]

    @property
    def firm(self) -> Node:
        """Return the account owner's node."""
        return self.network.nodes[ENTERPRISE.slug]

    @property
    def agreement(self) -> bytes:
        """Return the agreement's id."""
        return self.relation.agreement

    @property
    def agreed(self) -> int:
        """Return the agreed window."""
        return self.relation.days[0].window

    @property
    def open(self) -> int:
        """Return the window that is still open."""
        return self.relation.days[1].window


@dataclass
class Replica:
    """The firm's node over a copy of its database; its clock stands still."""

    node: Node
    database: Database
    now_ms: int

    def __getattr__(self, name: str) -> object:
        """Everything else is the real node's."""
        return getattr(self.node, name)

    @property
    def sessions(self) -> sessionmaker[Session]:
        """Return the factory of sessions over the copy."""
        return self.database.writing

    def clock(self) -> int:
        """Return the moment the test chose."""
        return self.now_ms


@contextmanager
def served(nodes: dict[str, object], settings: WebSettings | None = None) -> Iterator[str]:
    """Serve a desk on a free port; yield its address."""
    app = create_app(nodes, settings)  # type: ignore[arg-type]
    stop, ready = threading.Event(), threading.Event()
    found: list[str] = []

    def on_ready(base: str) -> None:
        found.append(base)
        ready.set()

    options = {"port": 0, "on_ready": on_ready, "stop_event": stop}
    thread = threading.Thread(target=serve, args=(app,), kwargs=options, daemon=True)
    thread.start()
    assert ready.wait(10), "the desk came up"
    try:
        yield found[0]
    finally:
        stop.set()
        thread.join(timeout=10)


class Reader:
    """A browser without JavaScript: keeps cookies, fills in CSRF tokens."""

    def __init__(self, base: str, slug: str = "firm") -> None:
        """Talk to one institution's desk."""
        self.base = base
        self.slug = slug
        self.client = httpx.Client(base_url=base, timeout=30, verify=trust_for([base]))
        self.client.cookies.set("kanhe_language", "en")

    def enter(self, path: str, password: str | None = None) -> None:
        """Use a one-time link."""
        page = self.client.get(f"/{self.slug}{path}").text
        found = DOOR.search(page)
        assert found, "the one-time page has its form"
        how = "once" if password is None else "password"
        form = {"door": found.group(1), "how": how, "password": password or ""}
        answer = self.client.post(f"/{self.slug}{path}", data=form)
        assert answer.status_code == 303, answer.text

    def get(self, path: str, status: int = 200) -> str:
        """Return a page's text."""
        answer = self.client.get(f"/{self.slug}{path}", headers={"accept-language": "en"})
        assert answer.status_code == status, f"{path}: {answer.status_code}\n{answer.text[:2000]}"
        return answer.text

    @property
    def csrf(self) -> str:
        """Return the session's CSRF token, as any page with a form shows it."""
        found = CSRF.search(self.get("/me"))
        assert found, "a logged-in page has a form"
        return found.group(1)

    def post(self, path: str, status: int = 303, **form: str) -> str:
        """Send a form with the CSRF token; return where it leads, or the page."""
        data = {"csrf": self.csrf, **form}
        answer = self.client.post(f"/{self.slug}{path}", data=data)
        assert answer.status_code == status, f"{path}: {answer.status_code}\n{answer.text[:2000]}"
        return answer.headers.get("location", answer.text)


def invite(node: object, *roles: str, login: str = "lin") -> str:
    """Return the path of a one-time link for a new person."""
    now_ms = int(node.clock())  # type: ignore[attr-defined]
    sessions = node.sessions  # type: ignore[attr-defined]
    return invite_person(sessions, login=login, display_name=login, roles=roles, now_ms=now_ms)


@contextmanager
def reader_of(node: object, *roles: str, login: str = "lin") -> Iterator[Reader]:
    """Log a new person in at a desk that hosts one node."""
    with served({"firm": node}) as base:
        reader = Reader(base)
        reader.enter(invite(node, *(roles or EVERY_ROLE), login=login))
        yield reader
        reader.client.close()


@contextmanager
def running(town: Town) -> Iterator[None]:
    """Let every node follow, match and send in the background."""
    stop = threading.Event()
    threads = [
        threading.Thread(target=node.run, args=(stop,), daemon=True)
        for node in town.network.everyone
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=10)
