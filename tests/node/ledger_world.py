"""Two institutions on a real chain with real databases: what the tests of both doors work with."""

from __future__ import annotations

import hashlib
import random
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from eth_abi.abi import encode as abi_encode
from eth_utils.crypto import keccak
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from devnet.local import EmbeddedChain
from node.chain.client import ChainClient
from node.chain.codec import Contracts
from node.chain.deploy import MAX_UINT64, Deployed, Founder, deploy
from node.chain.follower import Follower
from node.chain.profile import EngineProfile
from node.chain.transactions import address_bytes
from node.crypto.eip712 import Domain
from node.crypto.keys import EpochKey, SealingKey
from node.crypto.sealing import seal_batch
from node.crypto.signer import LocalSigner
from node.db import Database, open_database
from node.outbox import Relay, append_intent
from node.projections import Projections
from node.projections.reading import BatchOpener
from node.tables import (
    Agreement,
    Base,
    Batch,
    Intent,
    MemberKey,
    PostedEntry,
    QueuedRecord,
    SealedPayload,
    StreamState,
    derived_tables,
)
from node.tables import (
    EpochKey as EpochKeyRow,
)
from node.tables import (
    SealingKey as SealingKeyRow,
)
from reconcile.commitment.header import build_batch
from reconcile.commitment.heads import BatchPlace, Stream, head0, next_head
from reconcile.commitment.records import decode_record, encode_record
from reconcile.commitment.validity import BatchRules
from reconcile.model import ZERO32, Direction, Entry, Side, window_of

CONFIRMATIONS = 4
PAUSE_MS = 2_500
TEST_ENGINE = EngineProfile("instant", CONFIRMATIONS, 0.0, 0, 32, 256, drill_only=True)
ROLES = {"ADMIN": 1, "POSTER": 2, "APPROVER": 3}
TERMS_HASH = keccak(b"terms of the test")
SEALING_LIFE_S = 20 * 86_400


def no_boundary(_name: str) -> None:
    """Let every boundary pass."""


