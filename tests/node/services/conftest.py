"""Two institutions on one instant chain, with real keys, databases and contracts."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from devnet.deploy import deploy
from devnet.local import EmbeddedChain
from node.bootstrap import ChainTarget, Node, init_home, open_node, write_target
from node.chain.deploy import Founder
from node.settings import Settings
from reconcile.model import (
    AgreementKind,
    Balance,
    BalanceBasis,
    Entry,
    Side,
    day_iso,
    day_number,
    window_of,
)
from reconcile.terms import Terms, default_terms
from tests.databases import SERVER, address_of
from tests.lending import lent
from tests.node.services.blacklist_town import BlacklistTown, fresh_town, make_town

PHRASE = "a phrase for tests"
WEAK_SCRYPT = 1_024
# A Monday that has come everywhere: a day that lies ahead cannot be closed.
_TODAY = day_number(dt.datetime.now(dt.UTC).date())
DAY = _TODAY - 14 - (_TODAY - 14 + 3) % 7
DATE = day_iso(DAY)
WINDOW = window_of(DAY)
TURNS = 600


@dataclass
class Pair:
    """A servicer and an owner, both founding members."""

    chain: EmbeddedChain
    target: ChainTarget
    servicer: Node
    owner: Node
    folder: Path
    count: int = 0
    spare: list[bytes] = field(default_factory=list)

    @property
    def nodes(self) -> tuple[Node, Node]:
        """Return both, the servicer first."""
        return (self.servicer, self.owner)

    def node(self, side: Side) -> Node:
        """Return one side's node."""
        return self.nodes[side]

    def settle(self) -> None:
        """Let both take turns until neither moves."""
        quiet = 0
        for _ in range(TURNS):
            taken = [node.step() for node in self.nodes]
            quiet = quiet + 1 if all(step.idle for step in taken) else 0
            if quiet > 1:
                return
            if not any(step.moved for step in taken):
                time.sleep(0.01)
        raise AssertionError("the pair does not come to rest")

    def agreement(self, terms: Terms | None = None, *, opened: bool = True) -> bytes:
        """Return a fresh agreement; with `opened` its opening position is agreed at zero."""
        if self.spare and terms is None and opened:
            return self.spare.pop()
        return self.agreements(1, terms, opened=opened)[0]

    def agreements(
        self, count: int, terms: Terms | None = None, *, opened: bool = True
    ) -> list[bytes]:
        """Open some fresh agreements at once: each step of one takes many turns."""
        members = [node.member for node in self.nodes]
        assert members[0] is not None
        assert members[1] is not None
        made = []
        for number in range(self.count + 1, self.count + 1 + count):
            agreement = self.servicer.network.open_agreement(
                AgreementKind.BANK_ENTERPRISE,
                servicer=members[0],
                owner=members[1],
                terms=terms or default_terms(["CNY"]),
                label=f"agreement {number}",
            )
            made.append(agreement)
        self.count += count
        self.settle()
        for agreement in made:
            self.owner.network.accept_agreement(agreement)
        self.settle()
        if opened:
            for agreement in made:
                for node in self.nodes:
                    node.posting.open_position(agreement, closing=balance(0, DAY - 1))
            self.settle()
            for agreement in made:
                for node in self.nodes:
                    node.reconciliation.attest(agreement, 0)
            self.settle()
        return made

    def close(self, agreement: bytes, window: int) -> None:
        """Close a window on both sides."""
        for node in self.nodes:
            node.posting.close_window(agreement, window)
        self.settle()

    def agree(self, agreement: bytes, window: int) -> None:
        """Attest a window's proof from both sides."""
        for node in self.nodes:
            node.reconciliation.attest(agreement, window)
        self.settle()

    def day(self, agreement: bytes, window: int = WINDOW) -> None:
        """Close, prove and agree on a window."""
        self.close(agreement, window)
        self.agree(agreement, window)


def balance(minor: int, day: int = DAY) -> dict[str, Balance]:
    """A stated balance in CNY."""
    return {"CNY": Balance.of_signed(minor, day, BalanceBasis.STATED)}


