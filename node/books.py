"""From a statement file to one side's book: choose the account, chain its statements.

Pure: used by `kanhe match` without a database and by posting before anything is queued.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from reconcile.counting import counted
from reconcile.model import (
    Balance,
    BalanceBasis,
    Contradiction,
    Entry,
    InputError,
    Remark,
    SideBook,
    Statement,
    StatementFile,
    StatementNumber,
    Where,
    day_iso,
)
from reconcile.statements import Settled, StatementStream, rows_of

MAX_ACCOUNTS_NAMED: Final = 8
MIRROR_FACTOR: Final = 4
MIRROR_MIN_PAIRS: Final = 3
EXCHANGE: Final = (
    "exchange IN and OUT in the file that is written from the wrong side: money INTO the owner's "
    "account is IN, and no perspective turns a file whose own words give the direction"
)
# (booking_date, currency, signed minor units) → how many rows.
Flows = Counter[tuple[int, str, int]]


@dataclass(frozen=True, slots=True)
class Book:
    """One account's statements in one: entries in file order with their source lines."""

    account: str
    entries: tuple[Entry, ...]
    lines: tuple[int, ...]
    opening: Mapping[str, Balance]
    closing: Mapping[str, Balance]
    gaps: tuple[str, ...]
    provable: bool
    contradictions: tuple[Contradiction, ...] = ()
    remarks: tuple[Remark, ...] = ()
    numbers: tuple[StatementNumber, ...] = ()
    turnable: bool = False

    def side_book(self) -> SideBook:
        """Return the book as a run's input, with no stream behind it."""
        return SideBook(
            entries=self.entries,
            opening=self.opening,
            closing=self.closing,
            gaps=self.gaps,
        )


def book_of(
    file: StatementFile | StatementStream, name: str, *, account: str | None = None
) -> Book:
    """Join the statements of one account; several accounts in a file need `account`.

    Raises `InputError` ACCOUNT_UNKNOWN, ACCOUNT_AMBIGUOUS or STATEMENT_EMPTY.
    """
    chosen = _of_account(file, name, account)
    opening, closing, gaps = chain_balances(chosen)
    provable = all(item.provable for item in chosen)
    if not provable:
        opening, closing = _unproven(opening), _unproven(closing)
    entries: list[Entry] = []
    lines: list[int] = []
    for item in chosen:
        for entry, line in rows_of(item):
            entries.append(entry)
            lines.append(line)
    return Book(
        account=chosen[0].account,
        entries=tuple(entries),
        lines=tuple(lines),
        opening=opening,
        closing=closing,
        gaps=gaps,
        provable=provable,
        # What concerns the whole file stands in each of its statements.
        contradictions=tuple(
            dict.fromkeys(found for item in chosen for found in item.contradictions)
        ),
        remarks=tuple(found for item in chosen for found in item.remarks),
        numbers=tuple(item.number for item in chosen if item.number is not None),
        turnable=file.turnable,
    )


def _unproven(balances: Mapping[str, Balance]) -> dict[str, Balance]:
    """Return what a contradictory file states as what it is worth: a DERIVED balance.

    It was read leniently, so a run over it reconciles the flow and proves no balance.
    """
    return {code: replace(item, basis=BalanceBasis.DERIVED) for code, item in balances.items()}


def _of_account(
    file: StatementFile | StatementStream, name: str, account: str | None
) -> Sequence[Statement | Settled]:
    if not file.statements:
        raise InputError("STATEMENT_EMPTY", "the file holds no statement", where=Where(file=name))
    accounts = sorted({item.account for item in file.statements})
    listed = ", ".join(accounts[:MAX_ACCOUNTS_NAMED])
    if account is not None:
        found = [item for item in file.statements if item.account == account]
        if not found:
            raise InputError(
                "ACCOUNT_UNKNOWN",
                f"the file has no statement of account {account!r}",
                where=Where(file=name, field="account"),
                help=f"it has: {listed}",
            )
        return found
    if len(accounts) > 1:
        raise InputError(
            "ACCOUNT_AMBIGUOUS",
            f"the file has statements of {len(accounts)} accounts, one is reconciled at a time",
            where=Where(file=name, field="account"),
            help=f"name one of: {listed}",
        )
    return file.statements


