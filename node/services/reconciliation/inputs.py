"""From rows to a run's input: what each side's stream says since the last agreed report.

Pure of clocks and of this node: both institutions build the same `RunInput` from the same rows.
A proof reads windows behind the last agreed one up to W; no batch of these can come later, since
the ledger refuses a post at or below a closed window.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session, undefer

from node.agreements import IN_FORCE, Facts, terms_at, terms_by_hash, terms_hash_at
from node.tables import (
    AgreedResult,
    AgreementTerms,
    Batch,
    Closing,
    MatchRun,
    PostedDecision,
    PostedEntry,
    ReportRow,
    RunGroup,
    RunMembership,
    StreamState,
)
from reconcile.matching.run_input import AgreedGroup, RunInput
from reconcile.model import (
    ZERO32,
    Balance,
    BalanceBasis,
    Decision,
    Direction,
    Entry,
    InvalidBatch,
    MatchGroup,
    ProtocolError,
    Side,
    SideBook,
    window_day,
)
from reconcile.report import Carry, carry_of
from reconcile.terms import Terms

VALID: Final = "VALID"
INVALID: Final = "INVALID"
SEALED: Final = "SEALED"
PROOF: Final = "PROOF"
REFS_AT_ONCE: Final = 500
_entry: Final = msgspec.msgpack.Decoder(Entry).decode
_decision: Final = msgspec.msgpack.Decoder(Decision).decode


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run's input and what the report pins besides it."""

    run: RunInput
    previous_digest: bytes
    terms_hashes: tuple[bytes, ...]
    invalid: tuple[InvalidBatch, ...]
    heads: tuple[bytes, bytes]
    last_seqs: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Agreed:
    """The last agreed report below a window: its window, digest and what it carries."""

    window: int
    digest: bytes
    carry: Carry


def last_agreed(
    session: Session, agreement: bytes, below: int | None = None
) -> AgreedResult | None:
    """Return the last agreed result (below a window), final or not."""
    query = select(AgreedResult).where(AgreedResult.agreement == agreement)
    if below is not None:
        query = query.where(AgreedResult.window < below)
    return session.execute(query.order_by(AgreedResult.window.desc()).limit(1)).scalar_one_or_none()


def agreed_before(session: Session, agreement: bytes, window: int) -> Agreed | None:
    """Return what the last agreed report leaves to a run of `window`.

    Raises `ProtocolError` REPORT_MISSING when this node has not computed that report.
    """
    row = last_agreed(session, agreement, window)
    if row is None:
        return None
    stored = session.execute(
        select(ReportRow)
        .where(
            ReportRow.agreement == agreement,
            ReportRow.window == row.window,
            ReportRow.digest == row.digest,
        )
        .options(undefer(ReportRow.report))
    ).scalar_one_or_none()
    if stored is None:
        raise ProtocolError(
            "REPORT_MISSING",
            f"the report agreed for window {row.window} is not here",
            help="it is computed again from the ledger: `kanhe reconcile --window` that one",
        )
    return Agreed(row.window, row.digest, carry_of(msgspec.json.decode(stored.report)))


def prepare(
    session: Session, facts: Facts, window: int, *, provisional: bool, threads: int | None = None
) -> Prepared:
    """Build the input of the run of `window`.

    A proof needs the window closed on both sides and every batch in it opened: `ProtocolError`
    WINDOW_NOT_CLOSED, BATCH_NOT_OPENED.
    """
    before = agreed_before(session, facts.agreement, window)
    terms = terms_at(session, facts.agreement, window)
    after = None if before is None else before.window
    streams = tuple(
        _stream(session, facts, side, after, window, provisional=provisional) for side in Side
    )
    if not provisional:
        _require_opened(streams)
    books = tuple(
        _side_book(session, facts, stream, terms, before, provisional=provisional)
        for stream in streams
    )
    carry = None if before is None else before.carry
    agreed_groups, settled = _earlier_groups(session, facts.agreement, after, books)
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
    )


# --------------------------------------------------------------------------- streams
@dataclass(frozen=True, slots=True)
class _Stream:
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


