"""Reads a table by its profile (or by an accepted column map, which is a profile too)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from reconcile.currency import MONEY_CODE, NO_CURRENCY, digits_of
from reconcile.model import CARRIER_BY_WORD, Direction, EntryStatus
from reconcile.statements.checks import money
from reconcile.statements.currencies import currency_code
from reconcile.statements.dates import day_of, instant_of
from reconcile.statements.directions import by_perspective, direction_of
from reconcile.statements.drafts import Draft, FileDraft, StatementDraft, refuse
from reconcile.statements.expressions import expression
from reconcile.statements.generic import Wanted
from reconcile.statements.money import AmountError
from reconcile.statements.profile_cells import amount_minor, positions
from reconcile.statements.profile_dates import DateReader
from reconcile.statements.profile_totals import (
    BLANK_AMOUNTS,
    Seen,
    Totals,
    check_period,
    condition_fields,
    summed_fields,
)
from reconcile.statements.profiles import Profile, header_row, squeeze
from reconcile.statements.tables import Row, Table
from reconcile.statements.texts import PLACEHOLDERS, reference, tidy
from reconcile.statements.wallets import Movement, movement, refunded_orders

Money = tuple[Direction, int, bool]

_RULE: Final = re.compile(r"[-—_]{2,}\Z")
_STRIP: Final = " \t\r\n\u3000`"
_PARTIES: Final = {Direction.IN: "payer", Direction.OUT: "payee"}


def read_profile(table: Table, profile: Profile, wanted: Wanted, draft: FileDraft) -> None:
    """Read a table into one statement per currency."""
    header = header_row(table.rows, profile.header)
    if header is None:
        raise refuse(
            "PROFILE_MISMATCH",
            f"no row holds the columns of profile {profile.name}",
            file=draft.name,
            field=profile.header[0],
            help=f"it needs {', '.join(profile.header)}; leave --profile away to have one found",
        )
    ProfileReader(table, header, profile, wanted, draft).read()


class ProfileReader:
    """Turns the rows under a header into drafts."""

    def __init__(
        self, table: Table, header: int, profile: Profile, wanted: Wanted, draft: FileDraft
    ) -> None:
        """Take the table, the header's index, the layout and the file to fill."""
        self.head = table.rows[:header]
        self.rows = table.rows[header + 1 :]
        self.profile = profile
        self.wanted = wanted
        self.draft = draft
        self.findings = draft.findings
        self.header_line, names = table.rows[header]
        self.at = positions(profile, names, self.header_line, draft.name)
        self.needed = max((positions[0] for positions in self.at.values()), default=0)
        self.dates = DateReader(profile, draft.name, table.settlement_day)
        self.conditions = condition_fields(profile)
        self.sums = summed_fields(profile)
        self.statements: dict[str, StatementDraft] = {}
        self.seen: list[Seen] = []
        self.refunded: frozenset[str] = frozenset()
        self.debit_in = (
            profile.debit_in if profile.debit_in is not None else wanted.perspective == "ledger"
        )

        words = {self._cell(row, "direction") for _, row in self.rows}
        draft.turnable = profile.debit_in is None and (
            "debit" in self.at or any(by_perspective(word) for word in words)
        )

    def read(self) -> None:
        """Read head, rows and foot."""
        account = self._account()
        rules = self.profile.rules
        if rules is not None and rules.refund_separator:
            orders = [self._cell(row, "transaction_id") for _, row in self.rows]
            self.refunded = refunded_orders(rules, orders)
        foot = self._take_rows()
        if not self.statements:
            code = self.wanted.currency or self.profile.currency or NO_CURRENCY
            self._statement(code, self.header_line)
        for statement in self.statements.values():
            statement.account = account
            self.draft.statements.append(statement)
        last = self.rows[-1][0] if self.rows else self.header_line
        totals = Totals(self.profile, self.findings, self._sum, self._written, self.at)
        totals.check(self.seen, self.head, foot, last)
        if self.profile.period_pattern is not None:
            statements = list(self.statements.values())
            check_period(self.profile.period_pattern, self.head, statements, self.findings)

    def _take_rows(self) -> list[Row]:
        """Read the rows that are entries; return those that end the file."""
        foot: list[Row] = []
        for index, (line, row) in enumerate(self.rows):
            if not any(cell.strip() for cell in row):
                continue
            if row[0].startswith("#"):
                foot.append((line, row))
            elif self._is_foot(row):
                foot.extend(self.rows[index:])
                break
            else:
                self._take(line, row)
        return foot

    def _account(self) -> str:
        pattern = self.profile.account_pattern
        parts = [self.profile.account_label]
        if pattern is not None:
            for _, row in self.head:
                found = expression(pattern).search(" ".join(row))
                if found:
                    parts.insert(0, found[1].strip())
                    break
        return " ".join(filter(None, parts))

    def _is_foot(self, row: Sequence[str]) -> bool:
        if self.profile.foot_table is not None:
            names = {squeeze(cell) for cell in row}
            return {squeeze(name) for name in self.profile.foot_table.header} <= names
        foot = self.profile.foot_total
        return foot is not None and expression(foot.first_cell).search(row[0].strip()) is not None

    # ------------------------------------------------------------------ rows
    def _cell(self, row: Sequence[str], field: str) -> str:
        """Return the first filled cell among the columns of a field."""
        for index in self.at.get(field, ()):
            if index < len(row) and (text := row[index].strip(_STRIP)):
                return text
        return ""

    def _joined(self, row: Sequence[str], field: str) -> str | None:
        texts = [
            text
            for index in self.at.get(field, ())
            if index < len(row)
            and (text := row[index].strip(_STRIP))
            and text.upper() not in PLACEHOLDERS
            and not _RULE.match(text)
        ]
        return tidy(" ".join(dict.fromkeys(texts)))

    def _reference(self, row: Sequence[str], field: str) -> str | None:
        """Return a reference; zeros alone and a line of dashes are none."""
        text = reference(self._cell(row, field))
        return None if text is None or not text.strip("0") or _RULE.match(text) else text

    def _take(self, line: int, row: Sequence[str]) -> None:
        if len(row) <= self.needed and self._cells_missing(row):
            self._wrong("ROW_SHAPE", line, None, f"{self.needed + 1} cells", str(len(row)))
            return
        currency = self._currency(row)
        digits = digits_of(currency)
        if digits is None:
            self._wrong("CURRENCY_UNKNOWN", line, "currency", MONEY_CODE, currency)
            return
        date = self._cell(row, "date")
        day = self.dates.day(date)
        if day is None:
            self._wrong("DATE_INVALID", line, "date", "a calendar date", date)
        moved = self._moved(line, row, digits) if self.profile.rules is not None else None
        money = moved[1] if moved else self._money(line, row, digits)
        if day is None or money is None:
            return
        direction, minor, is_reversal = money
        draft = Draft(line, direction, minor, currency, day, is_reversal=is_reversal)
        self._describe(draft, row, digits)
        if moved:
            self._settle(draft, moved[0], row)
        self._remember(draft, row, digits)
        self._statement(currency, line).entries.append(draft)

    def _cells_missing(self, row: Sequence[str]) -> bool:
        """Say whether the row is cut before a field that no entry can be without."""
        needed = ("date", "amount", "amount_in", "amount_out", "debit", "credit", "direction")
        last = max((self.at[name][0] for name in needed if name in self.at), default=0)
        return self.profile.rules is not None or len(row) <= last

    def _remember(self, draft: Draft, row: Sequence[str], digits: int) -> None:
        """Keep what control totals count."""
        seen = Seen(self._cell(row, "sign"), draft.amount_minor, draft.direction)
        for name in self.conditions:
            seen.cells[name] = self._cell(row, name)
        for name in self.sums:
            seen.sums[name] = self._optional_minor(row, name, digits, draft.line) or 0
        self.seen.append(seen)

    def _statement(self, currency: str, line: int) -> StatementDraft:
        statement = self.statements.get(currency)
        if statement is None:
            statement = StatementDraft(currency=currency, line=line)
            self.statements[currency] = statement
        return statement

    def _currency(self, row: Sequence[str]) -> str:
        text = self._cell(row, "currency")
        if text:
            return currency_code(text)
        return self.wanted.currency or self.profile.currency or ""

    # ------------------------------------------------------------------ amounts
    def _sum(self, text: str, line: int, field: str) -> int | None:
        return self._minor(text.strip(_STRIP), digits_of(self._total_currency()) or 0, line, field)

    def _written(self, minor: int) -> str:
        return money(minor, self._total_currency())

    def _total_currency(self) -> str:
        code = self.wanted.currency or self.profile.currency
        return code or next(iter(self.statements), NO_CURRENCY)

    def _minor(self, text: str, digits: int, line: int, field: str) -> int | None:
        try:
            return amount_minor(self.profile, text, digits)
        except AmountError as error:
            expected = f"an amount with at most {digits} decimal digits"
            self._wrong(error.code, line, field, expected, text)
            return None

    def _optional_minor(self, row: Sequence[str], field: str, digits: int, line: int) -> int | None:
        text = self._cell(row, field)
        return None if text in BLANK_AMOUNTS else self._minor(text, digits, line, field)

    def _money(self, line: int, row: Sequence[str], digits: int) -> Money | None:
        """Return direction, amount and whether a red entry (红字) turned the direction."""
        if "amount" in self.at:
            return self._single(line, row, digits)
        in_field, out_field = ("amount_in", "amount_out")
        if in_field not in self.at:
            in_field, out_field = ("debit", "credit") if self.debit_in else ("credit", "debit")
        filled: list[tuple[Direction, int]] = []
        for field, direction in ((in_field, Direction.IN), (out_field, Direction.OUT)):
            text = self._cell(row, field)
            if text in BLANK_AMOUNTS:
                continue
            minor = self._minor(text, digits, line, field)
            if minor is None:
                return None
            if direction is Direction.OUT and self.profile.out_negative:
                minor = abs(minor)
            if minor:
                filled.append((direction, minor))
        if len(filled) != 1:
            found = "both" if filled else "neither"
            self._wrong("DIRECTION_UNKNOWN", line, in_field, "either in or out", found)
            return None
        direction, minor = filled[0]
        return (direction.opposite, -minor, True) if minor < 0 else (direction, minor, False)

    def _single(self, line: int, row: Sequence[str], digits: int) -> Money | None:
        minor = self._minor(self._cell(row, "amount"), digits, line, "amount")
        if minor is None:
            return None
        if "direction" not in self.at:
            return (Direction.IN if minor >= 0 else Direction.OUT), abs(minor), False
        word = self._cell(row, "direction")
        direction = direction_of(word, debit_in=self.debit_in)
        if direction is None:
            self._wrong("DIRECTION_UNKNOWN", line, "direction", "money in or out", word)
            return None
        if minor >= 0:
            return direction, minor, False
        if direction is Direction.OUT:
            # Many banks write money out as negative beside the word that says so.
            return direction, -minor, False
        return direction.opposite, -minor, True

    # ------------------------------------------------------------------ rules
    def _moved(self, line: int, row: Sequence[str], digits: int) -> tuple[Movement, Money | None]:
        rules = self.profile.rules
        assert rules is not None
        cells = {field: self._cell(row, field) for field in self.at}
        moved = movement(rules, cells, self.refunded)
        if moved is None:
            found = cells.get("sign") or " ".join(row)
            self._wrong("DIRECTION_UNKNOWN", line, "sign", "a known kind of row", found)
            unknown = Movement(Direction.OUT, EntryStatus.PENDING, moves=False, known=True)
            return unknown, None
        if not moved.known:
            self._wrong("STATUS_UNKNOWN", line, "state", "a known status", cells.get("state", ""))
        text = cells.get(moved.amount, "")
        minor = self._minor(text, digits, line, moved.amount)
        if minor is not None and minor < 0:
            if rules.unsigned:
                minor = -minor
            else:
                self._wrong("AMOUNT_INVALID", line, moved.amount, "no sign", text)
                minor = None
        return moved, None if minor is None else (moved.direction, minor, moved.is_reversal)

    def _settle(self, draft: Draft, moved: Movement, row: Sequence[str]) -> None:
        rules = self.profile.rules
        assert rules is not None
        draft.status = moved.status
        if not moved.moves:
            method = self._cell(row, "method")
            source = method or ("资金来源未注明" if "method" in self.at else "")
            draft.kind = f"{draft.kind or ''} ({source})".strip() if source else draft.kind
        if rules.fee_pattern is not None:
            found = expression(rules.fee_pattern).search(draft.remittance or "")
            if found:
                digits = digits_of(draft.currency) or 0
                draft.fee_minor = self._minor(found[1], digits, draft.line, "fee")
        if draft.status is EntryStatus.RETURNED and rules.refund_separator:
            order = self._cell(row, "transaction_id")
            original = order.partition(rules.refund_separator)[0]
            draft.reversal_of = original if original != order else None

    # ------------------------------------------------------------------ the rest
    def _describe(self, draft: Draft, row: Sequence[str], digits: int) -> None:
        draft.kind = self._joined(row, "kind")
        draft.remittance = self._joined(row, "remittance")
        self._party(draft, row)
        draft.references = tuple(
            (int(carrier), text)
            for word, carrier in CARRIER_BY_WORD.items()
            if word in self.at and (text := self._reference(row, word))
        )
        parts = [self._reference(row, field) for field in self.profile.ref_fields]
        draft.source_ref = "-".join(filter(None, parts)) or None
        if "value_date" in self.at and (text := self._cell(row, "value_date")):
            draft.value_date = day_of(text, month_first=self.profile.month_first)
            if draft.value_date is None:
                self._wrong("DATE_INVALID", draft.line, "value_date", "a calendar date", text)
        draft.settlement_date = self.dates.settlement
        if "original" in self.at:
            draft.reversal_of = self._reference(row, "original")
        draft.running_minor = self._optional_minor(row, "balance", digits, draft.line)
        draft.fee_minor = self._fee(row, digits, draft.line)
        if self.profile.utc_offset_min is not None:
            moment = f"{self.dates.text(self._cell(row, 'date'))} {self._cell(row, 'clock')}"
            draft.occurred_at = instant_of(moment, offset_min=self.profile.utc_offset_min)

    def _party(self, draft: Draft, row: Sequence[str]) -> None:
        who = _PARTIES[draft.direction]
        draft.counterparty_name = self._joined(row, "name") or self._joined(row, f"{who}_name")
        draft.counterparty_account = self._reference(row, "peer_account") or self._reference(
            row, f"{who}_account"
        )
        if self.profile.party_pattern is not None and draft.counterparty_name is not None:
            found = expression(self.profile.party_pattern).fullmatch(draft.counterparty_name)
            if found:
                groups = found.groupdict() or {"name": found[1], "account": found[2]}
                draft.counterparty_name = tidy(groups["name"])
                draft.counterparty_account = tidy(groups["account"])

    def _fee(self, row: Sequence[str], digits: int, line: int) -> int | None:
        fees = self.profile.fees
        if fees is None:
            fee = self._optional_minor(row, "fee", digits, line) if "fee" in self.at else None
            return None if fee is None else abs(fee)
        total: int | None = None
        for fields, sign in ((fees.payable, 1), (fees.receivable, -1), (fees.signed, -1)):
            for field in fields:
                minor = self._optional_minor(row, field, digits, line)
                if minor is not None:
                    total = (total or 0) + sign * minor
        return total

    def _wrong(self, code: str, line: int, field: str | None, expected: str, found: str) -> None:
        self.findings.add(
            code,
            f"{field or 'the row'} does not hold",
            line=line,
            field=field,
            expected=expected,
            found=found,
        )
