"""Field :61:, the statement line, with the :86: that belongs to it.

Subfields: 1 value date 6!n, 2 entry date [4!n], 3 debit/credit mark 2a (D, C, RD, RC; MT942
also ED, EC, expected), 4 funds code [1!a], 5 amount 15d, 6 type 1!a3!c, 7 reference for the
account owner 16x, 8 reference of the servicer [//16x], 9 supplementary details [34x].
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from mt940 import tags

from reconcile.currency import digits_of
from reconcile.model import Carrier, Direction, EntryStatus
from reconcile.statements.dates import day_from, full_year
from reconcile.statements.drafts import Draft, StatementDraft
from reconcile.statements.money import AmountError, minor_units
from reconcile.statements.mt940_details import CODE, Details, details_of
from reconcile.statements.mt940_fields import MAX_FIELD_CHARACTERS, Field
from reconcile.statements.texts import reference, tidy

# In this order: SWIFT's own grammar, then longer references (Atruvia), then ASN Bank, which
# puts an IBAN into subfield 7.
_GRAMMARS: Final = (tags.Statement(), tags.StatementGLS(), tags.StatementASNB())
_OWNER_REF: Final = 16
_LONGEST_REF: Final = 35
_DUTCH_IBAN: Final = re.compile(r"NL\d{2}[A-Z]{4}\d{10}\Z")
# Subfield 7 that only says where the reference stands in :86:.
_POINTERS: Final = frozenset({"EREF", "PREF", "MARF", "KREF", "NONREF", "CREF"})
_CHARGES: Final = re.compile(r"/CHGS?/([A-Z]{3})(\d+,?\d*)/")
_NS_PURPOSE: Final = frozenset(f"{number:02}" for number in range(1, 15))
_NS_NAME: Final = frozenset({"15", "16"})
_MARKS: Final = {
    "C": (Direction.IN, False, EntryStatus.BOOKED),
    "D": (Direction.OUT, False, EntryStatus.BOOKED),
    "RC": (Direction.OUT, True, EntryStatus.BOOKED),
    "RD": (Direction.IN, True, EntryStatus.BOOKED),
    "EC": (Direction.IN, False, EntryStatus.PENDING),
    "ED": (Direction.OUT, False, EntryStatus.PENDING),
}


class LineReader:
    """Reads statement lines into a statement draft, in one currency."""

    def __init__(self, statement: StatementDraft, currency: str) -> None:
        """Take the statement to fill and the currency its balances or limits name."""
        self.statement = statement
        self.findings = statement.findings
        self.currency = currency
        self.digits = digits_of(currency) or 0

    def take(self, source: Field, following: Sequence[Field]) -> None:
        """Read one :61: and the :86: and :NS: fields right behind it."""
        parts = _match(source)
        mark = _MARKS.get((parts.get("status") or "").upper()) if parts else None
        if parts is None or mark is None:
            self._add("FIELD_INVALID", source, "a statement line of SWIFT MT940 or a dialect")
            return
        booking, value = self._dates(source, parts)
        minor = self._amount(source, parts.get("amount") or "")
        if booking is None or minor is None:
            return
        direction, is_reversal, status = mark
        information, structured = _behind(following)
        draft = Draft(
            source.line,
            direction,
            minor,
            self.currency,
            booking,
            value_date=value,
            status=status,
            is_reversal=is_reversal,
        )
        _describe(draft, parts, source, information)
        if structured:
            _add_non_swift(draft, structured)
        self.statement.entries.append(draft)

    def _dates(self, source: Field, parts: dict[str, str | None]) -> tuple[int | None, int | None]:
        """Return booking and value day; the entry date's year is the one nearest to the value."""
        year = full_year(int(parts["year"] or 0))
        month, day = int(parts["month"] or 0), int(parts["day"] or 0)
        value = day_from(year, month, day)
        if value is None:
            self._add("DATE_INVALID", source, "a calendar date", f"{year}-{month:02}-{day:02}")
        entry_month, entry_day = parts.get("entry_month"), parts.get("entry_day")
        if not (entry_month or "").strip() or not (entry_day or "").strip():
            return value, value
        near = value if value is not None else day_from(year, month, 1)
        candidates = [
            found
            for one in (year - 1, year, year + 1)
            if (found := day_from(one, int(entry_month or 0), int(entry_day or 0))) is not None
        ]
        if near is None or not candidates:
            self._add("DATE_INVALID", source, "a calendar date", f"{entry_month}{entry_day}")
            return value, value
        return min(candidates, key=lambda found: (abs(found - near), found)), value

    def _amount(self, source: Field, text: str) -> int | None:
        try:
            return minor_units(text.replace(",", ".", 1), self.digits)
        except AmountError as error:
            expected = f"an amount with at most {self.digits} decimal digits"
            self._add(error.code, source, expected, text)
            return None

    def _add(self, code: str, source: Field, expected: str, found: str | None = None) -> None:
        self.findings.add(
            code,
            "the statement line :61: does not hold",
            line=source.line,
            field="61",
            expected=expected,
            found=source.lines[0] if found is None else found,
        )