def _stream(
    session: Session,
    facts: Facts,
    side: Side,
    after: int | None,
    window: int,
    *,
    provisional: bool,
) -> _Stream:
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
    return _Stream(
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


def _require_opened(streams: Iterable[_Stream]) -> None:
    for stream in streams:
        if stream.sealed:
            raise ProtocolError(
                "BATCH_NOT_OPENED",
                f"batch {stream.sealed[0]} of the {stream.side.word} is not open here",
                help="its epoch key or the terms of its window are missing; see `kanhe doctor`",
            )


# ----------------------------------------------------------------------------- books
def _side_book(
    session: Session,
    facts: Facts,
    stream: _Stream,
    terms: Terms,
    before: Agreed | None,
    *,
    provisional: bool,
) -> SideBook:
    entries, late = _entries(session, facts.agreement, stream, terms)
    opening, closing, gaps = _balances(stream, entries)
    previous = _previous_closing(stream.side, before)
    return SideBook(
        entries=tuple(entry for entry, _ in entries),
        # Where no opening is stated, the side goes on from its last agreed closing.
        opening={**previous, **opening},
        closing=closing,
        previous_closing=previous,
        carried=() if before is None else before.carry.carried[stream.side],
        decisions=_decisions(session, facts.agreement, stream),
        late_refs=late,
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


def _entries(
    session: Session, agreement: bytes, stream: _Stream, terms: Terms
) -> tuple[list[tuple[Entry, int]], frozenset[str]]:
    """Return every version with its window, in stream order, and the late refs.

    Late: first posted behind the window it falls under, or behind a watermark that covers it.
    """
    query = (
        select(PostedEntry.seq, PostedEntry.window, PostedEntry.record)
        .where(
            PostedEntry.agreement == agreement,
            PostedEntry.side == int(stream.side),
            PostedEntry.window <= stream.window,
        )
        .order_by(PostedEntry.seq, PostedEntry.leaf)
    )
    if stream.after is not None:
        query = query.where(PostedEntry.window > stream.after)
    found: list[tuple[Entry, int]] = []
    late: set[str] = set()
    natural = _Natural(terms)
    marks = iter([*stream.watermarks, (2**63, 0)])
    upcoming, mark = next(marks), -1
    for seq, window, record in session.execute(query):
        while upcoming[0] < seq:
            mark = max(mark, upcoming[1])
            upcoming = next(marks)
        entry = _entry(record)
        found.append((entry, window))
        if entry.version:
            continue
        overdue = entry.occurred_at is not None and entry.occurred_at <= mark
        if overdue or (window and natural.of(entry) < window):
            late.add(entry.entry_ref)
    return found, frozenset(late)


class _Natural:
    """The windows entries fall under; those without a moment depend on three fields alone."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._known: dict[tuple[int, int | None, int | None], int] = {}

    def of(self, entry: Entry) -> int:
        """Return the window an entry falls under."""
        if entry.occurred_at is not None:
            return self._terms.window_for(entry)
        key = (entry.booking_date, entry.settlement_date, entry.session)
        window = self._known.get(key)
        if window is None:
            window = self._known[key] = self._terms.window_for(entry)
        return window


def _closed_through(
    session: Session, facts: Facts, stream: _Stream, *, provisional: bool
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


def _decisions(session: Session, agreement: bytes, stream: _Stream) -> tuple[Decision, ...]:
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


# -------------------------------------------------------------------------- balances
def _balances(
    stream: _Stream, entries: Sequence[tuple[Entry, int]]
) -> tuple[dict[str, Balance], dict[str, Balance], tuple[str, ...]]:
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
    moved: dict[str, set[int]] = {}
    for entry, window in entries:
        if entry.moving:
            moved.setdefault(entry.currency, set()).add(window)
    opening: dict[str, Balance] = {}
    closing: dict[str, Balance] = {}
    gaps: list[str] = []
    for currency in sorted({*openings, *closings}):
        active = moved.get(currency, set())
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


# --------------------------------------------------------------------- earlier groups
def _earlier_groups(
    session: Session, agreement: bytes, after: int | None, books: Sequence[SideBook]
) -> tuple[tuple[AgreedGroup, ...], tuple[frozenset[str], frozenset[str]]]:
    """Return agreed groups this run names, and which of its own refs such groups hold already."""
    if after is None:
        return (), (frozenset(), frozenset())
    named: tuple[set[str], set[str]] = (set(), set())
    amended: tuple[set[str], set[str]] = (set(), set())
    for side in Side:
        for entry in books[side].entries:
            amended[side].add(entry.entry_ref)
            if entry.reversal_of is not None:
                named[side].add(entry.reversal_of)
    for book in books:
        for decision in book.decisions:
            named[Side.SERVICER].update(decision.servicer)
            named[Side.OWNER].update(decision.owner)
    groups: dict[tuple[int, int], RunGroup] = {}
    settled: list[frozenset[str]] = []
    for side in Side:
        rows = _grouped(session, agreement, after, side, named[side] | amended[side])
        settled.append(frozenset(ref for ref, _ in rows if ref in amended[side]))
        for _, group in rows:
            groups[group.run_id, group.number] = group
    agreed = [_agreed_group(session, agreement, group) for _, group in sorted(groups.items())]
    return tuple(agreed), (settled[0], settled[1])


def _grouped(
    session: Session, agreement: bytes, after: int, side: Side, refs: set[str]
) -> list[tuple[str, RunGroup]]:
    """Return which of these refs a group of an agreed report holds.

    The newest agreed report that knows a ref decides: an unmatch may have freed it again.
    """
    newest: dict[str, tuple[int, int, int | None]] = {}
    wanted = sorted(refs)
    for start in range(0, len(wanted), REFS_AT_ONCE):
        rows = session.execute(
            select(
                RunMembership.entry_ref,
                MatchRun.window,
                RunMembership.run_id,
                RunMembership.group_number,
            )
            .join(MatchRun, MatchRun.id == RunMembership.run_id)
            .join(
                AgreedResult,
                (AgreedResult.agreement == MatchRun.agreement)
                & (AgreedResult.window == MatchRun.window)
                & (AgreedResult.digest == MatchRun.digest),
            )
            .where(
                MatchRun.agreement == agreement,
                MatchRun.kind == PROOF,
                MatchRun.window <= after,
                RunMembership.side == int(side),
                RunMembership.entry_ref.in_(wanted[start : start + REFS_AT_ONCE]),
            )
        )
        for ref, window, run_id, number in rows:
            if ref not in newest or newest[ref][0] < window:
                newest[ref] = (window, run_id, number)
    found: list[tuple[str, RunGroup]] = []
    for ref, (_, run_id, number) in sorted(newest.items()):
        if number is None:
            continue
        group = session.execute(
            select(RunGroup).where(RunGroup.run_id == run_id, RunGroup.number == number)
        ).scalar_one()
        found.append((ref, group))
    return found


def _agreed_group(session: Session, agreement: bytes, row: RunGroup) -> AgreedGroup:
    group = MatchGroup(
        row.pass_name,
        tuple(row.servicer),
        tuple(row.owner),
        row.currency,
        int(row.residual_minor),
    )
    sides = [
        _latest(session, agreement, side, refs)
        for side, refs in ((Side.SERVICER, group.servicer), (Side.OWNER, group.owner))
    ]
    return AgreedGroup(group, sides[0], sides[1])


def _latest(
    session: Session, agreement: bytes, side: Side, refs: Sequence[str]
) -> tuple[Entry, ...]:
    """Return the versions of these refs that count, in the order of the refs."""
    found: dict[str, Entry] = {}
    for start in range(0, len(refs), REFS_AT_ONCE):
        rows = session.execute(
            select(PostedEntry.entry_ref, PostedEntry.record)
            .where(
                PostedEntry.agreement == agreement,
                PostedEntry.side == int(side),
                PostedEntry.repeat.is_(False),
                PostedEntry.entry_ref.in_(refs[start : start + REFS_AT_ONCE]),
            )
            .order_by(PostedEntry.version)
        )
        found |= {ref: _entry(record) for ref, record in rows}
    return tuple(found[ref] for ref in refs if ref in found)


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


def terms_of_hash(session: Session, digest: bytes) -> Terms:
    """Return terms in clear by hash."""
    return terms_by_hash(session, digest)
