"""A small network in one process: the embedded chain, its contracts and four institutions.

The bank and the clearing house found it; the bank's branch is admitted by a motion that both
approve; the enterprise is a participant that the bank sponsors. Everything lives under one
folder, so that `make desk` can serve the same nodes again.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from eth_utils.crypto import keccak
from sqlalchemy import select

from devnet.deploy import deploy
from devnet.local import EmbeddedChain
from node.bootstrap import ChainTarget, Node, init_home, open_node, write_target
from node.chain.deploy import Founder
from node.chain.profile import engine_profile
from node.settings import Settings
from node.tables import SealingKey
from reconcile.model import ZERO32, AgreementKind, OutsideError
from reconcile.terms import Terms

SETTLE_TIMEOUT_S: Final = 120.0
NETWORK_FILE: Final = "network.json"
STEP_PAUSE_S: Final = 0.02
# The demo's passphrase is 24 random bytes: stretching it adds nothing but a wait.
SCRYPT_N: Final = 2**12


@dataclass(frozen=True, slots=True)
class Institution:
    """One institution of the demo; the names are of nobody."""

    slug: str
    name: str
    code: str


BANK: Final = Institution("bank", "示范银行 Demo Bank", "DEMO-CNAPS-990000000001")
CLEARING: Final = Institution(
    "clearing", "示范清算所 Demo Clearing House", "DEMO-CNAPS-990000000002"
)
BRANCH: Final = Institution("branch", "示范银行分行 Demo Bank Branch", "DEMO-CNAPS-990000000003")
ENTERPRISE: Final = Institution(
    "enterprise", "示范企业 Demo Enterprise", "DEMO-USCC-99000000000000001X"
)
#: Founders are numbered from 1; the clearing house sits on no panel of the blacklist.
REGULATOR: Final = 2
INSTITUTIONS: Final = (BANK, CLEARING, BRANCH, ENTERPRISE)


@dataclass
class Network:
    """The running network: one chain, one node an institution.

    `hurried`: blocks that nothing waits for but finality are mined at once, for tests about what
    comes after. A network that people watch keeps the chain's own interval.
    """

    folder: Path
    chain: EmbeddedChain
    nodes: dict[str, Node] = field(default_factory=dict)
    hurried: bool = False

    @property
    def everyone(self) -> Iterable[Node]:
        """Return all nodes."""
        return self.nodes.values()

    def turn(self) -> bool:
        """Let every node take one step; True when nothing moved anywhere.

        Pauses when nothing came from the chain or went to it: what is in flight needs blocks, and
        the processors are the chain's meanwhile.
        """
        # Every node moves, also after one that did not come to rest.
        taken = [node.step() for node in self.everyone]
        idle = all(step.idle for step in taken)
        waits = not all(step.idle or step.rests for step in taken)
        if self.hurried and waits and not any(step.events or step.sent for step in taken):
            self.chain.mine(engine_profile("embedded").confirmations)
        elif not any(step.moved for step in taken):
            time.sleep(STEP_PAUSE_S)
        return idle

    def until(self, done: Callable[[], bool], what: str) -> None:
        """Step all nodes until `done()`; `OutsideError` SETTLE_TIMEOUT says what was awaited."""
        for _ in self._turns(what):
            if done():
                return
            self.turn()

    def settle(self, what: str = "the network to come to rest") -> None:
        """Step until every node is idle for two turns: nothing queued, nothing unconfirmed."""
        quiet = 0
        for _ in self._turns(what):
            quiet = quiet + 1 if self.turn() else 0
            if quiet > 1:
                return

    def _turns(self, what: str) -> Iterator[None]:
        deadline = time.monotonic() + SETTLE_TIMEOUT_S
        while time.monotonic() < deadline:
            yield
        raise OutsideError("SETTLE_TIMEOUT", f"waited {SETTLE_TIMEOUT_S:.0f} s for {what}")

    def close(self) -> None:
        """Close the nodes, then the chain, so that it keeps everything they sent."""
        for node in self.everyone:
            node.close()
        self.chain.stop()


def new_passphrase(folder: Path) -> str:
    """Write a random passphrase for this folder's keystores, readable by its owner only."""
    path = folder / "passphrase"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    phrase = secrets.token_urlsafe(24)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(phrase)
    return phrase


def build_network(
    folder: Path,
    *,
    say: Callable[[str], None],
    institutions: Sequence[Institution] = INSTITUTIONS,
    hurried: bool = False,
) -> Network:
    """Start a chain, deploy, found, admit and sponsor; return once every key is in force."""
    folder.mkdir(parents=True, exist_ok=True)
    phrase = new_passphrase(folder)
    chain = EmbeddedChain(state=folder / "chain" / "state.json", log=folder / "chain.log")
    say("starting the embedded chain")
    (folder / "chain").mkdir(exist_ok=True)
    chain.start()
    try:
        homes = {
            item.slug: init_home(
                folder / item.slug,
                name=item.name,
                passphrase=phrase,
                code=item.code,
                scrypt_n=SCRYPT_N,
            )
            for item in institutions
        }
        founders = [
            Founder(item.code, bytes.fromhex(homes[item.slug].addresses["ADMIN"][2:]))
            for item in (BANK, CLEARING)
        ]
        say("deploying Registry and Ledger, and the blacklist beside them")
        target = deploy(chain, founders, regulator=REGULATOR)
        network = Network(folder, chain, hurried=hurried)
        for item in institutions:
            write_target(folder / item.slug, target)
            network.nodes[item.slug] = open_node(folder / item.slug, passphrase=phrase)
        save_network(folder, target, institutions)
        _admit(network, say)
        name_everyone(network, institutions)
    except BaseException:
        chain.stop()
        raise
    return network


