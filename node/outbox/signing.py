"""From intents to signed bytes: one SQL transaction takes the nonce and keeps the bytes.

Order within one side of one agreement is the order of its intents; an intent that waits (for its
wake-up, or for a person) holds what comes after it in its own lane and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from node.chain.codec import LEDGER, Contracts, encode_call
from node.chain.profile import FILLER_GAS, EngineProfile, gas_limit
from node.chain.transactions import SignedTransaction, address_bytes, sign_legacy
from node.crypto.signer import Signer
from node.outbox.intents import (
    HELD,
    POST,
    SIGNED,
    WAITING,
    batch_args,
    call_bytes,
    payload_of,
    refuse,
)
from node.outbox.lanes import OPEN, lane_of, may_use, room
from node.tables import Intent, NonceLane, SealedPayload, Transaction

CALL: Final = "CALL"
MANY: Final = "MANY"
FILLER: Final = "FILLER"
# Intents looked at in one round; the rest waits for the next.
LOOK_AHEAD: Final = 512
MANY_MAX: Final = 16
# One transaction's payload bytes: geth takes no larger transaction than 128 KiB.
MANY_BYTES: Final = 100_000
# One request's bytes on the wire, two digits each: endpoints refuse bodies from 2 MB on (anvil) and
# say so in one answer that names no call, for as often as the same request is sent.
REQUEST_BYTES: Final = 1_000_000
SignerOf = Callable[[str], Signer | None]


@dataclass(frozen=True, slots=True)
class SigningPlace:
    """What signing works with: the chain's facts and the keys by lane."""

    contracts: Contracts
    profile: EngineProfile
    signer_of: SignerOf
    gas_cap: int


def sign_waiting(session: Session, place: SigningPlace, now_ms: int) -> int:
    """Sign what may be signed now, inside the caller's SQL transaction; return how many."""
    held = _held_lanes(session)
    rooms: dict[bytes, int] = {}
    lanes: dict[bytes, NonceLane] = {}
    signed = 0
    queue = _waiting(session)
    taken: set[int] = set()
    for intent in queue:
        if intent.id in taken or intent.lane_key in held:
            continue
        if intent.wake_at_ms > now_ms:
            _hold(held, intent)
            continue
        signer = place.signer_of(intent.lane_key)
        if signer is None:
            _hold(held, intent)
            continue
        address = address_bytes(signer)
        if address not in lanes:
            lanes[address] = lane_of(session, address, place.profile)
            rooms[address] = room(session, lanes[address])
        lane = lanes[address]
        if lane.state != OPEN or rooms[address] < 1:
            _hold(held, intent)
            continue
        if not may_use(session, intent.lane_key, address):
            _hold(held, intent)
            continue
        group = _group(session, intent, queue, held)
        if group is None:
            continue
        _sign_group(session, place, lane, signer, group, now_ms)
        taken.update(item.id for item in group)
        rooms[address] -= 1
        signed += len(group)
    session.flush()
    return signed


def _waiting(session: Session) -> list[Intent]:
    found = select(Intent).where(Intent.state == WAITING).order_by(Intent.id).limit(LOOK_AHEAD)
    return list(session.scalars(found))


def _held_lanes(session: Session) -> set[str]:
    """Return the side lanes in which an intent waits for a person."""
    found = select(Intent.lane_key).where(Intent.state == HELD).distinct()
    return {key for key in session.scalars(found) if "/" in key}


def _hold(held: set[str], intent: Intent) -> None:
    # Only a side's stream must stay in order; registry calls are independent of each other.
    if "/" in intent.lane_key:
        held.add(intent.lane_key)


def _group(
    session: Session, first: Intent, queue: list[Intent], held: set[str]
) -> list[Intent] | None:
    """Return `first`, with later small batches of the queue that may share its transaction.

    None where its payload is gone: then it is refused and its subject is free again.
    """
    if first.call != POST:
        return [first]
    payload = payload_of(session, first)
    if payload is None:
        refuse(session, first, "PAYLOAD_WITHDRAWN", "the sealed payload was withdrawn")
        return None
    group, size = [first], len(payload.payload)
    if first.alone or size > MANY_BYTES // 2:
        return group
    passed: set[str] = set()
    for other in queue[queue.index(first) + 1 :]:
        if len(group) == MANY_MAX:
            break
        joins = other.call == POST and not other.alone and other.state == WAITING
        if not joins or other.lane_key in held | passed or other.wake_at_ms > first.wake_at_ms:
            passed.add(other.lane_key)
            continue
        more = payload_of(session, other)
        if more is None or size + len(more.payload) > MANY_BYTES:
            passed.add(other.lane_key)
            continue
        group.append(other)
        size += len(more.payload)
    return group


