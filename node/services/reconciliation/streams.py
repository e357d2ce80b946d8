"""The batches a run reads: both sides' streams behind the last agreed window."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.orm import Session

from node.agreements import Facts
from node.services.reconciliation.memory import VALID, Memory, SideSeen
from node.tables import (
    Closing,
    StreamState,
)
from reconcile.model import (
    ZERO32,
    InvalidBatch,
    ProtocolError,
    Side,
)
from reconcile.terms import Terms

INVALID: Final = "INVALID"
SEALED: Final = "SEALED"


@dataclass(frozen=True, slots=True)
class Stream:
    """One side's batches of a run: `headers` are of the valid ones that state a balance."""

    side: Side
    after: int | None
    window: int
    head: bytes
    last_seq: int
    headers: tuple[tuple[int, int, Mapping[str, Any]], ...]
    invalid: tuple[InvalidBatch, ...]
    sealed: tuple[int, ...]
    watermarks: tuple[tuple[int, int], ...]
    seen: SideSeen


def stream_of(
    session: Session,
    facts: Facts,
    side: Side,
    after: int | None,
    window: int,
    terms: Terms,
    *,
    memory: Memory,
    provisional: bool,
) -> Stream:
    """Return one side's batches of windows behind `after` up to `window`.

    Raises `ProtocolError` WINDOW_NOT_CLOSED for a proof.
    """
    head, last_seq = _tip(session, facts, side, window, provisional=provisional)
    seen = memory.read(session, facts.agreement, side, after, window, terms)
    within = [item for item in seen.batches if after is None or item.window > after]
    before = () if seen.until_before_ms is None else ((0, seen.until_before_ms),)
    return Stream(
        side=side,
        after=after,
        window=window,
        head=head,
        last_seq=last_seq,
        headers=tuple(
            (item.seq, item.window, item.header)
            for item in within
            if item.state == VALID and item.header is not None
        ),
        invalid=tuple(
            InvalidBatch(side, item.seq, item.reason or "")
            for item in within
            if item.state == INVALID
        ),
        sealed=tuple(item.seq for item in within if item.state == SEALED),
        watermarks=before
        + tuple(
            (item.seq, item.until_ms)
            for item in seen.batches
            if item.state == VALID and item.until_ms is not None
        ),
        seen=seen,
    )


def _tip(
    session: Session, facts: Facts, side: Side, window: int, *, provisional: bool
) -> tuple[bytes, int]:
    """Return the closing head and seq of a proof, the stream's tip of a provisional run."""
    if provisional:
        state = session.get(StreamState, (facts.agreement, int(side)))
        return (ZERO32, 0) if state is None else (state.head, state.last_seq)
    closing = session.get(Closing, (facts.agreement, int(side), window))
    if closing is None:
        raise ProtocolError(
            "WINDOW_NOT_CLOSED",
            f"the {side.word} has not closed window {window}",
            help="a proof reads closed windows; see `kanhe status` for who is awaited until when",
        )
    return closing.head, closing.last_seq


def require_opened(streams: Iterable[Stream]) -> None:
    """Refuse a proof over batches this node cannot read; `ProtocolError` BATCH_NOT_OPENED."""
    for stream in streams:
        if stream.sealed:
            raise ProtocolError(
                "BATCH_NOT_OPENED",
                f"batch {stream.sealed[0]} of the {stream.side.word} is not open here",
                help="its epoch key or the terms of its window are missing; see `kanhe doctor`",
            )
