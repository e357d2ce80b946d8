"""From a statement file to queued entries: all of it or nothing.

Checks come in a fixed order, so that one file has one answer: readable → account → the same file
again → currency → direction → refs (conflict, version, part-day overlap) → kept.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from node.agreements import Facts, terms_at
from node.books import Book, refuse_repeated
from node.services.posting.balances import keep_balances, stated_by_window
from node.services.posting.gaps import gaps_of, last_number, oddities_of
from node.services.posting.judging import HELD
from node.services.posting.mirrors import refuse_mirrored_import
from node.services.posting.queue import (
    Fresh,
    enqueue,
    lowest_open_window,
    sort_out,
    standing,
)
from node.services.posting.views import ImportResult
from node.tables import (
    ImportedFile,
    PartyName,
    PostedEntry,
    QueuedRecord,
)
from reconcile.model import (
    Contradiction,
    Entry,
    InputError,
    Side,
    StatementFile,
    Where,
    day_iso,
    window_day,
)
from reconcile.statements import StatementStream, part_day_overlaps
from reconcile.terms import Terms

CONTENT_REF: Final = re.compile(r"[0-9a-f]{64}-[0-9]+")
ACCOUNT_DIGITS: Final = 4
# Kept short of `MAX_AHEAD_DAYS` of the ledger, which would refuse the batch later and for good.
MAX_AHEAD_DAYS: Final = 15


@dataclass(frozen=True, slots=True)
class Source:
    """Where a book came from."""

    name: str
    sha256: bytes
    size_bytes: int
    format: str
    profile: str | None
    lenient: bool
    contradictions: tuple[Contradiction, ...]

    @staticmethod
    def of(file: StatementFile | StatementStream, path: Path, *, lenient: bool) -> Source:
        """Describe a file that was read."""
        return Source(
            name=path.name,
            sha256=bytes.fromhex(file.file_sha256),
            size_bytes=path.stat().st_size,
            format=file.format,
            profile=file.profile,
            lenient=lenient,
            contradictions=tuple(
                item for statement in file.statements for item in statement.contradictions
            ),
        )


def known_file(
    session: Session, agreement: bytes, side: Side, sha256: bytes
) -> ImportedFile | None:
    """Return the import of the very same bytes, if there was one."""
    return session.execute(
        select(ImportedFile).where(
            ImportedFile.agreement == agreement,
            ImportedFile.side == side,
            ImportedFile.file_sha256 == sha256,
        )
    ).scalar_one_or_none()


def take_book(
    session: Session,
    facts: Facts,
    side: Side,
    book: Book,
    source: Source,
    *,
    window: int | None,
    now_ms: int,
    perspective_named: bool = False,
) -> ImportResult:
    """Queue what a book holds and is not standing yet; the caller's transaction keeps it.

    `perspective_named`: a person said from which side the file is written. Raises `InputError`
    ACCOUNT_NOT_AGREED, ENTRY_CONFLICT, CURRENCY_NOT_AGREED, DIRECTION_MIRRORED, PART_DAY_OVERLAP,
    DATE_AHEAD and what `sort_out` raises.
    """
    terms = terms_at(session, facts.agreement, window)
    known = known_file(session, facts.agreement, side, source.sha256)
    if known is not None:
        return _known_again(session, known, source, book)
    _require_account(session, facts.agreement, side, book, source)
    refuse_repeated(book.entries, book.lines, source.name)
    _require_currencies(book, terms, source)
    if not perspective_named:
        refuse_mirrored_import(session, facts.agreement, side, book)
    windows, late = _windows(session, facts, side, book.entries, terms, window)
    _require_near(windows, now_ms, source)
    stands = standing(session, facts.agreement, side, (item.entry_ref for item in book.entries))
    fresh, already = sort_out(book.entries, stands, windows, file=source.name, lines=book.lines)
    _refuse_part_days(session, facts.agreement, side, book, source)
    warnings = gaps_of(session, facts.agreement, side, book, terms.currencies)
    warnings += oddities_of(session, facts.agreement, side, book)
    if late:
        warnings.append(f"{late} entries are late: their window is closed, the next takes them")
    file_id = _keep_file(session, facts.agreement, side, book, source, now_ms)
    enqueue(session, facts.agreement, side, fresh, file_id=file_id, lines=book.lines, now_ms=now_ms)
    keep_balances(session, facts.agreement, side, stated_by_window(book, windows), file_id=file_id)
    return ImportResult(
        file=source.name,
        file_sha256=source.sha256.hex(),
        known=False,
        format=source.format,
        profile=source.profile,
        queued=len(fresh),
        already=already,
        per_window=_per_window(fresh),
        contradictions=source.contradictions,
        warnings=tuple(warnings),
    )


def _known_again(session: Session, known: ImportedFile, source: Source, book: Book) -> ImportResult:
    held = session.scalar(
        select(func.count())
        .select_from(QueuedRecord)
        .where(QueuedRecord.file_id == known.id, QueuedRecord.state == HELD)
    )
    warnings = [f"the same file was imported before as {known.name}"]
    if held:
        warnings.append(f"{held} of its records are held: see `kanhe outbox list`")
    return ImportResult(
        file=source.name,
        file_sha256=source.sha256.hex(),
        known=True,
        format=known.format,
        profile=known.profile,
        queued=0,
        already=len(book.entries),
        per_window=(),
        warnings=tuple(warnings),
    )


def _per_window(fresh: Sequence[Fresh]) -> tuple[tuple[int, int], ...]:
    counts: dict[int, int] = {}
    for item in fresh:
        counts[item.window] = counts.get(item.window, 0) + 1
    return tuple(sorted(counts.items()))


def masked(account: str) -> str:
    """Return the last digits of an account, as screens show it."""
    tail = re.sub(r"[^0-9A-Za-z]", "", account)[-ACCOUNT_DIGITS:]
    return f"···{tail}" if tail else ""


def account_subject(agreement: bytes, side: Side) -> str:
    """Return the name under which a side's account of an agreement is kept."""
    return f"account/{agreement.hex()}/{side.word}"


