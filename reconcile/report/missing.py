"""Which statement to ask for, where a BALANCE or STATEMENT_GAP stands (matching.md, "Breaks")."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from reconcile.model import BreakKind

_ASKS: Final = {
    "opening": "the statement before this opening: the previous window closed at {expected}, "
    "this one opens at {found} {currency}",
    "flow": "the statement whose entries lead to this closing: opening and entries give "
    "{expected}, the closing is {found} {currency}",
    "proof": "both opening positions: {found} {currency} of the two closings' difference is "
    "explained by no break",
}


@dataclass(frozen=True, slots=True)
class MissingStatement:
    """What one failing identity asks for; `side` servicer, owner or None for both.

    `says`: in words, balances in minor units.
    """

    kind: BreakKind
    side: str | None
    currency: str
    says: str


def missing_statements(report: Mapping[str, Any]) -> tuple[MissingStatement, ...]:
    """Return what a report's failing identities ask for, gap by gap, in the report's order."""
    return tuple(_asked(report))


def _asked(report: Mapping[str, Any]) -> Iterator[MissingStatement]:
    for line in report["identities"]:
        if line["holds"]:
            continue
        side, currency = line["side"], line["currency"]
        if line["name"] == "gapless":
            for gap in report["gaps"][side]:
                yield MissingStatement(BreakKind.STATEMENT_GAP, side, currency, gap)
        elif line["name"] in _ASKS:
            says = _ASKS[line["name"]].format(
                expected=line["expected_minor"], found=line["found_minor"], currency=currency
            )
            yield MissingStatement(BreakKind.BALANCE, side, currency, says)
        else:
            says = f"{line['name']}: expected {line['expected_minor']}, found {line['found_minor']}"
            yield MissingStatement(BreakKind.BALANCE, side, currency, f"{says} {currency}")
