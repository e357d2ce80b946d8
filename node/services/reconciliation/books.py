"""One side's book: entries with what is late, balances with their gaps, decisions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from node.agreements import Facts
from node.services.reconciliation.agreed import Agreed
from node.services.reconciliation.streams import Stream
from node.tables import (
    Closing,
    PostedDecision,
)
from reconcile.model import (
    Balance,
    BalanceBasis,
    Decision,
    Direction,
    Side,
    SideBook,
    window_day,
)

_decision: Final = msgspec.msgpack.Decoder(Decision).decode


def side_book(
    session: Session,
    facts: Facts,
    stream: Stream,
    before: Agreed | None,
    *,
    provisional: bool,
) -> SideBook:
    """Return what one side brings to a run."""
    opening, closing, gaps = _balances(stream)
    previous = _previous_closing(stream.side, before)
    return SideBook(
        entries=stream.seen.entries,
        # Where no opening is stated, the side goes on from its last agreed closing.
        opening={**previous, **opening},
        closing=closing,
        previous_closing=previous,
        carried=() if before is None else before.carry.carried[stream.side],
        decisions=_decisions(session, facts.agreement, stream),
        late_refs=stream.seen.late,
        watermark_ms=max((until for _, until in stream.watermarks), default=None),
        closed_through=_closed_through(session, facts, stream, provisional=provisional),
        head=stream.head,
        gaps=gaps,
    )


def _previous_closing(side: Side, before: Agreed | None) -> dict[str, Balance]:
    if before is None:
        return {}
    day = window_day(before.window)
    return {
        currency: Balance.of_signed(minor, day, BalanceBasis(basis))
        for currency, (minor, basis) in before.carry.closing[side].items()
    }


def _closed_through(
    session: Session, facts: Facts, stream: Stream, *, provisional: bool
) -> int | None:
    """Return the highest business day this side closed, None before its first."""
    window: int | None = stream.window
    if provisional:
        window = session.execute(
            select(func.max(Closing.window)).where(
                Closing.agreement == facts.agreement, Closing.side == int(stream.side)
            )
        ).scalar_one_or_none()
    return window_day(window) if window else None


def _decisions(session: Session, agreement: bytes, stream: Stream) -> tuple[Decision, ...]:
    """Return this side's decisions that no earlier run has settled, in stream order.

    One took effect (or was void) in the first run in which both sides held an equal one.
    """
    rows = session.execute(
        select(PostedDecision.side, PostedDecision.window, PostedDecision.record)
        .where(PostedDecision.agreement == agreement, PostedDecision.window <= stream.window)
        .order_by(PostedDecision.seq, PostedDecision.leaf)
    ).all()
    earlier: tuple[set[tuple[object, ...]], set[tuple[object, ...]]] = (set(), set())
    for side, window, record in rows:
        if stream.after is not None and window <= stream.after:
            earlier[side].add(_verdict(_decision(record)))
    settled = earlier[0] & earlier[1]
    own = (_decision(record) for side, _, record in rows if side == int(stream.side))
    return tuple(item for item in own if _verdict(item) not in settled)


def _verdict(item: Decision) -> tuple[object, ...]:
    """Return what makes two decisions equal: all but the decider."""
    return (item.subject, item.previous, item.verdict, item.servicer, item.owner)


def _balances(stream: Stream) -> tuple[dict[str, Balance], dict[str, Balance], tuple[str, ...]]:
    """Return opening and closing of the run per currency, and the gaps between its windows.

    A window's opening is the first stated, its closing the last stated in seq order. A closing
    counts only if no later window moves the balance, an opening only if no earlier one does.
    """
    openings: dict[str, dict[int, Balance]] = {}
    closings: dict[str, dict[int, Balance]] = {}
    for _, window, header in stream.headers:
        for item in header["opening"]:
            openings.setdefault(item["currency"], {}).setdefault(window, _balance(item))
        for item in header["closing"]:
            closings.setdefault(item["currency"], {})[window] = _balance(item)
    opening: dict[str, Balance] = {}
    closing: dict[str, Balance] = {}
    gaps: list[str] = []
    for currency in sorted({*openings, *closings}):
        active = stream.seen.moved.get(currency, frozenset())
        first = min(openings.get(currency, {}), default=None)
        last = max(closings.get(currency, {}), default=None)
        if first is not None and not any(window < first for window in active):
            opening[currency] = openings[currency][first]
        if last is not None and not any(window > last for window in active):
            closing[currency] = closings[currency][last]
        gaps += _gaps(currency, openings.get(currency, {}), closings.get(currency, {}))
    return opening, closing, tuple(gaps)


def _gaps(
    currency: str, openings: Mapping[int, Balance], closings: Mapping[int, Balance]
) -> list[str]:
    """Name every window inside the run that does not open where the one before it closed."""
    gaps = []
    for window in sorted(openings):
        earlier = [item for item in closings if item < window]
        if not earlier:
            continue
        before = closings[max(earlier)].signed_minor
        after = openings[window].signed_minor
        if before != after:
            gaps.append(f"{currency} {max(earlier)} {before} {window} {after}")
    return gaps


def _balance(item: Mapping[str, Any]) -> Balance:
    return Balance(
        int(item["amount_minor"]),
        Direction(item["direction"]),
        int(item["date"]),
        BalanceBasis(item["basis"]),
    )
