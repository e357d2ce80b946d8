"""Four members with a blacklist on an instant chain, each serving the others over mutual TLS."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
from listed_people import make_listing, person_of
from sqlalchemy import select

from devnet.deploy import deploy
from devnet.local import EmbeddedChain
from node.blacklist_calls import BlacklistCalls
from node.bootstrap import Node, init_home, open_node, write_target
from node.chain.deploy import Founder
from node.peers.directory import read_peers
from node.screening.consents import Purpose, Scope
from node.screening.states import DAY_S, MIN_CUT_S, OPENABLE_DAYS, ROOT_CHALLENGE_S
from node.services.committee.planning import MARGIN_BLOCKS
from node.services.lookups import Found
from node.services.lookups.consenting import Terms
from node.services.screening.listing import Candidate
from node.settings import Settings
from node.tables import Incident
from node.web.peer_server import serve_peers_of
from reconcile.model import ZERO32, day_iso

PHRASE = "a phrase for tests"
WEAK_SCRYPT = 1_024
TURNS = 100
COMMITTEE = (1, 2, 3)
#: Member 4 holds no share: a reader, an uploader and the regulator.
OUTSIDER = 4


@dataclass
class Town:
    """The chain, its nodes by member, and the servers that answer for them."""

    chain: EmbeddedChain
    folder: Path
    nodes: dict[int, Node] = field(default_factory=dict)
    stops: dict[int, threading.Event] = field(default_factory=dict)
    threads: dict[int, threading.Thread] = field(default_factory=dict)
    urls: dict[int, str] = field(default_factory=dict)

    def node(self, member: int) -> Node:
        """Return a member's node."""
        return self.nodes[member]

    @property
    def committee(self) -> list[Node]:
        """Return the committee's nodes."""
        return [self.nodes[member] for member in COMMITTEE]

    def turn(self, only: Sequence[int] | None = None) -> bool:
        """Let nodes take a step; True when nothing moved anywhere."""
        idle = []
        for member, node in self.nodes.items():
            if only is None or member in only:
                node.turns.look_again()
                # Blocks come as fast as they are asked for: a share that waits a second for its
                # receiver would miss the phase that it is for.
                node.committee._pauses.clear()
                idle.append(node.step().idle)
        return all(idle)

    def settle(self, only: Sequence[int] | None = None) -> None:
        """Let nodes take turns until nothing moves."""
        quiet = 0
        for _ in range(TURNS):
            quiet = quiet + 1 if self.turn(only) else 0
            if quiet > 1:
                return
        raise AssertionError("the town does not come to rest")

    def until(self, done: Callable[[], bool], what: str, *, blocks: int = 1) -> None:
        """Take turns and mine until something holds."""
        for _ in range(TURNS):
            if done():
                return
            self.settle()
            if done():
                return
            self.chain.mine(blocks)
        with self.nodes[1].sessions() as session:
            open_ = [row.says for row in session.scalars(select(Incident)) if not row.closed_at_ms]
        raise AssertionError(f"waited in vain for {what}; open at node 1: {open_}")

    def serve(self, member: int) -> None:
        """Serve a member's node to its peers."""
        ready, stop = threading.Event(), threading.Event()
        node = self.nodes[member]

        def said(address: str) -> None:
            self.urls[member] = address
            ready.set()

        thread = threading.Thread(
            target=serve_peers_of,
            args=(node, stop),
            kwargs={"host": "127.0.0.1", "port": 0, "on_ready": said},
            daemon=True,
        )
        thread.start()
        assert ready.wait(20)
        self.stops[member], self.threads[member] = stop, thread

    def introduce(self) -> None:
        """Let everybody pin everybody, at the present addresses."""
        own = {member: node.peers.own.certificate() for member, node in self.nodes.items()}
        for member, node in self.nodes.items():
            for other, certificate in own.items():
                if other != member:
                    pinned = read_peers(node.home).get(other)
                    if pinned is None or pinned.url != self.urls.get(other, ""):
                        node.peers.pin(certificate, url=self.urls.get(other, ""))

    def reopen(self, member: int) -> Node:
        """Close a member's node as a crash would, and open its home again."""
        self.nodes[member].close()
        self.nodes[member] = open_node(
            self.folder / f"m{member}", passphrase=PHRASE, settings=_settings(self.folder, member)
        )
        return self.nodes[member]

    # ------------------------------------------------------------------------ runs
    def run(
        self, members: Sequence[int] = COMMITTEE, threshold: int = 2, *, reshare: bool = False
    ) -> bytes:
        """Propose a run and let everybody in it join; return its id."""
        proposer = next(iter(sorted(members)))
        run = self.nodes[proposer].committee.propose(
            members, threshold, reshare=reshare, phase_blocks=MARGIN_BLOCKS
        )
        self.settle()
        view = self.nodes[proposer].committee.runs()[0]
        for member in sorted(set(view.members) | set(view.dealers)):
            if member in self.nodes and member != proposer:
                self.nodes[member].committee.join(run)
        self.settle()
        return run

    def state(self, member: int, run: bytes) -> str:
        """Return where a run stands at a member's node."""
        return next(view.ours for view in self.nodes[member].committee.runs() if view.run == run)

    def finish(self, run: bytes, members: Sequence[int] = COMMITTEE) -> None:
        """Mine through a run's phases until its epoch is installed at every member."""
        self.until(
            lambda: all(self.state(m, run) in {"HELD", "INSTALLED", "FAILED"} for m in members),
            "the run to be over",
            blocks=4,
        )
        self.until(
            lambda: all(self.state(m, run) == "INSTALLED" for m in members),
            "the epoch to be installed",
        )

    def begin(self, key_epoch: int) -> None:
        """Mine until a key epoch is the present one."""
        epochs = self.nodes[1].committee.epochs()
        switch = next(item.switch_block for item in epochs if item.key_epoch == key_epoch)
        head = self.nodes[1].client.head().number
        if switch > head:
            self.chain.mine(switch - head)
        self.settle()

    # ------------------------------------------------------------------------ people
    def time_s(self) -> int:
        """Return the chain's time."""
        return self.nodes[1].client.head().time_s

    def pass_s(self, seconds: int) -> None:
        """Let so much of the chain's time go by."""
        self.chain.rpc("evm_increaseTime", seconds)
        self.chain.mine()
        self.settle()

    def erase(self, member: int, entry: bytes) -> None:
        """Let its uploader take an entry back and, once no audit asks any more, destroy it."""
        self.nodes[member].screening.erase(entry)
        self.settle()
        self.pass_s(OPENABLE_DAYS * DAY_S)

    def claim(self) -> None:
        """Let everybody take the first day's allowance."""
        for node in self.nodes.values():
            with node.sessions.begin() as session:
                BlacklistCalls(node.identity).claim_allowance(session, self.time_s() // DAY_S)
        self.settle()

    def list(self, member: int, serial: int, documents: Sequence[bytes] = ()) -> bytes:
        """List a person who cannot exist; the node evaluates, seals, leaves and tags by itself."""
        today = self.time_s() // DAY_S
        listing = make_listing(
            serial,
            entry_id=ZERO32,
            uploader=member,
            effective_from=today,
            expires_at=today + 900,
            notice_at=today - 30,
            event_month=day_iso(today - 90)[:7],
        )
        if documents:
            listing = msgspec.structs.replace(listing, evidence_root=ZERO32)
        candidate = Candidate(person_of(serial), listing, tuple(documents))
        entry = self.nodes[member].screening.list_person(candidate)
        self.settle()
        return entry

    def publish(self) -> int:
        """Cut, build, sign and publish a version, and wait until it is live."""
        self.pass_s(MIN_CUT_S)
        version = self.nodes[1].parts.index.cut()
        self.until(lambda: self.version(version) == "PUBLISHED", "the root", blocks=20)
        self.pass_s(ROOT_CHALLENGE_S + 60)
        assert self.version(version) == "LIVE"
        return version

    def version(self, number: int) -> str:
        """Return where a version stands."""
        views = self.nodes[1].parts.index.versions()
        return next((view.state for view in views if view.version == number), "NONE")

    def terms(self, **changes: object) -> Terms:
        """Return the terms of a lookup that is valid now."""
        now = self.time_s()
        terms = Terms(Purpose.CREDIT, Scope.HIT | Scope.RECORD, now - 60, now + 30 * DAY_S)
        return replace(terms, **changes)  # type: ignore[arg-type]

    def consented(self, member: int, serial: int, **changes: object) -> int:
        """Prepare a lookup with a consent of level 1 that is on the ledger."""
        lookups = self.nodes[member].lookups
        lookup = lookups.prepare(person_of(serial), self.terms(**changes))
        lookups.consent_by_institution(lookup)
        self.settle()
        return lookup

    def found(self, member: int, serial: int) -> Found:
        """Look a person up with a fresh consent and ticket."""
        lookup = self.consented(member, serial)
        self.tickets(member)
        (found,) = self.nodes[member].lookups.look_up([lookup])
        assert isinstance(found, Found), found
        return found

    def tickets(self, member: int, count: int = 1) -> None:
        """See to it that a member has free tickets."""
        lookups = self.nodes[member].lookups
        missing = count - len(lookups.tickets())
        if missing > 0:
            lookups.buy_tickets(missing)
            self.settle()

    def close(self) -> None:
        """Stop the servers, then the nodes."""
        for node in self.nodes.values():
            node.peers.close()
        for stop in self.stops.values():
            stop.set()
        for thread in self.threads.values():
            thread.join(20)
        for node in self.nodes.values():
            with contextlib.suppress(Exception):
                node.close()


def _settings(folder: Path, member: int) -> Settings:
    return Settings(home=folder / f"m{member}", peer_timeout_s=30)


def make_town(folder: Path, chain: EmbeddedChain, members: int = 4) -> Town:
    """Found a network of members who know each other."""
    homes = {number: folder / f"m{number}" for number in range(1, members + 1)}
    infos = {
        number: init_home(
            home, name=home.name, passphrase=PHRASE, code=f"TEST-{number}", scrypt_n=WEAK_SCRYPT
        )
        for number, home in homes.items()
    }
    founders = [
        Founder(f"TEST-{number}", bytes.fromhex(info.addresses["ADMIN"][2:]))
        for number, info in infos.items()
    ]
    target = deploy(chain, founders, regulator=OUTSIDER)
    town = Town(chain, folder)
    for number, home in homes.items():
        write_target(home, target)
        town.nodes[number] = open_node(home, passphrase=PHRASE, settings=_settings(folder, number))
    for node in town.nodes.values():
        for role in ("POSTER", "APPROVER"):
            node.network.register_key(role)
    town.until(lambda: all(node.network.ready() for node in town.nodes.values()), "keys", blocks=5)
    for number, node in town.nodes.items():
        assert node.member == number
        node.peers.certify()
        town.serve(number)
    town.introduce()
    deadline = time.monotonic() + 20
    for number in town.nodes:
        for other in town.nodes:
            _reach(town, number, other, deadline)
    return town


def _reach(town: Town, caller: int, callee: int, deadline: float) -> None:
    """Call until the other's server has looked at its pins again."""
    while caller != callee:
        with contextlib.suppress(Exception):
            town.nodes[caller].peers.client.call(callee, "/peer/v1/hello", b"{}")
            return
        assert time.monotonic() < deadline
        time.sleep(0.05)
