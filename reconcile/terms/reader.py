"""Reading untrusted JSON with one deterministic refusal: what, where, and what to do."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping
from typing import Any, Final

from reconcile.model import InputError, Where, day_number

MAX_TERMS_BYTES: Final = 65_536
MAX_LIST: Final = 4_096
_INTEGER: Final = re.compile(r"0|-?[1-9][0-9]*")
_FIGURES: Final = 20
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CLOCK: Final = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])")
MINUTES_PER_HOUR: Final = 60
MINUTES_PER_DAY: Final = 1_440


def refuse(code: str, message: str, field: str, help: str = "") -> InputError:  # noqa: A002
    """Build the one error of this package."""
    return InputError(code, message, where=Where(field=field), help=help)


def load_object(data: bytes) -> dict[str, Any]:
    """Parse one JSON object; repeated names, NaN and sizes above the limit are refused."""
    if len(data) > MAX_TERMS_BYTES:
        raise refuse(
            "TERMS_TOO_LARGE", f"{len(data)} bytes, the limit is {MAX_TERMS_BYTES}", "", ""
        )
    try:
        found = json.loads(
            data.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant
        )
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise refuse(
            "TERMS_NOT_JSON", f"the terms are no JSON in UTF-8: {error}", "", "see docs/terms.md"
        ) from error
    if not isinstance(found, dict):
        raise refuse("TERMS_NOT_JSON", "the terms are no JSON object", "", "see docs/terms.md")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise refuse("TERMS_FIELD_REPEATED", f"{name!r} stands twice", name, "keep one")
        found[name] = value
    return found


def _no_constant(word: str) -> None:
    raise refuse("TERMS_NOT_JSON", f"{word} is no JSON value", "", "use decimal strings")


class Reader:
    """One JSON object at a path; each `take` removes what it reads, `done` refuses the rest."""

    def __init__(self, value: object, path: str, known: tuple[str, ...]) -> None:
        """Refuse what is no object, and unknown fields, before anything is read."""
        if not isinstance(value, Mapping):
            raise refuse("TERMS_FIELD_TYPE", "an object is expected", path)
        unknown = sorted(str(name) for name in value if name not in known)
        if unknown:
            where = f"{path}.{unknown[0]}" if path else unknown[0]
            raise refuse(
                "TERMS_FIELD_UNKNOWN",
                f"{unknown[0]!r} is no field here",
                where,
                "fields are: " + ", ".join(known),
            )
        self.value = value
        self.path = path

    def at(self, name: str) -> str:
        """Return the path of a field."""
        return f"{self.path}.{name}" if self.path else name

    def has(self, name: str) -> bool:
        """Say whether a field is given and not null."""
        return self.value.get(name) is not None

    def need(self, name: str) -> Any:  # noqa: ANN401 - a JSON value
        """Return a field that must be there."""
        if not self.has(name):
            raise refuse("TERMS_FIELD_MISSING", f"{name!r} is missing", self.at(name))
        return self.value[name]

    def integer(self, name: str, low: int, high: int, default: int | None = None) -> int:
        """Return an integer written as a decimal string (a JSON integer is taken too)."""
        if default is not None and not self.has(name):
            return default
        return as_integer(self.need(name), self.at(name), low, high)

    def word(self, name: str, words: tuple[str, ...], default: str | None = None) -> str:
        """Return one of a few words."""
        if default is not None and not self.has(name):
            return default
        value = self.need(name)
        if value not in words:
            raise refuse(
                "TERMS_WORD_UNKNOWN", f"{value!r} is not among {', '.join(words)}", self.at(name)
            )
        return str(value)

    def flag(self, name: str) -> bool:
        """Return true or false; a missing one is false."""
        value = self.value.get(name)
        if value is None or isinstance(value, bool):
            return bool(value)
        raise refuse("TERMS_FIELD_TYPE", "true or false is expected", self.at(name))

    def array(self, name: str, limit: int = MAX_LIST) -> list[Any]:
        """Return a list of bounded length; a missing one is empty."""
        value = self.value.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise refuse("TERMS_FIELD_TYPE", "a list is expected", self.at(name))
        if len(value) > limit:
            raise refuse(
                "TERMS_TOO_LARGE", f"{len(value)} items, the limit is {limit}", self.at(name)
            )
        return value

    def clock(self, name: str, default: int) -> int:
        """Return HH:MM as minutes after midnight, up to 24:00."""
        if not self.has(name):
            return default
        value = self.value[name]
        found = _CLOCK.fullmatch(value) if isinstance(value, str) else None
        minutes = int(found[1]) * MINUTES_PER_HOUR + int(found[2]) if found else -1
        if not 0 <= minutes <= MINUTES_PER_DAY:
            raise refuse(
                "TERMS_TIME",
                f"{value!r} is no time of day",
                self.at(name),
                "write HH:MM, from 00:00 to 24:00",
            )
        return minutes


def as_integer(value: object, path: str, low: int, high: int) -> int:
    """Return an integer within bounds; never through a float."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise refuse("TERMS_INTEGER", f"{value!r} is no integer", path, 'write "0", not 0.0')
    text = str(value)
    if not _INTEGER.fullmatch(text):
        raise refuse(
            "TERMS_INTEGER",
            f"{value!r} is no decimal integer",
            path,
            "write digits without plus, leading zero, blank or point",
        )
    if len(text) > _FIGURES:
        said = f"a number of {len(text)} figures is not within {low} to {high}"
        raise refuse("TERMS_RANGE", said, path)
    if not low <= int(text) <= high:
        raise refuse("TERMS_RANGE", f"{text} is not within {low} to {high}", path)
    return int(text)


def as_day(value: object, path: str) -> int:
    """Return an ISO 8601 date as days since 1970."""
    try:
        if isinstance(value, str) and _DATE.fullmatch(value):
            return day_number(dt.date.fromisoformat(value))
    except ValueError:
        pass
    raise refuse("TERMS_DATE", f"{value!r} is no date", path, "write YYYY-MM-DD")
