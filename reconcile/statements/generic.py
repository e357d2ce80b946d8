"""The generic profile (interfaces.md): a table whose header names the entry's own fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from reconcile.currency import MONEY_CODE, NO_CURRENCY, digits_of
from reconcile.model import (
    CARRIER_BY_WORD,
    Direction,
    EntryStatus,
)
from reconcile.statements.cells import MAX_SESSION, MAX_VERSION, Cells
from reconcile.statements.dates import day_of, iso_day
from reconcile.statements.drafts import Draft, FileDraft, StatementDraft, refuse, stated
from reconcile.statements.guards import unguarded
from reconcile.statements.money import AmountError, minor_units, signed_minor_units
from reconcile.statements.tables import Row, Table

PERSPECTIVES: Final = ("ledger", "statement")

FIELDS: Final = (
    "entry_ref", "version", "direction", "debit", "credit", "amount", "currency", "booking_date",
    "value_date", "settlement_date", "session", "business_type", "status", "is_reversal", "kind",
    "counterparty_name", "counterparty_account", "remittance", "fee", "group_ref", "reversal_of",
    "occurred_at", "balance",
)  # fmt: skip
COLUMNS: Final = frozenset({*FIELDS, *CARRIER_BY_WORD})

_TEXTS: Final = (
    "business_type", "kind", "counterparty_name", "counterparty_account", "remittance",
    "group_ref", "reversal_of",
)  # fmt: skip
_RARE: Final = (
    "version", "session", "settlement_date", "is_reversal", "fee", "balance", "occurred_at",
)  # fmt: skip

# What a rare column holds in most rows, and what says nothing.
_USUAL: Final = {"version": "0", "is_reversal": "false"}
_DIRECTIONS: Final = {"IN": Direction.IN, "OUT": Direction.OUT}
_STATUSES: Final = {"": EntryStatus.BOOKED, **{one.name: one for one in EntryStatus}}
_TRUTH: Final = {"": False, "false": False, "0": False, "no": False} | dict.fromkeys(
    ("true", "1", "yes"), True
)
_MAX_INTEGER_CHARACTERS: Final = 18


def header_of(rows: Sequence[Row]) -> int | None:
    """Return the index of the generic header, or None if the table has none."""
    for index, (_, row) in enumerate(rows[:200]):
        if row and row[0].startswith("#"):
            continue
        names = {cell.strip().lower() for cell in row}
        if "booking_date" in names and ("amount" in names or {"debit", "credit"} <= names):
            return index
        if any(cell.strip() for cell in row):
            return None
    return None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the call says about a table: which side the book is, and its currency."""

    perspective: str | None = None
    currency: str | None = None


def read_generic(table: Table, wanted: Wanted, draft: FileDraft) -> None:
    """Read a generic table into one statement per currency."""
    header = header_of(table.rows)
    assert header is not None
    line, names = table.rows[header]
    plan = Plan.of_header([name.strip().lower() for name in names], line, wanted, draft.name)
    draft.turnable = plan.at["direction"] < 0
    reader = _Rows(plan, wanted, draft)
    reader.preamble(table.rows[:header])
    for row_line, row in table.rows[header + 1 :]:
        if row and (len(row) > 1 or row[0].strip()):
            reader.take(row_line, row)
    reader.finish()


