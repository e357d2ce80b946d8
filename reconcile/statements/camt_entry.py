"""One camt entry (Ntry, ReportEntry) and its transaction details (NtryDtls/TxDtls).

Direction is CdtDbtInd as written: with RvslInd it already is the net direction ("if CRDT and
RvslInd, the original operation was a debit entry", ReportEntry definition). A batch entry is
split into its details when they carry amounts that add up to it; otherwise it stays one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from reconcile.currency import MONEY_CODE, digits_of
from reconcile.model import MOVING_STATUSES, Direction, EntryStatus
from reconcile.statements.camt_details import (
    SERVICER_REF,
    Detail,
    Texts,
    add_party,
    add_references,
    amount_of,
    kind_of,
    remittance_of,
)
from reconcile.statements.camt_plan import NOWHERE, ChargePlan, DetailPlan, EntryPlan
from reconcile.statements.checks import money
from reconcile.statements.dates import day_of, instant_of, iso_day
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
_PLAIN_FIGURES: Final = 15
_LONGEST_DATE: Final = len("2026-11-22+08:00")
_DATE: Final = len("2026-11-22")


@dataclass(slots=True)
class Tally:
    """What TxsSummry counts of one direction: entries (Ntry) before they were split."""

    count: int = 0
    total: int = 0
    moving_count: int = 0
    moving_total: int = 0

    def add(self, minor: int, *, moving: bool) -> None:
        """Count one entry."""
        self.count += 1
        self.total += minor
        if moving:
            self.moving_count += 1
            self.moving_total += minor


class EntryReader:
    """Reads entries into a statement draft."""

    def __init__(self, statement: StatementDraft) -> None:
        """Take the statement to fill."""
        self.statement = statement
        self.findings = statement.findings
        self.tallies = {Direction.IN: Tally(), Direction.OUT: Tally()}
        self.report_day: int | None = None
        self.first_currency: str | None = None
        self._digits: dict[str, int] = {}

    def take(
        self,
        plan: EntryPlan,
        texts: Texts,
        details: Sequence[Detail],
        line: int,
        batch_line: int | None = None,
    ) -> None:
        """Read one Ntry into one draft, or one per detail."""
        draft = self._entry(plan, texts, line)
        if draft is None:
            return
        moving = draft.status in MOVING_STATUSES
        self.tallies[draft.direction].add(draft.amount_minor, moving=moving)
        if plan.group:
            found = next((text for at in plan.group if (text := texts[at].strip())), None)
            draft.group_ref = reference(found)
        if plan.number != NOWHERE or plan.total != NOWHERE:
            self._check_batch(plan, texts, draft, len(details), batch_line or line)
        if len(details) > 1:
            split = self._split(draft, details) or [draft]
        else:
            split = [draft]
            if details:
                self._describe(draft, details[0])
        if plan.extra != NOWHERE:
            extra = tidy(texts[plan.extra].strip())
            for part in split:
                part.remittance = part.remittance or extra
        self.statement.entries.extend(split)

    def take_plain(
        self, plan: EntryPlan, detail: DetailPlan | None, texts: Texts, line: int
    ) -> None:
        """Read one Ntry with at most one detail, whose texts are in one list.

        The common case in one go: known words, exact decimals, a booking date. Whatever is not
        that goes the long way, which says what is wrong with it.
        """
        currency = texts[plan.currency]
        digits = self._digits.get(currency)
        direction = DIRECTIONS.get(texts[plan.mark])
        status = STATUSES.get(texts[plan.status])
        whole, _, fraction = texts[plan.amount].partition(".")
        day = iso_day(texts[plan.booking])
        value = None if plan.value == NOWHERE else iso_day(texts[plan.value])
        if (
            direction is None
            or status is None
            or len(fraction) != digits
            or len(whole) > _PLAIN_FIGURES
            or not (whole.isdecimal() and whole.isascii())
            or not (fraction.isdecimal() and fraction.isascii())
            or day is None
            or (value is None and plan.has_value)
            or plan.unusual
        ):
            if digits is None and digits_of(currency) is not None:
                self._digits[currency] = digits_of(currency) or 0
            details = () if detail is None else (Detail(detail, texts, line),)
            self.take(plan, texts, details, line)
            return
        minor = int(whole + fraction)
        tally = self.tallies[direction]
        tally.count += 1
        tally.total += minor
        if status is EntryStatus.BOOKED:
            tally.moving_count += 1
            tally.moving_total += minor
        if self.first_currency is None:
            self.first_currency = currency
        ref = reference(texts[plan.servicer_ref])
        draft = Draft(
            line,
            direction,
            minor,
            currency,
            day,
            value,
            status,
            False,
            ((SERVICER_REF, ref),) if ref else (),
            None if plan.kind.empty else kind_of(plan.kind, texts),
        )
        draft.source_ref = ref
        if detail is not None:
            self._describe(draft, Detail(detail, texts, line))
        if plan.extra != NOWHERE and not draft.remittance:
            draft.remittance = tidy(texts[plan.extra].strip())
        self.statement.entries.append(draft)

    def _entry(self, plan: EntryPlan, texts: Texts, line: int) -> Draft | None:
        currency = texts[plan.currency].strip()
        minor = self.minor(texts[plan.amount].strip(), currency, line)
        if self.first_currency is None and digits_of(currency) is not None:
            self.first_currency = currency
        mark = texts[plan.mark].strip()
        direction = DIRECTIONS.get(mark)
        if direction is None:
            self._invalid("CdtDbtInd", "CRDT or DBIT", mark, line)
        status = STATUSES.get(texts[plan.status].strip())
        if status is None:
            status = self._unknown_status(plan, texts, line)
        booking = occurred_at = value = None
        if plan.has_booking:
            text = texts[plan.booking].strip()
            booking = self._day(text, "BookgDt", line)
            if booking is not None and len(text) > _LONGEST_DATE:
                occurred_at = instant_of(text)
        if plan.has_value:
            value = self._day(texts[plan.value].strip(), "ValDt", line)
        day = value if booking is None else booking
        if day is None:
            # BookgDt is optional; without any date the entry belongs to the report's day.
            day = self.report_day
            if day is None:
                self._invalid("BookgDt", "a date", "", line)
        if minor is None or direction is None or day is None:
            return None
        servicer_ref = reference(texts[plan.servicer_ref])
        return Draft(
            line,
            direction,
            minor,
            currency,
            day,
            value,
            status,
            texts[plan.reversal].strip() in {"true", "1"},
            ((SERVICER_REF, servicer_ref),) if servicer_ref else (),
            None if plan.kind.empty else kind_of(plan.kind, texts),
            fee_minor=None
            if plan.charges.empty
            else self._fee(plan.charges, texts, currency, line),
            occurred_at=occurred_at,
            source_ref=servicer_ref,
        )

    def minor(self, amount: str, currency: str, line: int) -> int | None:
        """Read an amount in minor units, or list why it is none."""
        digits = digits_of(currency)
        if digits is None:
            self._invalid("Ccy", MONEY_CODE, currency, line, "CURRENCY_UNKNOWN")
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
        self, field: str, expected: str, found: str, line: int, code: str = "FIELD_INVALID"
    ) -> None:
        self.findings.add(
            code if found else "FIELD_MISSING",
            f"{field} is {'not as the standard says' if found else 'missing'}",
            line=line,
            field=field,
            expected=expected,
            found=found,
        )

    def _unknown_status(self, plan: EntryPlan, texts: Texts, line: int) -> EntryStatus:
        word = texts[plan.status].strip() or texts[plan.status_own].strip()
        self._invalid("Sts", "BOOK, PDNG, FUTR or INFO", word, line, "STATUS_UNKNOWN")
        return EntryStatus.PENDING

    def _day(self, text: str, field: str, line: int) -> int | None:
        day = day_of(text[:_DATE])
        if day is None:
            self._invalid(field, "a calendar date", text, line, "DATE_INVALID")
        return day

    def _fee(self, plan: ChargePlan, texts: Texts, currency: str, line: int) -> int | None:
        """Read Chrgs: the total, else the sum of its records, less those credited."""
        fee: int | None = None
        chosen = (plan.total,) if plan.total[0] != NOWHERE else plan.records
        for amount, code, mark in chosen:
            text = texts[amount].strip()
            if text and texts[code].strip() == currency:
                minor = self.minor(text, currency, line)
                if minor is not None:
                    sign = -1 if texts[mark].strip() == "CRDT" else 1
                    fee = (fee or 0) + sign * minor
        return fee

    # ------------------------------------------------------------------ details
    def _check_batch(
        self, plan: EntryPlan, texts: Texts, draft: Draft, details: int, line: int
    ) -> None:
        """List a batch whose stated number or total is not what the entry shows."""
        number = texts[plan.number].strip()
        if number and details and number.lstrip("0") != str(details):
            self.findings.add(
                "CONTROL_TOTALS",
                "Btch/NbOfTxs is not the number of transaction details",
                line=line,
                field="NbOfTxs",
                expected=number,
                found=str(details),
            )
        text, currency = texts[plan.total].strip(), texts[plan.total_currency].strip()
        if text and currency == draft.currency:
            total = self.minor(text, currency, line)
            if total is not None and total != draft.amount_minor:
                self.findings.add(
                    "CONTROL_TOTALS",
                    "Btch/TtlAmt is not the amount of the entry",
                    line=line,
                    field="TtlAmt",
                    expected=money(total, currency),
                    found=money(draft.amount_minor, currency),
                )

    def _split(self, draft: Draft, details: Sequence[Detail]) -> list[Draft] | None:
        """Return one draft per detail if their signed amounts add up to the entry."""
        parts: list[Draft] = []
        signed = 0
        digits = digits_of(draft.currency) or 0
        group = draft.group_ref or (draft.references[0][1] if draft.references else None)
        for detail in details:
            amount, currency = amount_of(detail)
            if currency != draft.currency:
                return None
            try:
                minor = minor_units(amount, digits)
            except AmountError:
                return None
            mark = detail.texts[detail.plan.mark].strip()
            direction = DIRECTIONS.get(mark) if mark else draft.direction
            if direction is None:
                return None
            signed += minor * direction.sign
            part = Draft(
                detail.line,
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
        due = draft.amount_minor * draft.direction.sign
        if signed != due:
            self.statement.remark(
                "BATCH_DETAILS",
                f"a batch entry of {money(due, draft.currency)} is read as one: its "
                f"{len(details)} details add up to {money(signed, draft.currency)}",
                draft.line,
            )
            return None
        for part, detail in zip(parts, details, strict=True):
            self._describe(part, detail)
        return parts

    def _describe(self, draft: Draft, detail: Detail) -> None:
        """Add what TxDtls says: references, party, remittance, charges, return."""
        plan, texts = detail.plan, detail.texts
        if plan.carriers:
            add_references(draft, plan, texts)
        if plan.group != NOWHERE:
            draft.group_ref = reference(texts[plan.group]) or draft.group_ref
        if plan.has_parties:
            add_party(draft, plan, texts)
        draft.remittance = remittance_of(plan, texts)
        if not plan.kind.empty:
            draft.kind = kind_of(plan.kind, texts) or draft.kind
        if not plan.charges.empty:
            fee = self._fee(plan.charges, texts, draft.currency, draft.line)
            draft.fee_minor = draft.fee_minor if fee is None else fee
        if plan.returned and draft.status is EntryStatus.BOOKED:
            draft.status = EntryStatus.RETURNED
        if plan.moments:
            moment = next((text for at in plan.moments if (text := texts[at].strip())), "")
            instant = instant_of(moment) if moment else None
            draft.occurred_at = draft.occurred_at if instant is None else instant
