"""The batches a run reads: both sides' streams behind the last agreed window."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.agreements import Facts
from node.tables import (
    Batch,
    Closing,
    StreamState,
)
from reconcile.model import (
    ZERO32,
    InvalidBatch,
    ProtocolError,
    Side,
)

VALID: Final = "VALID"
INVALID: Final = "INVALID"
SEALED: Final = "SEALED"


@dataclass(frozen=True, slots=True)
class Stream:
    """One side's batches of a run: `headers` are of the valid ones, in seq order."""

    side: Side
    after: int | None
    window: int
    head: bytes
    last_seq: int
    headers: tuple[tuple[int, int, Mapping[str, Any]], ...]
    invalid: tuple[InvalidBatch, ...]
    sealed: tuple[int, ...]
    watermarks: tuple[tuple[int, int], ...]


def stream_of(
    session: Session,
    facts: Facts,
    side: Side,
    after: int | None,
    window: int,
    *,
    provisional: bool,
) -> Stream:
    """Return one side's batches of windows behind `after` up to `window`.

    Raises `ProtocolError` WINDOW_NOT_CLOSED for a proof.
    """
    head, last_seq = _tip(session, facts, side, window, provisional=provisional)
    rows = session.execute(
        select(
            Batch.seq,
            Batch.window,
            Batch.state,
            Batch.reason,
            Batch.complete_until_ms,
            Batch.header,
        )
        .where(
            Batch.agreement == facts.agreement,
            Batch.side == int(side),
            Batch.window <= window,
        )
        .order_by(Batch.seq)
    ).all()
    within = [row for row in rows if after is None or row.window > after]
    return Stream(
        side=side,
        after=after,
        window=window,
        head=head,
        last_seq=last_seq,
        headers=tuple((row.seq, row.window, row.header) for row in within if row.state == VALID),
        invalid=tuple(
            InvalidBatch(side, row.seq, row.reason or "") for row in within if row.state == INVALID
        ),
        sealed=tuple(row.seq for row in within if row.state == SEALED),
        watermarks=tuple(
            (row.seq, row.complete_until_ms)
            for row in rows
            if row.state == VALID and row.complete_until_ms is not None
        ),
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
