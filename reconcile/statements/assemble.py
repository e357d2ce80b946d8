"""From drafts to a `StatementFile`: identities, refs, and the verdict strict or lenient."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain

from reconcile.currency import NO_CURRENCY, digits_of
from reconcile.model import (
    Contradiction,
    Entry,
    InputError,
    Statement,
    StatementFile,
    Where,
)
from reconcile.statements import checks
from reconcile.statements.drafts import (
    MAX_CONTRADICTIONS,
    MAX_ENTRIES,
    MAX_STATEMENTS,
    Draft,
    FileDraft,
    Findings,
    StatementDraft,
    refuse,
)
from reconcile.statements.refs import RefMaker, list_overlaps
from reconcile.statements.texts import clean_draft, tidy

_LENIENT_HELP = (
    "ask the sender for the whole, correct file; --lenient reads what is there, lists the "
    "contradictions and marks the statement not provable"
)
_HELP = {
    "AMOUNT_DIGITS": "check the currency of the account, or ask the sender for a correct file",
    "CURRENCY_MISMATCH": "name the account's currency with --currency, or one file per account",
}


@dataclass(slots=True)
class _Kept:
    """What an (entry_ref, version) already stands for in this file."""

    entry: Entry
    line: int


def assemble(draft: FileDraft, *, currency: str | None, lenient: bool) -> StatementFile:
    """Check, name and build everything in a file; raise InputError if strict refuses it."""
    _check_limits(draft)
    for statement in draft.statements:
        _settle_currency(statement, currency)
        for entry in statement.entries:
            clean_draft(entry, statement.findings)
        checks.check_currency(statement)
        checks.check_running(statement)
        checks.check_totals(statement)
    statements = checks.drop_repeated(draft.statements)
    checks.check_continuity(statements)
    list_overlaps(statements)
    maker = RefMaker(chain.from_iterable(s.entries for s in statements))
    kept: dict[tuple[str, int], _Kept] = {}
    built = [_build(statement, maker, kept) for statement in statements]
    contradictions = _all_contradictions(draft.findings, statements)
    if contradictions and not lenient:
        raise _refusal(draft, contradictions)
    by_file = tuple(draft.findings.items)
    built = [
        replace(one, contradictions=_ordered((*by_file, *one.contradictions))) for one in built
    ]
    return StatementFile(draft.format, draft.profile, draft.sha256, tuple(built))


def _check_limits(draft: FileDraft) -> None:
    if not draft.statements:
        raise refuse(
            "STATEMENT_MISSING",
            f"{draft.format} file without a statement",
            file=draft.name,
            help="the file holds a header only; ask the sender for the whole file",
        )
    entries = sum(len(statement.entries) for statement in draft.statements)
    if entries > MAX_ENTRIES or len(draft.statements) > MAX_STATEMENTS:
        raise refuse(
            "FILE_TOO_LARGE",
            f"{entries} entries in {len(draft.statements)} statements",
            file=draft.name,
            help=f"split it: at most {MAX_ENTRIES} entries, {MAX_STATEMENTS} statements",
        )


def _settle_currency(statement: StatementDraft, wanted: str | None) -> None:
    """Fix the statement's currency: its own word, its balances' or entries', or --currency."""
    if statement.currency is None:
        statement.currency = next((d.currency for d in statement.entries), wanted)
    if statement.currency is None:
        statement.currency = NO_CURRENCY
        statement.findings.add(
            "FIELD_MISSING",
            "the statement names no currency",
            line=statement.line,
            field="currency",
            expected="an ISO 4217 code, or --currency",
        )
    if wanted is not None and statement.currency != wanted:
        statement.findings.add(
            "CURRENCY_MISMATCH",
            "the statement is not in the currency that was asked for",
            line=statement.line,
            field="currency",
            expected=wanted,
            found=statement.currency,
        )


def _build(
    statement: StatementDraft,
    maker: RefMaker,
    kept: dict[tuple[str, int], _Kept],
) -> Statement:
    entries: list[Entry] = []
    lines: list[int] = []
    account = tidy(statement.account) or ""
    for draft in statement.entries:
        entry = _entry(maker.ref_of(account, draft), draft)
        before = kept.setdefault((entry.entry_ref, entry.version), _Kept(entry, draft.line))
        if before.entry is not entry:
            _list_repeat(statement.findings, before, entry, draft.line)
            continue
        entries.append(entry)
        lines.append(draft.line)
    currency = statement.currency or NO_CURRENCY
    return Statement(
        account=account,
        statement_ref=tidy(statement.statement_ref) or "",
        currency=currency,
        digits=digits_of(currency) or 0,
        opening_balance=statement.opening,
        closing_balance=statement.closing,
        entries=tuple(entries),
        lines=tuple(lines),
        contradictions=tuple(statement.findings.items),
    )


def _entry(ref: str, draft: Draft) -> Entry:
    return Entry(
        ref,
        draft.version,
        draft.direction,
        draft.amount_minor,
        draft.currency,
        draft.booking_date,
        draft.value_date,
        draft.settlement_date,
        draft.session,
        draft.business_type,
        draft.status,
        draft.is_reversal,
        draft.references,
        draft.kind,
        draft.counterparty_name,
        draft.counterparty_account,
        draft.remittance,
        draft.fee_minor,
        draft.group_ref,
        draft.reversal_of,
        draft.occurred_at,
    )


def _list_repeat(findings: Findings, before: _Kept, entry: Entry, line: int) -> None:
    same = before.entry == entry
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


def _all_contradictions(
    by_file: Findings,
    statements: list[StatementDraft],
) -> tuple[Contradiction, ...]:
    findings = chain(by_file.items, *(statement.findings.items for statement in statements))
    return _ordered(tuple(findings))


def _ordered(items: tuple[Contradiction, ...]) -> tuple[Contradiction, ...]:
    """Sort by line, so that the first is the first a reader meets; keep a hundred."""
    ordered = sorted(items, key=lambda item: (item.line is None, item.line or 0))
    return tuple(ordered[:MAX_CONTRADICTIONS])


def _refusal(draft: FileDraft, contradictions: tuple[Contradiction, ...]) -> InputError:
    first = contradictions[0]
    count = draft.findings.count + sum(s.findings.count for s in draft.statements)
    message = first.message
    if first.expected is not None:
        message += f" (expected {first.expected})"
    if first.found is not None:
        message += f" (found {first.found})"
    if count > 1:
        message += f"; {count} contradictions in all"
    return InputError(
        first.code,
        message,
        where=Where(draft.name, first.line, first.field),
        help=_HELP.get(first.code, _LENIENT_HELP),
        details=contradictions,
    )