def _require_account(
    session: Session, agreement: bytes, side: Side, book: Book, source: Source
) -> None:
    """Hold every file to the account of the first one (a file without an account passes)."""
    shown = masked(book.account)
    if not shown:
        return
    row = session.get(PartyName, account_subject(agreement, side))
    if row is None:
        session.add(
            PartyName(subject=account_subject(agreement, side), name=shown, account_masked=shown)
        )
    elif row.account_masked != shown:
        raise InputError(
            "ACCOUNT_NOT_AGREED",
            f"the file is of account {shown}, this side of the agreement keeps "
            f"{row.account_masked}",
            where=Where(file=source.name, field="account"),
            help="import it into the agreement over that account",
        )


def _require_currencies(book: Book, terms: Terms, source: Source) -> None:
    agreed = set(terms.currencies)
    for index, entry in enumerate(book.entries):
        if entry.currency not in agreed:
            raise InputError(
                "CURRENCY_NOT_AGREED",
                f"{entry.currency} is not a currency of this agreement "
                f"({', '.join(sorted(agreed))})",
                where=Where(source.name, book.lines[index] if book.lines else None, "currency"),
                help="agree new terms that name it, or import the right file",
            )
    for currency in (*book.opening, *book.closing):
        if currency not in agreed:
            raise InputError(
                "CURRENCY_NOT_AGREED",
                f"the balance is in {currency}, agreed are {', '.join(sorted(agreed))}",
                where=Where(file=source.name, field="currency"),
            )


def _windows(
    session: Session,
    facts: Facts,
    side: Side,
    entries: Sequence[Entry],
    terms: Terms,
    window: int | None,
) -> tuple[list[int], int]:
    """Return the window of each entry, and how many are late."""
    lowest = lowest_open_window(session, facts.agreement, side, terms)
    if window is not None:
        if window < lowest:
            raise InputError(
                "WINDOW_CLOSED",
                f"window {window} is closed on this side, the lowest open one is {lowest}",
                help="leave the window out: what is late goes to the next one",
            )
        return [window] * len(entries), 0
    natural = [terms.window_for(entry) for entry in entries]
    late = sum(1 for item in natural if item < lowest)
    return [max(item, lowest) for item in natural], late


def _require_near(windows: Sequence[int], now_ms: int, source: Source) -> None:
    today = now_ms // 86_400_000
    furthest = max(windows, default=0)
    if window_day(furthest) > today + MAX_AHEAD_DAYS:
        raise InputError(
            "DATE_AHEAD",
            f"an entry falls on {day_iso(window_day(furthest))}, more than {MAX_AHEAD_DAYS} days "
            "ahead",
            where=Where(file=source.name, field="booking_date"),
            help="check the date format of the file",
        )


def _refuse_part_days(
    session: Session, agreement: bytes, side: Side, book: Book, source: Source
) -> None:
    """Refuse a day that comes again in part where refs are content hashes."""
    given = [
        (entry.booking_date, entry.entry_ref)
        for entry in book.entries
        if CONTENT_REF.fullmatch(entry.entry_ref)
    ]
    days = sorted({day for day, _ in given})
    if not days:
        return
    known = _content_refs_of(session, agreement, side, days[0], days[-1])
    found = part_day_overlaps(known, given)
    if found:
        raise InputError(
            "PART_DAY_OVERLAP",
            found[0].message,
            where=Where(file=source.name, field="booking_date"),
            help="import files of whole days, or files with running balances",
            details=found,
        )


def _content_refs_of(
    session: Session, agreement: bytes, side: Side, first: int, last: int
) -> list[tuple[int, str]]:
    posted = session.execute(
        select(PostedEntry.booking_date, PostedEntry.entry_ref).where(
            PostedEntry.agreement == agreement,
            PostedEntry.side == side,
            PostedEntry.booking_date >= first,
            PostedEntry.booking_date <= last,
        )
    )
    found = {(day, ref) for day, ref in posted if CONTENT_REF.fullmatch(ref)}
    waiting = session.execute(
        select(QueuedRecord.entry_ref, QueuedRecord.record).where(
            QueuedRecord.agreement == agreement,
            QueuedRecord.side == side,
            QueuedRecord.state.in_(("QUEUED", "SEALED")),
            QueuedRecord.entry_ref.is_not(None),
        )
    )
    decode = msgspec.msgpack.Decoder(Entry).decode
    for ref, record in waiting:
        if ref is not None and CONTENT_REF.fullmatch(ref):
            day = decode(record).booking_date
            if first <= day <= last:
                found.add((day, ref))
    return sorted(found)


def _keep_file(
    session: Session,
    agreement: bytes,
    side: Side,
    book: Book,
    source: Source,
    now_ms: int,
) -> int:
    last = last_number(book)
    row = ImportedFile(
        agreement=agreement,
        side=int(side),
        file_sha256=source.sha256,
        name=source.name,
        size_bytes=source.size_bytes,
        format=source.format,
        profile=source.profile,
        lenient=source.lenient,
        provable=book.provable,
        entry_count=len(book.entries),
        statements=[
            {
                "account": masked(book.account),
                "currencies": sorted(book.opening),
                "last_number": None if last is None else msgspec.to_builtins(last),
            }
        ],
        contradictions=[msgspec.to_builtins(item) for item in source.contradictions],
        imported_at_ms=now_ms,
    )
    session.add(row)
    session.flush()
    return int(row.id)
