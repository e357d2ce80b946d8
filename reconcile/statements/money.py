"""Amounts as files write them, turned into integer minor units; never through a float.

The number of minor digits is ISO 4217's ("Minor unit", list one, from PyPI `iso4217`); for
currencies that were withdrawn (list three names them without digits) the table below holds
the digits in which their banks kept books.
"""

from __future__ import annotations

from typing import Final

import iso4217

from reconcile.model import MAX_AMOUNT_MINOR

MAX_AMOUNT_CHARACTERS: Final = 40
"""An amount longer than this is refused before it is read."""

NO_CURRENCY: Final = "X" * 3
"""ISO 4217's code for "no currency": a lenient reading of a file that names none."""

# Withdrawn codes: books in old files and in tests of banks still carry them. The euro's
# predecessors were withdrawn on 2002-02-28; the lira, peseta, drachma, Belgian and Luxembourg
# franc and escudo were kept without decimals.
_WITHDRAWN: Final = {
    "ADP": 0, "ANG": 2, "ATS": 2, "AZM": 2, "BEF": 0, "BGL": 2, "BGN": 2, "BYR": 0, "CSD": 2,
    "CSK": 2, "CUC": 2, "CYP": 2, "DDM": 2, "DEM": 2, "EEK": 2, "ESP": 0, "FIM": 2, "FRF": 2,
    "GHC": 2, "GRD": 0, "HRK": 2, "IEP": 2, "ITL": 0, "LTL": 2, "LUF": 0, "LVL": 2, "MGF": 0,
    "MRO": 2, "MTL": 2, "MZM": 2, "NLG": 2, "PLZ": 2, "PTE": 0, "ROL": 2, "RUR": 2, "SDD": 2,
    "SIT": 2, "SKK": 2, "SLL": 2, "SRG": 2, "STD": 2, "TMM": 2, "TRL": 0, "UAK": 2, "VEB": 2,
    "VEF": 2, "XEU": 0, "YUM": 2, "ZMK": 2, "ZWD": 2, "ZWL": 2,
}  # fmt: skip


def _table() -> dict[str, int]:
    table = dict(_WITHDRAWN)
    for code, row in iso4217.raw_table.items():
        if code is not None:
            units = str(row["CcyMnrUnts"])
            # Gold, testing codes and the like: "N.A." - they are counted in whole units.
            table[code] = int(units) if units.isdigit() else 0
    # No currency known: two digits, so that a lenient reading keeps the cents it saw.
    table[NO_CURRENCY] = 2
    return table


_DIGITS: Final = _table()


class AmountError(ValueError):
    """Raised when a text is no amount; `code` is the contradiction's code."""

    def __init__(self, code: str, message: str) -> None:
        """Take AMOUNT_INVALID, AMOUNT_DIGITS or AMOUNT_RANGE and what is wrong."""
        super().__init__(message)
        self.code = code


def digits_of(currency: str) -> int | None:
    """Return the number of minor digits of an ISO 4217 code, None if there is no such code."""
    return _DIGITS.get(currency)


def minor_units(text: str, digits: int) -> int:
    """Read a non-negative decimal with a dot, e.g. ("12.3", 2) -> 1230.

    Zeros beyond the currency's digits are accepted, anything else there is AMOUNT_DIGITS.
    """
    whole, _, fraction = text.partition(".")
    if not (whole.isascii() and whole.isdigit()) or len(text) > MAX_AMOUNT_CHARACTERS:
        if whole or not fraction:
            raise AmountError("AMOUNT_INVALID", f"{text[:60]!r} is not an amount")
        whole = "0"
    if fraction:
        if not (fraction.isascii() and fraction.isdigit()):
            raise AmountError("AMOUNT_INVALID", f"{text[:60]!r} is not an amount")
        if len(fraction) > digits:
            if fraction[digits:].strip("0"):
                raise AmountError(
                    "AMOUNT_DIGITS",
                    f"{text!r} has more than the {digits} decimal digits of its currency",
                )
            fraction = fraction[:digits]
        minor = int(whole + fraction.ljust(digits, "0"))
    else:
        minor = int(whole + "0" * digits)
    if minor > MAX_AMOUNT_MINOR:
        raise AmountError("AMOUNT_RANGE", f"{text!r} is more than {MAX_AMOUNT_MINOR} minor units")
    return minor


def signed_minor_units(text: str, digits: int) -> int:
    """Read a decimal that may carry a sign in front (also U+2212) or behind, or parentheses."""
    text = text.strip()
    negative = False
    if text.startswith("(") and text.endswith(")"):
        text, negative = text[1:-1].strip(), True
    elif text[:1] in {"-", "−", "－"}:
        text, negative = text[1:].strip(), True
    elif text[:1] in {"+", "＋"}:
        text = text[1:].strip()
    elif text[-1:] in {"-", "−"}:
        text, negative = text[:-1].strip(), True
    elif text[-1:] == "+":
        text = text[:-1].strip()
    minor = minor_units(text, digits)
    return -minor if negative else minor


def decimal_text(minor: int, digits: int) -> str:
    """Write minor units as a decimal with a dot, e.g. (-1230, 2) -> "-12.30"."""
    sign = "-" if minor < 0 else ""
    figures = str(abs(minor)).rjust(digits + 1, "0")
    return f"{sign}{figures[:-digits]}.{figures[-digits:]}" if digits else sign + figures
