"""What each side posted behind the last agreed window, kept in memory and read further.

A run reads its whole window; most of that it read for the run before. Batches and their decoded
entries are kept from run to run, and only what came since is read. Nothing depends on it: a memory
that is gone (a restart), or that a rewind, a reopening or a newly agreed window has overtaken, is
read again from the rows, and both ways give the same.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from node.services.reconciliation.agreed import Agreed, agreed_before
from node.services.reconciliation.folding import EntrySeen, Fold
from node.tables import REBUILDS, Batch, NodeFact, PostedEntry, StreamState
from reconcile.entries import EntryTable
from reconcile.model import ZERO32, Entry, Side
from reconcile.terms import Terms

VALID: Final = "VALID"
# A side with more entries behind its last agreed window is read anew each time.
KEPT_ENTRIES: Final = 500_000
_entry: Final = msgspec.msgpack.Decoder(Entry).decode
Key = tuple[bytes, int]


class BatchSeen(NamedTuple):
    """One batch as a run needs it; `header` only where it states a balance."""

    seq: int
    window: int
    state: str
    reason: str | None
    until_ms: int | None
    header: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class SideSeen:
    """What one side posted in windows of a run; `batches` may be of earlier windows too.

    `until_before_ms`: the highest watermark of batches before the first one here. `again`: refs
    that may stand in an earlier window too. `reading`: as long as it is the same object, the
    entries only grew at their end. The rest is as in `Fold`.
    """

    batches: tuple[BatchSeen, ...]
    until_before_ms: int | None
    entries: EntryTable
    late: frozenset[str]
    moved: Mapping[str, frozenset[int]]
    again: frozenset[str]
    reversed: frozenset[str]
    reading: object = field(compare=False, repr=False)


@dataclass(slots=True)
class _SideRead:
    """One side up to its batch `last_seq`, as far as windows behind `after` need it.

    `repeated`: refs of earlier windows that these batches repeat. `fold` takes every entry.
    """

    after: int
    rebuilds: str
    last_seq: int = 0
    head: bytes = ZERO32
    until_before_ms: int | None = None
    batches: list[BatchSeen] = field(default_factory=list)
    entries: list[EntrySeen] = field(default_factory=list)
    repeated: set[str] = field(default_factory=set)
    fold: Fold | None = None


class Memory:
    """Both sides of every agreement, as far as they have been read."""

    def __init__(self, *, limit: int = KEPT_ENTRIES) -> None:
        self._limit = limit
        self._sides: dict[Key, _SideRead] = {}
        self._agreed: dict[bytes, Agreed] = {}
        self._lock = threading.Lock()

    def agreed(self, session: Session, agreement: bytes, window: int) -> Agreed | None:
        """Return what the last agreed report leaves to a run of `window`; a digest is read once.

        Raises `ProtocolError` REPORT_MISSING when this node has not computed that report.
        """
        found = agreed_before(session, agreement, window, known=self._agreed.get(agreement))
        if found is not None:
            self._agreed[agreement] = found
        return found

    def read(
        self,
        session: Session,
        agreement: bytes,
        side: Side,
        after: int | None,
        window: int,
        terms: Terms,
    ) -> SideSeen:
        """Return a side's windows behind `after` up to `window`, as the snapshot shows them."""
        key = (agreement, int(side))
        behind = -1 if after is None else after
        with self._lock:
            known = self._sides.pop(key, None)
            if known is None or not _continues(session, key, known, behind):
                known = _begin(session, key, behind)
            _read_on(session, key, known)
            seen = _seen(known, window, terms)
            if len(known.entries) <= self._limit:
                self._sides[key] = known
        return seen


# --------------------------------------------------------------------------------- reading
def _rebuilds(session: Session) -> str:
    """Return how often derived rows were taken back: what was read before may be gone."""
    fact = session.get(NodeFact, REBUILDS)
    return "" if fact is None else str(fact.value)


def _continues(session: Session, key: Key, known: _SideRead, behind: int) -> bool:
    """Say whether all that is known stands in this snapshot, which may be an older one."""
    if known.after != behind or known.rebuilds != _rebuilds(session):
        return False
    if not known.batches:
        return known.last_seq <= _last(session, key)[0]
    head = session.scalar(
        select(Batch.head).where(
            Batch.agreement == key[0], Batch.side == key[1], Batch.seq == known.last_seq
        )
    )
    # Heads are chained: an equal one says that every earlier batch is the same.
    return head == known.head


