"""Entries whose ref stands more than once in a file: equal lines are counted, others listed.

Only the rows whose ref may be repeated are looked at, so a file of a million different entries
costs nothing here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from reconcile.model import Entry
from reconcile.statements.drafts import Findings, StatementDraft

CONTENT_REF: Final = re.compile(r"[0-9a-f]{64}-[1-9][0-9]*")


@dataclass(slots=True)
class _Kept:
    """What an (entry_ref, version) already stands for in this file."""

    entry: Entry
    line: int


@dataclass(slots=True)
class _Book:
    """Refs that were met among the rows that may be repeated."""

    kept: dict[tuple[str, int], _Kept] = field(default_factory=dict)
    occurrences: Counter[str] = field(default_factory=Counter)
    renamed: dict[int, str] = field(default_factory=dict)
    dropped: set[int] = field(default_factory=set)


def resolve(
    statements: Sequence[StatementDraft],
    built: Sequence[Iterable[tuple[Entry, int, bool]]],
    again: frozenset[int],
) -> tuple[dict[int, str], frozenset[int]]:
    """Return the refs of later equal lines by row, and the rows that count no second time.

    `again`: hashes of refs that may stand more than once.
    """
    if not again:
        return {}, frozenset()
    book = _Book()
    index = 0
    given: dict[str, _Kept] = {}
    for statement, rows in zip(statements, built, strict=True):
        for entry, line, hashed in rows:
            if not hashed and CONTENT_REF.fullmatch(entry.entry_ref):
                given.setdefault(entry.entry_ref, _Kept(entry, line))
            if _hash(entry) in again:
                _take(book, statement.findings, index, entry, line, hashed=hashed)
            index += 1
    taken = {ref: row for row, ref in book.renamed.items() if ref in given}
    for ref, row in taken.items():
        first = given[ref]
        findings = statements[0].findings
        _list_repeat(findings, first, replace_ref(first.entry, ref), first.line, same=False)
        book.dropped.add(row)
    return book.renamed, frozenset(book.dropped)


def _hash(entry: Entry) -> int:
    return hash((entry.entry_ref, entry.version)) if entry.version else hash(entry.entry_ref)


def _take(
    book: _Book, findings: Findings, index: int, entry: Entry, line: int, *, hashed: bool
) -> None:
    if hashed:
        digest = entry.entry_ref.removesuffix("-1")
        book.occurrences[digest] += 1
        count = book.occurrences[digest]
        if count > 1:
            book.renamed[index] = f"{digest}-{count}"
            entry = replace_ref(entry, book.renamed[index])
    before = book.kept.setdefault((entry.entry_ref, entry.version), _Kept(entry, line))
    if before.entry is not entry:
        _list_repeat(findings, before, entry, line, same=before.entry == entry)
        book.dropped.add(index)


def replace_ref(entry: Entry, ref: str) -> Entry:
    """Return the entry under another ref."""
    return msgspec.structs.replace(entry, entry_ref=ref)


def _list_repeat(findings: Findings, before: _Kept, entry: Entry, line: int, *, same: bool) -> None:
    findings.add(
        "DUPLICATE_ENTRY" if same else "DUPLICATE_REF",
        "the entry stands in the file twice; it is counted once"
        if same
        else "one entry_ref and version with two different contents; the first is kept",
        line=line,
        field="entry_ref",
        expected=f"as in line {before.line}, or another entry_ref",
        found=entry.entry_ref,
    )
