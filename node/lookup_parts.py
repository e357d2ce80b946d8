"""The services of a member that evaluates, replicates or looks up, as one part of its node."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Protocol

from cryptography import x509
from sqlalchemy import exists, or_, select

from node.attempts import Attempts
from node.blacklist import note_regulator, regulator_of
from node.chain.client import ChainClient
from node.chain.codec import Contracts
from node.chain.deploy import read_regulator
from node.chain.profile import EngineProfile
from node.committees import Committees
from node.db import Database, translated
from node.doors import Doors
from node.identity import Identity
from node.peers.client import PREFIX
from node.peers.peering import Peering
from node.screening.explaining import read_authorities
from node.services.committee import AnsweringService, CommitteeService
from node.services.index import IndexService
from node.services.lookups import AuditingService, LookupService
from node.settings import Settings
from node.tables import CommitteeRun, CommitteeWord, Dispute, KeyEpoch, OwnListing

# Made once: it is asked in every turn, and in most networks it is all that is asked.
_ANYTHING: Final = select(
    or_(
        *(
            exists(select(table))
            for table in (CommitteeRun, CommitteeWord, KeyEpoch, OwnListing, Dispute)
        )
    )
)


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
        self._own: int | None = None
        doors = self._doors = Doors(
            host.database, host.identity, host.peers, host.attempts, Committees()
        )
        self.committee = CommitteeService(
            doors,
            confirmations=host.profile.confirmations,
            backup_folder=host.home / "backup" / "keystore",
        )
        authorities = functools.partial(_authorities, host.settings.authorities)
        self.authorities = authorities
        self.answering = AnsweringService(
            doors,
            self.committee.holder,
            authorities=authorities,
            regulator=regulator_of,
        )
        self.index = IndexService(doors, self.ask, folder=host.home / "replica")
        self.lookups = LookupService(doors, self.ask, authorities=authorities)
        self.audits = AuditingService(
            doors,
            self.ask,
            regulator=regulator_of,
            authorities=authorities,
            allow_test=host.settings.test_identifiers,
        )

    def ask(self, member: int, word: str, body: bytes) -> bytes:
        """Ask a member's node; this one's own answers without a connection."""
        if self._own is None:
            # A member's number never changes once it has one.
            with self._doors.reading() as session:
                self._own = self._doors.identity.member(session)
        if member == self._own:
            return self.handlers()[word](member, body)
        return self._doors.peers.client.call(member, PREFIX + word, body)

    def close(self) -> None:
        """End threads and connections, close files."""
        self._doors.peers.close()
        self.lookups.close()
        self.index.close()

    def anything(self) -> bool:
        """Say whether the blacklist's tables hold anything that a turn could move."""
        if not self._place.blacklist:
            return False
        with self._doors.reading() as session:
            return bool(session.scalar(_ANYTHING))

    def react(self) -> int:
        """Do what happens by itself; return how much was done."""
        own = self.index.react() + self.lookups.react() + self.audits.react()
        return self.committee.react() + self.answering.react() + own

    def handlers(self) -> Mapping[str, Callable[[int, bytes], bytes]]:
        """Return what other members' nodes may ask, by word."""
        return {
            **self.committee.handlers(),
            **self.answering.handlers(),
            **self.index.handlers(),
            **self.audits.handlers(),
        }


def note_regulator_of(database: Database, client: ChainClient, contracts: Contracts) -> None:
    """Keep who the regulator is, where the network has a blacklist."""
    if contracts.blacklist:
        with translated(), database.writing.begin() as session:
            note_regulator(session, read_regulator(client, contracts))


def _authorities(folder: Path | None) -> tuple[x509.Certificate, ...]:
    """Read the authorities' certificates; raises `InputError` AUTHORITY_MALFORMED."""
    if folder is None:
        return ()
    return read_authorities([path.read_bytes() for path in sorted(folder.glob("*.pem"))])