def _match(source: Field) -> dict[str, str | None] | None:
    """Match the line by the first grammar that fits without tearing a reference apart."""
    text = source.value[:MAX_FIELD_CHARACTERS]
    lines = [line.rstrip() for line in text.split("\n") if line.strip()]
    if not lines:
        return None
    head = lines[0]
    if len(lines) > 1 and re.match(r"\d{6}(?:\d{4}|\s{4})?[A-Za-z]{1,3}\s*\Z", head):
        # Sparkassen wrap between the mark and the amount.
        head, lines = head.rstrip() + lines[1], [head, *lines[2:]]
    # A blank entry date is four spaces; everything behind the second line is one text.
    value = "\n".join([head, " ".join(lines[1:])]) if len(lines) > 1 else head
    for grammar in _GRAMMARS:
        found = grammar.re.match(value)
        if found is None:
            continue
        parts = found.groupdict()
        owner = parts.get("customer_reference") or ""
        torn = len(owner) == _OWNER_REF and owner[-1] != " " and _goes_on(value, found, owner)
        if (
            torn
            and grammar is _GRAMMARS[0]
            and len(head) - found.start("customer_reference") <= (_LONGEST_REF)
        ):
            continue
        return parts
    return None


def _goes_on(value: str, found: re.Match[str], owner: str) -> bool:
    end = found.start("customer_reference") + len(owner)
    return value[end : end + 1] not in {"", "\n", "/"}


def _behind(following: Sequence[Field]) -> tuple[str, str]:
    """Return the text of the :86: fields, and of the :NS: fields, right behind a line."""
    information: list[str] = []
    structured: list[str] = []
    for one in following:
        if one.tag == "86":
            information.append(one.value)
        elif one.tag == "NS":
            structured.append(one.value)
        else:
            break
    return "\n".join(information), "\n".join(structured)


def _describe(
    draft: Draft,
    parts: dict[str, str | None],
    source: Field,
    information: str,
) -> None:
    owner = reference(parts.get("customer_reference"))
    owner = None if owner in _POINTERS else owner
    servicer = reference(parts.get("bank_reference"))
    extra = tidy(parts.get("extra_details"))
    said = details_of(information) if information else Details()
    draft.counterparty_name = said.counterparty_name
    draft.counterparty_account = said.counterparty_account
    draft.remittance = said.remittance
    draft.kind = said.kind or tidy(parts.get("id"))
    if said.returned and draft.status is EntryStatus.BOOKED:
        draft.status = EntryStatus.RETURNED
    if owner is not None and (
        _DUTCH_IBAN.match(owner) or (extra and information.startswith(f"{owner} {extra}"))
    ):
        # ASN and SNS: subfield 7 is the other account, subfield 9 its holder.
        draft.counterparty_account = draft.counterparty_account or owner
        draft.counterparty_name = draft.counterparty_name or extra
        owner = None
    elif extra is not None and not CODE.match(extra):
        _place_extra(draft, extra, same_line=extra in source.lines[0])
    found = {
        Carrier.END_TO_END_ID: said.end_to_end_id,
        Carrier.INSTRUCTION_ID: said.instruction_id or owner,
        Carrier.SERVICER_REF: servicer,
    }
    draft.references = tuple((int(carrier), text) for carrier, text in found.items() if text)
    draft.source_ref = servicer
    draft.fee_minor = _charges(f"{extra or ''} {information}", draft.currency)


def _charges(text: str, currency: str) -> int | None:
    """Read the code word /CHGS/EUR0,5/ where it is in the account's currency."""
    found = _CHARGES.search(text.replace("\n", ""))
    if found is None or found[1] != currency:
        return None
    try:
        return minor_units(found[2].replace(",", "."), digits_of(currency) or 0)
    except AmountError:
        return None


def _place_extra(draft: Draft, extra: str, *, same_line: bool) -> None:
    """Put subfield 9 where it belongs: Rabobank's is the party, others' is more text."""
    if _DUTCH_IBAN.match(extra):
        draft.counterparty_account = draft.counterparty_account or extra
    elif same_line and draft.counterparty_name is None:
        draft.counterparty_name = extra
    else:
        draft.remittance = f"{draft.remittance} {extra}" if draft.remittance else extra


def _add_non_swift(draft: Draft, text: str) -> None:
    """Read :NS: lines as Sparkassen use them: 01-14 purpose, 15-16 party."""
    purpose = [line[2:].strip() for line in text.split("\n") if line[:2] in _NS_PURPOSE]
    names = [line[2:].strip() for line in text.split("\n") if line[:2] in _NS_NAME]
    draft.remittance = draft.remittance or tidy(" ".join(purpose))
    draft.counterparty_name = draft.counterparty_name or tidy(" ".join(names))
