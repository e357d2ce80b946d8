"""Which `entry_ref` an entry gets (matching.md, "Statements").

A reference the source gives is used where it is unique; otherwise
entry_ref = SHA-256("kanhe/entry/1" | account, dates, direction, amount, currency, references,
remittance, party, running balance) in hex, "-", and the occurrence within that day from 1.
File, line and import time never enter, so a longer file of the same day gives the same refs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Final

import msgspec

from reconcile.model import MAX_REF_LENGTH, BalanceBasis, Contradiction, day_iso
from reconcile.statements.drafts import Draft, StatementDraft

MIN_SOURCE_REF: Final = 6
"""Shorter ones ("1", "001") number the lines of a statement and come again every day."""

_encode = msgspec.msgpack.Encoder().encode


class RefMaker:
    """Gives refs to all entries of a file; occurrences are counted across its statements."""

    def __init__(self, drafts: Iterable[Draft]) -> None:
        """Take every draft of the file, to know which source references are unique."""
        self._uses = Counter(d.source_ref for d in drafts if d.source_ref and not d.named)
        self._occurrences: Counter[str] = Counter()

    def ref_of(self, account: str, draft: Draft) -> str:
        """Return the `entry_ref`; call it once per entry, in file order."""
        given = draft.source_ref
        if given is not None and (
            draft.named
            or (self._uses[given] == 1 and MIN_SOURCE_REF <= len(given) <= MAX_REF_LENGTH)
        ):
            return given
        digest = content_hash(account, draft)
        self._occurrences[digest] += 1
        return f"{digest}-{self._occurrences[digest]}"


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


def list_overlaps(statements: Sequence[StatementDraft]) -> None:
    """List days that two statements of one account share, where no balances chain them.

    Two pages of a day that follow each other by their balances may hold equal lines. Without
    stated balances an equal line may be the same one reported twice, as in an interim report
    beside the day's statement.
    """
    seen: dict[tuple[str, str | None], dict[str, int]] = {}
    for statement in statements if len(statements) > 1 else ():
        known = seen.setdefault((statement.account, statement.currency), {})
        digests = {
            content_hash(statement.account, draft): draft
            for draft in statement.entries
            if draft.running_minor is None
        }
        twice = {
            draft.booking_date: draft.line
            for digest, draft in digests.items()
            if digest in known and not _chained(statement)
        }
        for day, line in sorted(twice.items()):
            statement.findings.add(
                "PART_DAY_OVERLAP",
                f"{day_iso(day)} stands in two statements of this account",
                line=line,
                field="booking_date",
                expected="each day once, or balances that follow each other",
            )
        known |= {digest: draft.booking_date for digest, draft in digests.items()}


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
