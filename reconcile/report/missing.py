"""Which statement to ask for, where a BALANCE or STATEMENT_GAP stands (matching.md, "Breaks")."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from reconcile.currency import amount_words
from reconcile.model import BreakKind, day_iso, window_day

_ASKS: Final = {
    "opening": "the statement before this opening: the previous window closed at {expected}, "
    "this one opens at {found}",
    "flow": "the statement whose entries lead to this closing: opening and entries give "
    "{expected}, the closing is {found}",
    "proof": "both opening positions: {found} of the two closings' difference is "
    "explained by no break",
}
# A report's gaps are digested as they stand, in minor units: of a file (`chain_balances`) and of
# a stream (`books._gaps`).
_FILE_GAP: Final = re.compile(
    r"([A-Z]{3}): closing (-?\d+) on (\S+), next opening (-?\d+) on (.+)", re.ASCII | re.DOTALL
)
_STREAM_GAP: Final = re.compile(r"([A-Z]{3}) (\d+) (-?\d+) (\d+) (-?\d+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class MissingStatement:
    """What one failing identity asks for; `side` servicer, owner or None for both.

    `says`: in words, balances in major units.
    """

    kind: BreakKind
    side: str | None
    currency: str
    says: str


def missing_statements(
    report: Mapping[str, Any], digits: Mapping[str, int] | None = None
) -> tuple[MissingStatement, ...]:
    """Return what a report's failing identities ask for, gap by gap, in the report's order.

    `digits`: by currency, as the terms state them; ISO 4217's otherwise.
    """
    return tuple(_asked(report, digits or {}))


def gap_words(gap: str, digits: Mapping[str, int] | None = None) -> str:
    """Return a report's gap as a person reads it: days, and balances in major units."""
    if found := _FILE_GAP.fullmatch(gap):
        code, closed, day, opened, next_day = found.groups()
    elif found := _STREAM_GAP.fullmatch(gap):
        code, window, closed, next_window, opened = found.groups()
        day, next_day = (day_iso(window_day(int(item))) for item in (window, next_window))
    else:
        return gap
    before, after = (amount_words(int(minor), code, digits) for minor in (closed, opened))
    return f"closing {before} on {day}, next opening {after} on {next_day}"


def _asked(report: Mapping[str, Any], digits: Mapping[str, int]) -> Iterator[MissingStatement]:
    for line in report["identities"]:
        if line["holds"]:
            continue
        side, currency = line["side"], line["currency"]
        if line["name"] == "gapless":
            for gap in report["gaps"][side]:
                says = f"the statement in between: {gap_words(gap, digits)}"
                yield MissingStatement(BreakKind.STATEMENT_GAP, side, currency, says)
            continue
        expected, found = (
            amount_words(int(line[name]), currency, digits)
            for name in ("expected_minor", "found_minor")
        )
        asked = _ASKS.get(line["name"], f"{line['name']}: expected {{expected}}, found {{found}}")
        says = asked.format(expected=expected, found=found)
        yield MissingStatement(BreakKind.BALANCE, side, currency, says)
