"""What is missing or odd between a file and those imported before it: named, never refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from node.books import Book
from node.tables import ImportedFile, StatedBalance
from reconcile.currency import amount_words
from reconcile.model import Side, StatementNumber, day_iso
from reconcile.numbering import missing_between
from reconcile.report import gap_words

MAX_NAMED: Final = 10
MAX_FILES_BACK: Final = 100


def gaps_of(
    session: Session, agreement: bytes, side: Side, book: Book, digits: Mapping[str, int]
) -> list[str]:
    """Name the gaps inside a book, and between it and what was stated before."""
    named = [f"gap: {gap_words(text, digits)}" for text in book.gaps[:MAX_NAMED]]
    for currency, opening in sorted(book.opening.items()):
        last = session.execute(
            select(StatedBalance)
            .where(
                StatedBalance.agreement == agreement,
                StatedBalance.side == side,
                StatedBalance.currency == currency,
                StatedBalance.which == "CLOSING",
                StatedBalance.date <= opening.date,
            )
            .order_by(StatedBalance.date.desc(), StatedBalance.id.desc())
            .limit(1)
        ).scalar_one_or_none()
        if last is not None and last.signed_minor != opening.signed_minor:
            named.append(
                f"gap: closed at {amount_words(last.signed_minor, currency, digits)} on "
                f"{day_iso(last.date)} and opens at "
                f"{amount_words(opening.signed_minor, currency, digits)} on "
                f"{day_iso(opening.date)}: a statement is missing or overlaps"
            )
    return named


def oddities_of(session: Session, agreement: bytes, side: Side, book: Book) -> list[str]:
    """Name what is odd inside a file, and statement numbers missing since the file before."""
    named = [item.says for item in book.remarks[:MAX_NAMED]]
    first = min(book.numbers, key=_numbered, default=None)
    if first is None:
        return named
    earlier = session.scalars(
        select(ImportedFile.statements)
        .where(ImportedFile.agreement == agreement, ImportedFile.side == side)
        .order_by(ImportedFile.id.desc())
        .limit(MAX_FILES_BACK)
    )
    known = [
        msgspec.convert(part["last_number"], StatementNumber)
        for parts in earlier
        for part in parts
        if part.get("last_number") is not None
    ]
    alike = [one for one in known if one.series == first.series]
    before = [one for one in alike if _numbered(one) < _numbered(first)]
    missing = missing_between(max(before, key=_numbered), first) if before else None
    return named if missing is None else [missing, *named]


def last_number(book: Book) -> StatementNumber | None:
    """Return the number of the last statement of a book, None where its source has none."""
    return max(book.numbers, key=_numbered, default=None)


def _numbered(one: StatementNumber) -> tuple[int, int, int]:
    return (one.day or 0, one.number, one.page or 0)
