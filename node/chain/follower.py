"""The door in: reads the chain block by block and hands logs to the projections.

One step:
    1. ask for the head; compare the cursor's block with the chain's of that number
    2. if it differs, find the fork among the blocks kept, rewind to it (an incident where the
       fork lies below what was final: evidence is kept, signing stops)
    3. read the next stretch: far below the head by range, near it by block hash
    4. check parent hashes and that every log names a block that was read
    5. in one SQL transaction: blocks, rows (by the sink), cursor

Nothing is kept in memory but the size of the next range, so a crash anywhere costs one step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from sqlalchemy import bindparam, delete, select
from sqlalchemy.orm import Session

from node.chain.client import ChainClient, Header
from node.chain.codec import Contracts, RawLog
from node.chain.forks import block_evidence, check_linked, fork_incident
from node.chain.profile import EngineProfile
from node.db import Database, translated
from node.errors import AnswerTooLarge, ChainError, WrongChain
from node.tables import Block, Cursor, Incident
from node.telemetry import logger

FIRST_RANGE: Final = 64
MAX_RANGE: Final = 5_000
MAX_NEAR: Final = 64
# An answer above this is halved next time: a range of full batches is hundreds of megabytes.
RANGE_BYTES: Final = 8_000_000
RANGE_GROWTH: Final = 2
KEEP_BELOW_FINAL: Final = 256
CURSOR_ID: Final = 1
NOTE_MS: Final = 1_000
EVIDENCE_BLOCKS: Final = 64
_CURSOR: Final = select(Cursor)
_BELOW: Final = select(Block).where(Block.number <= bindparam("at")).order_by(Block.number.desc())
_KEPT: Final = _BELOW.limit(1)
# The block before the contracts' stays: by it a chain started anew is told at any height.
_FORGET: Final = (
    delete(Block)
    .where(
        Block.number < bindparam("below"),
        Block.number >= bindparam("first"),
        Block.has_logs.is_(False),
    )
    .execution_options(synchronize_session=False)
)

_log = logger("follower")


class Sink(Protocol):
    """What turns logs into rows; implemented by the projections."""

    def apply(self, session: Session, logs: Sequence[RawLog], times: dict[int, int]) -> None:
        """Write the rows of these logs; `times` is block number → Unix time."""
        ...

    def rewind(self, session: Session, block: int) -> dict[str, Any]:
        """Delete what follows from blocks above `block`; return what was lost, as evidence."""
        ...


@dataclass(frozen=True, slots=True)
class Step:
    """What one step did: `rewound_to` is the fork's block where there was one."""

    cursor: int
    head: int
    final: int
    blocks: int
    logs: int
    rewound_to: int | None = None

    @property
    def caught_up(self) -> bool:
        """Say whether the cursor stands on the head."""
        return self.cursor >= self.head


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Blocks read in one step: consecutive where `near`, else only those with logs and the last."""

    headers: tuple[Header, ...]
    logs: tuple[RawLog, ...]
    last: Header


def _now_ms() -> int:
    return int(time.time() * 1000)


class Follower:
    """Follows one chain for one node. Not to be stepped by two threads at once."""

    def __init__(
        self,
        client: ChainClient,
        database: Database,
        sink: Sink,
        *,
        contracts: Contracts,
        profile: EngineProfile,
        from_block: int = 0,
        now_ms: Callable[[], int] = _now_ms,
        boundary: Callable[[str], None] = lambda _name: None,
    ) -> None:
        """Take what it works on; `boundary` is called between writes, for crash tests."""
        self._client = client
        self._sessions = database.writing
        self._reading = database.reading
        self._facts = database.facts
        self._sink = sink
        self._contracts = contracts
        self._addresses = tuple(contracts.addresses.values())
        self._profile = profile
        self._from_block = from_block
        self._now_ms = now_ms
        self._boundary = boundary
        self._range = FIRST_RANGE

    def step(self, head: Header | None = None) -> Step:
        """Read one stretch towards `head`, or rewind; without it the chain is asked.

        Raises `ChainError`s, the caller tries again later.
        """
        head = self._client.head() if head is None else head
        self._facts.let_move()
        try:
            step = self._towards(head)
        except BaseException:
            # Rows may have moved all the same.
            self._facts.forget()
            raise
        self._facts.stand((head, step.cursor, step.final))
        return step

    def _towards(self, head: Header) -> Step:
        cursor = self._cursor(head)
        rewound = self._rewind_if_forked(cursor, head)
        if rewound is not None:
            return rewound
        if head.number <= cursor.block_number:
            self._note_head(cursor, head)
            return self._step(cursor.block_number, head, cursor.final_block, 0, 0)
        stretch = self._read(cursor, head)
        self._boundary("follower.read")
        final = self._write(cursor, head, stretch)
        self._boundary("follower.written")
        blocks = stretch.last.number - cursor.block_number
        return self._step(stretch.last.number, head, final, blocks, len(stretch.logs))

    def catch_up(self) -> Step:
        """Step until the cursor stands on the head."""
        while True:
            step = self.step()
            if step.caught_up:
                return step

    def _step(self, cursor: int, head: Header, final: int, blocks: int, logs: int) -> Step:
        return Step(cursor, head.number, final, blocks, logs)

    # ------------------------------------------------------------------------- cursor
    def _cursor(self, head: Header) -> Cursor:
        """Return the cursor, made at the block before the first where there is none."""
        with translated(), self._reading() as session:
            cursor = session.scalars(_CURSOR).one_or_none()
        if cursor is not None:
            self._check_same_network(cursor)
            return cursor
        before = max(self._from_block - 1, 0)
        start = self._client.header(before)
        if start is None:
            raise ChainError(f"the chain has no block {before} yet", code="BLOCK_UNKNOWN")
        with translated(), self._sessions.begin() as session:
            cursor = Cursor(
                id=CURSOR_ID,
                chain_id=self._contracts.chain_id,
                registry_address=self._contracts.registry,
                ledger_address=self._contracts.ledger,
                blacklist_address=self._contracts.blacklist or None,
                deployed_block=self._from_block,
                block_number=start.number,
                block_hash=start.hash,
                head_block=head.number,
                head_time_s=head.time_s,
                final_block=min(start.number, self._profile.final_block(head.number)),
                seen_at_ms=self._now_ms(),
            )
            session.add(cursor)
            session.merge(_block_row(start, has_logs=False))
        return cursor

    def _check_same_network(self, cursor: Cursor) -> None:
        ours = self._contracts
        stored = Contracts(cursor.chain_id, cursor.registry_address, cursor.ledger_address)
        if stored != Contracts(ours.chain_id, ours.registry, ours.ledger):
            raise WrongChain(
                "DATABASE_OF_ANOTHER_NETWORK",
                f"the database follows chain {stored.chain_id}, ledger 0x{stored.ledger.hex()}; "
                f"the node is set to chain {ours.chain_id}, ledger 0x{ours.ledger.hex()}",
                help="one database belongs to one network: correct the settings or use another",
            )
        if (cursor.blacklist_address or b"") != ours.blacklist:
            raise WrongChain(
                "DATABASE_OF_ANOTHER_BLACKLIST",
                f"the database follows the blacklist at {_shown(cursor.blacklist_address)}, the "
                f"node is set to {_shown(ours.blacklist)}",
                help="correct the addresses of the blacklist, or use another database",
            )

    def grew(self) -> bool:
        """Say whether the network has got a blacklist that this database has not followed yet."""
        with translated(), self._reading() as session:
            cursor = session.get(Cursor, CURSOR_ID)
        known = cursor is None or cursor.blacklist_address is not None
        return not known and bool(self._contracts.blacklist)

    def _note_head(self, cursor: Cursor, head: Header) -> None:
        """Keep the head's age true, without a write for every look at a chain that stands still."""
        fresh = self._now_ms() - cursor.seen_at_ms < NOTE_MS
        if fresh and (head.number, head.time_s) == (cursor.head_block, cursor.head_time_s):
            return
        with translated(), self._sessions.begin() as session:
            cursor = session.get_one(Cursor, CURSOR_ID)
            self._move_head(cursor, head)

    def _move_head(self, cursor: Cursor, head: Header) -> None:
        cursor.head_block = head.number
        cursor.head_time_s = head.time_s
        cursor.seen_at_ms = self._now_ms()
        final = min(cursor.block_number, self._profile.final_block(head.number))
        # What was final once stays so, also when an endpoint lags behind.
        cursor.final_block = max(cursor.final_block, final)

    # ------------------------------------------------------------------------- reading
    def _read(self, cursor: Cursor, head: Header) -> _Stretch:
        """Read what comes after the cursor; raises `ChainError` when blocks move meanwhile."""
        first = cursor.block_number + 1
        final = self._profile.final_block(head.number)
        if first <= final - MAX_NEAR:
            stretch = self._read_range(first, final)
        else:
            last = min(head.number, cursor.block_number + MAX_NEAR)
            stretch = self._read_near(first, last)
        if stretch.headers[0].number == first and (
            stretch.headers[0].parent_hash != cursor.block_hash
        ):
            raise ChainError("the chain was reorganised while it was read", code="CHAIN_MOVED")
        return stretch

    def _read_near(self, first: int, last: int) -> _Stretch:
        headers = [item for item in self._client.headers(range(first, last + 1)) if item]
        check_linked(headers, first, last)
        logs = self._client.logs_of_blocks(self._addresses, [item.hash for item in headers])
        return _Stretch(tuple(headers), tuple(log for part in logs for log in part), headers[-1])

    def _read_range(self, first: int, final: int) -> _Stretch:
        """Read by range, adapting its size; only final blocks are read this way."""
        while True:
            last = min(first + self._range - 1, final)
            try:
                logs = self._client.logs(self._addresses, first, last)
                break
            except AnswerTooLarge:
                if self._range == 1:
                    raise
                self._range = max(1, self._range // RANGE_GROWTH)
        size = sum(len(log.data) for log in logs)
        if size > RANGE_BYTES:
            self._range = max(1, self._range // RANGE_GROWTH)
        else:
            self._range = min(MAX_RANGE, self._range * RANGE_GROWTH)
        wanted = sorted({first, last, *(log.block_number for log in logs)})
        headers = [item for item in self._client.headers(wanted) if item]
        if [item.number for item in headers] != wanted:
            raise ChainError("blocks vanished while they were read", code="CHAIN_MOVED")
        hashes = {item.number: item.hash for item in headers}
        if any(hashes[log.block_number] != log.block_hash for log in logs):
            raise ChainError("logs name blocks that are not there", code="CHAIN_MOVED")
        return _Stretch(tuple(headers), tuple(logs), headers[-1])

    def _write(self, cursor: Cursor, head: Header, stretch: _Stretch) -> int:
        with_logs = {log.block_number for log in stretch.logs}
        times = {item.number: item.time_s for item in stretch.headers}
        with translated(), self._sessions.begin() as session:
            stored = session.get_one(Cursor, CURSOR_ID)
            if stored.block_hash != cursor.block_hash:
                raise ChainError("another process follows with this database", code="TWO_FOLLOWERS")
            read = session.scalars(select(Block.number).where(Block.number.in_(times))).all()
            for item in stretch.headers:
                row = _block_row(item, has_logs=item.number in with_logs)
                # New ones, which is nearly always, go in by one statement.
                session.merge(row) if item.number in read else session.add(row)
            self._sink.apply(session, stretch.logs, times)
            self._boundary("follower.applied")
            stored.block_number = stretch.last.number
            stored.block_hash = stretch.last.hash
            self._move_head(stored, head)
            below = stored.final_block - KEEP_BELOW_FINAL
            session.execute(_FORGET, {"below": below, "first": self._from_block})
            return stored.final_block

    # ------------------------------------------------------------------------- forks
    def _rewind_if_forked(self, cursor: Cursor, head: Header) -> Step | None:
        """Rewind to the fork where the cursor's block is not on the chain any more."""
        at = min(cursor.block_number, head.number)
        kept = self._kept(at)
        if kept is None:
            raise ChainError(
                f"the endpoint's chain ends at block {head.number}, before all that this node read",
                code="BLOCK_UNKNOWN",
            )
        seen = head if at == head.number else self._client.header(at)
        if seen is not None and kept.number == at and seen.hash == kept.hash:
            return None
        if seen is None:
            raise ChainError(f"the endpoint has no block {at}", code="BLOCK_UNKNOWN")
        if kept.number != at and self._still_there(kept):
            return None
        fork = self._find_fork(at)
        return self._rewind(cursor, fork, head)

    def _kept(self, at: int) -> Block | None:
        with translated(), self._reading() as session:
            return session.scalars(_KEPT, {"at": at}).first()

    def _still_there(self, kept: Block) -> bool:
        seen = self._client.header(kept.number)
        return seen is not None and seen.hash == kept.hash

    def _find_fork(self, at: int) -> Block | None:
        """Return the highest kept block that the chain still has; None: nothing of it is left."""
        with translated(), self._reading() as session:
            kept = session.scalars(_BELOW, {"at": at}).all()
        for start in range(0, len(kept), MAX_NEAR):
            part = kept[start : start + MAX_NEAR]
            seen = self._client.headers([item.number for item in part])
            for block, header in zip(part, seen, strict=True):
                if header is not None and header.hash == block.hash:
                    return block
        return None

    def _rewind(self, cursor: Cursor, fork: Block | None, head: Header) -> Step:
        """Take rows back to the fork, in one SQL transaction with the incident, if it is one."""
        if fork is None:
            raise WrongChain(
                "CHAIN_REPLACED",
                "none of the blocks this node has read is on the chain any more",
                help="was the chain started anew, or the endpoint changed? "
                "`kanhe doctor` compares; a new chain needs a new database",
            )
        _log.warning("rewinding", fork=fork.number, cursor=cursor.block_number)
        with translated(), self._sessions.begin() as session:
            below_final = fork.number < (stored := session.get_one(Cursor, CURSOR_ID)).final_block
            orphans = session.scalars(
                select(Block).where(Block.number > fork.number).order_by(Block.number)
            ).all()
            evidence = {"old": [block_evidence(item) for item in orphans[:EVIDENCE_BLOCKS]]}
            lost = self._sink.rewind(session, fork.number)
            self._boundary("follower.rewound")
            session.execute(delete(Block).where(Block.number > fork.number))
            if below_final:
                found = evidence | {"lost": lost}
                incident = fork_incident(stored, fork, head, found, now_ms=self._now_ms())
                known = select(Incident.id).where(Incident.fingerprint == incident.fingerprint)
                if session.scalar(known) is None:
                    session.add(incident)
                stored.final_block = fork.number
            stored.block_number = fork.number
            stored.block_hash = fork.hash
            self._move_head(stored, head)
            final = stored.final_block
        self._boundary("follower.rewind_written")
        return replace(self._step(fork.number, head, final, 0, 0), rewound_to=fork.number)


def _shown(address: bytes | None) -> str:
    return f"0x{address.hex()}" if address else "none"


def _block_row(header: Header, *, has_logs: bool) -> Block:
    return Block(
        number=header.number,
        hash=header.hash,
        parent_hash=header.parent_hash,
        time_s=header.time_s,
        has_logs=has_logs,
    )
