"""One institution of the tests: keys, database, both doors, and a simple way to post."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from eth_utils.crypto import keccak
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from node.chain.client import ChainClient
from node.chain.codec import Contracts
from node.chain.deploy import MAX_UINT64, Deployed
from node.chain.follower import Follower
from node.chain.profile import EngineProfile
from node.crypto.eip712 import Domain
from node.crypto.keys import SealingKey
from node.crypto.sealing import seal_batch
from node.crypto.signer import LocalSigner
from node.db import Database, open_database
from node.outbox import Relay, append_intent
from node.projections import Projections
from node.projections.reading import BatchOpener
from node.tables import (
    Base,
    PostedEntry,
    QueuedRecord,
    SealedPayload,
    StreamState,
    derived_tables,
)
from node.tables.upgrading import upgrade
from reconcile.commitment.header import build_batch
from reconcile.commitment.heads import BatchPlace, Stream, head0, next_head
from reconcile.commitment.records import decode_record, encode_record
from reconcile.commitment.validity import BatchRules
from reconcile.model import ZERO32, Entry, Side
from tests import databases

CONFIRMATIONS = 4
PAUSE_MS = 2_500
TEST_ENGINE = EngineProfile("instant", CONFIRMATIONS, 0.0, 0, 32, 256, drill_only=True)
ROLES = {"ADMIN": 1, "POSTER": 2, "APPROVER": 3}
#: Their order is the log's: places are what they are.
FACTS = ("chain_events", "blacklist_facts")
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
        fresh = not databases.exists(self.file)
        self.database = open_database(databases.address_of(self.file))
        if fresh:
            upgrade(self.database)
        read = BatchOpener(
            self.contracts,
            key_of=lambda _s, a, side, epoch: self.epoch_keys.get((a, side, epoch)),
            rules_of=lambda _s, _a, _w: BatchRules(currencies=frozenset({"CNY"})),
        )
        self.projections = Projections(self.contracts, read)
        self.follower = Follower(
            self.client,
            self.database,
            self.projections,
            contracts=self.contracts,
            profile=self.profile,
            from_block=self.deployed.from_block,
            boundary=self.at_boundary,
        )
        self.relay = Relay(
            self.client,
            self.database,
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
        with self.database.reading() as session:
            return derived_rows(session, places=places)


def derived_rows(session: Session, *, places: bool = True) -> dict[str, list[tuple[object, ...]]]:
    """Return every derived row that a session sees; `places` as `Party.derived` has it."""
    skipped = {"cursors", "blocks"} if places else {"cursors", "blocks", *FACTS}
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
    for table in derived_tables():
        if table.name in skipped:
            continue
        columns = [c for c in table.c if c.name not in volatile]
        rows = session.execute(select(*columns)).all()
        found[table.name] = sorted((tuple(row) for row in rows), key=repr)
    return found