def _begin(session: Session, key: Key, behind: int) -> _SideRead:
    """Set out at the first batch of a later window; earlier ones matter by their watermark."""
    read = _SideRead(behind, _rebuilds(session))
    mine = (Batch.agreement == key[0], Batch.side == key[1])
    first = session.scalar(select(func.min(Batch.seq)).where(*mine, Batch.window > behind))
    if first is None:
        first = _last(session, key)[0] + 1
    read.last_seq = first - 1
    read.until_before_ms = session.scalar(
        select(func.max(Batch.complete_until_ms)).where(
            *mine, Batch.state == VALID, Batch.seq < first
        )
    )
    return read


def _last(session: Session, key: Key) -> tuple[int, bytes]:
    state = session.get(StreamState, key)
    return (0, ZERO32) if state is None else (state.last_seq, state.head)


def _read_on(session: Session, key: Key, read: _SideRead) -> None:
    last_seq, head = _last(session, key)
    if last_seq > read.last_seq:
        read.batches += _batches(session, key, read.last_seq)
        _read_entries(session, key, read)
    read.last_seq, read.head = last_seq, head


def _batches(session: Session, key: Key, last_seq: int) -> list[BatchSeen]:
    columns = (
        Batch.seq,
        Batch.window,
        Batch.state,
        Batch.reason,
        Batch.complete_until_ms,
        Batch.header,
    )
    found = session.execute(
        select(*columns)
        .where(Batch.agreement == key[0], Batch.side == key[1], Batch.seq > last_seq)
        .order_by(Batch.seq)
    )
    return [
        BatchSeen(seq, window, state, reason, until_ms, header if _states(header) else None)
        for seq, window, state, reason, until_ms, header in found
    ]


def _states(header: Mapping[str, Any] | None) -> bool:
    """Say whether a batch's header states a balance."""
    return bool(header and (header["opening"] or header["closing"]))


def _read_entries(session: Session, key: Key, read: _SideRead) -> None:
    found = session.execute(
        select(PostedEntry.seq, PostedEntry.window, PostedEntry.repeat, PostedEntry.record)
        .where(
            PostedEntry.agreement == key[0],
            PostedEntry.side == key[1],
            PostedEntry.seq > read.last_seq,
        )
        .order_by(PostedEntry.seq, PostedEntry.leaf)
    )
    for seq, window, repeat, record in found:
        if window > read.after:
            read.entries.append(EntrySeen(seq, window, repeat, _entry(record)))
        elif repeat:
            read.repeated.add(_entry(record).entry_ref)


# --------------------------------------------------------------------------------- folding
def _seen(read: _SideRead, window: int, terms: Terms) -> SideSeen:
    """Fold what is new where the run takes every window read, all of its windows otherwise."""
    batches = tuple(item for item in read.batches if item.window <= window)
    marks = [
        (item.seq, item.until_ms)
        for item in batches
        if item.state == VALID and item.until_ms is not None
    ]
    if len(batches) == len(read.batches):
        fold = read.fold
        if fold is None or fold.terms != terms:
            fold = Fold(terms, read.until_before_ms)
        fold.take(read.entries[len(fold.entries) :], marks)
        read.fold = fold
    else:
        fold = Fold(terms, read.until_before_ms)
        fold.take((item for item in read.entries if item.window <= window), marks)
    return SideSeen(
        batches=batches,
        until_before_ms=read.until_before_ms,
        entries=fold.entries,
        late=frozenset(fold.late),
        moved={currency: frozenset(windows) for currency, windows in fold.moved.items()},
        again=_again(read, fold),
        reversed=frozenset(fold.reversed),
        reading=fold,
    )


def _again(read: _SideRead, fold: Fold) -> frozenset[str]:
    """Return the refs that may stand in an earlier window too, so in an agreed group.

    An entry's first version stands once, and no amendment in an earlier window than it: what is
    left are amendments, and repeats on either side of the last agreed window.
    """
    if not read.repeated:
        return frozenset(fold.restated)
    return frozenset(fold.restated | (read.repeated & {entry.entry_ref for entry in fold.entries}))
