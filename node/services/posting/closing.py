"""Wishes to close: kept until the ledger shows the closing, asked for again when refused.

A closing names the seq and head it closes at. When a batch before it has to be sealed again, the
relay refuses the closing too; the wish then asks anew, at the new head.
"""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from node.agreements import final_block
from node.tables import Closing, NodeFact
from reconcile.model import Side


def _name(agreement: bytes, side: Side) -> str:
    """Return the fact that keeps a side's wishes (40 characters at most)."""
    return f"close/{agreement.hex()[:32]}/{int(side)}"


def wish(session: Session, agreement: bytes, side: Side, window: int) -> None:
    """Keep the wish to close a window."""
    _keep(session, agreement, side, {*wished(session, agreement, side), window})


def wished(session: Session, agreement: bytes, side: Side) -> tuple[int, ...]:
    """Return the windows whose closing is wished, ascending."""
    fact = session.get(NodeFact, _name(agreement, side))
    return () if fact is None else tuple(int(item) for item in fact.value)


def forget_done(session: Session, agreement: bytes, side: Side) -> int:
    """Drop wishes that the final ledger has fulfilled; return how many."""
    done = session.execute(
        select(func.max(Closing.window)).where(
            Closing.agreement == agreement,
            Closing.side == int(side),
            Closing.block_number <= final_block(session),
        )
    ).scalar_one_or_none()
    before = wished(session, agreement, side)
    left = {item for item in before if done is None or item > done}
    if len(left) != len(before):
        _keep(session, agreement, side, left)
    return len(before) - len(left)


def _keep(session: Session, agreement: bytes, side: Side, windows: set[int]) -> None:
    value = [str(item) for item in sorted(windows)]
    fact = session.get(NodeFact, _name(agreement, side))
    if fact is None:
        session.add(NodeFact(name=_name(agreement, side), value=value))
    else:
        fact.value = value
