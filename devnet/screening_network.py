"""The demo's second network: three members, a regulator, a committee that holds a key in shares.

Its chain begins some days ago, so that the story's days pass without a time to come. Each node
serves the others over mutual TLS on a loopback port while the story is told.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography import x509

from devnet.deploy import deploy
from devnet.local import EmbeddedChain
from devnet.network import (
    SCRYPT_N,
    Institution,
    Network,
    name_everyone,
    new_passphrase,
    register_keys,
    reopen_network,
    save_network,
)
from node.bootstrap import Node, init_home, open_node, write_target
from node.chain.deploy import Founder
from node.identity import system_clock
from node.peers.client import HELLO
from node.screening.states import MIN_CUT_S, ROOT_CHALLENGE_S
from node.settings import Settings
from node.web.peer_server import serve_peers_of
from reconcile.model import KanheError, OutsideError

Say = Callable[[str], None]

LENDER: Final = Institution("lender", "示范消费金融 Demo Lender", "DEMO-LICENCE-99000001")
ISSUER: Final = Institution("issuer", "示范信用卡中心 Demo Card Issuer", "DEMO-LICENCE-99000002")
LEASING: Final = Institution("leasing", "示范融资租赁 Demo Leasing", "DEMO-LICENCE-99000003")
SUPERVISOR: Final = Institution("supervisor", "示范监管方 Demo Regulator", "DEMO-LICENCE-99000004")
MEMBERS: Final = (LENDER, ISSUER, LEASING, SUPERVISOR)
REGULATOR: Final = 4
COMMITTEE: Final = (1, 2, 3)
THRESHOLD: Final = 2
DAY_S: Final = 86_400
INSTALLED: Final = "INSTALLED"
FAILED: Final = "FAILED"
#: The story takes thirteen of its days; the rest is so that it never runs into the present.
BEGINS_DAYS_AGO: Final = 20
#: A phase of the key's making: its words must be final, and every share delivered, before it ends.
PHASE_BLOCKS: Final = 60
BLOCKS_AT_REST: Final = 12
PEER_START_S: Final = 20.0
PEER_TIMEOUT_S: Final = 30.0


@dataclass
class ScreeningNetwork:
    """The running network, and what serves its nodes to each other."""

    network: Network
    stop: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)

    def node(self, member: int) -> Node:
        """Return a member's node."""
        return self.network.nodes[MEMBERS[member - 1].slug]

    @property
    def chain(self) -> EmbeddedChain:
        """Return the chain."""
        return self.network.chain

    def until(self, done: Callable[[], bool], what: str) -> None:
        """Let everybody take turns until something holds; raises `OutsideError` SETTLE_TIMEOUT."""
        self.network.until(done, what)

    def until_block(self, done: Callable[[], bool], what: str) -> None:
        """As `until`, where blocks are waited for: at rest, more of them are mined at once."""

        def moved_on() -> bool:
            if done():
                return True
            if self.network.turn():
                self.chain.mine(BLOCKS_AT_REST)
            return False

        self.until(moved_on, what)

    def settle(self, what: str = "the members to come to rest") -> None:
        """Let everybody take turns until nothing moves."""
        self.network.settle(what)

    def pass_s(self, seconds: int) -> None:
        """Let so much time go by, and let everyone see it."""
        self.chain.pass_s(seconds)
        self.settle()

    def close(self) -> None:
        """Stop the servers, the nodes, the chain."""
        self.stop.set()
        for node in self.network.everyone:
            node.peers.close()
        for thread in self.threads:
            thread.join(timeout=PEER_START_S)
        self.network.close()


def found_members(folder: Path, say: Say) -> ScreeningNetwork:
    """Found the network, let its nodes know each other, return once every key is in force."""
    folder.mkdir(parents=True, exist_ok=True)
    phrase = new_passphrase(folder)
    state = folder / "chain" / "state.json"
    chain = EmbeddedChain(
        state=state, log=folder / "chain.log", behind_s=BEGINS_DAYS_AGO * DAY_S
    ).start()
    found = ScreeningNetwork(Network(folder, chain, hurried=True))
    try:
        _found(found, folder, phrase, say)
    except BaseException:
        found.close()
        raise
    return found


def _found(found: ScreeningNetwork, folder: Path, phrase: str, say: Say) -> None:
    say("founding a second network: three members and a regulator, twenty days ago")
    infos = [
        init_home(
            folder / item.slug,
            name=item.name,
            passphrase=phrase,
            code=item.code,
            scrypt_n=SCRYPT_N,
        )
        for item in MEMBERS
    ]
    founders = [
        Founder(item.code, bytes.fromhex(info.addresses["ADMIN"][2:]))
        for item, info in zip(MEMBERS, infos, strict=True)
    ]
    target = deploy(found.chain, founders, regulator=REGULATOR)
    for item in MEMBERS:
        home = folder / item.slug
        write_target(home, target)
        found.network.nodes[item.slug] = open_node(
            home,
            passphrase=phrase,
            settings=Settings(home=home, peer_timeout_s=PEER_TIMEOUT_S, test_identifiers=True),
            clock=lambda: system_clock() - found.chain.behind_s * 1_000,
        )
    save_network(folder, target, MEMBERS)
    everyone = list(found.network.everyone)
    found.until(lambda: all(node.member is not None for node in everyone), "the founders")
    for node in everyone:
        register_keys(node)
    found.until(lambda: all(node.network.ready() for node in everyone), "every key to be in force")
    # Each must have read the others' keys before it can tell whose certificate it pins.
    found.settle("everybody to know everybody's keys")
    name_everyone(found.network, MEMBERS)
    say("each node makes its TLS certificate, signed by its member's key, and pins the others'")
    for node in everyone:
        node.peers.certify()
    _introduce(found)


