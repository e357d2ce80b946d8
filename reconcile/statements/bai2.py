"""BAI2, the balance report of banks in the United States and beyond.

01 file header, 02 group header, 03 account with its summary amounts, 16 detail, 49/98/99 trailers
of account, group and file: each states the sum of all amounts under it, signed, and the number of
records, itself included; both are checked at every level. Amounts are minor units already.

Direction is the type code's: 100-399 credits, 400-699 debits, 721-728 loan payments, and of a
bank's own codes 920-959 credits and 960-999 debits. 890 carries no money.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from reconcile.currency import MONEY_CODE, digits_of
from reconcile.model import MAX_AMOUNT_MINOR, Carrier, Direction, EntryStatus, day_iso
from reconcile.statements.bai2_records import Record, after_funds, records
from reconcile.statements.dates import day_from, full_year
from reconcile.statements.drafts import Draft, FileDraft, StatementDraft, refuse, stated
from reconcile.statements.texts import reference, tidy

DEFAULT_CURRENCY: Final = "USD"
OPENING_LEDGER: Final = "010"
CLOSING_LEDGER: Final = "015"
NON_MONETARY: Final = 890
_TOTALS: Final = {"100": Direction.IN, "400": Direction.OUT}
_RETURNS: Final = frozenset({255, 257, 266, 555, 557, 566})
_REVERSALS: Final = frozenset({252, 258, 552, 558, 694})
_CHECKS: Final = range(470, 480)
_RANGES: Final = (
    (range(100, 400), Direction.IN),
    (range(400, 700), Direction.OUT),
    (range(721, 729), Direction.IN),
    (range(920, 960), Direction.IN),
    (range(960, 1000), Direction.OUT),
)
# Group status: 1 update, 3 correction; 2 withdraws what was sent, 4 is a test.
_GROUPS_READ: Final = frozenset({"", "1", "3"})
_INTERIM: Final = frozenset({"1", "3"})
_DETAIL_FIELDS: Final = 2
_MAX_DIGITS: Final = 19


def read_bai2(text: str, name: str, sha256: str) -> FileDraft:
    """Read one BAI2 file: a statement for each account record."""
    draft = FileDraft(name, "bai2", None, sha256)
    reader = _Reader(draft)
    for record in records(text):
        reader.take(record)
    reader.finish()
    if not draft.statements:
        raise refuse(
            "STATEMENT_MISSING",
            "no account record (03) found",
            file=name,
            help="the file holds headers only; ask the bank for the whole file",
        )
    return draft


@dataclass(slots=True)
class _Level:
    """What a trailer must agree with: the sum, the records, and the parts under it."""

    name: str
    trailer: str
    line: int
    total: int = 0
    records: int = 0
    parts: int = 0


class _Reader:
    """Walks the records and keeps the open file, group and account."""

    def __init__(self, draft: FileDraft) -> None:
        self.draft = draft
        self.findings = draft.findings
        self.file: _Level | None = None
        self.group: _Level | None = None
        self.account: _Level | None = None
        self.statement: StatementDraft | None = None
        self.file_id = ""
        self.day: int | None = None
        self.currency = DEFAULT_CURRENCY
        self.void = False
        self.interim = False
        self.summary: dict[str, tuple[int, str]] = {}
        self.ended = False

    def take(self, record: Record) -> None:
        """Read one logical record."""
        for level in (self.file, self.group, self.account):
            if level is not None:
                level.records += record.lines
        steps = {
            "01": self._file_header,
            "02": self._group_header,
            "03": self._account_record,
            "16": self._detail,
            "49": self._account_trailer,
            "98": self._group_trailer,
            "99": self._file_trailer,
        }
        step = steps.get(record.code)
        if step is None:
            self._wrong("ROW_SHAPE", record, "record", "01, 02, 03, 16, 49, 88, 98 or 99")
        else:
            step(record)

    def finish(self) -> None:
        """List the trailers that never came."""
        for level in (self.account, self.group, self.file):
            if level is not None:
                self._untrailed(level)
        self._close_statement()
        if self.file is None and not self.ended:
            self.findings.add("FIELD_MISSING", "no file header (01)", line=1, field="01")

    # ------------------------------------------------------------------ headers
    def _file_header(self, record: Record) -> None:
        if self.file is not None:
            self._wrong("FIELD_ORDER", record, "01", "99 before the next file header")
            self._untrailed(self.file)
        self.file = _Level("file", "99", record.line, records=record.lines)
        self.file_id = record.field(4)
        if record.field(7) != "2":
            self._wrong("FIELD_INVALID", record, "version", "2", record.field(7))

    def _group_header(self, record: Record) -> None:
        if self.file is None or self.group is not None:
            self._wrong("FIELD_ORDER", record, "02", "inside a file, behind the group before it")
        if self.group is not None:
            self._untrailed(self.group)
        self.group = _Level("group", "98", record.line, records=record.lines)
        if self.file is not None:
            self.file.parts += 1
        text = record.field(3)
        self.day = _short_day(text)
        if self.day is None:
            self._wrong("DATE_INVALID", record, "as_of_date", "YYMMDD", text)
        self.currency = record.field(5).upper() or DEFAULT_CURRENCY
        self.void = record.field(2) not in _GROUPS_READ
        self.interim = record.field(6) in _INTERIM
        if self.void:
            self._wrong(
                "STATUS_UNKNOWN",
                record,
                "group_status",
                "1 (update) or 3 (correction); 2 withdraws and 4 only tests",
                record.field(2),
            )

    def _account_record(self, record: Record) -> None:
        if self.group is None or self.account is not None:
            self._wrong("FIELD_ORDER", record, "03", "inside a group, behind the trailer before it")
        if self.account is not None:
            self._untrailed(self.account)
        self._close_statement()
        self.account = _Level("account", "49", record.line, records=record.lines)
        if self.group is not None:
            self.group.parts += 1
        currency = record.field(1).upper() or self.currency
        day = "" if self.day is None else day_iso(self.day)
        self.statement = StatementDraft(
            account=record.field(0),
            statement_ref="-".join(filter(None, (self.file_id, day))),
            currency=currency if digits_of(currency) is not None else None,
            line=record.line,
        )
        if self.statement.currency is None:
            self._wrong("CURRENCY_UNKNOWN", record, "currency", MONEY_CODE, currency)
        if not record.field(0):
            self._wrong("FIELD_MISSING", record, "account", "the customer's account number")
        self._summaries(record)

    def _summaries(self, record: Record) -> None:
        """Read the groups of type code, amount, item count and funds type."""
        index = 2
        while index < len(record.fields):
            code, text = record.field(index), record.field(index + 1)
            if not code and not text:
                index += 1
                continue
            after = after_funds(record, index + 3)
            if after is None:
                self._wrong("FIELD_INVALID", record, "funds_type", "Z, 0, 1, 2, S, V or D")
                return
            minor = self._amount(record, text, code) if text else None
            if minor is not None:
                self._add(minor)
                self.summary[code] = (minor, record.field(index + 2))
            index = after

    # ------------------------------------------------------------------ details
    def _detail(self, record: Record) -> None:
        if self.statement is None or self.account is None:
            self._wrong("FIELD_ORDER", record, "16", "behind an account record (03)")
            return
        code = record.field(0)
        after = after_funds(record, _DETAIL_FIELDS)
        if after is None:
            expected = "Z, 0, 1, 2, S, V or D"
            self._wrong("FIELD_INVALID", record, "funds_type", expected, record.field(2))
            after = len(record.fields)
        minor = self._amount(record, record.field(1), code) if record.field(1) else None
        if minor is not None:
            self._add(minor)
        number = int(code) if code.isascii() and code.isdigit() else -1
        if number == NON_MONETARY:
            return
        direction = next((side for codes, side in _RANGES if number in codes), None)
        if direction is None:
            expected = "a type code of a credit or a debit"
            self._wrong("DIRECTION_UNKNOWN", record, "type_code", expected, code)
        if minor is None and not record.field(1):
            self._wrong("FIELD_MISSING", record, "amount", "an amount")
        if minor is None or direction is None or self.day is None:
            return
        self.statement.entries.append(self._draft(record, number, direction, minor, after))

    def _draft(
        self, record: Record, code: int, direction: Direction, minor: int, after: int
    ) -> Draft:
        assert self.statement is not None
        assert self.day is not None
        if minor < 0:
            direction, minor = direction.opposite, -minor
        bank, customer = reference(record.field(after)), reference(record.field(after + 1))
        carrier = Carrier.VOUCHER_NO if code in _CHECKS else Carrier.END_TO_END_ID
        references = {Carrier.SERVICER_REF: bank, carrier: customer}
        status = EntryStatus.RETURNED if code in _RETURNS else EntryStatus.BOOKED
        return Draft(
            record.line,
            direction,
            minor,
            self.statement.currency or DEFAULT_CURRENCY,
            self.day,
            value_date=self._value_date(record),
            status=EntryStatus.VOID if self.void else status,
            is_reversal=code in _REVERSALS,
            references=tuple(sorted((int(key), text) for key, text in references.items() if text)),
            kind=f"{code:03}",
            remittance=tidy(record.text_from(after + 2)),
            source_ref=bank,
        )

    def _value_date(self, record: Record) -> int | None:
        kind = record.field(_DETAIL_FIELDS).upper()
        if kind == "0":
            return self.day
        if kind != "V":
            return None
        text = record.field(_DETAIL_FIELDS + 1)
        day = _short_day(text)
        if day is None and text:
            self._wrong("DATE_INVALID", record, "value_date", "YYMMDD", text)
        return day

    # ------------------------------------------------------------------ trailers
    def _account_trailer(self, record: Record) -> None:
        if self.statement is not None:
            self.statement.end_line = record.line
        total = self._close(self.account, record, None, 1)
        self.account = None
        if self.group is not None:
            self.group.total += total
        self._close_statement()

    def _group_trailer(self, record: Record) -> None:
        total = self._close(self.group, record, 1, 2)
        self.group = None
        if self.file is not None:
            self.file.total += total

    def _file_trailer(self, record: Record) -> None:
        self._close(self.file, record, 1, 2)
        self.file, self.ended = None, True

    def _close(
        self, level: _Level | None, record: Record, parts_at: int | None, records_at: int
    ) -> int:
        """Compare a trailer with what it closes; return the sum that was counted."""
        if level is None:
            self._wrong("FIELD_ORDER", record, record.code, "behind the header that it closes")
            return 0
        due = {0: ("control_total", level.total), records_at: ("records", level.records)}
        if parts_at is not None:
            due[parts_at] = ("accounts" if level.name == "group" else "groups", level.parts)
        for index, (field, number) in due.items():
            text = record.field(index)
            if _integer(text) != number:
                message = f"the {level.name} trailer ({level.trailer}) is not what stands above it"
                self.findings.add(
                    "CONTROL_TOTALS",
                    message,
                    line=record.line,
                    field=field,
                    expected=text,
                    found=str(number),
                )
        return level.total

    def _untrailed(self, level: _Level) -> None:
        self.findings.add(
            "TRUNCATED",
            f"the {level.name} that begins here has no trailer",
            line=level.line,
            field=level.trailer,
            expected=f"a record {level.trailer}",
        )

    def _close_statement(self) -> None:
        """Settle balances and check the totals that the account's summary states."""
        statement, self.statement = self.statement, None
        summary, self.summary = self.summary, {}
        if statement is None:
            return
        for code in (OPENING_LEDGER, CLOSING_LEDGER):
            if code in summary and self.day is not None:
                balance = stated(summary[code][0], self.day)
                if code == OPENING_LEDGER:
                    statement.opening = balance
                else:
                    statement.closing = balance
        statement.check_totals = not self.interim
        for code, direction in _TOTALS.items():
            if code in summary and statement.entries:
                self._check_total(statement, code, summary[code], direction)
        self.draft.statements.append(statement)

    def _check_total(
        self, statement: StatementDraft, code: str, said: tuple[int, str], direction: Direction
    ) -> None:
        chosen = [one for one in statement.entries if one.direction is direction]
        due = {"amount": (said[0], sum(one.amount_minor for one in chosen))}
        if said[1]:
            due["item_count"] = (_integer(said[1]) or 0, len(chosen))
        for field, (stated_number, number) in due.items():
            if stated_number != number:
                statement.findings.add(
                    "CONTROL_TOTALS",
                    f"the account's total {code} is not what its details add up to",
                    line=statement.line,
                    field=field,
                    expected=str(stated_number),
                    found=str(number),
                )

    # ------------------------------------------------------------------ amounts
    def _add(self, minor: int) -> None:
        if self.account is not None:
            self.account.total += minor

    def _amount(self, record: Record, text: str, code: str) -> int | None:
        minor = _integer(text)
        if minor is None:
            self._wrong("AMOUNT_INVALID", record, code or "amount", "whole minor units", text)
        elif abs(minor) > MAX_AMOUNT_MINOR:
            self._wrong("AMOUNT_RANGE", record, code, f"at most {MAX_AMOUNT_MINOR}", text)
            return None
        return minor

    def _wrong(
        self, code: str, record: Record, field: str, expected: str, found: str | None = None
    ) -> None:
        self.findings.add(
            code,
            f"record {record.code or '?'} does not hold",
            line=record.line,
            field=field,
            expected=expected,
            found=record.raw[:80] if found is None else found,
        )


def _integer(text: str) -> int | None:
    digits = text.removeprefix("+").removeprefix("-")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > _MAX_DIGITS:
        return None
    return -int(digits) if text.startswith("-") else int(digits)


def _short_day(text: str) -> int | None:
    if len(text) != len("261120") or not (text.isascii() and text.isdigit()):
        return None
    return day_from(full_year(int(text[:2])), int(text[2:4]), int(text[4:6]))
