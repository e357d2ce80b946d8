"""Four members with a blacklist as whole nodes on an instant chain; the last is the regulator."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
from eth_utils.crypto import keccak
from stdnum.cn import ric

from devnet.deploy import deploy
from devnet.local import EmbeddedChain
from node.blacklist import now_of
from node.bootstrap import Node, init_home, open_node, write_target
from node.chain.deploy import Founder
from node.committees import shares_hash
from node.crypto.oprf import modes, shamir
from node.crypto.oprf.modes import Mode
from node.crypto.oprf.threshold import Committee, ShareHolder
from node.home import ChainTarget
from node.listings import open_listing, seal_for_epoch, untagged
from node.outbox import append_intent
from node.screening.derivation import Tag
from node.screening.holding import held_digest, record_hash
from node.screening.identifiers import Identifier, IdType, read_identifier
from node.screening.index import Bucket, Index
from node.screening.listings import (
    POLICY_VERSION,
    SCHEMA,
    ActionTaken,
    Listing,
    Product,
    ProofLevel,
    Reason,
)
from node.screening.states import DAY_S, OPENABLE_DAYS
from node.services.screening import Candidate
from node.settings import Settings
from node.tables import RecordDelivery, SealedRecord
from reconcile.model import ZERO32, day_iso
from tests.databases import SERVER, address_of
from tests.lending import lent

PHRASE: Final = "a phrase for tests"
WEAK_SCRYPT: Final = 1_024
NAMES: Final = ("alpha", "beta", "gamma", "regulator")
REGULATOR: Final = 4
TURNS: Final = 400
SWITCH_BLOCKS: Final = 60
#: Stands for the committee's key: what the threshold evaluation gives is the same T.
KEY: Final = modes.derive_key_pair(Mode.VOPRF, bytes(32), b"test")


def share_key() -> tuple[list[ShareHolder], Committee]:
    """Share the key anew among three, two of whom evaluate."""
    polynomial = shamir.random_polynomial(1, constant=KEY.secret)
    holders = [ShareHolder.of(at, shamir.share_of(polynomial, at)) for at in (1, 2, 3)]
    shares = {holder.index: holder.pair.public for holder in holders}
    return holders, Committee(2, KEY.public, shares)


HOLDERS, COMMITTEE = share_key()


def person(serial: int) -> Identifier:
    """Return a person who cannot exist: region 99."""
    body = f"99000019800101{serial:03d}"
    text = body + ric.calc_check_digit(f"{body}0")
    return read_identifier(IdType.CN_RID, text, allow_test=True)


@dataclass
class BlacklistTown:
    """The nodes, member n is `nodes[n - 1]`."""

    chain: EmbeddedChain
    folder: Path
    target: ChainTarget
    nodes: list[Node] = field(default_factory=list)
    #: The indices that stand on the ledger, oldest first, over their buckets.
    published: list[tuple[Index, list[Bucket]]] = field(default_factory=list)

    def node(self, member: int) -> Node:
        """Return a member's node."""
        return self.nodes[member - 1]

    def settle(self, *members: int) -> None:
        """Let the named nodes, or all, take turns until none of them moves."""
        nodes = [self.node(member) for member in members] or self.nodes
        quiet = 0
        # A new block lets every node look around at once, as its next second would.
        self.chain.mine()
        for _ in range(TURNS):
            idle = [node.step().idle for node in nodes]
            quiet = quiet + 1 if all(idle) else 0
            if quiet > 1:
                return
        raise AssertionError("the town does not come to rest")

    def pass_days(self, days: float) -> None:
        """Let so much of the chain's time go by, and let everyone see it."""
        self.chain.rpc("evm_increaseTime", int(days * DAY_S))
        self.chain.mine()
        self.settle()

    def erase(self, member: int, entry: bytes) -> None:
        """Let its uploader take an entry back and, once no audit asks any more, destroy it."""
        self.node(member).screening.erase(entry)
        self.settle()
        self.pass_days(OPENABLE_DAYS)

    def today(self, member: int = 1) -> int:
        """Return the chain's day as a node has read it."""
        with self.node(member).database.reading() as session:
            return now_of(session).time_s // DAY_S

    def candidate(
        self, serial: int, *, notice_days: int = 30, keep_days: int = 300, **changes: object
    ) -> Candidate:
        """Return a statement about a person that may be listed today."""
        today = self.today()
        listing = Listing(
            schema=SCHEMA,
            entry_id=ZERO32,
            uploader=1,
            id_type=IdType.CN_RID,
            reason=Reason.OVERDUE_M3,
            product=Product.CARD,
            amount_band=3,
            days_past_due_band=4,
            event_month=day_iso(today - 100)[:7],
            effective_from=today,
            expires_at=today + keep_days,
            action=ActionTaken.COLLECTION,
            proof_level=ProofLevel.DOCUMENTED,
            evidence_root=ZERO32,
            notice_at=today - notice_days,
            notice_hash=keccak(b"the letter"),
            consent=keccak(b"the contract"),
            supersedes=None,
            policy="CN-2013",
            policy_version=POLICY_VERSION,
            commitment=ZERO32,
        )
        documents = (f"the evidence against {serial}".encode(),)
        return Candidate(person(serial), msgspec.structs.replace(listing, **changes), documents)

    def tag(self, member: int, key_epoch: int = 1) -> int:
        """Evaluate and seal what a member has on the ledger; its node tags it by itself."""
        node = self.node(member)
        with node.database.writing.begin() as session:
            time_s = now_of(session).time_s
            due = untagged(session, member, key_epoch, time_s=time_s, limit=100)
            for entry in due:
                owned = open_listing(session, node.keys.ring, entry)
                output = modes.evaluate_directly(Mode.VOPRF, KEY.secret, owned.identifier.prf_input)
                tag = Tag(output, key_epoch)
                row = seal_for_epoch(session, node.keys.ring, entry, tag, now_ms=node.clock())
                session.add_all(self._held(row, replica) for replica in (1, 2))
        self.settle(member)
        return len(due)

    def _held(self, row: SealedRecord, replica: int) -> RecordDelivery:
        """Return what a replica that took a record leaves with its uploader."""
        node = self.node(replica)
        hashed = record_hash(row.salt, row.loc, row.record)
        domain = node.identity.place.blacklist_domain
        digest = held_digest(domain, row.entry, row.key_epoch, hashed)
        return RecordDelivery(
            key_epoch=row.key_epoch,
            entry=row.entry,
            replica=replica,
            signature=node.keys.approver.sign_digest(digest),
            delivered_at_ms=node.clock(),
        )

    def list(self, member: int, serial: int, **more: object) -> bytes:
        """List a person: posted, sealed and tagged."""
        made = self.candidate(serial, **more)  # type: ignore[arg-type]
        listing = msgspec.structs.replace(made.listing, uploader=member)
        entry = self.node(member).screening.list_person(
            Candidate(made.identifier, listing, made.documents)
        )
        self.settle()
        self.tag(member)
        self.settle()
        return entry

    def begin_epoch(self, key_epoch: int = 1) -> None:
        """Install a key epoch by everyone's ADMIN, and let it begin."""
        switch = int(self.chain.rpc("eth_blockNumber"), 16) + SWITCH_BLOCKS
        words = (key_epoch, 2, [1, 2, 3], KEY.public, shares_hash(COMMITTEE), switch)
        for node in self.nodes:
            with node.database.writing.begin() as session:
                append_intent(
                    session,
                    kind="approveKeyEpoch",
                    contract="Lookups",
                    call="approveKeyEpoch",
                    args=words,
                    subject=f"keyepoch/{key_epoch}",
                    lane_key="admin",
                )
        self.settle()
        self.chain.mine(SWITCH_BLOCKS)
        self.settle()

    def reopen(self, member: int) -> Node:
        """Lose everything in memory of a node: what it holds now is what its rows say."""
        old = self.node(member)
        old.close()
        new = open_node(old.home, passphrase=PHRASE, settings=old.settings)
        self.nodes[member - 1] = new
        return new

    def close(self) -> None:
        """Close every node."""
        for node in self.nodes:
            node.close()


