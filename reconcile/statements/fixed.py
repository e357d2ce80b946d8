"""Lines of fixed width, as clearing houses and core systems write them, cut by a profile.

Positions count bytes or characters; a Chinese character takes two bytes in GB18030. Every line is
an entry, a fact about the file, or a total of it; anything else is a contradiction. The cut lines
become a table whose header is the profile's column names, and are then read like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from reconcile.currency import digits_of
from reconcile.model import Direction
from reconcile.statements.checks import money
from reconcile.statements.currencies import currency_code
from reconcile.statements.drafts import FileDraft, StatementDraft, stated
from reconcile.statements.encoding import encoding_of
from reconcile.statements.expressions import expression
from reconcile.statements.generic import Wanted
from reconcile.statements.money import AmountError, signed_minor_units
from reconcile.statements.profile_dates import compact_day
from reconcile.statements.profile_rows import ProfileReader
from reconcile.statements.profiles import Fixed, FixedFact, FixedTotal, Profile, profiles
from reconcile.statements.tables import Row, Table

Span = tuple[int, int]
_WAYS: Final = {"IN": Direction.IN, "OUT": Direction.OUT}
_FIRST_LINES: Final = 5


def fixed_profile(text: str, own: Sequence[Profile] = ()) -> Profile | None:
    """Return the profile that one of the first lines of a text fits."""
    lines = [line for line in text.splitlines()[:_FIRST_LINES] if line.strip()]
    for one in (*own, *profiles().values()):
        if one.fixed is not None and one.autodetect:
            pattern = expression(one.fixed.recognise)
            if any(pattern.search(line) for line in lines[:1]):
                return one
    return None


def read_fixed(text: str, data: bytes, profile: Profile, wanted: Wanted, draft: FileDraft) -> None:
    """Read a file of fixed-width lines into one statement per currency."""
    assert profile.fixed is not None
    reader = _FixedReader(text, encoding_of(data)[0], profile, wanted, draft)
    reader.read()


class _FixedReader:
    """Cuts lines, keeps the facts, and checks the totals."""

    def __init__(
        self, text: str, encoding: str, profile: Profile, wanted: Wanted, draft: FileDraft
    ) -> None:
        assert profile.fixed is not None
        self.layout: Fixed = profile.fixed
        self.profile = profile
        self.wanted = wanted
        self.draft = draft
        self.text = text
        self.encoding = encoding
        self.by_byte = self.layout.unit == "bytes"
        if self.by_byte and encoding.startswith("utf-16"):
            self.encoding = "gb18030"
        self.facts: list[tuple[int, str, FixedFact]] = []
        self.totals: list[tuple[int, str, FixedTotal]] = []

    def read(self) -> None:
        """Read every line, then the rows, then compare the totals."""
        names = tuple(self.layout.columns)
        rows: list[Row] = [(1, list(names))]
        spans = [self.layout.columns[name] for name in names]
        for line, raw in enumerate(self.text.split("\n"), start=1):
            text = raw.rstrip("\r\x1a")
            if not text.strip():
                continue
            if self._said(line, text):
                continue
            if not self._is_entry(text):
                self._wrong("ROW_SHAPE", line, "line", "an entry, a fact or a total", text)
            elif self._width(text) < self.layout.length:
                found = str(self._width(text))
                self._wrong("ROW_SHAPE", line, "line", f"{self.layout.length} positions", found)
            else:
                rows.append((line, self._cut(text, spans)))
        table = Table("fixed", rows, self._settlement_day())
        ProfileReader(table, 0, self.profile, self.wanted, self.draft).read()
        for statement in self.draft.statements:
            self._apply_facts(statement)
        self._check_totals()

    def _said(self, line: int, text: str) -> bool:
        """Keep a line that is a fact or a total."""
        for fact in self.layout.facts:
            if expression(fact.line).search(text):
                self.facts.append((line, text, fact))
                return True
        for total in self.layout.totals:
            if expression(total.line).search(text):
                self.totals.append((line, text, total))
                return True
        return False

    def _is_entry(self, text: str) -> bool:
        detail = self.layout.detail
        return detail is None or expression(detail).search(text) is not None

    # ------------------------------------------------------------------ cutting
    def _width(self, text: str) -> int:
        if not self.by_byte or text.isascii():
            return len(text)
        return len(text.encode(self.encoding, "replace"))

    def _cut(self, text: str, spans: Sequence[Span]) -> list[str]:
        if not self.by_byte or text.isascii():
            return [text[first - 1 : first - 1 + width].strip() for first, width in spans]
        raw = text.encode(self.encoding, "replace")
        return [
            raw[first - 1 : first - 1 + width].decode(self.encoding, "replace").strip()
            for first, width in spans
        ]

    def _one(self, text: str, span: Span | None) -> str:
        return "" if span is None else self._cut(text, [span])[0]

    # ------------------------------------------------------------------ facts and totals
    def _settlement_day(self) -> int | None:
        for line, text, fact in self.facts:
            if fact.settlement_date is not None:
                said = self._one(text, fact.settlement_date)
                day = compact_day(said)
                if day is None:
                    self._wrong("DATE_INVALID", line, "settlement_date", "YYYYMMDD", said)
                return day
        return None

    def _apply_facts(self, statement: StatementDraft) -> None:
        for line, text, fact in self.facts:
            statement.account = self._one(text, fact.account) or statement.account
            statement.statement_ref = self._one(text, fact.statement_ref) or statement.statement_ref
            currency = currency_code(self._one(text, fact.currency))
            if currency and currency != statement.currency:
                self._wrong(
                    "CURRENCY_MISMATCH", line, "currency", str(statement.currency), currency
                )
            if fact.opening_balance is not None:
                self._balance(statement, line, text, fact.opening_balance, opening=True)
            if fact.closing_balance is not None:
                self._balance(statement, line, text, fact.closing_balance, opening=False)

    def _balance(
        self, statement: StatementDraft, line: int, text: str, span: Span, *, opening: bool
    ) -> None:
        minor = self._minor(line, self._one(text, span), statement.currency)
        days = [one.booking_date for one in statement.entries]
        day = self._settlement_day() or (min(days) if opening else max(days)) if days else None
        if minor is None or day is None:
            return
        if opening:
            statement.opening = stated(minor, day)
        else:
            statement.closing, statement.end_line = stated(minor, day), line

    def _minor(self, line: int, text: str, currency: str | None) -> int | None:
        digits = (
            0 if self.profile.implied_decimals and "." not in text else digits_of(currency or "")
        )
        plain = text[1:] if text[:1] == "C" else text.replace("D", "-", 1)
        try:
            return signed_minor_units(plain, digits or 0)
        except AmountError as error:
            self._wrong(error.code, line, "amount", "an amount", text)
            return None

    def _check_totals(self) -> None:
        drafts = [one for statement in self.draft.statements for one in statement.entries]
        currency = self.draft.statements[0].currency if self.draft.statements else None
        for line, text, total in self.totals:
            way = None if total.direction is None else _WAYS[total.direction]
            chosen = [one for one in drafts if way in {None, one.direction}]
            if total.count is not None:
                said = self._one(text, total.count)
                if said.lstrip("0") != str(len(chosen)).lstrip("0"):
                    self._differ(line, "count", said, str(len(chosen)))
            if total.sum is not None:
                said = self._one(text, total.sum)
                minor = self._minor(line, said, currency)
                due = sum(one.amount_minor for one in chosen)
                if minor is not None and abs(minor) != due:
                    self._differ(line, "sum", said, money(due, currency))
        kinds = {id(total) for _, _, total in self.totals}
        if any(id(total) not in kinds for total in self.layout.totals):
            self.draft.findings.add(
                "TRUNCATED",
                "a line of totals that the layout promises is missing",
                line=self.text.count("\n") + 1,
                expected="the totals of the layout",
            )

    def _differ(self, line: int, field: str, said: str, due: str) -> None:
        self.draft.findings.add(
            "CONTROL_TOTALS",
            "the entries do not add up to what the file says",
            line=line,
            field=field,
            expected=said,
            found=due,
        )

    def _wrong(self, code: str, line: int, field: str, expected: str, found: str) -> None:
        self.draft.findings.add(
            code,
            f"the {field} does not hold",
            line=line,
            field=field,
            expected=expected,
            found=found,
        )
