"""The parts of one camt statement around its entries: account, balances, totals."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from reconcile.currency import digits_of
from reconcile.model import Direction, StatementNumber, day_iso
from reconcile.statements.camt_entry import EntryReader
from reconcile.statements.camt_xml import Element, amount_of, child, text_of
from reconcile.statements.checks import money
from reconcile.statements.dates import day_of
from reconcile.statements.drafts import StatementDraft, stated
from reconcile.statements.money import AmountError, minor_units

_OPENING_CODES: Final = ("OPBD", "PRCD")
_NUMBERS: Final = ("ElctrncSeqNb", "LglSeqNb")
_PLAIN_NUMBER: Final = re.compile(r"0*[1-9]\d{0,17}", re.ASCII)
_READ_CODES: Final = frozenset({"OPBD", "PRCD", "CLBD", "ITBD"})


class Parts:
    """The parts of one statement: account, balances, totals, entries."""

    def __init__(
        self,
        statement: StatementDraft,
        prefix: str,
        message: str,
        line_of: Callable[[Element], int],
    ) -> None:
        """Take the statement, the namespace in braces, the message and how lines are told."""
        self.statement = statement
        self.prefix = prefix
        self.message = message
        self.line_of = line_of
        self.reader = EntryReader(statement)
        self.balances: list[tuple[str, str, int, int, int]] = []
        self.summary: dict[str, tuple[int, str | None, str | None]] = {}
        self.last_line = statement.line

    def take(self, element: Element) -> None:
        """Read one child of the statement."""
        word = str(element.tag)[len(self.prefix) :]
        self.last_line = self.line_of(element)
        if word == "Id":
            self.statement.statement_ref = (element.text or "").strip()
        elif word in _NUMBERS:
            self._number(word, (element.text or "").strip())
        elif word == "Acct":
            self._account(element)
        elif word == "Bal":
            self._balance(element)
        elif word == "TxsSummry":
            self._summary(element)
        elif word in {"FrToDt", "CreDtTm"}:
            date = text_of(element, self.prefix, "ToDtTm") or (element.text or "").strip()
            self.reader.report_day = day_of(date[:10]) or self.reader.report_day

    def _number(self, word: str, text: str) -> None:
        """Read ElctrncSeqNb, else LglSeqNb (Max18 digits); a report numbers its own kind."""
        known = self.statement.number
        if _PLAIN_NUMBER.fullmatch(text) and (known is None or word == _NUMBERS[0]):
            self.statement.number = StatementNumber(f"{self.message} {word}", int(text))

    def _account(self, element: Element) -> None:
        prefix = self.prefix
        self.statement.account = (
            text_of(element, prefix, "Id", "IBAN")
            or text_of(element, prefix, "Id", "Othr", "Id")
            or text_of(element, prefix, "Id", "PrtryAcct", "Id")
            or ""
        )
        self.statement.currency = text_of(element, prefix, "Ccy")

    def _balance(self, element: Element) -> None:
        """Read a CashBalance: Tp/CdOrPrtry/Cd, Amt, CdtDbtInd, Dt."""
        prefix, line = self.prefix, self.line_of(element)
        code = text_of(element, prefix, "Tp", "CdOrPrtry", "Cd")
        if code not in _READ_CODES:
            return
        amount, currency = amount_of(child(element, prefix, "Amt"))
        mark = text_of(element, prefix, "CdtDbtInd")
        holder = child(element, prefix, "Dt")
        date = text_of(holder, prefix, "Dt") or text_of(holder, prefix, "DtTm") or ""
        day = day_of(date[:10])
        digits = digits_of(currency)
        findings = self.statement.findings
        if digits is None or mark not in {"CRDT", "DBIT"} or day is None:
            findings.add(
                "BALANCE_INVALID",
                "a balance lacks a known currency, CRDT or DBIT, or a calendar date",
                line=line,
                field=code,
                found=f"{amount} {currency} {mark} {date}",
            )
            return
        try:
            minor = minor_units(amount, digits)
        except AmountError as error:
            findings.add(error.code, str(error), line=line, field=code, found=amount)
            return
        self.balances.append((code, currency, minor if mark == "CRDT" else -minor, day, line))

    def _summary(self, element: Element) -> None:
        """Read TotalsPerX: NbOfNtries and Sum of TtlNtries, TtlCdtNtries, TtlDbtNtries."""
        for part in ("TtlNtries", "TtlCdtNtries", "TtlDbtNtries"):
            totals = child(element, self.prefix, part)
            if totals is not None:
                self.summary[part] = (
                    self.line_of(totals),
                    text_of(totals, self.prefix, "NbOfNtries"),
                    text_of(totals, self.prefix, "Sum"),
                )

    def finish(self, end_line: int) -> None:
        """Settle currency and balances and check the summary, once all children are read."""
        statement = self.statement
        statement.end_line = max(end_line, self.last_line)
        if not statement.account:
            statement.findings.add(
                "FIELD_MISSING",
                "the statement names no account",
                line=statement.line,
                field="Acct",
                expected="Acct/Id/IBAN or Acct/Id/Othr/Id",
            )
        if statement.currency is None:
            statement.currency = (
                self.balances[0][1] if self.balances else self.reader.first_currency
            )
        self._settle_balances()
        self._check_summary()

    def _settle_balances(self) -> None:
        statement = self.statement
        usable = []
        for code, currency, minor, day, line in self.balances:
            if currency == statement.currency:
                usable.append((code, minor, day, line))
                continue
            statement.findings.add(
                "CURRENCY_MISMATCH",
                f"balance {code} is not in the account's currency",
                line=line,
                field="Bal",
                expected=statement.currency,
                found=currency,
            )
        opening = [b for b in usable if b[0] in _OPENING_CODES]
        closing = [b for b in usable if b[0] == "CLBD"]
        interim = sorted((b for b in usable if b[0] == "ITBD"), key=lambda b: b[2])
        if len({b[1] for b in opening}) > 1:
            self._opening_disagree(opening)
        # ITBD stands for the opening of a later page, the closing of an earlier one, or the
        # balance when an intraday report was made (camt.052).
        if interim and not opening and (closing or len(interim) > 1):
            opening = [interim.pop(0)]
        if interim and not closing:
            closing = [interim[-1]]
            # An intraday report may hold only the entries since the report before it.
            statement.check_totals = (
                self.message != "camt.052" or not opening or (opening[0][0] == "ITBD")
            )
        if opening:
            statement.opening = stated(opening[0][1], opening[0][2])
        if closing:
            statement.closing = stated(closing[-1][1], closing[-1][2])

    def _opening_disagree(self, opening: list[tuple[str, int, int, int]]) -> None:
        self.statement.findings.add(
            "CONTINUITY",
            "opening (OPBD) and previous closing (PRCD) balances differ",
            line=opening[-1][3],
            field="Bal",
            expected=f"{opening[0][0]} of {day_iso(opening[0][2])}",
            found=f"{opening[-1][0]} of {day_iso(opening[-1][2])}",
        )

    def _check_summary(self) -> None:
        wanted = {"TtlNtries": None, "TtlCdtNtries": Direction.IN, "TtlDbtNtries": Direction.OUT}
        for part, direction in wanted.items():
            if part not in self.summary:
                continue
            line, count, total = self.summary[part]
            # Totals count entries (Ntry), not the details a batch entry was split into.
            tallies = [
                tally for way, tally in self.reader.tallies.items() if direction in {None, way}
            ]
            numbers = {sum(one.count for one in tallies), sum(one.moving_count for one in tallies)}
            self._compare(part, line, "NbOfNtries", count, {str(one) for one in numbers})
            digits = digits_of(self.statement.currency or "") or 0
            try:
                written = None if total is None else self._money(minor_units(total, digits))
            except AmountError as error:
                self.statement.findings.add(error.code, str(error), line=line, field=part)
                continue
            sums = {sum(one.total for one in tallies), sum(one.moving_total for one in tallies)}
            self._compare(part, line, "Sum", written, {self._money(one) for one in sums})

    def _money(self, minor: int) -> str:
        return money(minor, self.statement.currency)

    def _compare(self, part: str, line: int, word: str, said: str | None, due: set[str]) -> None:
        if said is not None and said.lstrip("0") not in {one.lstrip("0") for one in due}:
            self.statement.findings.add(
                "CONTROL_TOTALS",
                f"TxsSummry/{part}/{word} is not what the entries add up to",
                line=line,
                field=word,
                expected=said,
                found=" or ".join(sorted(due)),
            )
