"""Currencies: how many minor digits each has.

The number of minor digits is ISO 4217's ("Minor unit", list one, from PyPI `iso4217`); for
currencies that were withdrawn (list three names them without digits) the table below holds
the digits in which their banks kept books.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import iso4217

from reconcile.counting import money

NO_CURRENCY: Final = "X" * 3
"""ISO 4217's code for "no currency": a lenient reading of a file that names none."""

MONEY_CODE: Final = "an ISO 4217 code with a minor unit"
"""What a currency must be; gold, testing and no currency (XAU, XTS) have none."""

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
            # Gold, testing codes and the like have no minor unit ("N.A."): no book is in them.
            if units.isdigit():
                table[code] = int(units)
    # No currency known: two digits, so that a lenient reading keeps the cents it saw.
    table[NO_CURRENCY] = 2
    return table


_DIGITS: Final = _table()


def lacks_minor_unit(currency: str) -> bool:
    """Say whether ISO 4217 lists a code without a minor unit: gold, testing, no currency."""
    return currency in iso4217.raw_table and (currency == NO_CURRENCY or currency not in _DIGITS)


def digits_of(currency: str) -> int | None:
    """Return the number of minor digits of an ISO 4217 code, None where it has none or is none.

    Of `NO_CURRENCY` two: what is read leniently without a currency keeps its cents.
    """
    return _DIGITS.get(currency)


def amount_words(minor: int, currency: str, known: Mapping[str, int] | None = None) -> str:
    """Write an amount with its currency, e.g. "1,234.50 CNY".

    `known`: digits by code that the terms state. Without digits: "123450 minor units of ABC".
    """
    digits = (known or {}).get(currency, digits_of(currency))
    if digits is None:
        return f"{minor} minor units of {currency}"
    return f"{money(minor, digits)} {currency}"
