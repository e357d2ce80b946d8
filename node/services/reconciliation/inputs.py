"""From rows to a run's input: what each side's stream says since the last agreed report.

Pure of clocks and of this node: both institutions build the same `RunInput` from the same rows.
A proof reads windows behind the last agreed one up to W; no batch of these can come later, since
the ledger refuses a post at or below a closed window.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.agreements import IN_FORCE, Facts, terms_at, terms_hash_at
from node.services.reconciliation.books import side_book
from node.services.reconciliation.earlier import earlier_groups
from node.services.reconciliation.memory import Memory
from node.services.reconciliation.streams import require_opened, stream_of
from node.tables import (
    AgreementTerms,
)
from reconcile.matching.run_input import RunInput
from reconcile.model import (
    ZERO32,
    InvalidBatch,
    Side,
)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run's input and what the report pins besides it; `reading`: by side, as in `SideSeen`."""

    run: RunInput
    previous_digest: bytes
    terms_hashes: tuple[bytes, ...]
    invalid: tuple[InvalidBatch, ...]
    heads: tuple[bytes, bytes]
    last_seqs: tuple[int, int]
    reading: tuple[object, object] = field(compare=False, repr=False)


def prepare(
    session: Session,
    facts: Facts,
    window: int,
    *,
    memory: Memory,
    provisional: bool,
    threads: int | None = None,
) -> Prepared:
    """Build the input of the run of `window`.

    A proof needs the window closed on both sides and every batch in it opened: `ProtocolError`
    WINDOW_NOT_CLOSED, BATCH_NOT_OPENED.
    """
    before = memory.agreed(session, facts.agreement, window)
    terms = terms_at(session, facts.agreement, window)
    after = None if before is None else before.window
    streams = tuple(
        stream_of(
            session, facts, side, after, window, terms, memory=memory, provisional=provisional
        )
        for side in Side
    )
    if not provisional:
        require_opened(streams)
    books = tuple(
        side_book(session, facts, stream, before, provisional=provisional) for stream in streams
    )
    carry = None if before is None else before.carry
    agreed_groups, settled = earlier_groups(
        session, facts.agreement, after, books, [stream.seen for stream in streams], window=window
    )
    run = RunInput(
        agreement=facts.agreement,
        kind=facts.kind,
        window=window,
        previous_window=after,
        terms=terms,
        servicer=books[0],
        owner=books[1],
        residuals=() if carry is None else carry.residuals,
        written_off=() if carry is None else carry.written_off,
        agreed_groups=agreed_groups,
        held=(frozenset(), frozenset()) if carry is None else carry.held,
        rejected=frozenset() if carry is None else carry.rejected,
        last_decisions=() if carry is None else carry.last_decisions,
        settled=settled,
        threads=threads,
    )
    return Prepared(
        run=run,
        previous_digest=ZERO32 if before is None else before.digest,
        terms_hashes=_terms_hashes(session, facts.agreement, after, window),
        invalid=tuple(item for stream in streams for item in stream.invalid),
        heads=(books[0].head, books[1].head),
        last_seqs=(streams[0].last_seq, streams[1].last_seq),
        reading=(streams[0].seen.reading, streams[1].seen.reading),
    )


def _terms_hashes(
    session: Session, agreement: bytes, after: int | None, window: int
) -> tuple[bytes, ...]:
    """Return every terms hash that rules a window of the run, in order of coming into force."""
    first = terms_hash_at(session, agreement, 0 if after is None else after + 1)
    later = session.execute(
        select(AgreementTerms.terms_hash)
        .where(
            AgreementTerms.agreement == agreement,
            AgreementTerms.state == IN_FORCE,
            AgreementTerms.from_window > (0 if after is None else after + 1),
            AgreementTerms.from_window <= window,
        )
        .order_by(AgreementTerms.from_window, AgreementTerms.id)
    ).scalars()
    hashes = [first, *later]
    return tuple(dict.fromkeys(hashes))