def _sign_group(
    session: Session,
    place: SigningPlace,
    lane: NonceLane,
    signer: Signer,
    group: list[Intent],
    now_ms: int,
) -> None:
    if len(group) == 1:
        found = call_bytes(session, group[0])
        assert found is not None, "the group was chosen with its payload"
        calldata, size = found
    else:
        payloads = [payload_of(session, intent) for intent in group]
        batches = [batch_args(item) for item in payloads if item is not None]
        calldata = encode_call(LEDGER, "postMany", (batches,))
        size = sum(len(item.payload) for item in payloads if item is not None)
        # Each batch pays its own checks and slots besides its bytes.
        size += (len(batches) - 1) * 3_000
    gas = gas_limit(group[0].call, calldata, payload_bytes=size, cap=place.gas_cap)
    signed = sign_legacy(
        signer,
        chain_id=place.contracts.chain_id,
        nonce=lane.next_nonce,
        gas_price_wei=place.profile.gas_price_wei,
        gas_limit=gas,
        receiver=place.contracts.address(group[0].contract),
        calldata=calldata,
    )
    row = _row(signed, lane, gas, place.profile.gas_price_wei, now_ms)
    row.purpose = CALL if len(group) == 1 else MANY
    row.intent_id = group[0].id if len(group) == 1 else None
    session.add(row)
    for intent in group:
        intent.state, intent.tx_hash = SIGNED, signed.tx_hash
        intent.attempts += 1
    lane.next_nonce += 1


def _row(
    signed: SignedTransaction, lane: NonceLane, gas: int, gas_price_wei: int, now_ms: int
) -> Transaction:
    return Transaction(
        tx_hash=signed.tx_hash,
        address=lane.address,
        nonce=lane.next_nonce,
        purpose=CALL,
        raw=signed.raw,
        gas_limit=gas,
        gas_price_wei=gas_price_wei,
        state="SIGNED",
        attempts=0,
        signed_at_ms=now_ms,
    )


def sign_filler(
    session: Session, place: SigningPlace, stuck: Transaction, signer: Signer, now_ms: int
) -> Transaction:
    """Fill a stuck nonce by a zero-value transfer to self, at a price that may replace it."""
    price = stuck.gas_price_wei * 5 // 4 + (stuck.gas_price_wei > 0)
    signed = sign_legacy(
        signer,
        chain_id=place.contracts.chain_id,
        nonce=stuck.nonce,
        gas_price_wei=price,
        gas_limit=FILLER_GAS,
        receiver=stuck.address,
        calldata=b"",
    )
    known = session.get(Transaction, signed.tx_hash)
    if known is not None:
        return known
    row = Transaction(
        tx_hash=signed.tx_hash,
        address=stuck.address,
        nonce=stuck.nonce,
        purpose=FILLER,
        raw=signed.raw,
        gas_limit=FILLER_GAS,
        gas_price_wei=price,
        state="SIGNED",
        attempts=0,
        signed_at_ms=now_ms,
    )
    session.add(row)
    return row


def waiting_payloads(session: Session) -> int:
    """Return how many sealed payloads are not posted yet, for back-pressure."""
    found = select(func.count()).select_from(SealedPayload).where(SealedPayload.state == "READY")
    return session.scalar(found) or 0


def request_parts(
    items: list[tuple[bytes, bytes, bytes]],
) -> list[list[tuple[bytes, bytes, bytes]]]:
    """Cut into requests of bounded size, in order."""
    parts: list[list[tuple[bytes, bytes, bytes]]] = []
    size = REQUEST_BYTES
    for item in items:
        on_the_wire = 2 * len(item[2])
        if size + on_the_wire > REQUEST_BYTES:
            parts.append([])
            size = 0
        parts[-1].append(item)
        size += on_the_wire
    return parts
