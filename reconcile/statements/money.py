"""Amounts as files write them, turned into integer minor units; never through a float."""

from __future__ import annotations

from typing import Final

from reconcile.model import MAX_AMOUNT_MINOR

EXACT_CHARACTERS: Final = 18
"""So many figures never exceed what an amount may be."""

MAX_AMOUNT_CHARACTERS: Final = 40
"""An amount longer than this is refused before it is read."""


class AmountError(ValueError):
    """Raised when a text is no amount; `code` is the contradiction's code."""

    def __init__(self, code: str, message: str) -> None:
        """Take AMOUNT_INVALID, AMOUNT_DIGITS or AMOUNT_RANGE and what is wrong."""
        super().__init__(message)
        self.code = code


def minor_units(text: str, digits: int) -> int:
    """Read a non-negative decimal with a dot, e.g. ("12.3", 2) -> 1230.

    Zeros beyond the currency's digits are accepted, anything else there is AMOUNT_DIGITS.
    """
    whole, _, fraction = text.partition(".")
    if len(fraction) == digits and len(text) <= EXACT_CHARACTERS:
        # The common case: as many decimals as the currency has.
        together = whole + fraction
        if together.isdigit() and together.isascii() and whole:
            return int(together)
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
