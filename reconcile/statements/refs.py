"""Which `entry_ref` an entry gets (matching.md, "Statements").

A reference the source gives is used where it is unique; otherwise
entry_ref = SHA-256("kanhe/entry/1" | account, dates, direction, amount, currency, references,
remittance, party, running balance) in hex, "-", and the occurrence within that day from 1.
File, line and import time never enter, so a longer file of the same day gives the same refs.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Final

import msgspec

from reconcile.model import MAX_REF_LENGTH, BalanceBasis, Contradiction, day_iso
from reconcile.statements.drafts import Draft, StatementDraft
from reconcile.statements.survey import Survey

MIN_SOURCE_REF: Final = 6
"""Shorter ones ("1", "001") number the lines of a statement and come again every day."""

COLUMN_FROM: Final = 200_000
"""From so many references on, a column finds the repeated ones faster than a dictionary."""

_encode = msgspec.msgpack.Encoder().encode


class RefMaker:
    """Gives an entry its ref, as if no equal line came before it in the file."""

    def __init__(self, doubled: frozenset[str]) -> None:
        """Take the source references that stand more than once in the file."""
        self._doubled = doubled

    def ref_of(self, account: str, draft: Draft) -> tuple[str, bool]:
        """Return the `entry_ref`, and whether it is a hash whose occurrence is still to count."""
        given = draft.source_ref
        if given is not None and (
            draft.named
            or (MIN_SOURCE_REF <= len(given) <= MAX_REF_LENGTH and given not in self._doubled)
        ):
            return given, False
        return f"{content_hash(account, draft)}-1", True


def doubled_refs(hashes: Iterable[array[int]], drafts: Iterable[Iterable[Draft]]) -> frozenset[str]:
    """Return the source references that more than one entry has.

    `hashes` of all of them tell whether any may; only then the entries are looked at again.
    """
    again = repeated(hashes)
    if not again:
        return frozenset()
    uses = Counter(
        one.source_ref
        for some in drafts
        for one in some
        if one.source_ref and not one.named and hash(one.source_ref) in again
    )
    return frozenset(ref for ref, count in uses.items() if count > 1 and ref is not None)


def repeated(hashes: Iterable[array[int]]) -> frozenset[int]:
    """Return the numbers that stand more than once, in eight bytes a number."""
    whole = array("q")
    for one in hashes:
        whole.extend(one)
    if len(whole) < COLUMN_FROM:
        return frozenset(one for one, count in Counter(whole).items() if count > 1)
    import pyarrow as pa
    import pyarrow.compute as pc

    column = pa.Array.from_buffers(pa.int64(), len(whole), [None, pa.py_buffer(whole)])
    ordered = column.take(pc.array_sort_indices(column))
    again = pc.equal(ordered.slice(1), ordered.slice(0, len(ordered) - 1))
    return frozenset(ordered.slice(1).filter(again).to_pylist())


def content_hash(account: str, draft: Draft) -> str:
    """Return the hex SHA-256 of what makes two lines of an account the same."""
    content = (
        "kanhe/entry/1",
        account,
        draft.booking_date,
        draft.value_date,
        draft.settlement_date,
        int(draft.direction),
        draft.amount_minor,
        draft.currency,
        draft.references,
        draft.remittance,
        draft.counterparty_name,
        draft.counterparty_account,
        draft.running_minor,
    )
    return sha256(_encode(content)).hexdigest()


def list_overlaps(statements: Sequence[tuple[StatementDraft, Survey]]) -> None:
    """List days that two statements of one account share, where no balances chain them.

    Two pages of a day that follow each other by their balances may hold equal lines. Without
    stated balances an equal line may be the same one reported twice, as in an interim report
    beside the day's statement.
    """
    accounts: dict[tuple[str, str | None], list[tuple[StatementDraft, Survey]]] = {}
    for statement, survey in statements:
        accounts.setdefault((statement.account, statement.currency), []).append((statement, survey))
    for parts in accounts.values():
        days = Counter(day for _, survey in parts for day in survey.days)
        shared = frozenset(day for day, count in days.items() if count > 1)
        if shared and not all(_chained(statement) for statement, _ in parts[1:]):
            _list_shared(parts, shared)


def _list_shared(parts: Sequence[tuple[StatementDraft, Survey]], shared: frozenset[int]) -> None:
    known: set[bytes] = set()
    for statement, survey in parts:
        if not shared & survey.days:
            continue
        digests: dict[bytes, tuple[int, int]] = {}
        for draft in statement.entries:
            if draft.running_minor is None and draft.booking_date in shared:
                digest = bytes.fromhex(content_hash(statement.account, draft))
                digests[digest] = (draft.booking_date, draft.line)
        twice: dict[int, int] = {}
        if not _chained(statement):
            twice = {day: line for digest, (day, line) in digests.items() if digest in known}
        for day, line in sorted(twice.items()):
            statement.findings.add(
                "PART_DAY_OVERLAP",
                f"{day_iso(day)} stands in two statements of this account",
                line=line,
                field="booking_date",
                expected="each day once, or balances that follow each other",
            )
        known |= digests.keys()


def _chained(statement: StatementDraft) -> bool:
    return statement.opening is not None and statement.opening.basis is not BalanceBasis.DERIVED


def part_day_overlaps(
    known: Iterable[tuple[int, str]],
    given: Iterable[tuple[int, str]],
) -> tuple[Contradiction, ...]:
    """Judge a later file of the same account against what earlier files gave.

    Both sides are (booking day, entry_ref) of entries whose refs are content hashes without a
    running balance. A day may grow (all known refs come again) or come again in part; a day of
    which only some known refs come, beside new ones, cannot be told from equal lines and is
    refused with the day named.
    """
    known_days, given_days = _by_day(known), _by_day(given)
    found = []
    for day in sorted(known_days.keys() & given_days.keys()):
        before, now = known_days[day], given_days[day]
        if before & now and before - now and now - before:
            found.append(
                Contradiction(
                    "PART_DAY_OVERLAP",
                    f"{day_iso(day)} overlaps in part with entries imported before",
                    field="booking_date",
                    expected="the whole day, or running balances",
                    found=f"{len(before & now)} known and {len(now - before)} new entries",
                ),
            )
    return tuple(found)


def _by_day(pairs: Iterable[tuple[int, str]]) -> dict[int, set[str]]:
    days: dict[int, set[str]] = {}
    for day, ref in pairs:
        days.setdefault(day, set()).add(ref)
    return days