def reopen_members(folder: Path) -> ScreeningNetwork:
    """Start the network again as `found_members` left it, now at the present time.

    Raises `OutsideError` DEMO_NOT_FOUND, PEER_SERVER.
    """
    found = ScreeningNetwork(reopen_network(folder))
    try:
        _introduce(found)
    except BaseException:
        found.close()
        raise
    return found


def _introduce(found: ScreeningNetwork) -> None:
    """Serve every node to the others, and tell each where and by which certificate."""
    certificates = [node.peers.own.certificate() for node in found.network.everyone]
    # A server that starts without pins turns its first callers away until it looks again.
    _pin(found, certificates, [""] * len(certificates))
    _pin(found, certificates, [_serve(found, node) for node in found.network.everyone])
    for member, node in enumerate(found.network.everyone, 1):
        for other in range(1, len(MEMBERS) + 1):
            if other != member:
                _reach(node, other)


def _pin(
    found: ScreeningNetwork, certificates: Sequence[x509.Certificate], urls: Sequence[str]
) -> None:
    for place, node in enumerate(found.network.everyone):
        for other, (certificate, url) in enumerate(zip(certificates, urls, strict=True)):
            if other != place:
                node.peers.pin(certificate, url=url)


def _reach(node: Node, member: int) -> None:
    """Call until the other's server has looked at its pins again, as it does each second."""
    deadline = time.monotonic() + PEER_START_S
    while True:
        try:
            node.peers.client.call(member, HELLO, b"{}")
        except KanheError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def _serve(found: ScreeningNetwork, node: Node) -> str:
    ready, address = threading.Event(), [""]

    def said(url: str) -> None:
        address[0] = url
        ready.set()

    thread = threading.Thread(
        target=serve_peers_of,
        args=(node, found.stop),
        kwargs={"host": "127.0.0.1", "port": 0, "on_ready": said},
        name=f"peers of {node.name}",
        daemon=True,
    )
    thread.start()
    found.threads.append(thread)
    if not ready.wait(PEER_START_S):
        raise OutsideError("PEER_SERVER", f"{node.name} does not answer its peers")
    return address[0]


def make_key(found: ScreeningNetwork, say: Say, members: Sequence[int] = COMMITTEE) -> None:
    """Let the committee make the lookups' key in shares, and wait until it is in use."""
    words = f"{THRESHOLD} of {len(members)}"
    say(f"the members make a key in shares, {words}: nobody ever holds it whole")
    say(f"warning: {words} is for demonstration; in production no two may suffice (3 of 5)")
    first = found.node(members[0])
    run = first.committee.propose(members, THRESHOLD, phase_blocks=PHASE_BLOCKS)
    for member in members[1:]:
        committee = found.node(member).committee
        found.until(
            lambda committee=committee: any(view.run == run for view in committee.runs()),  # type: ignore[misc]
            "the proposal to be read",
        )
        committee.join(run)
    nodes = [found.node(member) for member in members]

    def made() -> bool:
        parts = [view.ours for node in nodes for view in node.committee.runs() if view.run == run]
        if FAILED in parts:
            raise OutsideError("KEY_NOT_MADE", "the members' key was not made in time")
        return parts == [INSTALLED] * len(nodes)

    found.until_block(made, "the key to be made")
    found.until_block(
        lambda: all(any(item.current for item in node.committee.epochs()) for node in nodes),
        "the key epoch to begin",
    )


def publish_index(found: ScreeningNetwork, say: Say) -> int:
    """Cut the log, build and sign a version of the index, and wait until it may be read."""
    nodes = [found.node(member) for member in COMMITTEE]
    # The nodes cut by themselves when the key epoch began; what was listed since wants a cut.
    found.pass_s(MIN_CUT_S)
    version = nodes[0].parts.index.cut()

    def stands(state: str) -> bool:
        return all(
            any(view.version == version and view.state == state for view in index.versions())
            for index in (node.parts.index for node in nodes)
        )

    found.until_block(lambda: stands("PUBLISHED"), "the index to be signed by the members")
    say(f"index version {version} is on the ledger; uploaders had an hour to challenge it")
    found.pass_s(ROOT_CHALLENGE_S + 60)
    found.until_block(lambda: stands("LIVE"), "the index to be live")
    return version
