"""Own core book against own posted records: any day, without the counterparty.

Only days the book covers are compared, so that a book of one day does not miss all others.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.books import Book
from node.services.proofs.views import AuditResult, AuditRow
from node.tables import PostedEntry
from reconcile.commitment.records import decode_record
from reconcile.currency import amount_words
from reconcile.model import BreakKind, Entry, Side, day_iso

# What a later version may change without being another entry; the version itself is ours.
COMPARED: Final = tuple(name for name in Entry.__struct_fields__ if name != "version")
MAX_SHOWN: Final = 120


def audit_book(session: Session, agreement: bytes, side: Side, book: Book) -> AuditResult:
    """Compare a book with the valid records of a side over the days the book covers."""
    days = [entry.booking_date for entry in book.entries]
    if not days:
        return AuditResult(0, None, None, ())
    first, last = min(days), max(days)
    posted = _posted(session, agreement, side, first, last)
    known = {entry.entry_ref: index for index, entry in enumerate(book.entries)}
    rows: list[AuditRow] = []
    for ref, index in sorted(known.items()):
        line = book.lines[index] if index < len(book.lines) else None
        stands = posted.get(ref) or _anywhere(session, agreement, side, ref)
        if stands is None:
            entry = book.entries[index]
            rows.append(AuditRow(BreakKind.BOOK_ONLY, ref, None, _amount(entry), None, line))
        else:
            rows += _differences(book.entries[index], stands, line)
    rows += [
        AuditRow(BreakKind.LEDGER_ONLY, ref, None, None, _amount(entry), None)
        for ref, entry in sorted(posted.items())
        if ref not in known
    ]
    return AuditResult(len(known), day_iso(first), day_iso(last), tuple(rows))


def _posted(
    session: Session, agreement: bytes, side: Side, first: int, last: int
) -> Mapping[str, Entry]:
    rows = session.execute(
        select(PostedEntry.record).where(
            PostedEntry.agreement == agreement,
            PostedEntry.side == int(side),
            PostedEntry.latest.is_(True),
            PostedEntry.booking_date >= first,
            PostedEntry.booking_date <= last,
        )
    ).scalars()
    return {entry.entry_ref: entry for entry in map(_entry, rows)}


def _anywhere(session: Session, agreement: bytes, side: Side, ref: str) -> Entry | None:
    """Return an entry posted under another day than the book names."""
    record = session.execute(
        select(PostedEntry.record).where(
            PostedEntry.agreement == agreement,
            PostedEntry.side == int(side),
            PostedEntry.latest.is_(True),
            PostedEntry.entry_ref == ref,
        )
    ).scalar_one_or_none()
    return None if record is None else _entry(record)


def _entry(record: bytes) -> Entry:
    entry = decode_record(record)
    assert isinstance(entry, Entry), "the entries table holds entries"
    return entry


def _differences(book: Entry, ledger: Entry, line: int | None) -> list[AuditRow]:
    return [
        AuditRow(
            BreakKind.COMMITMENT,
            book.entry_ref,
            name,
            _word(getattr(book, name)),
            _word(getattr(ledger, name)),
            line,
        )
        for name in COMPARED
        if getattr(book, name) != getattr(ledger, name)
    ]


def _word(value: object) -> str:
    """Return a field as a person reads it: a status or direction by its name."""
    return (value.name if isinstance(value, Enum) else str(value))[:MAX_SHOWN]


def _amount(entry: Entry) -> str:
    return f"{entry.direction.name} {amount_words(entry.amount_minor, entry.currency)}"
