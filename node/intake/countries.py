"""Countries as sources write them: a code of two or three letters, or the English name."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Final

from babel import Locale
from babel.core import get_global

#: Utopia of ICAO Doc 9303's specimens: where identifiers that cannot exist come from.
_NOWHERE: Final = "UTO"
#: Codes that were withdrawn: their countries have another one today.
_FORMER: Final = frozenset({"BUR", "DDR", "FXX", "TMP", "YMD", "ZAR"})
_LETTERS_2: Final = 2
_LETTERS_3: Final = 3


def country_of(text: str) -> str | None:
    """Return a country's three letters (ISO 3166-1, as passports have them), None if unknown."""
    return _known().get(text.strip().upper())


def countries_of(texts: Iterable[str]) -> frozenset[str]:
    """Return the countries among some texts."""
    return frozenset(found for text in texts if (found := country_of(text)) is not None)


@functools.cache
def _known() -> dict[str, str]:
    found = {_NOWHERE: _NOWHERE}
    twos = {}
    for name, aliases in get_global("territory_aliases").items():
        is_code = len(name) == _LETTERS_3 and name.isalpha() and name not in _FORMER
        if is_code and len(aliases) == 1:
            twos[aliases[0]] = name
            found[name] = name
    for two, english in Locale("en").territories.items():
        if len(two) == _LETTERS_2 and two in twos:
            found[two] = twos[two]
            found[english.upper()] = twos[two]
    return found
