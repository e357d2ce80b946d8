"""The services of a member that evaluates, replicates or looks up, as one part of its node."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from node.attempts import Attempts
from node.blacklist import note_regulator
from node.chain.client import ChainClient
from node.chain.codec import Contracts
from node.chain.deploy import read_regulator
from node.chain.profile import EngineProfile
from node.committees import Committees
from node.db import Database, translated
from node.doors import Doors
from node.identity import Identity
from node.peers.peering import Peering
from node.services.committee import CommitteeService
from node.settings import Settings


class Host(Protocol):
    """The node that these services are part of."""

    home: Path
    settings: Settings
    database: Database
    identity: Identity
    peers: Peering
    attempts: Attempts
    profile: EngineProfile


class LookupParts:
    """Composes them over one set of doors; a network without a blacklist has nothing to do here."""

    def __init__(self, host: Host) -> None:
        self._place = host.identity.place
        doors = Doors(host.database, host.identity, host.peers, host.attempts, Committees())
        self.committee = CommitteeService(
            doors,
            confirmations=host.profile.confirmations,
            backup_folder=host.home / "backup" / "keystore",
        )

    def react(self) -> int:
        """Do what happens by itself; return how much was done."""
        if not self._place.blacklist:
            return 0
        return self.committee.react()

    def handlers(self) -> Mapping[str, Callable[[int, bytes], bytes]]:
        """Return what other members' nodes may ask, by word."""
        return {**self.committee.handlers()}


def note_regulator_of(database: Database, client: ChainClient, contracts: Contracts) -> None:
    """Keep who the regulator is, where the network has a blacklist."""
    if contracts.blacklist:
        with translated(), database.writing.begin() as session:
            note_regulator(session, read_regulator(client, contracts))
