"""From drafts to a `StatementFile`: identities, refs, and the verdict strict or lenient."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

from reconcile.currency import MONEY_CODE, NO_CURRENCY, digits_of
from reconcile.model import (
    Balance,
    Contradiction,
    Entry,
    InputError,
    Remark,
    Statement,
    StatementFile,
    StatementNumber,
    Where,
)
from reconcile.statements import checks
from reconcile.statements.drafts import (
    MAX_CONTRADICTIONS,
    MAX_STATEMENTS,
    MAX_STREAM_ENTRIES,
    Draft,
    FileDraft,
    Findings,
    StatementDraft,
    refuse,
)
from reconcile.statements.refs import RefMaker, doubled_refs, list_overlaps, repeated
from reconcile.statements.repeats import replace_ref, resolve
from reconcile.statements.survey import Survey
from reconcile.statements.texts import clean_draft, tidy

_LENIENT_HELP = (
    "ask the sender for the whole, correct file; --lenient reads what is there, lists the "
    "contradictions and marks the statement not provable"
)
_HELP = {
    "AMOUNT_DIGITS": "check the currency of the account, or ask the sender for a correct file",
    "CURRENCY_MISMATCH": "name the account's currency with --currency, or one file per account",
}


Row = tuple[Entry, int, bool]
"""An entry, its line, and whether its ref is a hash whose occurrence was counted."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A statement that was checked; its rows are built, and come as often as asked.

    `renamed` and `dropped` count rows over the whole file, `start` is this statement's first.
    """

    statement: StatementDraft
    contradictions: tuple[Contradiction, ...]
    named: Rows
    start: int
    renamed: dict[int, str]
    dropped: frozenset[int]

    def rows(self) -> Iterator[tuple[Entry, int]]:
        """Return each entry with its line."""
        if not self.renamed and not self.dropped:
            for entry, line, _ in self.named:
                yield entry, line
            return
        for index, (entry, line, _) in enumerate(self.named, start=self.start):
            if index not in self.dropped:
                ref = self.renamed.get(index)
                yield entry if ref is None else replace_ref(entry, ref), line

    @property
    def count(self) -> int:
        """Return how many rows there are."""
        own = range(self.start, self.start + len(self.named))
        return len(own) - sum(index in own for index in self.dropped)

    @property
    def account(self) -> str:
        """Return the account, empty where the source names none."""
        return tidy(self.statement.account) or ""

    @property
    def statement_ref(self) -> str:
        """Return what the source calls the statement."""
        return tidy(self.statement.statement_ref) or ""

    @property
    def currency(self) -> str:
        """Return the statement's currency."""
        return self.statement.currency or NO_CURRENCY

    @property
    def digits(self) -> int:
        """Return the currency's minor digits."""
        return digits_of(self.currency) or 0

    @property
    def opening_balance(self) -> Balance | None:
        """Return the balance before the first entry."""
        return self.statement.opening

    @property
    def closing_balance(self) -> Balance | None:
        """Return the balance behind the last entry."""
        return self.statement.closing

    @property
    def remarks(self) -> tuple[Remark, ...]:
        """Return what is odd about the statement and refuses nothing."""
        return tuple(self.statement.remarks)

    @property
    def number(self) -> StatementNumber | None:
        """Return the number its servicer gave it."""
        return self.statement.number

    @property
    def provable(self) -> bool:
        """Say whether nothing in the file contradicts the statement."""
        return not self.contradictions

    def build(self) -> Statement:
        """Return the statement with all its entries."""
        pairs = list(self.rows())
        return Statement(
            account=self.account,
            statement_ref=self.statement_ref,
            currency=self.currency,
            digits=self.digits,
            opening_balance=self.opening_balance,
            closing_balance=self.closing_balance,
            entries=tuple([entry for entry, _ in pairs]),
            lines=tuple([line for _, line in pairs]),
            contradictions=self.contradictions,
            remarks=self.remarks,
            number=self.number,
        )


def rows_of(statement: Statement | Settled) -> Iterator[tuple[Entry, int]]:
    """Return each entry of a statement, built or streamed, with its line."""
    if isinstance(statement, Settled):
        return statement.rows()
    return zip(statement.entries, statement.lines, strict=True)


class Rows(Protocol):
    """Where built rows are kept: a list, or a store that does not grow in memory."""

    def append(self, row: Row, /) -> None:
        """Add one."""

    def __iter__(self) -> Iterator[Row]:
        """Return them in order, as often as asked."""

    def __len__(self) -> int:
        """Return how many there are."""


