"""Where a profile's fields stand in a table, and how its amounts are written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from reconcile.statements.drafts import refuse
from reconcile.statements.money import signed_minor_units
from reconcile.statements.profiles import Profile, squeeze

_SYMBOLS: Final = re.compile(r"[\s\u00a0\u202f¥￥$€£'’`]|元|CNY|RMB|EUR|USD|HKD")
_GROUPING: Final = re.compile(r",(?=\d{3}(?:\D|\Z))")


def positions(
    profile: Profile, names: Sequence[str], line: int, file: str
) -> dict[str, tuple[int, ...]]:
    """Return for each field the columns that the table has of it.

    Raises InputError PROFILE_MISMATCH when no entry could be read without a missing one.
    """
    at: dict[str, int] = {}
    for index, name in enumerate(names):
        at.setdefault(squeeze(name), index)
    found = {
        field: tuple(at[squeeze(word)] for word in words if squeeze(word) in at)
        for field, words in profile.columns.items()
    }
    needed = ["date", "amount"] if profile.rules is None else ["date"]
    for field in needed:
        if field in profile.columns and not found[field]:
            raise refuse(
                "PROFILE_MISMATCH",
                f"the table has no column {' or '.join(profile.columns[field])} for {field} of "
                f"profile {profile.name}",
                file=file,
                line=line,
                field=field,
                help="correct [columns] of the profile, or choose another --profile",
            )
    return {field: indices for field, indices in found.items() if indices}


def amount_minor(profile: Profile, text: str, digits: int) -> int:
    """Read an amount as the profile writes it, signed; raises AmountError."""
    plain = _SYMBOLS.sub("", text)
    if profile.implied_decimals and "." not in plain:
        digits = 0
    if profile.decimal_comma:
        plain = plain.replace(".", "").replace(",", ".")
    else:
        plain = _GROUPING.sub("", plain)
    if plain[:1] in {"C", "D"}:
        plain = plain[1:] if plain[0] == "C" else f"-{plain[1:]}"
    return signed_minor_units(plain, digits)
