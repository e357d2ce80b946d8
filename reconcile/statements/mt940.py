"""SWIFT MT940 customer statement, MT942 interim report, MT950 statement message.

Fields (SWIFT Standards, category 9): :20: reference, :25: account, :28C: number/sequence,
:60F: or :60M: opening balance, :61: statement line, :86: information, :62F: or :62M: closing
balance; MT942: :34F: floor limit, :13D: date/time, :90D: and :90C: number and sum of entries.
The grammar of :61: and its dialects, and German :86:, are those of PyPI `mt-940`; order,
dates, balances and sums are checked here, because that parser passes over what it cannot read.
"""

from __future__ import annotations

import logging
import re
from typing import Final

from reconcile.currency import NO_CURRENCY, digits_of
from reconcile.model import Balance, Direction, StatementNumber
from reconcile.statements.checks import money
from reconcile.statements.dates import day_from, full_year
from reconcile.statements.drafts import FileDraft, StatementDraft, refuse, stated
from reconcile.statements.money import AmountError, minor_units
from reconcile.statements.mt940_fields import Field, Message, messages
from reconcile.statements.mt940_line import LineReader

# The library reports what it cannot match, with the statement's text, on standard error.
logging.getLogger("mt940").addHandler(logging.NullHandler())
logging.getLogger("mt940").propagate = False

MAX_FIELDS_BEHIND: Final = 32
"""At most this many :86: and :NS: fields belong to one statement line."""

_BALANCE: Final = re.compile(r"([DC])(\d{6})([A-Z]{3})(\d+,?\d*)\s*\Z", re.ASCII)
_SUM: Final = re.compile(r"(\d{1,9})([A-Z]{3})(\d+,?\d*)\s*\Z", re.ASCII)
_NUMBER: Final = re.compile(r"(\d{1,5})(?:/(\d{1,5}))?\s*\Z", re.ASCII)
_FLOOR: Final = re.compile(r"([A-Z]{3})[DC ]?\d", re.ASCII)
_BALANCE_TAGS: Final = frozenset({"60F", "60M", "62F", "62M"})
_INTERIM_TAGS: Final = frozenset({"34F", "13D", "13", "90C", "90D"})


def read_mt940(text: str, name: str, sha256: str) -> FileDraft:
    """Read every message of a file; messages of several accounts may follow each other."""
    draft = FileDraft(name, "mt940", None, sha256)
    kinds: set[str] = set()
    if "\n" not in text:
        text = text.replace("\r", "\n")
    for message in messages(text):
        reader = _StatementReader(message, draft)
        draft.statements.append(reader.read())
        kinds.add(reader.kind)
    if not draft.statements:
        raise refuse(
            "STATEMENT_MISSING",
            "no field :20: to :90D: found",
            file=name,
            help="the file is empty or no SWIFT message; export it again",
        )
    draft.format = min(kinds)
    return draft