def assemble(draft: FileDraft, *, currency: str | None, lenient: bool) -> StatementFile:
    """Check, name and build everything in a file; raise InputError if strict refuses it."""
    parts = settle(draft, currency=currency, lenient=lenient)
    built = tuple([one.build() for one in parts])
    return StatementFile(draft.format, draft.profile, draft.sha256, built, draft.turnable)


def settle(
    draft: FileDraft,
    *,
    currency: str | None,
    lenient: bool,
    surveys: Sequence[Survey] | None = None,
    rows: Callable[[], Rows] = list,
) -> tuple[Settled, ...]:
    """Check and name everything in a file; raise InputError if strict refuses it.

    `surveys`: of statements that were cleaned and surveyed as they came; `rows` makes the place
    where a statement's rows are kept.
    """
    _check_limits(draft)
    surveyed = surveys or [_survey(statement) for statement in draft.statements]
    pairs = list(zip(draft.statements, surveyed, strict=True))
    for statement, survey in pairs:
        _settle_currency(statement, survey, currency)
        checks.check_currency(statement, survey)
        checks.check_running(statement, survey)
        checks.check_totals(statement, survey)
    pairs = checks.drop_repeated(pairs)
    statements = [statement for statement, _ in pairs]
    checks.check_continuity(statements)
    checks.check_numbers(statements)
    list_overlaps(pairs)
    maker = RefMaker(doubled_refs((s.refs for _, s in pairs), (s.entries for s in statements)))
    built, hashes = [], array("q")
    for statement in statements:
        kept = rows()
        _name(statement, maker, kept, hashes)
        built.append(kept)
    renamed, dropped = resolve(statements, built, repeated([hashes]))
    contradictions = _all_contradictions(draft.findings, statements)
    if contradictions and not lenient:
        raise _refusal(draft, contradictions)
    return _settled(draft, statements, built, renamed, dropped)


def _survey(statement: StatementDraft) -> Survey:
    for entry in statement.entries:
        clean_draft(entry, statement.findings)
    survey = Survey()
    survey.add(statement.entries)
    return survey


def _name(statement: StatementDraft, maker: RefMaker, rows: Rows, hashes: array[int]) -> None:
    """Build the entries, each with its ref as if nothing equal came before."""
    account = tidy(statement.account) or ""
    for draft in statement.entries:
        ref, hashed = maker.ref_of(account, draft)
        rows.append((_entry(ref, draft), draft.line, hashed))
        hashes.append(hash((ref, draft.version)) if draft.version else hash(ref))


def _settled(
    draft: FileDraft,
    statements: Sequence[StatementDraft],
    built: Sequence[Rows],
    renamed: dict[int, str],
    dropped: frozenset[int],
) -> tuple[Settled, ...]:
    by_file = tuple(draft.findings.items)
    start, parts = 0, []
    for statement, rows in zip(statements, built, strict=True):
        listed = _ordered((*by_file, *statement.findings.items))
        parts.append(Settled(statement, listed, rows, start, renamed, dropped))
        start += len(rows)
    return tuple(parts)


def _check_limits(draft: FileDraft) -> None:
    if not draft.statements:
        raise refuse(
            "STATEMENT_MISSING",
            f"{draft.format} file without a statement",
            file=draft.name,
            help="the file holds a header only; ask the sender for the whole file",
        )
    entries = sum(len(statement.entries) for statement in draft.statements)
    if entries > MAX_STREAM_ENTRIES or len(draft.statements) > MAX_STATEMENTS:
        raise refuse(
            "FILE_TOO_LARGE",
            f"{entries} entries in {len(draft.statements)} statements",
            file=draft.name,
            help=f"split it: at most {MAX_STREAM_ENTRIES} entries, {MAX_STATEMENTS} statements",
        )


def _settle_currency(statement: StatementDraft, survey: Survey, wanted: str | None) -> None:
    """Fix the statement's currency: its own word, its balances' or entries', or --currency."""
    # A table without a row that can be read has this code too, and nothing in it.
    if statement.currency == NO_CURRENCY and (
        survey.count or statement.opening or statement.closing
    ):
        statement.findings.add(
            "CURRENCY_UNKNOWN",
            "the statement is in no currency",
            line=statement.line,
            field="currency",
            expected=MONEY_CODE,
            found=NO_CURRENCY,
        )
    if statement.currency is None:
        statement.currency = survey.first_currency or wanted
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
    said = (("expected", first.expected), ("found", first.found))
    compared = ", ".join(f"{word} {value}" for word, value in said if value is not None)
    if compared:
        message += f" ({compared})"
    if count > 1:
        message += f"; {count} contradictions in all"
    return InputError(
        first.code,
        message,
        where=Where(draft.name, first.line, first.field),
        help=_HELP.get(first.code, _LENIENT_HELP),
        details=contradictions,
    )