@dataclass(frozen=True, slots=True)
class Plan:
    """Where each field stands in a row; -1 for columns the table does not have.

    `rare`: columns that few rows fill, each with the word that it usually holds.
    """

    at: dict[str, int]
    width: int
    references: tuple[tuple[int, int], ...]
    texts: tuple[tuple[str, int], ...]
    rare: tuple[tuple[int, str], ...]
    debit_in: bool

    @staticmethod
    def of_header(names: list[str], line: int, wanted: Wanted, file: str) -> Plan:
        """Build the plan, or say which column is missing or doubled."""
        known = [name for name in names if name in COLUMNS]
        doubled = sorted({name for name in known if known.count(name) > 1})
        if doubled:
            raise refuse(
                "HEADER_INVALID",
                f"the header names {', '.join(doubled)} twice",
                file=file,
                line=line,
                field=doubled[0],
                help="one column per field",
            )
        at = {name: names.index(name) if name in names else -1 for name in COLUMNS}
        columns = at["debit"] >= 0 and at["credit"] >= 0
        if not columns and (at["amount"] < 0 or at["direction"] < 0):
            raise refuse(
                "HEADER_INVALID",
                "the header needs amount and direction, or debit and credit",
                file=file,
                line=line,
                field="direction",
                help="direction is IN or OUT, seen from the account owner",
            )
        if columns and at["direction"] < 0 and wanted.perspective not in PERSPECTIVES:
            raise refuse(
                "PERSPECTIVE_REQUIRED",
                "debit and credit columns do not say whose book this is",
                file=file,
                line=line,
                field="debit",
                help="--perspective ledger (a debit is money in) or statement (a debit is out)",
            )
        if at["currency"] < 0 and wanted.currency is None:
            raise refuse(
                "CURRENCY_REQUIRED",
                "the table has no currency column",
                file=file,
                line=line,
                field="currency",
                help="add the column or give --currency",
            )
        references = tuple(
            sorted(
                (int(CARRIER_BY_WORD[n]), i)
                for n, i in at.items()
                if i >= 0 and n in CARRIER_BY_WORD
            )
        )
        return Plan(
            at=at,
            width=len(names),
            references=references,
            texts=tuple((name, at[name]) for name in _TEXTS if at[name] >= 0),
            rare=tuple((at[name], _USUAL.get(name, "")) for name in _RARE if at[name] >= 0),
            debit_in=wanted.perspective == "ledger",
        )


