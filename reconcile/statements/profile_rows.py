"""Reads a table by its profile (or by an accepted column map, which is a profile too)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from reconcile.currency import NO_CURRENCY, digits_of
from reconcile.model import CARRIER_BY_WORD, Direction, EntryStatus
from reconcile.statements.currencies import currency_code
from reconcile.statements.dates import day_of, instant_of
from reconcile.statements.directions import direction_of
from reconcile.statements.drafts import Draft, FileDraft, StatementDraft, refuse
from reconcile.statements.generic import Wanted
from reconcile.statements.money import AmountError, signed_minor_units
from reconcile.statements.profiles import Profile, header_row, squeeze
from reconcile.statements.tables import Row, Table
from reconcile.statements.texts import PLACEHOLDERS, reference, tidy
from reconcile.statements.wallets import Movement, movement, refunded_orders

_SYMBOLS: Final = re.compile(r"[\s\u00a0\u202f¥￥$€£'’`]|元|CNY|RMB|EUR|USD|HKD")
_BLANK_AMOUNTS: Final = frozenset({"", "-", "--", "/"})


def read_profile(table: Table, profile: Profile, wanted: Wanted, draft: FileDraft) -> None:
    """Read a table into one statement per currency."""
    header = header_row(table.rows, profile)
    if header is None:
        raise refuse(
            "PROFILE_MISMATCH",
            f"no row holds the columns of profile {profile.name}",
            file=draft.name,
            field=profile.header[0],
            help=f"it needs {', '.join(profile.header)}; leave --profile away to have one found",
        )
    reader = ProfileReader(table, header, profile, wanted, draft)
    reader.read()


@dataclass(slots=True)
class _Seen:
    """A row as the control totals count it."""

    sign: str
    amount_minor: int
    direction: Direction


class ProfileReader:
    """Turns the rows under a header into drafts."""

    def __init__(
        self,
        table: Table,
        header: int,
        profile: Profile,
        wanted: Wanted,
        draft: FileDraft,
    ) -> None:
        """Take the table, the header's index, the layout and the file to fill."""
        self.head = table.rows[:header]
        self.rows = table.rows[header + 1 :]
        self.profile = profile
        self.wanted = wanted
        self.draft = draft
        self.findings = draft.findings
        self.header_line, names = table.rows[header]
        positions: dict[str, int] = {}
        for index, name in enumerate(names):
            positions.setdefault(squeeze(name), index)
        self.at: dict[str, tuple[int, ...]] = {
            field: found
            for field, words in profile.columns.items()
            if (found := tuple(i for w in words if (i := positions.get(squeeze(w))) is not None))
        }
        self.statements: dict[str, StatementDraft] = {}
        self.seen: list[_Seen] = []
        self.refunded: frozenset[str] = frozenset()
        self.debit_in = (
            profile.debit_in if profile.debit_in is not None else wanted.perspective == "ledger"
        )

    def read(self) -> None:
        """Read head, rows and foot."""
        account = self._account()
        wallet = self.profile.wallet
        if wallet is not None:
            orders = [self._cell(row, "transaction_id") for _, row in self.rows]
            self.refunded = refunded_orders(wallet, orders)
        foot: Row | None = None
        for line, row in self.rows:
            if not any(cell.strip() for cell in row) or row[0].startswith("#"):
                continue
            if self._is_foot(row):
                foot = (line, row)
                break
            self._take(line, row)
        if not self.statements:
            code = self.wanted.currency or self.profile.currency or NO_CURRENCY
            self._statement(code, self.header_line)
        for statement in self.statements.values():
            statement.account = account
            self.draft.statements.append(statement)
        self._check_head()
        self._check_foot(foot)
        self._check_period()

    # ------------------------------------------------------------------ head and foot
    def _account(self) -> str:
        pattern = self.profile.account_pattern
        parts = [self.profile.account_label]
        if pattern is not None:
            for _, row in self.head:
                found = re.search(pattern, " ".join(row))
                if found:
                    parts.insert(0, found[1].strip())
                    break
        return " ".join(filter(None, parts))

    def _is_foot(self, row: Sequence[str]) -> bool:
        foot = self.profile.foot_total
        return foot is not None and re.search(foot.first_cell, row[0].strip()) is not None

    def _check_head(self) -> None:
        """Compare the counts and sums above the header with the rows."""
        for total in self.profile.head_totals:
            for line, row in self.head:
                found = re.search(total.pattern, " ".join(row))
                if not found:
                    continue
                chosen = [s for s in self.seen if total.sign is None or s.sign == total.sign]
                groups = found.groupdict()
                self._compare(line, found[0], groups.get("count"), str(len(chosen)))
                if groups.get("sum"):
                    said = self._minor(groups["sum"], 2, line, "sum")
                    due = sum(s.amount_minor for s in chosen)
                    self._compare(line, found[0], None if said is None else str(said), str(due))

    def _compare(self, line: int, text: str, said: str | None, due: str) -> None:
        if said is not None and said != due:
            self.findings.add(
                "CONTROL_TOTALS",
                f"the rows do not add up to {text.strip()!r}",
                line=line,
                field="rows",
                expected=said,
                found=due,
            )

    def _check_foot(self, foot: Row | None) -> None:
        if self.profile.foot_total is None:
            return
        if foot is None:
            self.findings.add(
                "TRUNCATED",
                "the row of sums at the end is missing",
                line=self.rows[-1][0] if self.rows else self.header_line,
                expected="a row of sums",
            )
            return
        line, row = foot
        for field, direction in (("amount_in", Direction.IN), ("amount_out", Direction.OUT)):
            text = self._cell(row, field)
            if text not in _BLANK_AMOUNTS:
                said = self._minor(text, 2, line, field)
                due = sum(s.amount_minor for s in self.seen if s.direction is direction)
                self._compare(line, row[0], None if said is None else str(said), str(due))

    def _check_period(self) -> None:
        pattern = self.profile.period_pattern
        if pattern is None:
            return
        for _, row in self.head:
            found = re.search(pattern, " ".join(row))
            first, last = (day_of(found[1]), day_of(found[2])) if found else (None, None)
            if first is None or last is None:
                continue
            for statement in self.statements.values():
                for entry in statement.entries:
                    if not first <= entry.booking_date <= last:
                        self.findings.add(
                            "PERIOD",
                            "the row lies outside the period the file says it covers",
                            line=entry.line,
                            field="booking_date",
                            expected=found[0] if found else None,
                        )
            return

    # ------------------------------------------------------------------ rows
    def _cell(self, row: Sequence[str], field: str) -> str:
        """Return the first filled cell among the columns of a field."""
        for index in self.at.get(field, ()):
            if index < len(row) and (text := row[index].strip(" \t\r\n\u3000`")):
                return text
        return ""

    def _joined(self, row: Sequence[str], field: str) -> str | None:
        texts = [
            text
            for index in self.at.get(field, ())
            if index < len(row)
            and (text := row[index].strip(" \t\r\n\u3000`"))
            and text.upper() not in PLACEHOLDERS
        ]
        return tidy(" ".join(dict.fromkeys(texts)))

    def _take(self, line: int, row: Sequence[str]) -> None:
        needed = max((positions[0] for positions in self.at.values()), default=0)
        if len(row) <= needed:
            self._wrong("ROW_SHAPE", line, None, f"{needed + 1} cells", str(len(row)))
            return
        currency = self._currency(row)
        digits = digits_of(currency)
        if digits is None:
            self._wrong("CURRENCY_UNKNOWN", line, "currency", "an ISO 4217 code", currency)
            return
        date = self._cell(row, "date")
        day = day_of(date, month_first=self.profile.month_first)
        if day is None:
            self._wrong("DATE_INVALID", line, "date", "a calendar date", date)
        wallet = self._wallet(line, row, digits) if self.profile.wallet is not None else None
        money = wallet[1] if wallet else self._money(line, row, digits)
        if day is None or money is None:
            return
        direction, minor, is_reversal = money
        draft = Draft(line, direction, minor, currency, day, is_reversal=is_reversal)
        self._describe(draft, row, digits)
        if wallet:
            self._settle(draft, wallet[0], row)
        self.seen.append(_Seen(self._cell(row, "sign"), minor, direction))
        self._statement(currency, line).entries.append(draft)

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

    def _minor(self, text: str, digits: int, line: int, field: str) -> int | None:
        plain = _SYMBOLS.sub("", text)
        if self.profile.decimal_comma:
            plain = plain.replace(".", "").replace(",", ".")
        else:
            plain = re.sub(r",(?=\d{3}(?:\D|\Z))", "", plain)
        try:
            return signed_minor_units(plain, digits)
        except AmountError as error:
            expected = f"an amount with at most {digits} decimal digits"
            self._wrong(error.code, line, field, expected, text)
            return None

    def _optional_minor(
        self,
        row: Sequence[str],
        field: str,
        digits: int,
        line: int,
    ) -> int | None:
        text = self._cell(row, field)
        return None if text in _BLANK_AMOUNTS else self._minor(text, digits, line, field)

    def _money(
        self, line: int, row: Sequence[str], digits: int
    ) -> tuple[Direction, int, bool] | None:
        """Return direction, amount and whether a red entry (红字) turned the direction."""
        if "amount" in self.at:
            return self._single(line, row, digits)
        in_field, out_field = ("amount_in", "amount_out")
        if in_field not in self.at:
            in_field, out_field = ("debit", "credit") if self.debit_in else ("credit", "debit")
        filled: list[tuple[Direction, int]] = []
        for field, direction in ((in_field, Direction.IN), (out_field, Direction.OUT)):
            text = self._cell(row, field)
            if text in _BLANK_AMOUNTS:
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

    def _single(
        self, line: int, row: Sequence[str], digits: int
    ) -> tuple[Direction, int, bool] | None:
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
        if direction is Direction.OUT and self.profile.wallet is None:
            # Many banks write money out as negative beside the word that says so.
            return direction, -minor, False
        return direction.opposite, -minor, True

    # ------------------------------------------------------------------ wallets
    def _wallet(
        self,
        line: int,
        row: Sequence[str],
        digits: int,
    ) -> tuple[Movement, tuple[Direction, int, bool] | None]:
        wallet = self.profile.wallet
        assert wallet is not None
        cells = {field: self._cell(row, field) for field in self.at}
        moved = movement(wallet, cells, self.refunded)
        if moved is None:
            self._wrong(
                "DIRECTION_UNKNOWN", line, "sign", "a known kind of row", cells.get("sign", "")
            )
            unknown = Movement(Direction.OUT, EntryStatus.PENDING, moves=False, known=True)
            return unknown, None
        if not moved.known:
            self._wrong("STATUS_UNKNOWN", line, "state", "a known status", cells.get("state", ""))
        minor = self._minor(cells.get("amount", ""), digits, line, "amount")
        if minor is not None and minor < 0:
            self._wrong("AMOUNT_INVALID", line, "amount", "no sign", cells.get("amount", ""))
            minor = None
        return moved, None if minor is None else (moved.direction, minor, False)

    def _settle(self, draft: Draft, moved: Movement, row: Sequence[str]) -> None:
        wallet = self.profile.wallet
        assert wallet is not None
        draft.status = moved.status
        if not moved.moves:
            draft.kind = (
                f"{draft.kind or ''} ({self._cell(row, 'method') or '资金来源未注明'})".strip()
            )
        if wallet.fee_pattern is not None:
            found = re.search(wallet.fee_pattern, draft.remittance or "")
            digits = digits_of(draft.currency) or 0
            if found:
                draft.fee_minor = self._minor(found[1], digits, draft.line, "fee")
        if draft.status is EntryStatus.RETURNED and wallet.refund_separator:
            order = self._cell(row, "transaction_id")
            original = order.partition(wallet.refund_separator)[0]
            draft.reversal_of = original if original != order else None

    # ------------------------------------------------------------------ the rest
    def _describe(self, draft: Draft, row: Sequence[str], digits: int) -> None:
        draft.kind = self._joined(row, "kind")
        draft.remittance = self._joined(row, "remittance")
        draft.counterparty_name = self._joined(row, "name")
        draft.counterparty_account = reference(self._cell(row, "peer_account"))
        if self.profile.party_pattern is not None and draft.counterparty_name is not None:
            found = re.fullmatch(self.profile.party_pattern, draft.counterparty_name)
            if found:
                draft.counterparty_name, draft.counterparty_account = tidy(found[1]), found[2]
        draft.references = tuple(
            (int(carrier), text)
            for word, carrier in CARRIER_BY_WORD.items()
            if word in self.at and (text := reference(self._cell(row, word)))
        )
        if self.profile.source_ref is not None:
            draft.source_ref = reference(self._cell(row, self.profile.source_ref))
        if "value_date" in self.at and (text := self._cell(row, "value_date")):
            draft.value_date = day_of(text, month_first=self.profile.month_first)
            if draft.value_date is None:
                self._wrong("DATE_INVALID", draft.line, "value_date", "a calendar date", text)
        draft.running_minor = self._optional_minor(row, "balance", digits, draft.line)
        if "fee" in self.at:
            fee = self._optional_minor(row, "fee", digits, draft.line)
            draft.fee_minor = None if fee is None else abs(fee)
        if self.profile.utc_offset_min is not None:
            moment = f"{self._cell(row, 'date')} {self._cell(row, 'clock')}"
            draft.occurred_at = instant_of(moment, offset_min=self.profile.utc_offset_min)

    def _wrong(self, code: str, line: int, field: str | None, expected: str, found: str) -> None:
        self.findings.add(
            code,
            f"{field or 'the row'} does not hold",
            line=line,
            field=field,
            expected=expected,
            found=found,
        )