class _StatementReader:
    """Reads one message into one statement."""

    def __init__(self, message: Message, draft: FileDraft) -> None:
        self.message = message
        self.before = draft.statements[-1] if draft.statements else None
        first = message.fields[0]
        self.statement = StatementDraft(line=first.line, end_line=message.last_line)
        self.findings = self.statement.findings
        tags_seen = {one.tag for one in message.fields}
        interim = bool(tags_seen & _INTERIM_TAGS) and not tags_seen & _BALANCE_TAGS
        self.kind = message.kind or ("mt942" if interim else "mt940")
        self.closed = False

    def read(self) -> StatementDraft:
        """Read fields in order, then check that the mandatory ones were there."""
        fields = self.message.fields
        by_tag: dict[str, Field] = {}
        for one in fields:
            by_tag.setdefault(one.tag, one)
        self._head(by_tag)
        self._balances(by_tag)
        self._currency(by_tag)
        reader = LineReader(self.statement, self.statement.currency or NO_CURRENCY)
        for position, one in enumerate(fields):
            if one.tag == "61":
                self._check_order(one)
                behind = fields[position + 1 : position + 1 + MAX_FIELDS_BEHIND]
                reader.take(one, behind)
            self.closed = self.closed or one.tag in {"62F", "62M"}
        self._sums(by_tag)
        self._missing(by_tag)
        return self.statement

    def _head(self, by_tag: dict[str, Field]) -> None:
        account = by_tag.get("25") or by_tag.get("25P")
        if account is not None:
            self.statement.account = account.value.partition("\n")[0].strip()
        number = by_tag.get("28C") or by_tag.get("28")
        reference = by_tag.get("20")
        numbered = number is not None and re.search(r"[1-9]", number.value)
        source = number if numbered else reference or number
        self.statement.statement_ref = source.value.partition("\n")[0] if source else ""
        found = None if number is None else _NUMBER.match(number.value)
        if found is not None and int(found[1]):
            page = int(found[2]) if found[2] else None
            self.statement.number = StatementNumber(f"{self.kind} :28C:", int(found[1]), page)

    def _balances(self, by_tag: dict[str, Field]) -> None:
        opening = by_tag.get("60F") or by_tag.get("60M")
        closing = by_tag.get("62F") or by_tag.get("62M")
        self.statement.opening = self._balance(opening)
        self.statement.closing = self._balance(closing)
        if closing is not None:
            self.statement.end_line = closing.line

    def _balance(self, source: Field | None) -> Balance | None:
        if source is None:
            return None
        value = source.value.partition("\n")[0]
        found = _BALANCE.match(value)
        digits = digits_of(found[3]) if found else None
        if found is None or digits is None:
            self._invalid(source, "D or C, YYMMDD, currency, amount with a comma", value)
            return None
        day = _short_day(found[2])
        if day is None:
            self._invalid(source, "a calendar date", found[2], "DATE_INVALID")
            return None
        minor = self._minor(source, found[4], digits)
        if minor is None:
            return None
        if self.statement.currency is None:
            self.statement.currency = found[3]
        elif self.statement.currency != found[3]:
            self._invalid(source, self.statement.currency, found[3], "CURRENCY_MISMATCH")
            return None
        return stated(minor if found[1] == "C" else -minor, day)

    def _minor(self, source: Field, text: str, digits: int) -> int | None:
        try:
            return minor_units(text.replace(",", "."), digits)
        except AmountError as error:
            self._invalid(source, f"at most {digits} decimal digits", text, error.code)
            return None

    def _currency(self, by_tag: dict[str, Field]) -> None:
        """Take the currency of a report without balances from :34F: or :90D:."""
        for tag, pattern, group in (("34F", _FLOOR, 1), ("90D", _SUM, 2), ("90C", _SUM, 2)):
            if self.statement.currency is None and tag in by_tag:
                found = pattern.match(by_tag[tag].value)
                if found and digits_of(found[group]) is not None:
                    self.statement.currency = found[group]
        if self.statement.currency is None and "20" not in by_tag and self.before is not None:
            # Lines behind the end of a message: read, listed, in that message's currency.
            self.statement.currency = self.before.currency
            self.statement.account = self.statement.account or self.before.account

    def _check_order(self, line: Field) -> None:
        if self.closed:
            self.findings.add(
                "FIELD_ORDER",
                ":61: stands behind the closing balance",
                line=line.line,
                field="61",
                expected=":61: before :62F: or :62M:",
            )

    def _sums(self, by_tag: dict[str, Field]) -> None:
        """Check :90D: and :90C: of an interim report against its entries."""
        for tag, direction in (("90D", Direction.OUT), ("90C", Direction.IN)):
            source = by_tag.get(tag)
            if source is None:
                continue
            found = _SUM.match(source.value.partition("\n")[0])
            digits = digits_of(found[2]) if found else None
            if found is None or digits is None:
                self._invalid(source, "number, currency, amount", source.value)
                continue
            chosen = [d for d in self.statement.entries if d.direction is direction]
            due = (len(chosen), sum(d.amount_minor for d in chosen))
            if (int(found[1]), self._minor(source, found[3], digits)) != due:
                self._invalid(
                    source,
                    source.value,
                    f"{due[0]} entries, {money(due[1], found[2])}",
                    "CONTROL_TOTALS",
                )

    def _missing(self, by_tag: dict[str, Field]) -> None:
        wanted = {"20": ("20",), "25": ("25", "25P")}
        if self.kind != "mt942":
            wanted |= {"60F": ("60F", "60M"), "62F": ("62F", "62M")}
        for tag, any_of in wanted.items():
            if not any(one in by_tag for one in any_of):
                late = tag == "62F"
                self.findings.add(
                    "TRUNCATED" if late and self.message.fields[0].tag == "20" else "FIELD_MISSING",
                    f"the statement has no field :{tag}:",
                    line=self.message.last_line if late else self.statement.line,
                    field=tag,
                    expected=f":{tag}: (SWIFT {self.kind.upper()}, mandatory)",
                )

    def _invalid(
        self,
        source: Field,
        expected: str,
        found: str,
        code: str = "BALANCE_INVALID",
    ) -> None:
        self.findings.add(
            code,
            f"field :{source.tag}: does not hold",
            line=source.line,
            field=source.tag,
            expected=expected,
            found=found,
        )


def _short_day(text: str) -> int | None:
    """Read YYMMDD."""
    return day_from(full_year(int(text[:2])), int(text[2:4]), int(text[4:6]))
