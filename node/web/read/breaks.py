"""Breaks, groups and proposals of runs, in pages; one break with all that is known of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from node.errors import NotFound
from node.runs import groups_from, groups_numbered, went_beginning, where_went
from node.tables import MatchRun, PostedEntry, RunBreak, RunProposal
from node.web.read.ageing import Bucket
from node.web.read.cursor import decode_cursor, encode_cursor
from node.web.read.entries import IN_LIMIT, entries_by_ref
from reconcile.model import BreakKind, Entry, Side

PAGE: Final = 50
SORTS: Final = ("order", "amount", "age")
MIN_KEY_HEX: Final = 8
SEARCH_LIMIT: Final = 200
# Entries of one amount that are looked at: a round amount may stand in every window there was.
SEARCH_REFS: Final = 5_000
Query = Select[RunBreak, MatchRun]


@dataclass(frozen=True, slots=True)
class BreakView:
    """One break of a run; `signed` per currency, servicer's sum minus owner's."""

    agreement: bytes
    window: int
    run_id: int
    proof: bool
    number: int
    key: bytes
    kind: BreakKind
    servicer: tuple[str, ...]
    owner: tuple[str, ...]
    signed: tuple[tuple[str, int], ...]
    age_days: int
    marks: tuple[str, ...]
    also: tuple[BreakKind, ...]
    proposals: tuple[bytes, ...]

    @property
    def short(self) -> str:
        """Return the beginning of the key as it stands in addresses of pages."""
        return self.key.hex()[:16]


@dataclass(frozen=True, slots=True)
class BreakPage:
    """A page of breaks with the entries they name, per side and ref."""

    rows: tuple[BreakView, ...]
    entries: tuple[dict[str, Entry], dict[str, Entry]]
    more: str | None


@dataclass(frozen=True, slots=True)
class GroupView:
    """One confirmed group."""

    number: int
    pass_name: str
    servicer: tuple[str, ...]
    owner: tuple[str, ...]
    currency: str
    residual_minor: int


@dataclass(frozen=True, slots=True)
class GroupPage:
    """A page of groups with the entries they name, per side and ref."""

    rows: tuple[GroupView, ...]
    entries: tuple[dict[str, Entry], dict[str, Entry]]
    more: str | None


@dataclass(frozen=True, slots=True)
class ProposalView:
    """Candidates nobody confirmed."""

    key: bytes
    pass_name: str
    servicer: tuple[str, ...]
    owner: tuple[str, ...]
    servicer_count: int
    owner_count: int
    reason: str

    @property
    def whole(self) -> bool:
        """Say whether all of its entries are here: of many, a run keeps the first alone."""
        shown = (len(self.servicer), len(self.owner))
        return shown == (self.servicer_count, self.owner_count)


def latest_runs(session: Session, agreements: Sequence[bytes]) -> dict[bytes, int]:
    """Return per agreement the id of the run that shows its open breaks: the newest window's."""
    found: dict[bytes, int] = {}
    for run in session.execute(
        select(MatchRun.agreement, MatchRun.id)
        .where(MatchRun.agreement.in_(agreements))
        .order_by(MatchRun.window, MatchRun.kind.desc()),
    ):
        found[run.agreement] = run.id
    return found


def list_breaks(
    session: Session,
    run_ids: Sequence[int],
    *,
    kind: BreakKind | None = None,
    age: Bucket | None = None,
    sort: str = "order",
    after: str | None = None,
    limit: int = PAGE,
) -> BreakPage:
    """Return a page of the runs' breaks; `sort` is order, amount (largest) or age (oldest)."""
    query: Query = select(RunBreak, MatchRun).join(MatchRun, MatchRun.id == RunBreak.run_id)
    query = query.where(RunBreak.run_id.in_(run_ids))
    if kind is not None:
        query = query.where(RunBreak.kind == kind.value)
    if age is not None:
        query = query.where(RunBreak.age_days >= age.first)
        if age.last is not None:
            query = query.where(RunBreak.age_days <= age.last)
    query = _ordered(query, sort, after).limit(limit + 1)
    rows = session.execute(query).all()
    shown = tuple(_view(found, run) for found, run in rows[:limit])
    more = _cursor(rows[limit - 1][0], sort) if len(rows) > limit else None
    return BreakPage(shown, _entries_of(session, shown), more)


def _ordered(query: Query, sort: str, after: str | None) -> Query:
    start = decode_cursor(after, (int, int, int))
    column = {"amount": RunBreak.sort_minor, "age": RunBreak.age_days}.get(sort)
    if column is None:
        if start is not None:
            _, run_id, number = (int(part) for part in start)
            query = query.where(
                (RunBreak.run_id > run_id)
                | ((RunBreak.run_id == run_id) & (RunBreak.number > number)),
            )
        return query.order_by(RunBreak.run_id, RunBreak.number)
    if start is not None:
        value, run_id, number = (int(part) for part in start)
        later = (RunBreak.run_id > run_id) | (
            (RunBreak.run_id == run_id) & (RunBreak.number > number)
        )
        query = query.where((column < value) | ((column == value) & later))
    return query.order_by(column.desc(), RunBreak.run_id, RunBreak.number)


def _cursor(row: RunBreak, sort: str) -> str:
    value = {"amount": row.sort_minor, "age": row.age_days}.get(sort, 0)
    return encode_cursor(value, row.run_id, row.number)


