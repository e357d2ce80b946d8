"""What a run of key generation or re-sharing is about, and when each of its phases ends.

Whoever takes part posts the very bytes of the plan; its id covers them, so two plans never meet in
one run. The run begins at the block in which the last of those it needs has joined, and each phase
ends a fixed number of blocks later: the same for everyone who reads the ledger.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import msgspec

from node.crypto.oprf.board import Session
from node.crypto.oprf.epochs import session_id
from reconcile.model import KanheError, ProtocolError, Where

#: What the contract allows (Lookups.MAX_COMMITTEE).
MAX_COMMITTEE: Final = 16
MAX_PHASE_BLOCKS: Final = 1_000_000
_MAX32: Final = 2**32 - 1


class Phase(enum.IntEnum):
    """The ledger's phases of a run; a re-sharing ends after `REVEAL`."""

    JOIN = 0
    DEAL = 1
    COMPLAINT = 2
    REVEAL = 3
    OPENING = 4
    EXPOSURE = 5


class _Packed(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    chain_id: int
    contract: bytes
    key_epoch: int
    sharing: int
    attempt: int
    threshold: int
    members: tuple[int, ...]
    phase_blocks: int
    approve_blocks: int
    dealers: tuple[int, ...]
    dealers_threshold: int
    previous: bytes


@dataclass(frozen=True, slots=True)
class Plan:
    """One run: of which key epoch and sharing, by whom, for whom, how long.

    `members` ascend and receive; `dealers` deal, who in key generation are the same. `previous` is
    the run that gave the dealers their shares, empty in key generation. After the last phase the
    members have `approve_blocks` blocks to approve the outcome; a new key is used from then on.
    """

    chain_id: int
    contract: bytes
    key_epoch: int
    sharing: int
    attempt: int
    threshold: int
    members: tuple[int, ...]
    phase_blocks: int
    approve_blocks: int
    dealers: tuple[int, ...] = ()
    dealers_threshold: int = 0
    previous: bytes = b""

    def __post_init__(self) -> None:
        """Check the shape; raises `ProtocolError` PLAN_MALFORMED or OPRF_COMMITTEE_SHAPE."""
        numbers = (self.key_epoch, self.sharing, self.attempt)
        blocks = (self.phase_blocks, self.approve_blocks)
        lists = (self.members, self.dealers)
        holds = (
            all(0 <= number <= _MAX32 for number in numbers)
            and self.key_epoch > 0
            and all(0 < count <= MAX_PHASE_BLOCKS for count in blocks)
            and all(list(item) == sorted(set(item)) for item in lists)
            and all(0 < member <= _MAX32 for item in lists for member in item)
            and all(len(item) <= MAX_COMMITTEE for item in lists)
            and bool(self.dealers) == bool(self.previous) == (self.sharing > 0)
            and len(self.previous) in {0, 32}
        )
        if not holds:
            raise _malformed("has a field out of bounds")
        _ = self.session

    @property
    def resharing(self) -> bool:
        """Say whether the key stays and its shares change."""
        return self.sharing > 0

    @property
    def id(self) -> bytes:
        """Return the run's id, 32 bytes over all fields."""
        base = session_id(self.chain_id, self.contract, self.key_epoch, self.sharing, self.attempt)
        return hashlib.sha256(b"kanhe/oprf/plan/1" + base + self.pack()).digest()

    @property
    def session(self) -> Session:
        """Return the run as the protocol's functions take it; raises OPRF_COMMITTEE_SHAPE."""
        receivers = tuple(range(1, len(self.members) + 1))
        if not self.resharing:
            return Session(self.id, self.threshold, receivers, receivers)
        dealing = tuple(range(1, len(self.dealers) + 1))
        return Session(self.id, self.threshold, dealing, receivers)

    @property
    def last_phase(self) -> Phase:
        """Return the phase after which the outcome follows."""
        return Phase.REVEAL if self.resharing else Phase.EXPOSURE

    def receiver_index(self, member: int) -> int | None:
        """Return a member's index among those that receive, from 1."""
        return self.members.index(member) + 1 if member in self.members else None

    def dealer_index(self, member: int) -> int | None:
        """Return a member's index among those that deal, from 1."""
        dealing = self.dealers or self.members
        return dealing.index(member) + 1 if member in dealing else None

    def dealer_member(self, index: int) -> int:
        """Return which member deals under an index."""
        return (self.dealers or self.members)[index - 1]

    def pack(self) -> bytes:
        """Return the bytes that everyone who joins posts."""
        return msgspec.msgpack.encode(
            _Packed(
                self.chain_id,
                self.contract,
                self.key_epoch,
                self.sharing,
                self.attempt,
                self.threshold,
                self.members,
                self.phase_blocks,
                self.approve_blocks,
                self.dealers,
                self.dealers_threshold,
                self.previous,
            )
        )


def unpack_plan(data: bytes, session: bytes) -> Plan:
    """Read the plan of a run; raises `ProtocolError` PLAN_MALFORMED unless it is of this id."""
    try:
        body = msgspec.msgpack.decode(data, type=_Packed)
        plan = Plan(**{name: getattr(body, name) for name in body.__struct_fields__})
    except (msgspec.DecodeError, UnicodeDecodeError, OverflowError):
        raise _malformed("does not decode") from None
    except KanheError as error:
        raise _malformed(error.message) from None
    if plan.id != session or plan.pack() != data:
        raise _malformed("is of another run, or not in its one form")
    return plan


@dataclass(frozen=True, slots=True)
class Timeline:
    """When a run began, and the last block of each phase."""

    start: int
    phase_blocks: int
    phases: int
    approve_blocks: int

    def ends(self, phase: Phase) -> int:
        """Return the last block in which a word of a phase counts."""
        return self.start + int(phase) * self.phase_blocks

    @property
    def over(self) -> int:
        """Return the last block of the last phase."""
        return self.start + self.phases * self.phase_blocks

    @property
    def switch(self) -> int:
        """Return the block by which the outcome is approved, and from which a new key is used."""
        return self.over + self.approve_blocks


def timeline_of(plan: Plan, joins: Iterable[tuple[int, int]]) -> Timeline | None:
    """Return a run's timeline from (member, block) of those that joined, in the ledger's order.

    It begins once every receiver has joined and, in a re-sharing, as many dealers as the old
    threshold needs; None before.
    """
    receivers, dealers = set(plan.members), set(plan.dealers)
    missing, dealing = set(receivers), 0
    seen: set[int] = set()
    for member, block in joins:
        if member in seen or member not in receivers | dealers:
            continue
        seen.add(member)
        missing.discard(member)
        dealing += int(member in dealers)
        if not missing and dealing >= plan.dealers_threshold:
            return Timeline(block, plan.phase_blocks, int(plan.last_phase), plan.approve_blocks)
    return None


def _malformed(says: str) -> ProtocolError:
    return ProtocolError(
        "PLAN_MALFORMED",
        f"the plan {says}",
        where=Where(field="plan"),
        help="Propose the run again; nobody takes part in this one.",
    )