def entry(
    ref: str,
    minor: int,
    *,
    e2e: str | None = None,
    day: int = DAY,
    version: int = 0,
    **more: object,
) -> Entry:
    """An entry whose sign says its direction (minor > 0 is IN)."""
    from reconcile.model import Direction

    return Entry(
        entry_ref=ref,
        version=version,
        direction=Direction.IN if minor >= 0 else Direction.OUT,
        amount_minor=abs(minor),
        currency="CNY",
        booking_date=day,
        references=((1, e2e),) if e2e else (),
        **more,
    )


def csv_of(path: Path, rows: list[str], *, opening: str = "", closing: str = "") -> Path:
    """Write a generic CSV: rows are `ref,direction,amount,day,end_to_end_id`."""
    lines = [f"#opening_balance,CNY,{opening},{DATE}"] if opening else []
    lines += [f"#closing_balance,CNY,{closing},{DATE}"] if closing else []
    lines.append("entry_ref,direction,amount,booking_date,end_to_end_id,currency")
    lines += [f"{row},CNY" for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def make_pair(folder: Path, chain: EmbeddedChain, server: str = SERVER) -> Pair:
    """Found a network of two members on a chain and wait until every key counts."""
    homes = [folder / "servicer", folder / "owner"]
    infos = [
        init_home(home, name=home.name, passphrase=PHRASE, code=f"TEST-{n}", scrypt_n=WEAK_SCRYPT)
        for n, home in enumerate(homes)
    ]
    founders = [
        Founder(f"TEST-{n}", bytes.fromhex(info.addresses["ADMIN"][2:]))
        for n, info in enumerate(infos)
    ]
    target = deploy(chain, founders)
    for home in homes:
        write_target(home, target)
    nodes = [open_node(home, passphrase=PHRASE, settings=_settings(home, server)) for home in homes]
    pair = Pair(chain, target, nodes[0], nodes[1], folder)
    for node in nodes:
        for role in ("POSTER", "APPROVER"):
            node.network.register_key(role)
    for _ in range(TURNS):
        if all(node.network.ready() for node in nodes):
            break
        pair.settle()
        chain.mine(5)
    pair.settle()
    return pair


def _settings(home: Path, server: str) -> Settings:
    # A home's own file needs no address, and moves with it.
    return Settings(home=home, database_url=address_of(home / "kanhe.db", server) if server else "")


@contextmanager
def fresh_pair(founded: Pair) -> Iterator[Pair]:
    """Lend a founded pair with its spare agreement; it goes back to what it was afterwards."""
    nodes = list(founded.nodes)
    with lent(founded.chain, nodes, founded.folder / "kept", passphrase=PHRASE):
        servicer, owner = nodes
        yield replace(founded, servicer=servicer, owner=owner, spare=list(founded.spare))


@contextmanager
def found_pair(folder: Path) -> Iterator[Pair]:
    """Found two members with an agreement to spare on a chain of their own."""
    with EmbeddedChain(block_time_s=0) as chain:
        made = make_pair(folder, chain)
        made.spare = made.agreements(1)
        yield made
        for node in made.nodes:
            node.close()


@pytest.fixture(scope="session")
def founded_pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Two members with an agreement to spare, founded once; `pair` lends it to each test."""
    with found_pair(tmp_path_factory.mktemp("pair")) as made:
        yield made


@pytest.fixture
def pair(founded_pair: Pair) -> Iterator[Pair]:
    """Two members as they were founded: a turn costs as many looks as they have agreements."""
    with fresh_pair(founded_pair) as lent_pair:
        yield lent_pair


@pytest.fixture(scope="session")
def founded_town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlacklistTown]:
    """Four members with a blacklist, founded once; `town` lends it to a file's tests."""
    with EmbeddedChain(block_time_s=0) as chain:
        made = make_town(tmp_path_factory.mktemp("town"), chain)
        yield made
        made.close()


@pytest.fixture(scope="module")
def town(founded_town: BlacklistTown) -> Iterator[BlacklistTown]:
    """Four members with a blacklist as they were founded; tests go on in its time."""
    with fresh_town(founded_town) as lent:
        yield lent


@pytest.fixture
def agreement(pair: Pair) -> bytes:
    """A fresh agreement, its opening position agreed."""
    return pair.agreement()


Make = Callable[..., Path]
