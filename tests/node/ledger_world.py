"""Two institutions on a real chain with real databases: what the doors' tests work with."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from eth_abi.abi import encode as abi_encode
from eth_utils.crypto import keccak
from ledger_party import (
    CONFIRMATIONS,
    PAUSE_MS,
    SEALING_LIFE_S,
    TERMS_HASH,
    TEST_ENGINE,
    Party,
)

from devnet.local import EmbeddedChain
from node.chain.client import ChainClient
from node.chain.deploy import Deployed, Founder, deploy
from node.chain.transactions import address_bytes
from node.crypto.eip712 import Domain
from node.crypto.keys import EpochKey
from node.crypto.signer import LocalSigner
from node.tables import (
    Agreement,
    Batch,
    Intent,
    MemberKey,
    SealedPayload,
)
from node.tables import (
    EpochKey as EpochKeyRow,
)
from node.tables import (
    SealingKey as SealingKeyRow,
)
from reconcile.model import ZERO32, Direction, Entry, Side, window_of
from tests import databases


class Killed(Exception):  # noqa: N818 - what happens, not an error of ours
    """Raised by a boundary: the process dies here."""


def killer(seed: int, one_in: int) -> Callable[[str], None]:
    """Return a boundary that dies at one in `one_in` calls, at places that follow from `seed`."""
    chance = random.Random(seed)

    def boundary(name: str) -> None:
        if chance.randrange(one_in) == 0:
            raise Killed(name)

    return boundary


@dataclass
class World:
    """A chain, its contracts and the parties; `agreement` is between the first two."""

    chain: EmbeddedChain
    client: ChainClient
    deployed: Deployed
    parties: list[Party]
    agreement: bytes = ZERO32
    window: int = 0

    @property
    def servicer(self) -> Party:
        """Return the account servicer."""
        return self.parties[0]

    @property
    def owner(self) -> Party:
        """Return the account owner."""
        return self.parties[1]

    def pump(self, until: Callable[[], bool], rounds: int = 60) -> None:
        """Step every party and mine until `until` holds."""
        for _ in range(rounds):
            for party in self.parties:
                party.step()
                party.skew_ms += PAUSE_MS
            if until():
                return
            self.chain.mine()
        held = [party.relay.step() for party in self.parties]
        raise AssertionError(f"not reached after {rounds} rounds: {held}")

    def pump_with_crashes(self, rounds: int = 400) -> list[str]:
        """Step until all is done, restarting whoever dies; return where they died."""
        died = []
        for _ in range(rounds):
            for party in self.parties:
                try:
                    party.step()
                except Killed as at:
                    died.append(str(at))
                    party.restart()
            if all(self._nothing_left(party) for party in self.parties):
                return died
            self.chain.mine()
        raise AssertionError(f"not done after {rounds} rounds, died at {died[-9:]}")

    def _nothing_left(self, party: Party) -> bool:
        open_intents = party.count(Intent, Intent.state.in_(("WAITING", "SIGNED")))
        ready = party.count(SealedPayload, SealedPayload.state == "READY")
        return open_intents + ready == 0

    def settle(self) -> None:
        """Step until nothing waits anywhere and every block with a log is final."""
        self.pump(self.idle)
        self.chain.mine(CONFIRMATIONS)
        for party in self.parties:
            party.step()

    def settle_rounds(self, rounds: int) -> None:
        """Step and mine a few times, whatever comes of it."""
        for _ in range(rounds):
            for party in self.parties:
                party.step()
                party.skew_ms += PAUSE_MS
            self.chain.mine(CONFIRMATIONS)

    def idle(self) -> bool:
        """Say whether no party's outbox holds anything."""
        return all(self._done(party) for party in self.parties)

    def _done(self, party: Party) -> bool:
        step = party.relay.step()
        return step.waiting == 0 and step.in_flight == 0

    def close(self) -> None:
        """Close what is open."""
        for party in self.parties:
            party.close()
        self.client.close()


