"""ISO 20022 account reports, statements and notifications: camt.052, camt.053, camt.054.

Read are the message definition reports' building blocks Account (Acct), Balance (Bal),
TransactionsSummary (TxsSummry) and Entry (Ntry) of versions 02 to 14. The document is streamed:
an entry's elements are freed as soon as it is read. No DTD, no entity, no network.
"""

from __future__ import annotations

import io
import re
from typing import Final

from lxml import etree

from reconcile.currency import digits_of
from reconcile.model import MOVING_STATUSES, Direction, InputError, day_iso
from reconcile.statements.camt_entry import EntryReader
from reconcile.statements.camt_xml import Element, amount_of, child, doctype_of, line_of, text_of
from reconcile.statements.dates import day_of
from reconcile.statements.drafts import (
    MAX_ENTRIES,
    FileDraft,
    StatementDraft,
    refuse,
    stated,
)
from reconcile.statements.money import AmountError, minor_units

NAMESPACE: Final = re.compile(r"urn:iso:std:iso:20022:tech:xsd:(camt\.05[234])\.001\.(\d{2})\Z")
FIRST_VERSION: Final = 2
LAST_VERSION: Final = 14
_STATEMENT_TAGS: Final = {"Rpt": "camt.052", "Stmt": "camt.053", "Ntfctn": "camt.054"}
_OPENING_CODES: Final = ("OPBD", "PRCD")
_READ_CODES: Final = frozenset({"OPBD", "PRCD", "CLBD", "ITBD"})


def read_camt(data: bytes, name: str, sha256: str) -> FileDraft:
    """Read one camt message; a document cut off anywhere keeps what came before the cut."""
    draft = FileDraft(name, "camt", None, sha256)
    reader = _Reader(draft)
    try:
        reader.run(data)
    except etree.XMLSyntaxError as error:
        reader.cut_off(error)
    if draft.format == "camt":
        raise refuse(
            "FORMAT_UNKNOWN",
            "the XML document is no camt.052, camt.053 or camt.054",
            file=name,
            help="export the statement as camt.053, MT940 or CSV",
        )
    return draft