@dataclass
class Party:
    """One institution: keys, database, both doors."""

    name: str
    member: int
    folder: Path
    client: ChainClient
    deployed: Deployed
    admin: LocalSigner = field(default_factory=LocalSigner.generate)
    poster: LocalSigner = field(default_factory=LocalSigner.generate)
    approver: LocalSigner = field(default_factory=LocalSigner.generate)
    sealing: SealingKey = field(default_factory=SealingKey.generate)
    epoch_keys: dict[tuple[bytes, int, int], bytes] = field(default_factory=dict)
    boundary: Callable[[str], None] = no_boundary
    skew_ms: int = 0
    profile: EngineProfile = TEST_ENGINE
    database: Database = field(init=False)

    def __post_init__(self) -> None:
        self.open()

    @property
    def contracts(self) -> Contracts:
        """Return whose chain and contracts these are."""
        return self.deployed.contracts

    @property
    def file(self) -> Path:
        """Return the database's file."""
        return self.folder / f"{self.name}.db"

    def open(self) -> None:
        """Open the database and both doors, as a process start does."""
        fresh = not self.file.exists()
        self.database = open_database(f"sqlite:///{self.file}")
        if fresh:
            self.database.upgrade()
        read = BatchOpener(
            self.contracts,
            key_of=lambda _s, a, side, epoch: self.epoch_keys.get((a, side, epoch)),
            rules_of=lambda _s, _a, _w: BatchRules(currencies=frozenset({"CNY"})),
        )
        self.projections = Projections(self.contracts, read)
        self.follower = Follower(
            self.client,
            self.database.writing,
            self.projections,
            contracts=self.contracts,
            profile=self.profile,
            from_block=self.deployed.from_block,
            boundary=self.at_boundary,
        )
        self.relay = Relay(
            self.client,
            self.database.writing,
            contracts=self.contracts,
            profile=self.profile,
            signers=(self.admin, self.poster),
            signer_of=lambda lane: self.admin if lane == "admin" else self.poster,
            opens_epoch=lambda _s, a, side, epoch: (a, side, epoch) in self.epoch_keys,
            boundary=self.at_boundary,
            now_ms=self.now_ms,
        )

    def close(self) -> None:
        """Close what is open."""
        self.database.close()

    def now_ms(self) -> int:
        """Return this party's clock: tests move it, so that pauses pass at once."""
        return int(time.time() * 1000) + self.skew_ms

    def at_boundary(self, name: str) -> None:
        """Pass on to the boundary of the moment: a test may change it while the doors are open."""
        self.boundary(name)

    def restart(self) -> None:
        """Lose everything in memory."""
        self.close()
        self.open()

    def step(self) -> None:
        """One round of both doors."""
        self.follower.catch_up()
        self.relay.step()

    def ask(self, contract: str, call: str, args: Sequence[object], **more: object) -> int:
        """Append an intent in a SQL transaction of its own."""
        words: dict[str, object] = {"subject": f"{call}/{len(args)}/{hash(repr(args))}"}
        words |= {"kind": call, "lane_key": "registry"} | more
        with self.database.writing.begin() as session:
            return append_intent(session, contract=contract, call=call, args=args, **words)  # type: ignore[arg-type]

    def register(self, role: str) -> None:
        """Register this party's key of a role, by its admin."""
        signer = self.poster if role == "POSTER" else self.approver
        digest = Domain(self.contracts.chain_id, self.contracts.registry).key_possession(
            member=self.member, code=ZERO32, role=ROLES[role], valid_from=0, valid_to=MAX_UINT64
        )
        args = (signer.address, ROLES[role], 0, MAX_UINT64, signer.sign_digest(digest))
        self.ask("Registry", "registerKey", args, lane_key="admin", subject=f"key/{role}")

    def stream(self, agreement: bytes, side: Side) -> Stream:
        """Return a side's stream."""
        return Stream(self.contracts.chain_id, self.contracts.ledger, agreement, side)

    # ------------------------------------------------------------------------- posting
    def queue(self, agreement: bytes, side: Side, entries: Sequence[Entry], window: int) -> None:
        """Queue entries, as an import does."""
        with self.database.writing.begin() as session:
            for entry in entries:
                record = encode_record(entry)
                session.add(
                    QueuedRecord(
                        agreement=agreement,
                        side=side,
                        window=window,
                        entry_ref=entry.entry_ref,
                        version=entry.version,
                        record=record,
                        record_sha256=keccak(record),
                        state="QUEUED",
                        queued_at_ms=0,
                    )
                )

    def seal(self, agreement: bytes, side: Side, size: int = 3) -> int:
        """Seal what is queued into batches of `size` entries; return how many batches."""
        sealed = 0
        while True:
            with self.database.writing.begin() as session:
                rows = session.scalars(
                    select(QueuedRecord)
                    .where(QueuedRecord.side == side, QueuedRecord.state == "QUEUED")
                    .order_by(QueuedRecord.id)
                    .limit(size)
                ).all()
                if not rows:
                    return sealed
                seq, head = self.tip(session, agreement, side)
                window = rows[0].window
                stream = self.stream(agreement, side)
                plain = build_batch(
                    agreement=agreement,
                    side=side,
                    seq=seq + 1,
                    window=window,
                    records=[decode_record(row.record) for row in rows],
                )
                place = BatchPlace(stream, seq + 1, window, 1)
                batch = seal_batch(plain, self.epoch_keys[agreement, side, 1], place)
                self._keep(session, place, head, batch.commitment, batch.payload, len(rows))
                for row in rows:
                    row.state, row.seq = "SEALED", seq + 1
            sealed += 1

    def _keep(
        self,
        session: Session,
        place: BatchPlace,
        head: bytes,
        commitment: bytes,
        payload: bytes,
        count: int,
    ) -> None:
        agreement, side = place.stream.agreement, place.stream.side
        after = next_head(
            head, place.seq, place.window, 1, commitment, hashlib.sha256(payload).digest()
        )
        row = SealedPayload(
            agreement=agreement,
            side=side,
            seq=place.seq,
            window=place.window,
            epoch=1,
            prev_head=head,
            head=after,
            commitment=commitment,
            payload=payload,
            record_count=count,
            generation=0,
            state="READY",
            sealed_at_ms=0,
        )
        session.add(row)
        append_intent(
            session,
            kind="post",
            contract="Ledger",
            call="post",
            args=(),
            subject=f"post/{agreement.hex()}/{int(side)}/{place.seq}",
            lane_key=f"{agreement.hex()}/{int(side)}",
            agreement=agreement,
            side=side,
            seq=place.seq,
            window=place.window,
        )

    def tip(self, session: Session, agreement: bytes, side: Side) -> tuple[int, bytes]:
        """Return seq and head after everything sealed or posted."""
        last = session.scalars(
            select(SealedPayload)
            .where(
                SealedPayload.agreement == agreement,
                SealedPayload.side == side,
                SealedPayload.state.in_(("READY", "POSTED")),
            )
            .order_by(SealedPayload.seq.desc())
            .limit(1)
        ).first()
        stream = session.get(StreamState, (agreement, int(side)))
        if last is not None and (stream is None or last.seq >= stream.last_seq):
            return last.seq, last.head
        if stream is not None:
            return stream.last_seq, stream.head
        return 0, head0(self.contracts.chain_id, self.contracts.ledger, agreement, side)

    # ------------------------------------------------------------------------- looking
    def count(self, table: type[Base], *where: object) -> int:
        """Return how many rows there are."""
        with self.database.reading() as session:
            query = select(func.count()).select_from(table)
            return session.scalar(query.where(*where)) or 0  # type: ignore[arg-type]

    def refs(self, side: Side) -> list[str]:
        """Return the posted refs of a side, in stream order."""
        with self.database.reading() as session:
            rows = select(PostedEntry.entry_ref).where(PostedEntry.side == side)
            return list(session.scalars(rows.order_by(PostedEntry.seq, PostedEntry.leaf)))

    def derived(self, *, places: bool = True) -> dict[str, list[tuple[object, ...]]]:
        """Return every derived row; without `places`, less what a reorg may renumber."""
        skipped = {"cursors", "blocks"} if places else {"cursors", "blocks", "chain_events"}
        volatile = {"id", "seen_at_ms"}
        if not places:
            volatile |= {
                "block_number",
                "log_index",
                "block_time_s",
                "tx_hash",
                "last_posted_at_s",
            }
        found: dict[str, list[tuple[object, ...]]] = {}
        with self.database.reading() as session:
            for table in derived_tables():
                if table.name in skipped:
                    continue
                columns = [c for c in table.c if c.name not in volatile]
                rows = session.execute(select(*columns)).all()
                found[table.name] = sorted((tuple(row) for row in rows), key=repr)
        return found


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