@contextmanager
def fresh_town(founded: BlacklistTown) -> Iterator[BlacklistTown]:
    """Lend a founded town; chain and databases go back to what they were afterwards."""
    founded.published.clear()
    with lent(founded.chain, founded.nodes, founded.folder / "kept", passphrase=PHRASE):
        yield founded


def make_town(folder: Path, chain: EmbeddedChain, server: str = SERVER) -> BlacklistTown:
    """Found a network of four with a blacklist; a first key epoch has begun."""
    (folder / "authorities").mkdir()
    homes = [folder / name for name in NAMES]
    infos = [
        init_home(home, name=home.name, passphrase=PHRASE, code=f"TEST-{n}", scrypt_n=WEAK_SCRYPT)
        for n, home in enumerate(homes)
    ]
    founders = [
        Founder(f"TEST-{n}", bytes.fromhex(info.addresses["ADMIN"][2:]))
        for n, info in enumerate(infos)
    ]
    target = deploy(chain, founders, regulator=REGULATOR)
    town = BlacklistTown(chain, folder, target)
    for home in homes:
        write_target(home, target)
        url = address_of(home / "kanhe.db", server) if server else ""
        settings = Settings(home=home, database_url=url, authorities=folder / "authorities")
        town.nodes.append(open_node(home, passphrase=PHRASE, settings=settings))
    for node in town.nodes:
        for role in ("POSTER", "APPROVER"):
            node.network.register_key(role)
    for _ in range(TURNS):
        town.settle()
        if all(node.network.ready() for node in town.nodes):
            break
        chain.mine(5)
        time.sleep(0)
    town.begin_epoch()
    return town