def found_world(
    chain: EmbeddedChain,
    folder: Path,
    *,
    agreement: bool = True,
    members: int = 2,
    regulator: int | None = None,
) -> World:
    """Deploy, register keys and, unless told not to, open an agreement with epoch keys."""
    client = ChainClient([chain.url])
    admins = [LocalSigner.generate() for _ in range(members)]
    deployed = deploy(
        client,
        LocalSigner.generate(),
        [Founder(f"BANK{n}", address_bytes(admin)) for n, admin in enumerate(admins)],
        profile=TEST_ENGINE,
        key_delay_blocks=1,
        motion_expiry_blocks=1_000,
        regulator=regulator,
    )
    parties = [
        Party(name, number, folder, client, deployed, admin=admin)
        for number, (name, admin) in enumerate(zip("abcdef", admins, strict=False), start=1)
    ]
    world = World(chain, client, deployed, parties)
    for party in parties:
        party.register("POSTER")
        party.register("APPROVER")
    world.settle()
    assert parties[0].count(MemberKey) == 3 * members
    if agreement:
        open_agreement(world)
    return world


def open_agreement(world: World) -> None:
    """Open, accept, publish sealing and epoch keys, acknowledge them."""
    first, second = world.parties
    contracts = world.deployed.contracts
    opening = (0, 1, 2, [], TERMS_HASH, 480, 5, 2, ZERO32, ZERO32, b"sealed terms", 7)
    types = "uint256 address uint8 uint32 uint32 uint32[] bytes32 int16 uint8 uint8 bytes32 bytes32"
    world.agreement = keccak(
        abi_encode(
            [*types.split(), "bytes", "uint256"], [contracts.chain_id, contracts.ledger, *opening]
        )
    )
    digest = Domain(contracts.chain_id, contracts.ledger).terms(
        agreement=world.agreement, terms_hash=TERMS_HASH, from_window=0, observers=()
    )
    first.ask("Ledger", "open", (*opening, first.approver.sign_digest(digest)))
    world.pump(lambda: second.count(Agreement) == 1)
    second.ask(
        "Ledger", "accept", (world.agreement, TERMS_HASH, second.approver.sign_digest(digest))
    )
    ends = world.client.head().time_s + SEALING_LIFE_S
    for party in world.parties:
        args = (world.agreement, 1, ends, party.sealing.public.data)
        party.ask("Registry", "publishSealingKey", args)
    world.pump(lambda: all(p.count(SealingKeyRow) == 2 for p in world.parties))
    for side, party in zip(Side, world.parties, strict=True):
        publish_epoch(world, party, side)
    world.pump(lambda: all(p.count(EpochKeyRow) == 2 for p in world.parties))
    for side, party in zip(Side, world.parties, strict=True):
        party.ask("Ledger", "acknowledgeKey", (world.agreement, int(side.other), 1))
    world.settle()
    day = (int(time.time()) + 480 * 60) // 86_400
    world.window = window_of(day)


def publish_epoch(world: World, party: Party, side: Side) -> None:
    """Publish epoch 1 of a side; both parties then hold its key."""
    epoch = EpochKey.generate(party.stream(world.agreement, side), 1)
    wraps = [
        (reader.member, 1, epoch.wrap(reader.member, 1, reader.sealing.public))
        for reader in world.parties
    ]
    party.ask("Ledger", "publishKey", (world.agreement, int(side), 1, epoch.commitment, wraps))
    for reader in world.parties:
        reader.epoch_keys[world.agreement, int(side), 1] = epoch.key


def entries(count: int, prefix: str = "e", first: int = 0) -> list[Entry]:
    """Return entries with refs prefix0000 and so on."""
    return [
        Entry(
            f"{prefix}{number:04d}",
            0,
            Direction.IN if number % 2 else Direction.OUT,
            100 + number,
            "CNY",
            20_000,
        )
        for number in range(first, first + count)
    ]


def copy_databases(world: World, target: Path) -> None:
    """Copy every party's database, closed, into a folder."""
    target.mkdir(exist_ok=True)
    for party in world.parties:
        party.close()
        databases.copy(party.file, target / party.file.name)
        party.open()


def restore_databases(world: World, source: Path) -> None:
    """Put copied databases back, as from a backup."""
    for party in world.parties:
        party.close()
        databases.copy(source / party.file.name, party.file)
        party.open()


def all_observed(world: World) -> bool:
    """Say whether both parties see the same batches."""
    return world.servicer.count(Batch) == world.owner.count(Batch)