def chain_balances(
    statements: Sequence[Statement | Settled],
) -> tuple[dict[str, Balance], dict[str, Balance], tuple[str, ...]]:
    """Return per currency the first opening, the last closing, and every gap between, in words."""
    opening: dict[str, Balance] = {}
    closing: dict[str, Balance] = {}
    gaps: list[str] = []
    for item in sorted(statements, key=_statement_order):
        before = closing.get(item.currency)
        after = item.opening_balance
        if before is not None and after is not None and before.signed_minor != after.signed_minor:
            gaps.append(
                f"{item.currency}: closing {before.signed_minor} on {day_iso(before.date)}, next "
                f"opening {after.signed_minor} on {day_iso(after.date)} ({item.statement_ref})"
            )
        if after is not None:
            opening.setdefault(item.currency, after)
        if item.closing_balance is not None:
            closing[item.currency] = item.closing_balance
    return opening, closing, tuple(gaps)


def _statement_order(item: Statement | Settled) -> tuple[int, int]:
    """Order by day; within one the file's own order stands (sorting is stable)."""
    dated = item.opening_balance or item.closing_balance
    first = 0 if dated else min((entry.booking_date for entry, _ in rows_of(item)), default=0)
    day = dated.date if dated is not None else first
    closed = item.closing_balance.date if item.closing_balance is not None else day
    return (day, closed)


def refuse_repeated(entries: Iterable[Entry], lines: Sequence[int], name: str) -> None:
    """Refuse two different contents under one ref and version (`InputError` ENTRY_CONFLICT)."""
    seen: dict[tuple[str, int], Entry] = {}
    for index, entry in enumerate(entries):
        first = seen.setdefault((entry.entry_ref, entry.version), entry)
        if first != entry:
            raise InputError(
                "ENTRY_CONFLICT",
                f"entry {entry.entry_ref!r} version {entry.version} stands twice, unlike",
                where=Where(file=name, line=lines[index] if index < len(lines) else None),
                help="give the second one a ref of its own, or the next version",
            )


def refuse_mirrored(servicer: Book, owner: Book, *, advice: str) -> None:
    """Stop when far more rows pair with the opposite direction than with the same.

    Rows pair here by day, currency and amount alone; `advice` says what mends it. Raises
    `InputError` DIRECTION_MIRRORED.
    """
    refuse_mirrored_flows(flows_of(servicer.entries), flows_of(owner.entries), advice=advice)


def refuse_mirrored_flows(ours: Flows, theirs: Flows, *, advice: str) -> None:
    """Do the same for rows that were counted already."""
    same = sum((ours & theirs).values())
    opposite = sum((ours & _turned(theirs)).values())
    if opposite >= max(MIRROR_MIN_PAIRS, MIRROR_FACTOR * max(same, 1)):
        raise InputError(
            "DIRECTION_MIRRORED",
            f"{opposite} rows pair with the opposite direction and {same} with the same: "
            "one book is read from the wrong side",
            where=Where(field="direction"),
            help=advice,
        )


def remarks_on(servicer: Book, owner: Book, *, near: bool, advice: str) -> tuple[Remark, ...]:
    """Return remarks on two books of which nothing matched: UNRELATED, PERHAPS_MIRRORED.

    `near`: some break names entries of both. `advice` says what turns one book round.
    """
    if not servicer.entries or not owner.entries:
        return ()
    mine, theirs = flows_of(servicer.entries), flows_of(owner.entries)
    opposite = sum((mine & _turned(theirs)).values())
    unrelated = Remark(
        "UNRELATED",
        f"nothing of the servicer's {counted(len(servicer.entries), 'entry', 'entries')} "
        f"({_span(servicer)}) "
        f"belongs to the owner's {len(owner.entries):,} ({_span(owner)}): are these both books "
        "of one account, for the same days?",
    )
    found = [] if near else [unrelated]
    if opposite > sum((mine & theirs).values()):
        rows = "1 row pairs" if opposite == 1 else f"{opposite:,} rows pair"
        found.append(
            Remark(
                "PERHAPS_MIRRORED",
                f"{rows} with the opposite direction: one book may be read from the wrong side; "
                f"{advice}",
            )
        )
    return tuple(found)


def _span(book: Book) -> str:
    days = [entry.booking_date for entry in book.entries]
    return f"{day_iso(min(days))} to {day_iso(max(days))}"


def _turned(flows: Flows) -> Flows:
    return Counter({(day, code, -minor): count for (day, code, minor), count in flows.items()})


def flows_of(entries: Iterable[Entry]) -> Flows:
    """Count the rows that move a balance by day, currency and signed amount."""
    return Counter(
        (entry.booking_date, entry.currency, entry.signed_minor)
        for entry in entries
        if entry.moving and entry.amount_minor
    )