class _Reader:
    """Walks the parse events and fills the file draft."""

    def __init__(self, draft: FileDraft) -> None:
        self.draft = draft
        self.prefix = ""
        self.entries = 0
        self.element: Element | None = None
        self.last_taken: Element | None = None
        self.parts: _Parts | None = None

    def run(self, data: bytes) -> None:
        events = etree.iterparse(
            io.BytesIO(data),
            events=("start", "end"),
            tag=("{*}Document", "{*}Ntry", *(f"{{*}}{word}" for word in _STATEMENT_TAGS)),
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            dtd_validation=False,
            attribute_defaults=False,
            # libxml2's own limits stay on: nesting of 256, texts of 10 MB.
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
        )
        for event, element in events:
            if event == "start":
                self._start(element)
            else:
                self._end(element)

    def cut_off(self, error: etree.XMLSyntaxError) -> None:
        """Close what is open and say where the document stops being XML."""
        line = error.lineno or None
        ended = "Premature end" in str(error) or "Document is empty" in str(error)
        self.draft.findings.add(
            "TRUNCATED" if ended else "XML_INVALID",
            "the document ends early" if ended else "the document is not well-formed XML",
            line=line,
            expected="a closed Document element" if ended else "well-formed XML",
            found=str(error)[:160],
        )
        if self.element is not None:
            # The last child may be cut in the middle; those before it are whole.
            self._take_head(list(self.element)[:-1])
            self._finish_statement(line or 1)

    def _start(self, element: Element) -> None:
        # A message may travel inside an envelope with a business application header.
        if str(element.tag).rpartition("}")[2] == "Document":
            self._open_document(element)
        elif self.parts is None:
            self._open_statement(element)

    def _open_document(self, root: Element) -> None:
        if doctype_of(root):
            raise refuse(
                "XML_DOCTYPE",
                "the document declares a DTD, which ISO 20022 messages never do",
                file=self.draft.name,
                line=line_of(root),
                help="ask the sender for the message without a DOCTYPE",
            )
        tag = str(root.tag)
        namespace = tag[1:].partition("}")[0] if tag.startswith("{") else ""
        found = NAMESPACE.match(namespace)
        if found is None:
            if namespace:
                raise self._unknown(namespace, root)
        elif not FIRST_VERSION <= int(found[2]) <= LAST_VERSION:
            raise self._unknown(namespace, root)
        else:
            self.draft.format = found[1]
        self.prefix = f"{{{namespace}}}" if namespace else ""

    def _unknown(self, namespace: str, root: Element) -> InputError:
        return refuse(
            "FORMAT_UNKNOWN",
            f"namespace {namespace[:100]!r} is none of camt.052, .053, .054 versions 02 to 14",
            file=self.draft.name,
            line=line_of(root),
            help="export the statement as camt.053.001.02 to .14",
        )

    def _open_statement(self, element: Element) -> None:
        word = str(element.tag)[len(self.prefix) :]
        if word not in _STATEMENT_TAGS:
            return
        if self.draft.format == "camt":
            self.draft.format = _STATEMENT_TAGS[word]
        statement = StatementDraft(line=line_of(element))
        self.draft.statements.append(statement)
        self.element = element
        self.parts = _Parts(statement, self.prefix, self.draft.format)

    def _end(self, element: Element) -> None:
        if self.parts is None or self.element is None:
            return
        if element is self.element:
            self._take_head(list(element))
            self._finish_statement(line_of(element))
            element.clear()
        elif element.getparent() is self.element:
            # The parser is ahead of the events: only what stands before is whole and unread.
            head = list(element.itersiblings(preceding=True))[::-1]
            self._take_head(head)
            for one in head:
                self.element.remove(one)
            self.parts.take(element)
            self.last_taken = element
            element.clear()
            self._count_entry(element)

    def _take_head(self, elements: list[Element]) -> None:
        """Read the children around the entries, such as Id, Acct, Bal and TxsSummry."""
        assert self.parts is not None
        for one in elements:
            if one is not self.last_taken:
                self.parts.take(one)

    def _count_entry(self, element: Element) -> None:
        self.entries += 1
        if self.entries > MAX_ENTRIES:
            raise refuse(
                "FILE_TOO_LARGE",
                f"more than {MAX_ENTRIES} entries",
                file=self.draft.name,
                line=line_of(element),
                help="split the file by day",
            )

    def _finish_statement(self, end_line: int) -> None:
        assert self.parts is not None
        self.parts.finish(end_line)
        self.element = self.parts = self.last_taken = None


class _Parts:
    """The parts of one statement: account, balances, totals, entries."""

    def __init__(self, statement: StatementDraft, prefix: str, message: str) -> None:
        self.statement = statement
        self.prefix = prefix
        self.message = message
        self.reader = EntryReader(statement, prefix)
        self.balances: list[tuple[str, str, int, int, int]] = []
        self.summary: dict[str, tuple[int, str | None, str | None]] = {}
        self.last_line = statement.line

    def take(self, element: Element) -> None:
        """Read one child of the statement."""
        word = str(element.tag)[len(self.prefix) :]
        self.last_line = line_of(element)
        if word == "Ntry":
            self.reader.take(element)
        elif word == "Id":
            self.statement.statement_ref = (element.text or "").strip()
        elif word == "Acct":
            self._account(element)
        elif word == "Bal":
            self._balance(element)
        elif word == "TxsSummry":
            self._summary(element)
        elif word in {"FrToDt", "CreDtTm"}:
            date = text_of(element, self.prefix, "ToDtTm") or (element.text or "").strip()
            self.reader.report_day = day_of(date[:10]) or self.reader.report_day

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
        prefix, line = self.prefix, line_of(element)
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
                    line_of(totals),
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
            chosen = [n for n in self.reader.entries if direction in {None, n.direction}]
            booked = [n for n in chosen if n.status in MOVING_STATUSES]
            self._compare(part, line, "NbOfNtries", count, {str(len(chosen)), str(len(booked))})
            digits = digits_of(self.statement.currency or "") or 0
            try:
                minor = None if total is None else str(minor_units(total, digits))
            except AmountError as error:
                self.statement.findings.add(error.code, str(error), line=line, field=part)
                continue
            sums = {str(sum(n.amount_minor for n in group)) for group in (chosen, booked)}
            self._compare(part, line, "Sum", minor, sums)

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