def _view(row: RunBreak, run: MatchRun) -> BreakView:
    return BreakView(
        agreement=run.agreement,
        window=run.window,
        run_id=run.id,
        proof=run.kind == "PROOF",
        number=row.number,
        key=row.break_key,
        kind=BreakKind(row.kind),
        servicer=tuple(row.servicer),
        owner=tuple(row.owner),
        signed=tuple((str(currency), int(minor)) for currency, minor in row.signed),
        age_days=row.age_days,
        marks=tuple(row.marks),
        also=tuple(BreakKind(kind) for kind in row.also),
        proposals=tuple(bytes.fromhex(key.removeprefix("0x")) for key in row.proposals),
    )


def _entries_of(
    session: Session,
    rows: Sequence[BreakView],
) -> tuple[dict[str, Entry], dict[str, Entry]]:
    found: tuple[dict[str, Entry], dict[str, Entry]] = ({}, {})
    for agreement in {row.agreement for row in rows}:
        mine = [row for row in rows if row.agreement == agreement]
        refs = ([r for b in mine for r in b.servicer], [r for b in mine for r in b.owner])
        for side in Side:
            part = entries_by_ref(session, agreement, side, refs[side][: IN_LIMIT * 2])
            found[side].update(part)
    return found


def find_break(session: Session, agreement: bytes, key_hex: str) -> BreakView:
    """Return a break by its key or the key's beginning, from the newest run that has it.

    Raises NotFound BREAK_UNKNOWN, also for a beginning that is too short or ambiguous.
    """
    text = key_hex.lower()
    bad = len(text) < MIN_KEY_HEX or len(text) % 2 or not set(text) <= set("0123456789abcdef")
    if not bad:
        low = bytes.fromhex(text).ljust(32, b"\x00")
        high = bytes.fromhex(text).ljust(32, b"\xff")
        rows = session.execute(
            select(RunBreak, MatchRun)
            .join(MatchRun, MatchRun.id == RunBreak.run_id)
            .where(
                RunBreak.break_key >= low,
                RunBreak.break_key <= high,
                MatchRun.agreement == agreement,
            )
            .order_by(MatchRun.window.desc(), MatchRun.kind.desc())
            .limit(20),
        ).all()
        newest = [row for row in rows if row[1].window == rows[0][1].window]
        if newest and len({found.break_key for found, _ in newest}) == 1:
            # PROOF sorts after PROVISIONAL and is what both sides sign.
            proofs = [row for row in newest if row[1].kind == "PROOF"]
            return _view(*(proofs or newest)[0])
    raise NotFound(
        "BREAK_UNKNOWN",
        f"no break of this agreement has the key {key_hex[:16]}…",
        help="it may have been settled by a later run; see the window's list of breaks",
    )


def proposals_of(session: Session, row: BreakView) -> tuple[ProposalView, ...]:
    """Return the proposals a break names."""
    if not row.proposals:
        return ()
    found = session.scalars(
        select(RunProposal).where(
            RunProposal.run_id == row.run_id,
            RunProposal.proposal_key.in_(row.proposals),
        ),
    )
    return tuple(
        ProposalView(
            item.proposal_key,
            item.pass_name,
            tuple(item.servicer),
            tuple(item.owner),
            item.servicer_count,
            item.owner_count,
            item.reason,
        )
        for item in found
    )


def list_groups(
    session: Session,
    agreement: bytes,
    run_id: int,
    *,
    search: str = "",
    after: str | None = None,
    limit: int = PAGE,
) -> GroupPage:
    """Return a page of a run's groups; `search` is the beginning of a ref, or an amount."""
    start = decode_cursor(after, (int,))
    first = 0 if start is None else int(start[0]) + 1
    if search.strip():
        numbers = _search(session, agreement, run_id, search.strip())
        found = groups_numbered(session, run_id, (item for item in numbers if item >= first))
    else:
        found = list(islice(groups_from(session, run_id, first), limit + 1))
    shown = tuple(
        GroupView(
            number,
            group.pass_name,
            group.servicer,
            group.owner,
            group.currency,
            group.residual_minor,
        )
        for number, group in found[:limit]
    )
    entries = (
        entries_by_ref(session, agreement, Side.SERVICER, [r for g in shown for r in g.servicer]),
        entries_by_ref(session, agreement, Side.OWNER, [r for g in shown for r in g.owner]),
    )
    more = encode_cursor(shown[-1].number) if len(found) > limit else None
    return GroupPage(shown, entries, more)


def _search(session: Session, agreement: bytes, run_id: int, text: str) -> list[int]:
    """Return the numbers of groups that hold a ref beginning with `text` or this amount."""
    numbers = {
        item.group
        for side in Side
        for item in went_beginning(session, run_id, side, text, limit=SEARCH_LIMIT)
    }
    digits = text.replace(",", "").replace("\u00a0", "")
    whole, _, part = digits.partition(".")
    if whole.isdecimal() and (not part or part.isdecimal()):
        # The amount is typed in major units; how many digits is the currency's affair.
        minors = {int(whole + part)} if part else {int(whole) * 10**d for d in (0, 2, 3)}
        numbers |= _of_amount(session, agreement, run_id, [m for m in minors if m < 2**63])
    return sorted(number for number in numbers if number is not None)


def _of_amount(
    session: Session, agreement: bytes, run_id: int, minors: Sequence[int]
) -> set[int | None]:
    """Return the numbers of groups that hold an entry of one of these amounts, newest first."""
    numbers: set[int | None] = set()
    for side in Side:
        refs = session.scalars(
            select(PostedEntry.entry_ref)
            .where(
                PostedEntry.agreement == agreement,
                PostedEntry.side == int(side),
                PostedEntry.amount_minor.in_(minors),
            )
            .order_by(PostedEntry.seq.desc())
            .limit(SEARCH_REFS),
        )
        went = where_went(session, run_id, side, refs)
        numbers |= {item.group for item in list(went.values())[:SEARCH_LIMIT]}
    return numbers
