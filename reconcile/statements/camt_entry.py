"""One camt entry (Ntry, ReportEntry) and its transaction details (NtryDtls/TxDtls).

Direction is CdtDbtInd as written: with RvslInd it already is the net direction ("if CRDT and
RvslInd, the original operation was a debit entry", ReportEntry definition). A batch entry is
split into its details when they carry amounts that add up to it; otherwise it stays one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from reconcile.currency import digits_of
from reconcile.model import Direction, EntryStatus
from reconcile.statements.camt_details import add_party, add_references, remittance_of
from reconcile.statements.camt_xml import (
    Element,
    amount_of,
    child,
    children,
    line_of,
    own_text,
    parts_of,
    text_of,
)
from reconcile.statements.dates import day_of, instant_of
from reconcile.statements.drafts import Draft, StatementDraft
from reconcile.statements.money import AmountError, minor_units
from reconcile.statements.texts import reference, tidy

DIRECTIONS: Final = {"CRDT": Direction.IN, "DBIT": Direction.OUT}

# EntryStatus: BOOK; PDNG and FUTR are still to come; INFO never moves the account.
STATUSES: Final = {
    "BOOK": EntryStatus.BOOKED,
    "PDNG": EntryStatus.PENDING,
    "FUTR": EntryStatus.PENDING,
    "INFO": EntryStatus.VOID,
}


@dataclass(frozen=True, slots=True)
class EntryTotal:
    """What TxsSummry counts: one Ntry, before it was split."""

    direction: Direction
    amount_minor: int
    status: EntryStatus


class EntryReader:
    """Reads entries into a statement draft."""

    def __init__(self, statement: StatementDraft, prefix: str) -> None:
        """Take the statement to fill and the namespace in braces."""
        self.statement = statement
        self.findings = statement.findings
        self.prefix = prefix
        self.entries: list[EntryTotal] = []
        self.report_day: int | None = None
        self.first_currency: str | None = None

    def take(self, entry: Element) -> None:
        """Read one Ntry into one draft, or one per detail."""
        parts = parts_of(entry, self.prefix)
        draft = self._entry(line_of(entry), parts)
        if draft is None:
            return
        self.entries.append(EntryTotal(draft.direction, draft.amount_minor, draft.status))
        details = self._details(entry)
        batch = child(parts.get("NtryDtls"), self.prefix, "Btch")
        if batch is not None:
            draft.group_ref = self._batch_ref(batch)
            self._check_batch(batch, draft, len(details))
        split = self._split(draft, details) if len(details) > 1 else None
        if split is None:
            if len(details) == 1:
                self._describe(draft, details[0])
            split = [draft]
        extra = text_of(entry, self.prefix, "AddtlNtryInf")
        for part in split:
            part.remittance = part.remittance or tidy(extra)
        self.statement.entries.extend(split)

    def _entry(self, line: int, parts: dict[str, Element]) -> Draft | None:
        amount, currency = amount_of(parts.get("Amt"))
        minor = self.minor(amount, currency, line)
        if self.first_currency is None and digits_of(currency) is not None:
            self.first_currency = currency
        mark = own_text(parts.get("CdtDbtInd"))
        direction = DIRECTIONS.get(mark)
        if direction is None:
            self._invalid("CdtDbtInd", "CRDT or DBIT", mark, line)
        status = self._status(parts.get("Sts"), line)
        booking, occurred_at = self._date(parts.get("BookgDt"), "BookgDt", line)
        value, _ = self._date(parts.get("ValDt"), "ValDt", line)
        if booking is None and value is None:
            # BookgDt is optional; without any date the entry belongs to the report's day.
            booking = self.report_day
            if booking is None:
                self._invalid("BookgDt", "a date", "", line)
        day = value if booking is None else booking
        if minor is None or direction is None or day is None:
            return None
        servicer_ref = reference(own_text(parts.get("AcctSvcrRef")))
        return Draft(
            line,
            direction,
            minor,
            currency,
            day,
            value_date=value,
            status=status,
            is_reversal=own_text(parts.get("RvslInd")) in {"true", "1"},
            references=((5, servicer_ref),) if servicer_ref else (),
            kind=self._kind(parts.get("BkTxCd")),
            fee_minor=self._charges(parts.get("Chrgs"), currency),
            occurred_at=occurred_at,
            source_ref=servicer_ref,
        )

    def minor(self, amount: str, currency: str, line: int) -> int | None:
        """Read an amount in minor units, or list why it is none."""
        digits = digits_of(currency)
        if digits is None:
            self._invalid("Ccy", "an ISO 4217 code", currency, line, "CURRENCY_UNKNOWN")
            return None
        try:
            return minor_units(amount, digits)
        except AmountError as error:
            self.findings.add(
                error.code,
                str(error),
                line=line,
                field="Amt",
                expected=f"a decimal with at most {digits} digits after the dot",
                found=amount,
            )
            return None

    def _invalid(
        self,
        field: str,
        expected: str,
        found: str,
        line: int,
        code: str = "FIELD_INVALID",
    ) -> None:
        self.findings.add(
            code if found else "FIELD_MISSING",
            f"{field} is {'not as the standard says' if found else 'missing'}",
            line=line,
            field=field,
            expected=expected,
            found=found,
        )

    def _status(self, element: Element | None, line: int) -> EntryStatus:
        # Up to version 07 Sts is the code itself, from 08 on a choice of Cd and Prtry.
        word = own_text(element) or text_of(element, self.prefix, "Cd") or ""
        status = STATUSES.get(word)
        if status is None:
            word = word or text_of(element, self.prefix, "Prtry") or ""
            self._invalid("Sts", "BOOK, PDNG, FUTR or INFO", word, line, "STATUS_UNKNOWN")
            return EntryStatus.PENDING
        return status

    def _date(
        self, element: Element | None, field: str, line: int
    ) -> tuple[int | None, int | None]:
        if element is None:
            return None, None
        text = text_of(element, self.prefix, "Dt") or text_of(element, self.prefix, "DtTm") or ""
        day = day_of(text[:10])
        if day is None:
            self._invalid(field, "a calendar date", text, line, "DATE_INVALID")
            return None, None
        return day, instant_of(text) if len(text) > len("2026-11-22+08:00") else None

    def _kind(self, code: Element | None) -> str | None:
        """Write BkTxCd as PMNT-RCDT-ESCT, else the bank's own code."""
        if code is None:
            return None
        domain = child(code, self.prefix, "Domn")
        family = child(domain, self.prefix, "Fmly")
        words = (
            text_of(domain, self.prefix, "Cd"),
            text_of(family, self.prefix, "Cd"),
            text_of(family, self.prefix, "SubFmlyCd"),
        )
        if any(words):
            return "-".join(filter(None, words))
        return text_of(code, self.prefix, "Prtry", "Cd")

    def _charges(self, charges: Element | None, currency: str) -> int | None:
        """Read Chrgs: the total, else the sum of its records (version 02: repeated Amt)."""
        if charges is None:
            return None
        amounts = [child(charges, self.prefix, "TtlChrgsAndTaxAmt")]
        if amounts[0] is None:
            amounts = [
                child(one, self.prefix, "Amt") for one in children(charges, self.prefix, "Rcrd")
            ]
            amounts = amounts or [child(charges, self.prefix, "Amt")]
        fee: int | None = None
        for element in amounts:
            text, code = amount_of(element)
            if text and code == currency:
                minor = self.minor(text, code, line_of(charges))
                fee = fee if minor is None else (fee or 0) + minor
        return fee

    # ------------------------------------------------------------------ details
    def _details(self, entry: Element) -> list[Element]:
        found: list[Element] = []
        for holder in children(entry, self.prefix, "NtryDtls"):
            found.extend(children(holder, self.prefix, "TxDtls"))
        return found

    def _batch_ref(self, batch: Element) -> str | None:
        return reference(
            text_of(batch, self.prefix, "PmtInfId") or text_of(batch, self.prefix, "MsgId"),
        )

    def _check_batch(self, batch: Element, draft: Draft, details: int) -> None:
        """List a batch whose stated number or total is not what the entry shows."""
        line = line_of(batch)
        number = text_of(batch, self.prefix, "NbOfTxs")
        if number is not None and details and number.lstrip("0") != str(details):
            self.findings.add(
                "CONTROL_TOTALS",
                "Btch/NbOfTxs is not the number of transaction details",
                line=line,
                field="NbOfTxs",
                expected=number,
                found=str(details),
            )
        text, currency = amount_of(child(batch, self.prefix, "TtlAmt"))
        if text and currency == draft.currency:
            total = self.minor(text, currency, line)
            if total is not None and total != draft.amount_minor:
                self.findings.add(
                    "CONTROL_TOTALS",
                    "Btch/TtlAmt is not the amount of the entry",
                    line=line,
                    field="TtlAmt",
                    expected=str(total),
                    found=str(draft.amount_minor),
                )

    def _split(self, draft: Draft, details: list[Element]) -> list[Draft] | None:
        """Return one draft per detail if their signed amounts add up to the entry."""
        parts: list[Draft] = []
        signed = 0
        group = draft.group_ref or (draft.references[0][1] if draft.references else None)
        for detail in details:
            amount, currency = self._detail_amount(detail)
            digits = digits_of(currency)
            if currency != draft.currency or digits is None:
                return None
            try:
                minor = minor_units(amount, digits)
            except AmountError:
                return None
            mark = text_of(detail, self.prefix, "CdtDbtInd")
            direction = draft.direction if mark is None else DIRECTIONS.get(mark)
            if direction is None:
                return None
            signed += minor * direction.sign
            part = Draft(
                line_of(detail),
                direction,
                minor,
                currency,
                draft.booking_date,
                value_date=draft.value_date,
                status=draft.status,
                is_reversal=draft.is_reversal,
                references=draft.references,
                kind=draft.kind,
                occurred_at=draft.occurred_at,
                group_ref=group,
            )
            parts.append(part)
        if signed != draft.amount_minor * draft.direction.sign:
            return None
        for part, detail in zip(parts, details, strict=True):
            self._describe(part, detail)
        return parts

    def _detail_amount(self, detail: Element) -> tuple[str, str]:
        """Return TxDtls/Amt (from version 03) or AmtDtls/TxAmt/Amt (version 02)."""
        text, currency = amount_of(child(detail, self.prefix, "Amt"))
        if text:
            return text, currency
        holder = child(child(detail, self.prefix, "AmtDtls"), self.prefix, "TxAmt")
        return amount_of(child(holder, self.prefix, "Amt"))

    def _describe(self, draft: Draft, detail: Element) -> None:
        """Add what TxDtls says: references, party, remittance, charges, return."""
        parts = parts_of(detail, self.prefix)
        add_references(draft, parts.get("Refs"), self.prefix)
        add_party(draft, parts.get("RltdPties"), self.prefix)
        draft.remittance = remittance_of(parts.get("RmtInf"), self.prefix) or tidy(
            own_text(parts.get("AddtlTxInf")),
        )
        draft.kind = self._kind(parts.get("BkTxCd")) or draft.kind
        fee = self._charges(parts.get("Chrgs"), draft.currency)
        draft.fee_minor = draft.fee_minor if fee is None else fee
        if "RtrInf" in parts and draft.status is EntryStatus.BOOKED:
            draft.status = EntryStatus.RETURNED
        dates = parts.get("RltdDts")
        if dates is not None:
            moment = text_of(dates, self.prefix, "AccptncDtTm") or text_of(
                dates,
                self.prefix,
                "TxDtTm",
            )
            instant = instant_of(moment) if moment else None
            draft.occurred_at = draft.occurred_at if instant is None else instant