def found_world(chain: EmbeddedChain, folder: Path, *, agreement: bool = True) -> World:
    """Deploy, register keys and, unless told not to, open an agreement with epoch keys."""
    client = ChainClient([chain.url])
    admins = [LocalSigner.generate(), LocalSigner.generate()]
    deployed = deploy(
        client,
        LocalSigner.generate(),
        [Founder(f"BANK{n}", address_bytes(admin)) for n, admin in enumerate(admins)],
        profile=TEST_ENGINE,
        key_delay_blocks=1,
        motion_expiry_blocks=1_000,
    )
    parties = [
        Party(name, number, folder, client, deployed, admin=admin)
        for number, (name, admin) in enumerate(zip(("a", "b"), admins, strict=True), start=1)
    ]
    world = World(chain, client, deployed, parties)
    for party in parties:
        party.register("POSTER")
        party.register("APPROVER")
    world.settle()
    assert parties[0].count(MemberKey) == 6
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
        shutil.copy(party.file, target / party.file.name)
        party.open()


def restore_databases(world: World, source: Path) -> None:
    """Put copied databases back, as from a backup."""
    for party in world.parties:
        party.close()
        for leftover in party.folder.glob(f"{party.file.name}-*"):
            leftover.unlink()
        shutil.copy(source / party.file.name, party.file)
        party.open()


def all_observed(world: World) -> bool:
    """Say whether both parties see the same batches."""
    return world.servicer.count(Batch) == world.owner.count(Batch)