def _admit(network: Network, say: Callable[[str], None]) -> None:
    """Register the founders' keys, admit the branch by motion, sponsor the enterprise."""
    bank, clearing = network.nodes[BANK.slug], network.nodes[CLEARING.slug]
    network.until(
        lambda: bank.member is not None and clearing.member is not None, "the founders to be read"
    )
    say("registering the founders' poster and approver keys")
    for node in (bank, clearing):
        register_keys(node)
    network.settle()
    if BRANCH.slug in network.nodes:
        say("admitting the branch by a motion of the full members")
        branch = network.nodes[BRANCH.slug]
        motion = bank.network.propose_admission(BRANCH.code, branch.network.grant_for(BRANCH.code))
        network.settle()
        clearing.network.approve_motion(motion)
        network.settle()
        bank.network.execute_motion(motion)
    if ENTERPRISE.slug in network.nodes:
        say("sponsoring the enterprise as a participant of the bank")
        enterprise = network.nodes[ENTERPRISE.slug]
        commitment = keccak(secrets.token_bytes(32) + ENTERPRISE.code.encode())
        assert bank.member is not None
        consent = enterprise.network.grant_for(commitment, sponsor=bank.member)
        bank.network.sponsor(commitment, consent)
    joined = [node for slug, node in network.nodes.items() if slug not in {"bank", "clearing"}]
    network.until(
        lambda: all(node.member is not None for node in joined), "the new members to be read"
    )
    for node in joined:
        register_keys(node)
    network.until(
        lambda: all(node.network.ready() for node in network.everyone), "every key to be in force"
    )


def name_everyone(network: Network, institutions: Sequence[Institution]) -> None:
    """Tell each node what its people call the others; names stay off the chain."""
    for node in network.everyone:
        for item in institutions:
            member = network.nodes[item.slug].member
            if member is not None:
                node.network.set_name(member, item.name)


def register_keys(node: Node) -> None:
    """Ask for a node's poster and approver keys to be registered."""
    for role in ("POSTER", "APPROVER"):
        node.network.register_key(role)


def save_network(folder: Path, target: ChainTarget, institutions: Sequence[Institution]) -> None:
    """Write down what `reopen_network` needs."""
    body = {
        "port": int(target.url.rsplit(":", 1)[1]),
        "institutions": [item.slug for item in institutions],
    }
    (folder / NETWORK_FILE).write_text(json.dumps(body, indent=1), encoding="utf-8")


def reopen_network(folder: Path) -> Network:
    """Start the folder's chain and nodes again; raises `OutsideError` DEMO_NOT_FOUND."""
    try:
        body = json.loads((folder / NETWORK_FILE).read_text(encoding="utf-8"))
        phrase = (folder / "passphrase").read_text(encoding="utf-8")
    except FileNotFoundError:
        raise OutsideError(
            "DEMO_NOT_FOUND", f"no demo stands in {folder}", help="run `make demo` first"
        ) from None
    chain = EmbeddedChain(
        state=folder / "chain" / "state.json", port=body["port"], log=folder / "chain.log"
    )
    network = Network(folder, chain.start())
    try:
        # Of blocks before the restart anvil keeps no state: nodes ask for it at the final block.
        chain.mine(engine_profile("embedded").confirmations + 1)
        for slug in body["institutions"]:
            home = folder / slug
            # A demo's people cannot exist; a regulator's audit is to read them all the same.
            settings = Settings(home=home, test_identifiers=True)
            network.nodes[slug] = open_node(home, passphrase=phrase, settings=settings)
    except BaseException:
        network.close()
        raise
    return network


@dataclass(frozen=True, slots=True)
class Offer:
    """An agreement to be opened: who with whom, on which terms."""

    kind: AgreementKind
    servicer: str
    owner: str
    terms: Terms
    label: str


def open_agreements(network: Network, offers: Sequence[Offer]) -> list[bytes]:
    """Open agreements from their servicers' side and accept them from their owners'.

    All of them at once, since each waits for blocks; returns their ids once every epoch key may
    be used.
    """
    everyone = {network.nodes[slug] for offer in offers for slug in (offer.servicer, offer.owner)}
    members = {node.member for node in everyone}
    network.until(
        lambda: all(members <= _sealable(node) for node in everyone),
        "everyone's general sealing key",
    )
    agreements = []
    for offer in offers:
        first, second = network.nodes[offer.servicer], network.nodes[offer.owner]
        assert first.member is not None
        assert second.member is not None
        agreements.append(
            first.network.open_agreement(
                offer.kind,
                servicer=first.member,
                owner=second.member,
                terms=offer.terms,
                label=offer.label,
            )
        )
    waiting = dict(zip(agreements, offers, strict=True))

    def accepted() -> bool:
        for agreement, offer in list(waiting.items()):
            node = network.nodes[offer.owner]
            if any(item.agreement == agreement for item in node.network.agreements()):
                node.network.accept_agreement(agreement)
                node.network.label_agreement(agreement, offer.label)
                del waiting[agreement]
        return not waiting

    network.until(accepted, "the agreements to be opened")

    def usable() -> bool:
        for agreement, offer in zip(agreements, offers, strict=True):
            for slug in (offer.servicer, offer.owner):
                # Either side may read the opening first; before, it knows no such agreement.
                views = network.nodes[slug].network.agreements()
                found = [item for item in views if item.agreement == agreement]
                if not found or not all(side.epoch_usable for side in found[0].sides):
                    return False
        return True

    network.until(usable, "the epoch keys of both sides")
    return agreements


def _sealable(node: Node) -> set[int]:
    """Return the members whose general sealing key this node has read."""
    with node.sessions() as session:
        rows = session.execute(select(SealingKey.member).where(SealingKey.agreement == ZERO32))
        return set(rows.scalars())
