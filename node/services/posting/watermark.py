"""A side's watermark: every entry that occurred up to then is posted or queued.

It waits as a fact of this node until a batch carries it, and waits again where that batch was
withdrawn or does not count.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.tables import NodeFact, SealedPayload
from reconcile.model import Side

WITHDRAWN: Final = "WITHDRAWN"
PREFIX: Final = "until/"
_MARKS: Final = select(NodeFact.name, NodeFact.value).where(
    NodeFact.name.startswith(PREFIX, autoescape=True)
)


@dataclass(frozen=True, slots=True)
class Watermark:
    """Every entry of this side that occurred up to `until_ms` is posted or queued."""

    until_ms: int
    window: int


def _until_name(agreement: bytes, side: Side) -> str:
    """Return the fact that keeps a side's watermark (40 characters at most)."""
    return f"{PREFIX}{agreement.hex()[:32]}/{int(side)}"


def set_until(session: Session, agreement: bytes, side: Side, mark: Watermark) -> None:
    """Keep a watermark until a batch carries it; it only moves forward."""
    fact = session.get(NodeFact, _until_name(agreement, side))
    value: dict[str, Any] = {"until_ms": str(mark.until_ms), "window": str(mark.window)}
    if fact is None:
        session.add(NodeFact(name=_until_name(agreement, side), value=value))
    elif int(fact.value["until_ms"]) < mark.until_ms:
        fact.value = value


def waiting_until(session: Session, agreement: bytes, side: Side) -> Watermark | None:
    """Return the watermark that no batch carries, or only a withdrawn one."""
    fact = session.get(NodeFact, _until_name(agreement, side))
    if fact is None:
        return None
    carrier = fact.value.get("payload")
    if carrier is not None:
        payload = session.get(SealedPayload, int(carrier))
        if payload is not None and payload.state != WITHDRAWN:
            return None
    return Watermark(int(fact.value["until_ms"]), int(fact.value["window"]))


def sides_marked(
    session: Session, sides: Iterable[tuple[bytes, Side]]
) -> Iterator[tuple[bytes, Side]]:
    """Yield those of these sides whose watermark waits, by two statements for all of them."""
    marks = {name: value.get("payload") for name, value in session.execute(_MARKS)}
    if not marks:
        return
    carried = set(
        session.scalars(
            select(SealedPayload.id).where(
                SealedPayload.id.in_(int(item) for item in marks.values() if item is not None),
                SealedPayload.state != WITHDRAWN,
            )
        )
    )
    for agreement, side in sides:
        name = _until_name(agreement, side)
        if name in marks and (marks[name] is None or int(marks[name]) not in carried):
            yield agreement, side


def carry_until(session: Session, agreement: bytes, side: Side, payload_id: int) -> None:
    """Note which payload carries the watermark."""
    fact = session.get(NodeFact, _until_name(agreement, side))
    if fact is not None:
        fact.value = {**fact.value, "payload": str(payload_id)}


def move_until(session: Session, agreement: bytes, side: Side, window: int) -> None:
    """Let the watermark go with another window: its own was closed meanwhile."""
    fact = session.get(NodeFact, _until_name(agreement, side))
    if fact is not None:
        fact.value = {**fact.value, "window": str(window)}


def forget_carrier(session: Session, agreement: bytes, side: Side, batches: Sequence[int]) -> None:
    """Let the watermark wait again when a batch that carries it does not count."""
    fact = session.get(NodeFact, _until_name(agreement, side))
    carrier = None if fact is None else fact.value.get("payload")
    if fact is None or carrier is None:
        return
    payload = session.get(SealedPayload, int(carrier))
    if payload is not None and payload.seq in batches:
        fact.value = {key: item for key, item in fact.value.items() if key != "payload"}
