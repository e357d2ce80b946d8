"""Who this node is and where it stands: its signers, its key ring, its chain and contracts."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from node.crypto.eip712 import Domain
from node.crypto.secretfiles import SecretFiles
from node.crypto.signer import Signer
from node.keyring import KeyRing
from node.tables import (
    Block,
    Incident,
    Intent,
    MemberKey,
    QueuedRecord,
)
from node.tables.tip import seen_at_ms, tip_of
from reconcile.commitment.heads import Stream
from reconcile.model import ProtocolError, Side, UsageError

Clock = Callable[[], int]


def system_clock() -> int:
    """Return milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Place:
    """The chain and its contracts; addresses are 20 bytes, the blacklist's empty where none is."""

    chain_id: int
    registry: bytes
    ledger: bytes
    blacklist: bytes = b""
    lookups: bytes = b""
    points: bytes = b""

    @property
    def registry_domain(self) -> Domain:
        """Return the EIP-712 domain of `Registry`."""
        return Domain(self.chain_id, self.registry)

    @property
    def ledger_domain(self) -> Domain:
        """Return the EIP-712 domain of `Ledger`."""
        return Domain(self.chain_id, self.ledger)

    @property
    def blacklist_domain(self) -> Domain:
        """Return the EIP-712 domain of `Blacklist`; `ProtocolError` NO_BLACKLIST."""
        return Domain(self.chain_id, self._required(self.blacklist))

    @property
    def lookups_domain(self) -> Domain:
        """Return the EIP-712 domain of `Lookups`; `ProtocolError` NO_BLACKLIST."""
        return Domain(self.chain_id, self._required(self.lookups))

    @property
    def points_domain(self) -> Domain:
        """Return the EIP-712 domain of `Points`; `ProtocolError` NO_BLACKLIST."""
        return Domain(self.chain_id, self._required(self.points))

    def require_blacklist(self) -> None:
        """Refuse what needs a blacklist where none is: `ProtocolError` NO_BLACKLIST."""
        self._required(self.blacklist)

    def _required(self, address: bytes) -> bytes:
        if not address:
            raise ProtocolError(
                "NO_BLACKLIST",
                "this network has no blacklist, or the node was not told its addresses",
                help="write blacklist, lookups and points into [chain] of node.toml",
            )
        return address

    def stream(self, agreement: bytes, side: Side) -> Stream:
        """Return one side's stream on this ledger."""
        return Stream(self.chain_id, self.ledger, agreement, side)


@dataclass(frozen=True, slots=True)
class NodeKeys:
    """One key a role, and the ring of epoch and sealing keys."""

    admin: Signer
    poster: Signer
    approver: Signer
    ring: KeyRing = field(repr=False)
    # None while the key store is locked.
    files: SecretFiles | None = field(default=None, repr=False)

    def require_files(self) -> SecretFiles:
        """Return the key store's files; `UsageError` PASSPHRASE_NEEDED while it is locked."""
        if self.files is None:
            raise UsageError(
                "PASSPHRASE_NEEDED",
                "this needs the key store, and no passphrase was given",
                help="set KANHE_PASSPHRASE_FILE or KANHE_PASSPHRASE, or answer at the terminal",
            )
        return self.files

    def of_role(self, role: str) -> Signer:
        """Return the signer of ADMIN, POSTER or APPROVER."""
        return {"ADMIN": self.admin, "POSTER": self.poster, "APPROVER": self.approver}[role]


@dataclass(frozen=True, slots=True)
class Identity:
    """What every service is given: keys, place, clock."""

    keys: NodeKeys
    place: Place
    clock: Clock = system_clock
    _final: dict[bytes, int] = field(default_factory=dict, init=False, repr=False, compare=False)

    def member(self, session: Session) -> int | None:
        """Return this node's member number, None until the chain says so."""
        address = address_bytes(self.keys.admin)
        known = self._final.get(address)
        if known is not None:
            return known
        row = session.get(MemberKey, address)
        if row is None:
            return None
        cursor = tip_of(session)
        if cursor is not None and row.block_number <= cursor.final_block:
            # An address is registered once, for ever: every turn of every service asks for it.
            self._final[address] = row.member
        return row.member

    def require_member(self, session: Session) -> int:
        """Return this node's member number; `ProtocolError` NOT_A_MEMBER before admission."""
        member = self.member(session)
        if member is None:
            raise ProtocolError(
                "NOT_A_MEMBER",
                f"the admin key {self.keys.admin.address} is no member's on this chain",
                help="be admitted by a motion or sponsored first; then let the node catch up",
            )
        return member


_WAITING: Final = select(
    select(QueuedRecord.id).where(QueuedRecord.state == "QUEUED").limit(1).scalar_subquery(),
    select(func.max(Block.number)).where(Block.has_logs.is_(True)).scalar_subquery(),
)


def address_bytes(signer: Signer) -> bytes:
    """Return a signer's address as 20 bytes."""
    return bytes.fromhex(signer.address[2:])


def chain_time_s(session: Session) -> int:
    """Return the newest block's time as last seen, 0 before the first."""
    row = tip_of(session)
    return 0 if row is None else row.head_time_s


def tip_figures(session: Session, now_ms: int) -> dict[str, Any]:
    """Return the chain's head and age, what is final, and what waits; ages in ms."""
    cursor, seen_ms = tip_of(session), seen_at_ms(session)
    count, oldest = session.execute(
        select(func.count(Intent.id), func.min(Intent.created_at_ms)).where(
            Intent.state.in_(("WAITING", "SIGNED", "HELD"))
        )
    ).one()
    incidents = session.execute(
        select(func.count(Incident.id)).where(Incident.closed_at_ms.is_(None))
    ).scalar_one()
    return {
        "head": 0 if cursor is None else cursor.head_block,
        "final": -1 if cursor is None else cursor.final_block,
        "cursor": 0 if cursor is None else cursor.block_number,
        "head_age_ms": None if cursor is None else max(now_ms - cursor.head_time_s * 1000, 0),
        "seen_age_ms": None if seen_ms is None else max(now_ms - seen_ms, 0),
        "outbox": count,
        "outbox_oldest_ms": None if oldest is None else max(now_ms - oldest, 0),
        "incidents": incidents,
    }


class Waiting(NamedTuple):
    """What is still to come: records to be sealed in time, and rows that a block makes final."""

    sealing: bool
    finality: bool


def what_waits(session: Session, final_block: int) -> Waiting:
    """Return whether records wait to be sealed, or rows of ours or others to be final."""
    queued, newest = session.execute(_WAITING).one()
    return Waiting(queued is not None, newest is not None and newest > final_block)
