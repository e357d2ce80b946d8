"""Wishes to close: kept until the ledger shows the closing, asked for again when refused.

A closing names the seq and head it closes at. When a batch before it has to be sealed again, the
relay refuses the closing too; the wish then asks anew, at the new head.

A window never closes silently over records that are held: who closes it is told, and an incident
stands until they are posted (late) or discarded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from node.agreements import final_block
from node.services.posting.judging import HELD
from node.tables import Closing, Incident, NodeFact, QueuedRecord
from reconcile.model import Side, day_iso, window_day

CLOSED_WITH_HELD: Final = "CLOSED_WITH_HELD"
PREFIX: Final = "close/"
_WISHES: Final = select(NodeFact.name, NodeFact.value).where(
    NodeFact.name.startswith(PREFIX, autoescape=True)
)


def _name(agreement: bytes, side: Side) -> str:
    """Return the fact that keeps a side's wishes (40 characters at most)."""
    return f"{PREFIX}{agreement.hex()[:32]}/{int(side)}"


def wish(session: Session, agreement: bytes, side: Side, window: int) -> None:
    """Keep the wish to close a window."""
    _keep(session, agreement, side, {*wished(session, agreement, side), window})


def wished(session: Session, agreement: bytes, side: Side) -> tuple[int, ...]:
    """Return the windows whose closing is wished, ascending."""
    fact = session.get(NodeFact, _name(agreement, side))
    return () if fact is None else tuple(int(item) for item in fact.value)


def all_wished(session: Session) -> Mapping[str, tuple[int, ...]]:
    """Return every wish by the name of its fact, for `wished_of`."""
    # Fulfilled ones leave an empty list behind.
    return {
        name: tuple(int(item) for item in value)
        for name, value in session.execute(_WISHES)
        if value
    }


def wished_of(
    found: Mapping[str, tuple[int, ...]], agreement: bytes, side: Side
) -> tuple[int, ...]:
    """Return a side's wishes among all."""
    return found.get(_name(agreement, side), ())


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


# ------------------------------------------------------------------ what is held meanwhile
def held_up_to(session: Session, agreement: bytes, side: Side, window: int) -> int:
    """Count held records that belong to a window or an earlier one."""
    of_side = aliased(QueuedRecord)
    # By the index alone first: what is held is little, the table behind it is not.
    held = select(of_side.id).where(
        of_side.agreement == agreement, of_side.side == int(side), of_side.state == HELD
    )
    return session.execute(
        select(func.count(QueuedRecord.id)).where(
            QueuedRecord.id.in_(held), QueuedRecord.window <= window
        )
    ).scalar_one()


def held_warning(held: int) -> str:
    """Say what closing over held records means; empty where none is held."""
    if not held:
        return ""
    noun = "record of ours is" if held == 1 else "records of ours are"
    return (
        f"{held:,} {noun} held for this window or an earlier one and not part of it: released "
        "later they are late in the next window; `kanhe outbox list` shows them, `kanhe outbox "
        "release` posts them again, `kanhe outbox discard` gives them up"
    )


def report_held(session: Session, agreement: bytes, side: Side, window: int, now_ms: int) -> int:
    """Open an incident where a window is closed over held records; return how many are held."""
    held = held_up_to(session, agreement, side, window)
    fingerprint = f"{CLOSED_WITH_HELD}/{agreement.hex()}/{int(side)}/{window}"
    known = select(Incident.id).where(Incident.fingerprint == fingerprint)
    if held and session.scalar(known) is None:
        session.add(
            Incident(
                kind=CLOSED_WITH_HELD,
                fingerprint=fingerprint,
                agreement=agreement,
                side=int(side),
                says=f"the window of {day_iso(window_day(window))} ({window}) was closed: "
                + held_warning(held)
                + ".",
                evidence={"window": str(window), "records": str(held)},
                stops_signing=False,
                opened_at_ms=now_ms,
            )
        )
    return held


def closed_over_nothing(session: Session, agreement: bytes, side: Side) -> Iterator[Incident]:
    """Yield open incidents of closings behind which nothing is held any more."""
    for row in session.scalars(
        select(Incident).where(
            Incident.kind == CLOSED_WITH_HELD,
            Incident.agreement == agreement,
            Incident.side == int(side),
            Incident.closed_at_ms.is_(None),
        )
    ).all():
        if not held_up_to(session, agreement, side, int(row.evidence["window"])):
            yield row
