"""The cells of one row of a generic table, read by field name."""

from __future__ import annotations

from typing import Final

from reconcile.model import Direction
from reconcile.statements.dates import day_of, instant_of
from reconcile.statements.drafts import Findings
from reconcile.statements.money import AmountError, minor_units, signed_minor_units

# What a record may hold (ledger.md, "Bytes").
MAX_INTEGER_CHARACTERS: Final = 18
MAX_VERSION: Final = 2**31 - 1
MAX_SESSION: Final = 7
MAX_INSTANT_MS: Final = 253_402_300_799_999
"""9999-12-31T23:59:59.999Z."""


class Cells:
    """The cells of one row by field name."""

    __slots__ = ("at", "findings", "line", "row")

    def __init__(self, row: list[str], line: int, at: dict[str, int], findings: Findings) -> None:
        self.row = row
        self.line = line
        self.at = at
        self.findings = findings

    def text(self, name: str) -> str:
        """Return the trimmed cell, empty if the table has no such column."""
        index = self.at[name]
        return self.row[index].strip() if index >= 0 else ""

    def wrong(self, name: str, expected: str, code: str = "FIELD_INVALID") -> None:
        """List that a cell does not hold."""
        found = self.text(name)
        self.findings.add(
            code if found else "FIELD_MISSING",
            f"{name} {'does not hold' if found else 'is missing'}",
            line=self.line,
            field=name,
            expected=expected,
            found=found,
        )

    def day(self, name: str, *, needed: bool = False) -> int | None:
        """Read a date; only year-first ones, so that nothing is guessed."""
        text = self.text(name)
        if not text and not needed:
            return None
        day = day_of(text) if text[:4].isdigit() else None
        if day is None:
            self.wrong(name, "a date like 2026-11-20", "DATE_INVALID")
        return day

    def integer(self, name: str, most: int) -> int | None:
        """Read a whole number from 0 to `most`."""
        text = self.text(name)
        if not text:
            return None
        plain = text.isascii() and text.isdigit() and len(text) <= MAX_INTEGER_CHARACTERS
        if not plain or int(text) > most:
            self.wrong(name, f"a whole number from 0 to {most}")
            return None
        return int(text)

    def amount(self, name: str, digits: int, *, signed: bool = False) -> int | None:
        """Read a decimal with a dot in minor units."""
        text = self.text(name)
        if not text:
            return None
        try:
            return signed_minor_units(text, digits) if signed else minor_units(text, digits)
        except AmountError as error:
            self.wrong(name, f"a decimal with at most {digits} digits", error.code)
            return None

    def instant(self, name: str) -> int | None:
        """Read milliseconds since 1970 UTC, or a time with offset."""
        text = self.text(name)
        if not text:
            return None
        if text.isascii() and text.isdigit() and len(text) <= MAX_INTEGER_CHARACTERS:
            moment: int | None = int(text)
        else:
            moment = instant_of(text)
        if moment is None or moment > MAX_INSTANT_MS:
            moment = None
            self.wrong(name, "a time with offset, like 2026-11-20T09:30:00+08:00")
        return moment

    def two_columns(self, digits: int, *, debit_in: bool) -> tuple[Direction, int, bool] | None:
        """Read debit and credit: exactly one of them is filled and not zero."""
        debit = self.amount("debit", digits, signed=True)
        credit = self.amount("credit", digits, signed=True)
        if bool(debit) and bool(credit):
            self.wrong("debit", "either a debit or a credit", "DIRECTION_UNKNOWN")
            return None
        minor = debit or credit
        if minor is None or not (debit or credit):
            if debit is None and credit is None:
                self.wrong("debit", "a debit or a credit", "AMOUNT_INVALID")
                return None
            minor = 0
        is_debit = bool(debit) or (not credit and debit is not None)
        direction = Direction.IN if is_debit is debit_in else Direction.OUT
        if minor < 0:
            return direction.opposite, -minor, True
        return direction, minor, False
