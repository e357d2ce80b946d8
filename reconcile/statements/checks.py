"""Checks every format shares: a statement must agree with its own totals.

TOTALS           opening balance + moving entries = closing balance
CONTINUITY       a statement opens with the closing balance of the one before it
RUNNING_BALANCE  each line's balance = the balance before it + the line
CURRENCY_MISMATCH, STATEMENT_REPEATED
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from reconcile.currency import NO_CURRENCY, digits_of
from reconcile.model import MOVING_STATUSES, Balance, BalanceBasis
from reconcile.statements.drafts import Draft, StatementDraft
from reconcile.statements.money import decimal_text


def moving_sum(entries: Sequence[Draft], currency: str | None) -> int:
    """Return the signed sum of the balance-moving entries in one currency."""
    return sum(
        d.amount_minor * d.direction.sign
        for d in entries
        if d.status in MOVING_STATUSES and d.currency == currency
    )


def check_currency(statement: StatementDraft) -> None:
    """List every entry that is not in the statement's currency."""
    for draft in statement.entries:
        if draft.currency != statement.currency:
            statement.findings.add(
                "CURRENCY_MISMATCH",
                "an entry is not in its account's currency",
                line=draft.line,
                field="currency",
                expected=statement.currency,
                found=draft.currency,
            )


def check_totals(statement: StatementDraft) -> None:
    """List a closing balance that opening and entries do not give; derive a missing one."""
    opening, closing = statement.opening, statement.closing
    if opening is None or not statement.check_totals:
        if closing is not None and statement.check_totals:
            signed = closing.signed_minor - moving_sum(statement.entries, statement.currency)
            day = min((d.booking_date for d in statement.entries), default=closing.date)
            statement.opening = Balance.of_signed(signed, day, BalanceBasis.DERIVED)
        return
    due = opening.signed_minor + moving_sum(statement.entries, statement.currency)
    if closing is None:
        day = max((d.booking_date for d in statement.entries), default=opening.date)
        statement.closing = Balance.of_signed(due, day, BalanceBasis.DERIVED)
    elif closing.signed_minor != due:
        statement.findings.add(
            "TOTALS",
            "opening balance + entries is not the closing balance",
            line=statement.end_line,
            field="closing_balance",
            expected=money(due, statement.currency),
            found=money(closing.signed_minor, statement.currency),
        )


def check_continuity(statements: Sequence[StatementDraft]) -> None:
    """List every statement that does not begin where the one before it ended."""
    last: dict[tuple[str, str | None], StatementDraft] = {}
    for statement in statements:
        key = (statement.account, statement.currency)
        before = last.get(key)
        last[key] = statement
        if before is None or before.closing is None or statement.opening is None:
            continue
        if BalanceBasis.DERIVED in {before.closing.basis, statement.opening.basis}:
            continue
        if before.closing.signed_minor != statement.opening.signed_minor:
            statement.findings.add(
                "CONTINUITY",
                "the opening balance is not the closing balance of the statement before it",
                line=statement.line,
                field="opening_balance",
                expected=money(before.closing.signed_minor, statement.currency),
                found=money(statement.opening.signed_minor, statement.currency),
            )


def drop_repeated(statements: list[StatementDraft]) -> list[StatementDraft]:
    """Keep one of statements that are equal in all but their lines, and list the others."""
    if len(statements) == 1:
        return statements
    kept: list[StatementDraft] = []
    seen: dict[tuple[object, ...], StatementDraft] = {}
    for statement in statements:
        key = _identity(statement)
        if key not in seen or not statement.entries:
            seen.setdefault(key, statement)
            kept.append(statement)
            continue
        seen[key].findings.add(
            "STATEMENT_REPEATED",
            "the same statement stands in the file twice; it is counted once",
            line=statement.line,
            field="statement_ref",
            expected="each statement once",
            found=statement.statement_ref,
        )
    return kept


def _identity(statement: StatementDraft) -> tuple[object, ...]:
    content = tuple(
        (d.booking_date, d.value_date, d.direction, d.amount_minor, d.references, d.remittance)
        for d in statement.entries
    )
    return (
        statement.account,
        statement.statement_ref,
        statement.currency,
        statement.opening,
        statement.closing,
        content,
    )


def check_running(statement: StatementDraft) -> None:
    """Check running balances oldest first or newest first, whichever fits more lines.

    Where the source states no balances, the running ones give opening and closing.
    """
    rows = [d for d in statement.entries if d.running_minor is not None]
    if not rows or len(rows) != len(statement.entries):
        return
    oldest_first = _steps_that_fit(rows)
    newest_first = _steps_that_fit(rows[::-1])
    days_fall = rows[0].booking_date > rows[-1].booking_date
    if newest_first > oldest_first or (newest_first == oldest_first and days_fall):
        rows.reverse()
    # Once a line misfits, the sum of all lines says nothing new.
    statement.check_totals = _list_misfits(statement, rows) == 0 or statement.opening is not None
    first, last = rows[0], rows[-1]
    if statement.opening is None:
        before = _running(first) - _moved(first)
        day = first.booking_date
        statement.opening = Balance.of_signed(before, day, BalanceBasis.RUNNING)
    if statement.closing is None:
        day = last.booking_date
        statement.closing = Balance.of_signed(_running(last), day, BalanceBasis.RUNNING)


def _list_misfits(statement: StatementDraft, rows: Sequence[Draft]) -> int:
    before = statement.findings.count
    balance = _running(rows[0])
    for draft in rows[1:]:
        balance += _moved(draft)
        if balance != _running(draft):
            statement.findings.add(
                "RUNNING_BALANCE",
                "the balance beside this line does not follow from the line before it",
                line=draft.line,
                field="balance",
                expected=money(balance, statement.currency),
                found=money(_running(draft), statement.currency),
            )
            balance = _running(draft)
    return statement.findings.count - before


def _steps_that_fit(rows: Sequence[Draft]) -> int:
    return sum(
        _running(before) + _moved(after) == _running(after) for before, after in pairwise(rows)
    )


def _moved(draft: Draft) -> int:
    return draft.amount_minor * draft.direction.sign if draft.status in MOVING_STATUSES else 0


def _running(draft: Draft) -> int:
    assert draft.running_minor is not None
    return draft.running_minor


def money(signed_minor: int, currency: str | None) -> str:
    """Write an amount for a contradiction, e.g. "-12.30 EUR"."""
    code = currency or NO_CURRENCY
    return f"{decimal_text(signed_minor, digits_of(code) or 0)} {code}"
