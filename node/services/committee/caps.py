"""A node's share of the caps on a day's evaluations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from node.committees import EpochCommittee
from node.screening.evaluations import share_of_cap
from node.screening.points import MEMBER_DAILY_OWN_RECORDS
from node.tables import Evaluation
from reconcile.model import ProtocolError, Where

#: What the contract sells a day (Points); each node answers its share of it.
MEMBER_DAILY: Final = 2_000
NETWORK_DAILY: Final = 20_000
_MEMBERS: Final = Evaluation.reader == bindparam("reader")
_SPENT: Final = select(
    func.count().filter(_MEMBERS, ~Evaluation.own_record),
    func.count().filter(~Evaluation.own_record),
    func.count().filter(_MEMBERS, Evaluation.own_record),
).where(Evaluation.day == bindparam("day"))


@dataclass(slots=True)
class Counted:
    """How much of today's caps is spent, this request's items included.

    Free queries of people about themselves have a cap of their own and use up nobody's paid ones.
    """

    member: int
    network: int
    own: int
    member_cap: int
    network_cap: int
    own_cap: int


def counted_today(session: Session, epoch: EpochCommittee, reader: int, day: int) -> Counted:
    """Return what is spent of this node's share of the caps today."""
    member, network, own = session.execute(_SPENT, {"reader": reader, "day": day}).one()
    committee = epoch.committee
    shape = (committee.threshold, len(committee.shares))
    return Counted(
        member=member,
        network=network,
        own=own,
        member_cap=share_of_cap(MEMBER_DAILY, *shape),
        network_cap=share_of_cap(NETWORK_DAILY, *shape),
        own_cap=share_of_cap(MEMBER_DAILY_OWN_RECORDS, *shape),
    )


def count(counted: Counted, *, own: bool) -> None:
    """Count one more evaluation; raises `ProtocolError` DAILY_CAP_REACHED."""
    if own:
        if counted.own >= counted.own_cap:
            says = f"this node's share of the member's free day is spent: {counted.own_cap} queries"
            raise _refuse(says)
        counted.own += 1
        return
    if counted.member >= counted.member_cap:
        says = f"this node's share of the member's day is spent: {counted.member_cap} evaluations"
        raise _refuse(says)
    if counted.network >= counted.network_cap:
        says = f"this node's share of the network's day is spent: {counted.network_cap} evaluations"
        raise _refuse(says)
    counted.member += 1
    counted.network += 1


def _refuse(says: str) -> ProtocolError:
    return ProtocolError(
        "DAILY_CAP_REACHED",
        says,
        where=Where(field="ticket"),
        help="This item was neither evaluated nor counted.",
    )
