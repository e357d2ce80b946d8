"""Checks every format shares: a statement must agree with its own totals.

TOTALS           opening balance + moving entries = closing balance
CONTINUITY       a statement opens with the closing balance of the one before it
LINE_ORDER       lines whose balances follow each other, but in another order
RUNNING_BALANCE  each line's balance = the balance before it + the line
CURRENCY_MISMATCH, STATEMENT_REPEATED
Remarked only: STATEMENT_NUMBER, a number that no statement has
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from reconcile.currency import NO_CURRENCY, digits_of
from reconcile.model import MOVING_STATUSES, Balance, BalanceBasis, StatementNumber
from reconcile.numbering import missing_between
from reconcile.statements.drafts import Draft, StatementDraft
from reconcile.statements.money import decimal_text
from reconcile.statements.survey import Misfit, Survey


def check_currency(statement: StatementDraft, survey: Survey) -> None:
    """List every entry that is not in the statement's currency."""
    for code, lines in survey.lines.items():
        if code == statement.currency:
            continue
        for line in lines:
            statement.findings.add(
                "CURRENCY_MISMATCH",
                "an entry is not in its account's currency",
                line=line,
                field="currency",
                expected=statement.currency,
                found=code,
            )
        statement.findings.count += survey.counts[code] - len(lines)


def check_totals(statement: StatementDraft, survey: Survey) -> None:
    """List a closing balance that opening and entries do not give; derive a missing one."""
    opening, closing = statement.opening, statement.closing
    moved = survey.moved.get(statement.currency or "", 0)
    if opening is None or not statement.check_totals:
        if closing is not None and statement.check_totals:
            signed = closing.signed_minor - moved
            day = min(survey.days, default=closing.date)
            statement.opening = Balance.of_signed(signed, day, BalanceBasis.DERIVED)
        return
    due = opening.signed_minor + moved
    if closing is None:
        day = max(survey.days, default=opening.date)
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


def check_numbers(statements: Sequence[StatementDraft]) -> None:
    """Remark on statement numbers that are missing between two statements, by their days."""
    last: dict[tuple[str, str | None, str], StatementNumber] = {}
    for statement in sorted((one for one in statements if one.number), key=_numbered):
        assert statement.number is not None, "only those with a number were kept"
        number = replace(statement.number, day=_last_day(statement) or None)
        statement.number = number
        key = (statement.account, statement.currency, number.series)
        before = last.get(key)
        last[key] = number
        missing = None if before is None else missing_between(before, number)
        if missing is not None:
            statement.remark("STATEMENT_NUMBER", missing, statement.line)


def _numbered(statement: StatementDraft) -> tuple[int, int, int]:
    """Order by day, number and page; what states no day stands in the file's order (stable)."""
    day, number = _last_day(statement), statement.number
    if not day or number is None:
        return (0, 0, 0)
    return (day, number.number, number.page or 0)


def _last_day(statement: StatementDraft) -> int:
    """Return the day of the last balance, 0 for none."""
    dated = statement.closing or statement.opening
    return 0 if dated is None else dated.date


def drop_repeated(
    statements: Sequence[tuple[StatementDraft, Survey]],
) -> list[tuple[StatementDraft, Survey]]:
    """Keep one of statements that are equal in all but their lines, and list the others."""
    kept: list[tuple[StatementDraft, Survey]] = []
    seen: dict[tuple[object, ...], list[StatementDraft]] = {}
    for statement, survey in statements:
        alike = seen.setdefault(_identity(statement, survey), [])
        first = next((one for one in alike if _same_content(one, statement)), None)
        if first is None or not len(statement.entries):
            alike.append(statement)
            kept.append((statement, survey))
            continue
        first.findings.add(
            "STATEMENT_REPEATED",
            "the same statement stands in the file twice; it is counted once",
            line=statement.line,
            field="statement_ref",
            expected="each statement once",
            found=statement.statement_ref,
        )
    return kept


def _identity(statement: StatementDraft, survey: Survey) -> tuple[object, ...]:
    return (
        statement.account,
        statement.statement_ref,
        statement.currency,
        statement.opening,
        statement.closing,
        survey.count,
        tuple(survey.moved.items()),
    )


def _same_content(one: StatementDraft, other: StatementDraft) -> bool:
    return all(
        _content(mine) == _content(theirs)
        for mine, theirs in zip(one.entries, other.entries, strict=True)
    )


def _content(d: Draft) -> tuple[object, ...]:
    return (d.booking_date, d.value_date, d.direction, d.amount_minor, d.references, d.remittance)


def check_running(statement: StatementDraft, survey: Survey) -> None:
    """Check running balances oldest first or newest first, whichever fits more lines.

    Where the source states no balances, the running ones give opening and closing.
    """
    seen = survey.running
    if seen.first is None or seen.last is None or seen.rows != survey.count:
        return
    first, last = seen.first, seen.last
    days_fall = first[2] > last[2]
    newest = seen.newest_fits > seen.oldest_fits or (
        seen.newest_fits == seen.oldest_fits and days_fall
    )
    if newest:
        first, last = last, first
    misfits = seen.newest if newest else seen.oldest
    if misfits and _follow_in_another_order(statement.entries):
        _list_disorder(statement, misfits[0])
        misfits = []
    for one in misfits:
        statement.findings.add(
            "RUNNING_BALANCE",
            "the balance beside this line does not follow from the line before it",
            line=one.line,
            field="balance",
            expected=money(one.due, statement.currency),
            found=money(one.found, statement.currency),
        )
    count = seen.newest_count if newest else seen.oldest_count
    if misfits:
        statement.findings.count += count - len(misfits)
    # Once a line misfits, the sum of all lines says nothing new.
    statement.check_totals = count == 0 or statement.opening is not None
    if statement.opening is None:
        before = first[0] - first[1]
        statement.opening = Balance.of_signed(before, first[2], BalanceBasis.RUNNING)
    if statement.closing is None:
        statement.closing = Balance.of_signed(last[0], last[2], BalanceBasis.RUNNING)


def _list_disorder(statement: StatementDraft, first: Misfit) -> None:
    statement.findings.add(
        "LINE_ORDER",
        "the lines are out of order: in another order each balance follows from the one before",
        line=first.line,
        field="balance",
        expected=money(first.due, statement.currency),
        found=money(first.found, statement.currency),
    )


def _follow_in_another_order(entries: Iterable[Draft]) -> bool:
    """Say whether some order of the lines lets every balance follow from the one before.

    A line leads from the balance before it to its own. All lines in one chain are a path that
    takes every edge of that graph once: it exists when the edges are connected, and at most one
    balance is left once more often than it is reached.
    """
    surplus: dict[int, int] = {}
    parent: dict[int, int] = {}

    def root(node: int) -> int:
        while parent.setdefault(node, node) != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for draft in entries:
        after = draft.running_minor or 0
        moves = draft.status in MOVING_STATUSES
        before = after - draft.amount_minor * draft.direction.sign * moves
        surplus[before] = surplus.get(before, 0) + 1
        surplus[after] = surplus.get(after, 0) - 1
        parent[root(before)] = root(after)
    odd = [count for count in surplus.values() if count]
    return len({root(node) for node in surplus}) == 1 and sorted(odd) in ([], [-1, 1])


def money(signed_minor: int, currency: str | None) -> str:
    """Write an amount for a contradiction, e.g. "-12.30 EUR"."""
    code = currency or NO_CURRENCY
    return f"{decimal_text(signed_minor, digits_of(code) or 0)} {code}"
