"""Nonce lanes: one per sending key.

A lane hands out nonces in order and only while its row is locked. It is stopped when the chain has
counted more transactions of the key than this database knows: then the key was used elsewhere, or
this database is an old copy. How much may be in flight is learned: halved when the pool refuses,
raised by one for every final transaction.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from node.chain.profile import EngineProfile
from node.tables import NonceLane, SideLane, Transaction

OPEN: Final = "OPEN"
STOPPED: Final = "STOPPED"
UNMINED: Final = ("SIGNED", "SENT")
UNFINAL: Final = ("SIGNED", "SENT", "MINED")
MIN_IN_FLIGHT: Final = 1


def lane_of(session: Session, address: bytes, profile: EngineProfile) -> NonceLane:
    """Return a key's lane, locked until the transaction ends; made at nonce 0."""
    lane = session.scalars(
        select(NonceLane).where(NonceLane.address == address).with_for_update()
    ).first()
    if lane is None:
        lane = NonceLane(
            address=address,
            next_nonce=0,
            state=OPEN,
            in_flight_limit=profile.in_flight,
            generation=0,
        )
        session.add(lane)
        session.flush()
    return lane


def room(session: Session, lane: NonceLane) -> int:
    """Return how many more transactions the lane may have waiting in the pool."""
    waiting = session.scalar(
        select(func.count())
        .select_from(Transaction)
        .where(Transaction.address == lane.address, Transaction.state.in_(UNMINED))
    )
    return max(0, lane.in_flight_limit - (waiting or 0))


def note_busy(lane: NonceLane) -> None:
    """Halve what may be in flight: the pool refused."""
    lane.in_flight_limit = max(MIN_IN_FLIGHT, lane.in_flight_limit // 2)


def note_final(lane: NonceLane, profile: EngineProfile) -> None:
    """Raise what may be in flight by one."""
    lane.in_flight_limit = min(profile.in_flight_max, lane.in_flight_limit + 1)


def may_use(session: Session, lane_key: str, address: bytes) -> bool:
    """Bind a lane of the outbox to a key; it changes keys only when nothing is in flight."""
    bound = session.get(SideLane, lane_key)
    if bound is None:
        session.add(SideLane(lane_key=lane_key, address=address))
        return True
    if bound.address == address:
        return True
    waiting = session.scalar(
        select(func.count())
        .select_from(Transaction)
        .where(Transaction.address == bound.address, Transaction.state.in_(UNFINAL))
    )
    if waiting:
        return False
    bound.address = address
    return True