class _Rows:
    """Turns rows into drafts, one statement per currency in order of appearance."""

    def __init__(self, plan: Plan, wanted: Wanted, draft: FileDraft) -> None:
        self.plan = plan
        self.wanted = wanted
        self.draft = draft
        self.account = ""
        self.statement_ref = ""
        self.stated_entries: tuple[int, str] | None = None
        self.statements: dict[str, StatementDraft] = {}
        self.rows = 0

    # ---------------------------------------------------------------- before the header
    def preamble(self, rows: Sequence[Row]) -> None:
        """Read `#opening_balance`, `#closing_balance`, `#account`, `#statement_ref`, `#entries`."""
        for line, row in rows:
            cells = [cell.strip() for cell in row]
            word = cells[0].lower() if cells else ""
            if word in {"#opening_balance", "#closing_balance"}:
                self._balance(word[1:], line, cells[1:])
            elif word == "#account" and len(cells) > 1:
                self.account = cells[1]
            elif word == "#statement_ref" and len(cells) > 1:
                self.statement_ref = cells[1]
            elif word == "#entries" and len(cells) > 1:
                self.stated_entries = (line, cells[1])

    def _balance(self, word: str, line: int, cells: list[str]) -> None:
        currency, amount, date = (*cells, "", "", "")[:3]
        digits = digits_of(currency)
        day = day_of(date)
        if digits is None or day is None:
            self.draft.findings.add(
                "BALANCE_INVALID",
                f"the line #{word} does not hold",
                line=line,
                field=word,
                expected=f"#{word},CNY,100.00,2026-11-20",
                found=",".join(cells),
            )
            return
        try:
            balance = stated(signed_minor_units(amount, digits), day)
        except AmountError as error:
            self.draft.findings.add(error.code, str(error), line=line, field=word, found=amount)
            return
        statement = self._statement(currency, line)
        if word == "opening_balance":
            statement.opening = balance
        else:
            statement.closing, statement.end_line = balance, line

    def _statement(self, currency: str, line: int) -> StatementDraft:
        statement = self.statements.get(currency)
        if statement is None:
            statement = StatementDraft(currency=currency, line=line)
            self.statements[currency] = statement
        return statement

    # ---------------------------------------------------------------- rows
    def take(self, line: int, row: list[str]) -> None:
        """Read one row; what does not hold is listed and the row left out."""
        plan, self.rows = self.plan, self.rows + 1
        if len(row) != plan.width and (
            len(row) < plan.width or any(cell.strip() for cell in row[plan.width :])
        ):
            self.draft.findings.add(
                "ROW_SHAPE",
                "the row has not as many cells as the header",
                line=line,
                expected=str(plan.width),
                found=str(len(row)),
            )
            return
        cells = Cells(row, line, plan.at, self.draft.findings)
        at = plan.at
        currency = row[at["currency"]].strip() if at["currency"] >= 0 else ""
        currency = currency or self.wanted.currency or ""
        digits = digits_of(currency)
        if digits is None:
            cells.wrong("currency", MONEY_CODE, "CURRENCY_UNKNOWN")
            return
        money = self._money(cells, row, digits)
        booking = iso_day(row[at["booking_date"]])
        if booking is None:
            booking = cells.day("booking_date", needed=True)
        status = EntryStatus.BOOKED
        if at["status"] >= 0:
            word = row[at["status"]].strip()
            found = _STATUSES.get(word) or _STATUSES.get(word.upper())
            if found is None:
                cells.wrong("status", "BOOKED, PENDING, TIMED_OUT, VOID, RETURNED or REVERSED")
                return
            status = found
        if money is None or booking is None:
            return
        draft = Draft(line, money[0], money[1], currency, booking, status=status)
        draft.is_reversal = money[2]
        self._describe(draft, cells, row, digits)
        statement = self.statements.get(currency) or self._statement(currency, line)
        statement.entries.append(draft)

    def _money(
        self,
        cells: Cells,
        row: list[str],
        digits: int,
    ) -> tuple[Direction, int, bool] | None:
        """Return direction, amount and whether a red entry (红字) made it negative."""
        at = self.plan.at
        if at["direction"] < 0 or at["amount"] < 0:
            return cells.two_columns(digits, debit_in=self.plan.debit_in)
        direction = _DIRECTIONS.get(row[at["direction"]].strip().upper())
        if direction is None:
            cells.wrong("direction", "IN or OUT", "DIRECTION_UNKNOWN")
            return None
        try:
            return direction, minor_units(row[at["amount"]].strip(), digits), False
        except AmountError as error:
            expected = f"a decimal with a dot and at most {digits} digits behind it"
            cells.wrong("amount", expected, error.code)
            return None

    def _describe(self, draft: Draft, cells: Cells, row: list[str], digits: int) -> None:
        plan, at = self.plan, self.plan.at
        if at["entry_ref"] >= 0:
            draft.source_ref = unguarded(row[at["entry_ref"]].strip()) or None
            draft.named = draft.source_ref is not None
        if at["value_date"] >= 0:
            draft.value_date = iso_day(row[at["value_date"]])
            if draft.value_date is None:
                draft.value_date = cells.day("value_date")
        for name, index in plan.texts:
            if row[index] and (text := row[index].strip()):
                setattr(draft, name, unguarded(text))
        if plan.references:
            draft.references = tuple(
                [
                    (carrier, unguarded(text))
                    for carrier, index in plan.references
                    if row[index] and (text := row[index].strip())
                ],
            )
        for index, usual in plan.rare:
            if row[index] != usual and row[index]:
                self._describe_rare(draft, cells, digits)
                break

    def _describe_rare(self, draft: Draft, cells: Cells, digits: int) -> None:
        draft.settlement_date = cells.day("settlement_date")
        draft.version = cells.integer("version", MAX_VERSION) or 0
        draft.session = cells.integer("session", MAX_SESSION)
        if self.plan.at["is_reversal"] >= 0:
            truth = _TRUTH.get(cells.text("is_reversal").lower())
            if truth is None:
                cells.wrong("is_reversal", "true or false")
            draft.is_reversal = draft.is_reversal or bool(truth)
        draft.fee_minor = cells.amount("fee", digits)
        draft.running_minor = cells.amount("balance", digits, signed=True)
        draft.occurred_at = cells.instant("occurred_at")

    def finish(self) -> None:
        """Hand over the statements; a table without rows is one empty statement."""
        if not self.statements:
            self._statement(self.wanted.currency or NO_CURRENCY, 1)
        for statement in self.statements.values():
            statement.account = self.account
            statement.statement_ref = self.statement_ref
            self.draft.statements.append(statement)
        if self.stated_entries is not None and self.stated_entries[1] != str(self.rows):
            self.draft.findings.add(
                "CONTROL_TOTALS",
                "the table has not as many rows as its head says",
                line=self.stated_entries[0],
                field="entries",
                expected=self.stated_entries[1],
                found=str(self.rows),
            )
